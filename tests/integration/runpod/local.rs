//! The worker's local modes: one job without a platform, and the platform's API on this machine.

use std::process::{Child, Output};
use std::time::Duration;

use serde_json::{Value, json};

use super::platform::error_of;
use super::worker::runpod;
use super::{long, short, video};
use crate::media::Probe;
use crate::server::{Folders, root};

fn local(folders: &Folders, arguments: &[&str]) -> (Output, Value) {
    let output = runpod(folders).args(arguments).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, report)
}

#[test]
fn the_test_input_beside_the_sources_becomes_a_video_on_stdout() {
    let folders = Folders::new();
    let file = root().join("functions/runpod/test_input.json");
    std::fs::copy(file, folders.cache.path().join("test_input.json")).unwrap();
    let (output, report) = local(&folders, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let probe = Probe::bytes(&video(&report["output"]));
    assert_eq!(Some(probe.packet_times.len() as u64), report["output"]["frames"].as_u64());
    assert_eq!(folders.jobs(), 0);
}

#[test]
fn a_local_job_that_fails_is_reported_and_gives_the_exit_code_of_the_error_table() {
    let folders = Folders::new();
    for (input, exit, code) in [
        (r#"{"input": {"text": "Hi", "language": "en", "avatar": "nobody"}}"#, 66, "not_found"),
        (r#"{"input": {"text": ""}}"#, 65, "invalid_input"),
        (r#"{"id": "a"}"#, 65, "invalid_input"),
    ] {
        let (output, report) = local(&folders, &["--test-input", input]);
        assert_eq!(output.status.code(), Some(exit), "{input}");
        assert_eq!(error_of(&report)["code"], code, "{input}");
    }
    for (input, exit) in [("/nowhere.json", 66), ("{", 65)] {
        let (output, report) = local(&folders, &["--test-input", input]);
        assert_eq!((output.status.code(), report), (Some(exit), Value::Null), "{input}");
    }
    let (output, _) = local(&folders, &[]);
    assert_eq!(output.status.code(), Some(66), "there is no test_input.json here");
}

/// `duolip-runpod --serve-api` on a free port.
struct Api {
    process: Child,
    url: String,
    folders: Folders,
}

impl Api {
    async fn start() -> Self {
        let folders = Folders::new();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        drop(listener);
        let process = runpod(&folders).args(["--serve-api", "--api-port", &port]).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        while reqwest::get(format!("{url}/health")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { process, url, folders }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.url)).json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Waits until the job `id` is `wanted`.
    async fn becomes(&self, id: &str, wanted: &str) -> Value {
        for _ in 0..3600 {
            let (_, view) = self.get(&format!("/status/{id}")).await;
            if view["status"] == wanted {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{id} does not become {wanted}");
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_api_queues_runs_and_cancels_jobs_as_the_platform_does() {
    let api = Api::start().await;
    let (status, first) = api.post("/run", json!({"input": long()})).await;
    assert_eq!((status, &first["status"]), (200, &json!("IN_QUEUE")));
    let (_, second) = api.post("/v2/any/run", json!({"input": short()})).await;
    let (first, second) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());
    let running = api.becomes(first, "IN_PROGRESS").await;
    assert_eq!(running["id"], first);
    // One job at a time: the other waits.
    let (_, waiting) = api.post(&format!("/status/{second}"), Value::Null).await;
    assert_eq!(waiting["status"], "IN_QUEUE");
    let (_, health) = api.get("/v2/any/health").await;
    assert_eq!((&health["jobs"]["inProgress"], &health["jobs"]["inQueue"]), (&json!(1), &json!(1)));
    assert_eq!(health["service"]["status"], "ready");

    let (status, cancelled) = api.post(&format!("/cancel/{first}"), Value::Null).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("CANCELLED")));
    let done = api.becomes(second, "COMPLETED").await;
    Probe::bytes(&video(&done["output"])).assert_exact(16_000, 16_000);
    assert!(done["executionTime"].as_u64().unwrap() > 0 && done["delayTime"].is_u64(), "{done}");
    let (_, still) = api.post(&format!("/cancel/{second}"), Value::Null).await;
    assert_eq!(still["status"], "COMPLETED", "what is done cannot be cancelled");
    api.folders.wait_for_jobs(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_api_says_what_is_wrong_with_a_job_and_which_it_does_not_know() {
    let api = Api::start().await;
    let (status, view) = api.post("/runsync", json!({"input": {"text": "Hi", "speed": 2}})).await;
    assert_eq!((status, &view["status"]), (200, &json!("FAILED")));
    let error = error_of(&view);
    assert_eq!(error["code"], "invalid_input");
    assert!(error["error_message"].as_str().unwrap().contains("speed"), "{error}");
    for (path, body, status, code) in [
        ("/run", json!({"text": "Hi"}), 422, "invalid_input"),
        ("/status/nobody", Value::Null, 404, "not_found"),
        ("/stream/nobody", Value::Null, 404, "not_found"),
        ("/cancel/nobody", Value::Null, 404, "not_found"),
        ("/purge", Value::Null, 404, "not_found"),
    ] {
        let (actual, answer) = api.post(path, body).await;
        assert_eq!((actual, &answer["error"]["code"]), (status, &json!(code)), "{path}");
    }
}
