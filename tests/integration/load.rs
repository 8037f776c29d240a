//! Too many, too slow, gone away: places, deadline, disconnection.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::media::wav;
use crate::server::Server;

/// Speech that takes much longer to render than a test is ready to wait.
fn long_job() -> Value {
    json!({"audio": BASE64_STANDARD.encode(wav(16_000 * 600, 16_000))})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_too_many_is_refused_at_once_and_a_client_that_goes_away_frees_its_place() {
    let server = Server::warm(&["--max-jobs", "1"]).await;
    let request =
        reqwest::Client::new().post(server.url("/api/generate_parallel")).json(&long_job()).send();
    let running = tokio::spawn(request);
    server.folders.wait_for_jobs(1).await;

    let response = server.post("/api/generate", json!({"text": "Привет"})).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "5");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "overloaded");
    assert_eq!(answer["error"]["retryable"], true);

    running.abort();
    server.folders.wait_for_jobs(0).await;
    let response = server.post("/api/generate", json!({"text": "Привет"})).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_over_its_deadline_is_stopped_and_leaves_nothing_behind() {
    let server = Server::warm(&["--deadline-seconds", "1"]).await;
    let response = server.post("/api/generate_parallel", long_job()).await;
    assert_eq!(response.status(), 504);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "deadline_exceeded");
    // Which one it is depends on the machine; that it is the one reached does not.
    let stage = answer["error"]["stage"].as_str().unwrap();
    assert!(["speak", "mel", "lip_sync"].contains(&stage), "{stage}");
    assert_eq!(answer["error"]["message"], "the job took longer than 1 s");
    server.folders.wait_for_jobs(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_at_the_same_time_do_not_disturb_one_another() {
    let server = Server::warm(&[]).await;
    let job = |seconds: usize| {
        let audio = BASE64_STANDARD.encode(wav(16_000 * seconds, 16_000));
        let body = json!({"audio": audio, "num_workers": 2});
        let request = reqwest::Client::new().post(server.url("/api/generate_parallel")).json(&body);
        async move {
            let response = request.timeout(Duration::from_mins(5)).send().await.unwrap();
            assert_eq!(response.status(), 200);
            response.bytes().await.unwrap()
        }
    };
    let alone = job(3).await;
    let (one, other, three) = tokio::join!(job(3), job(4), job(3));
    assert!(alone == one && alone == three, "the same job gave another video beside others");
    assert!(other != one);
}
