//! The HTTP function behind Lambda's runtime API: the real program, recorded events.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::function::{Function, recorded};
use crate::media::wav;
use crate::server::Server;

/// The recorded event `name`, asking for `path` with `body`.
fn event(name: &str, method: &str, path: &str, body: Option<&str>) -> Value {
    let mut event = recorded("http", name);
    if event.get("version").is_some() {
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["method"] = json!(method);
        event["requestContext"]["http"]["path"] = json!(path);
    } else {
        event["path"] = json!(path);
        event["httpMethod"] = json!(method);
    }
    event["body"] = json!(body);
    event
}

const FRONTS: [&str; 4] = ["api_gateway_v1", "api_gateway_v2", "function_url", "load_balancer"];

/// A header of an answer, whichever of the two forms it has.
fn header<'a>(answer: &'a Value, name: &str) -> &'a str {
    let one = answer["headers"][name].as_str();
    one.or_else(|| answer["multiValueHeaders"][name][0].as_str())
        .unwrap_or_else(|| panic!("no {name} in {}", answer["headers"]))
}

fn body(answer: &Value) -> Vec<u8> {
    let body = answer["body"].as_str().unwrap();
    if answer["isBase64Encoded"] == true {
        BASE64_STANDARD.decode(body).unwrap()
    } else {
        body.as_bytes().to_vec()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_front_gets_the_answer_of_plain_http_and_the_models_are_loaded_once() {
    let server = Server::warm(&[]).await;
    let audio = BASE64_STANDARD.encode(wav(16_000, 16_000));
    let request = json!({"audio": audio, "num_workers": 1});
    let plain = server.post("/api/generate_parallel", request.clone()).await;
    let frames = plain.headers()["x-duolip-frames"].to_str().unwrap().to_owned();
    let video = plain.bytes().await.unwrap();
    let wrong = server.post("/api/generate", json!({"text": "Hi", "num_workers": 17})).await;
    let wrong: Value = wrong.json().await.unwrap();

    let function = Function::start("duolip-http", &[]).await;
    for front in FRONTS {
        let body_text = request.to_string();
        let asked = event(front, "POST", "/api/generate_parallel", Some(&body_text));
        let answer = function.invoke(asked).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{front}");
        assert_eq!(header(&answer, "content-type"), "video/mp4");
        let disposition = header(&answer, "content-disposition");
        assert_eq!(disposition, "attachment; filename=\"avatar_parallel.mp4\"");
        assert_eq!(header(&answer, "x-duolip-frames"), frames);
        assert!(body(&answer) == video, "{front}: another video than through plain HTTP");

        let body_text = json!({"text": "Hi", "num_workers": 17}).to_string();
        let asked = event(front, "POST", "/api/generate", Some(&body_text));
        let answer = function.invoke(asked).await.unwrap();
        assert_eq!(answer["statusCode"], 422);
        let said: Value = serde_json::from_slice(&body(&answer)).unwrap();
        assert_eq!(said, wrong, "{front}");
    }
    assert_eq!(function.said("job done"), FRONTS.len());
    assert_eq!(function.said("lip-sync model warm"), 2, "{}", function.log());
    assert_eq!(function.folders.jobs(), 0, "a job folder was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_and_the_function_goes_on() {
    let function = Function::start("duolip-http", &[]).await;
    let queue = json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]});
    let refusal = function.invoke(queue).await.unwrap_err();
    assert!(refusal.contains("this event is an object with Records"), "{refusal}");
    let refusal = function.invoke(json!(7)).await.unwrap_err();
    assert!(refusal.contains("a single value"), "{refusal}");

    for front in FRONTS {
        let mut asked = event(front, "POST", "/api/generate", Some("%%% no base64 %%%"));
        asked["isBase64Encoded"] = json!(true);
        let answer = function.invoke(asked).await.unwrap();
        assert_eq!(answer["statusCode"], 400, "{front}: {answer}");
        let said = String::from_utf8(body(&answer)).unwrap();
        assert!(said.contains("marked as base64 and is not"), "{said}");
    }

    // Base64 that is some, and a stage before the path.
    let text = BASE64_STANDARD.encode(r#"{"text": ""}"#);
    let mut asked = event("api_gateway_v1", "POST", "/prod/api/generate", Some(&text));
    asked["isBase64Encoded"] = json!(true);
    let answer = function.invoke(asked).await.unwrap();
    assert_eq!(answer["statusCode"], 422);
    assert!(String::from_utf8(body(&answer)).unwrap().contains("nothing to say"));

    let answer = function.invoke(event("function_url", "GET", "/api/health", None)).await.unwrap();
    let health: Value = serde_json::from_slice(&body(&answer)).unwrap();
    assert_eq!((&answer["statusCode"], &health["status"]), (&json!(200), &json!("ready")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_too_large_for_the_front_becomes_a_url_or_says_what_is_missing() {
    // Lossless and hardly compressed, so that half a minute is more than a load balancer carries.
    let large = [("DUOLIP_X264_CRF", "0"), ("DUOLIP_X264_PRESET", "ultrafast")];
    let audio = BASE64_STANDARD.encode(wav(16_000 * 30, 16_000));
    let request = json!({"audio": audio, "num_workers": 1}).to_string();
    let asked = event("load_balancer", "POST", "/api/generate", Some(&request));
    let function = Function::start("duolip-http", &large).await;
    let answer = function.invoke(asked.clone()).await.unwrap();
    assert_eq!(answer["statusCode"], 413);
    let said: Value = serde_json::from_slice(&body(&answer)).unwrap();
    assert_eq!(said["error"]["code"], "limit_exceeded");
    assert_eq!(said["error"]["stage"], "deliver");
    assert!(said["error"]["message"].as_str().unwrap().contains("set DUOLIP_STORE"), "{said}");

    let store = tempfile::tempdir().unwrap();
    let function = Function::start(
        "duolip-http",
        &[
            large[0],
            large[1],
            ("DUOLIP_STORE", store.path().to_str().unwrap()),
            ("DUOLIP_STORE_PUBLIC_URL", "https://videos.example"),
        ],
    )
    .await;
    let answer = function.invoke(asked).await.unwrap();
    assert_eq!(answer["statusCode"], 303);
    let said: Value = serde_json::from_slice(&body(&answer)).unwrap();
    let url = said["url"].as_str().unwrap();
    assert_eq!(header(&answer, "location"), url);
    let name = url.strip_prefix("https://videos.example/").unwrap();
    let stored = std::fs::metadata(store.path().join(name)).unwrap().len();
    assert_eq!(said["size_bytes"], stored);
    assert_eq!(function.folders.jobs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_told_to_stop_ends_its_job_and_leaves_nothing_behind() {
    let speech = BASE64_STANDARD.encode(wav(16_000 * 120, 16_000));
    let mut request = recorded("http", "function_url");
    request["body"] = json!({"audio": speech}).to_string().into();
    request["isBase64Encoded"] = json!(false);
    for (name, event) in
        [("duolip-http", request), ("duolip-batch", json!({"id": "long", "audio": speech}))]
    {
        let output = tempfile::tempdir().unwrap();
        let settings = [("DUOLIP_BATCH_OUTPUT", output.path().to_str().unwrap())];
        let mut function = Function::start(name, &settings).await;
        let code = function.is_stopped_while_rendering(event).await;
        assert_eq!(code, Some(0), "{name}: {}", function.log());
        assert_eq!(function.folders.jobs(), 0, "{name}");
    }
}
