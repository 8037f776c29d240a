//! Health tells the truth: with both models, with one, with none, and while warming up.

use serde_json::{Value, json};

use crate::server::Server;

const MISSING: &str = "/nowhere/model";

async fn code_of(response: reqwest::Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_warming_up_says_so_and_asks_for_patience() {
    let server = Server::cold(&[]).await;
    assert_eq!(server.get("/ping").await.status(), 204);
    let (status, health) = code_of(server.get("/api/health").await).await;
    assert_eq!((status, &health["status"]), (503, &json!("warming")));
    assert_eq!(health["execution_provider"], json!({"gan": null, "nogan": null}));
    let response = server.post("/api/generate", json!({"text": "Привет"})).await;
    assert_eq!(response.headers()["retry-after"], "2");
    let (status, answer) = code_of(response).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("not_ready")));
    assert_eq!(answer["error"]["retryable"], true);

    server.warm_up().await;
    assert_eq!(server.get("/ping").await.status(), 200);
    let (status, health) = code_of(server.get("/api/health").await).await;
    assert_eq!((status, &health["status"]), (200, &json!("ready")), "{health}");
    for loaded in ["gan_model_loaded", "nogan_model_loaded", "avatar_loaded"] {
        assert_eq!(health[loaded], true, "{loaded}");
    }
    for model in ["gan", "nogan"] {
        let provider = &health["execution_provider"][model];
        let says_why_not_cuda = provider["name"] == "cpu" && provider["reason"].is_string();
        assert!(provider["name"] == "cuda" || says_why_not_cuda, "{health}");
    }
    for version in ["duolip", "onnxruntime", "ffmpeg", "x264", "espeak_ng"] {
        assert!(health["versions"][version].is_string(), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_model_missing_one_endpoint_works_and_the_other_names_the_path() {
    let server = Server::warm(&["--checkpoint-gan", MISSING]).await;
    assert_eq!(server.get("/ping").await.status(), 200);
    let (status, health) = code_of(server.get("/api/health").await).await;
    assert_eq!((status, &health["status"]), (200, &json!("degraded")));
    assert_eq!(health["gan_model_loaded"], false);
    assert_eq!(health["nogan_model_loaded"], true);
    assert!(health["problems"][0].as_str().unwrap().contains(MISSING), "{health}");

    let text = json!({"text": "Привет"});
    assert_eq!(server.post("/api/generate", text.clone()).await.status(), 200);
    let (status, answer) = code_of(server.post("/api/generate_parallel", text).await).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("pair_required")));
    assert!(answer["error"]["message"].as_str().unwrap().contains(MISSING), "{answer}");
    let named = json!({"text": "Привет", "model": "gan"});
    let (status, answer) = code_of(server.post("/api/generate", named).await).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("pair_required")));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_model_nothing_is_served() {
    let server = Server::warm(&["--checkpoint-gan", MISSING, "--checkpoint-nogan", MISSING]).await;
    assert_eq!(server.get("/ping").await.status(), 503);
    let (status, health) = code_of(server.get("/api/health").await).await;
    assert_eq!((status, &health["status"]), (503, &json!("failed")));
    let (status, answer) =
        code_of(server.post("/api/generate", json!({"text": "Привет"})).await).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("pair_required")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_espeak_speech_that_is_given_is_still_rendered() {
    let server = Server::warm(&["--espeak", "/nowhere/espeak-ng"]).await;
    let (status, health) = code_of(server.get("/api/health").await).await;
    assert_eq!((status, &health["status"]), (200, &json!("degraded")));
    let response = server.post("/api/generate", json!({"text": "Привет"})).await;
    assert_eq!(response.status(), 500);
    let audio = reqwest::multipart::Part::bytes(crate::media::wav(4_000, 16_000));
    let form = reqwest::multipart::Form::new().part("audio", audio.file_name("a.wav"));
    let request = reqwest::Client::new().post(server.url("/api/generate")).multipart(form);
    assert_eq!(request.send().await.unwrap().status(), 200);
}
