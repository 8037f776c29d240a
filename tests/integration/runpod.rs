//! The RunPod worker as a process against a simulator of the platform, and its local modes.

mod ending;
mod local;
mod platform;
mod worker;

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use duolip_testkit::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use serde_json::{Value, json};

use crate::media::{Probe, wav};
use crate::server::Server;
use platform::{Odd, Platform, error, job};
use worker::Worker;

/// A second of speech: rendered in seconds.
fn short() -> Value {
    json!({"audio": BASE64_STANDARD.encode(wav(16_000, 16_000))})
}

/// Speech that takes much longer to render than a test is ready to wait.
fn long() -> Value {
    json!({"audio": BASE64_STANDARD.encode(wav(16_000 * 600, 16_000))})
}

fn video(output: &Value) -> Vec<u8> {
    let text = output["video_base64"].as_str().unwrap_or_else(|| panic!("no video: {output}"));
    BASE64_STANDARD.decode(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_has_the_numbers_and_the_video_of_plain_http_and_is_sent_as_the_platform_wants_it()
{
    let body = json!({"text": "Привет, Анна", "language": "ru", "num_workers": 2});
    let server = Server::warm(&[]).await;
    let response = server.post("/api/generate_parallel", body.clone()).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    let number = |name: &str| headers[name].to_str().unwrap().parse::<f64>().unwrap();
    let expected = response.bytes().await.unwrap();
    drop(server);

    let platform = Platform::with_jobs([job("sync-7-e1", body)]);
    let worker = Worker::start(&platform, &[("DUOLIP_RUNPOD_PROGRESS_SECONDS", "1")]);
    let result = platform.result("sync-7-e1").await;
    let output = &result.body["output"];
    for (field, header) in [
        ("frames", "x-duolip-frames"),
        ("duration_seconds", "x-duolip-duration"),
        ("size_bytes", "content-length"),
    ] {
        assert_eq!(output[field].as_f64(), Some(number(header)), "{field}");
    }
    let chunks = output["chunks"].as_array().unwrap();
    assert_eq!(chunks.len(), number("x-duolip-chunks") as usize);
    assert!(video(output) == expected, "the queue gave another video than HTTP");

    assert_eq!(result.names, ["pod1", "sync-7-e1"]);
    assert_eq!(result.query["gpu"], "A40");
    assert_eq!(result.query["isStream"], "false");
    assert_eq!(result.header("authorization"), "rpa_SECRET");
    assert_eq!(result.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(result.header("x-request-id"), "sync-7-e1");
    assert!(result.header("user-agent").starts_with("duolip-runpod/"), "{result:?}");
    let take = &platform.calls("job-take")[0];
    assert_eq!((take.names[0].as_str(), take.query["job_in_progress"].as_str()), ("pod1", "0"));

    let progress = platform.progress("sync-7-e1");
    assert!(!progress.is_empty());
    for word in &progress {
        assert!(word["stage"].is_string() && word["percent"].as_u64() <= Some(100), "{word}");
    }
    let calls = platform.calls("job-done");
    assert!(
        calls.last().unwrap().body["output"]["frames"].is_number(),
        "progress after the result"
    );
    assert_eq!(platform.results("sync-7-e1").len(), 1);
    worker.folders.wait_for_jobs(0).await;
    let log = worker.log();
    assert!(!log.contains("rpa_SECRET") && !log.contains("Привет"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_the_jobs_own_gets_the_video_and_the_worker_keeps_no_word_of_its_keys() {
    let server = S3Server::start();
    let mut own = job("a", short());
    own["input"]["delivery"] = json!("url");
    own["s3Config"] = json!({"endpointUrl": server.endpoint(), "bucketName": BUCKET,
        "accessId": ACCESS_KEY, "accessSecret": SECRET_KEY});
    let mut wrong = own.clone();
    wrong["id"] = json!("b");
    wrong["s3Config"]["accessSecret"] = json!("another secret");
    let mut none = own.clone();
    none["id"] = json!("c");
    none["s3Config"].as_object_mut().unwrap().remove("accessId");
    let platform = Platform::with_jobs([own, wrong, none]);
    let worker = Worker::start(&platform, &[]);

    let result = platform.result("a").await;
    let url = result.body["output"]["url"].as_str().unwrap_or_else(|| panic!("{result:?}"));
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200);
    Probe::bytes(&answer.bytes().await.unwrap()).assert_exact(16_000, 16_000);
    let refused = platform.result("b").await;
    assert_eq!(error(&refused)["error_type"], "upstream", "{refused:?}");
    let missing = error(&platform.result("c").await);
    assert_eq!(missing["error_type"], "invalid_input", "{missing}");
    assert!(missing["error_message"].as_str().unwrap().contains("accessId"), "{missing}");
    let log = worker.log();
    assert!(!log.contains(SECRET_KEY) && !log.contains("another secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_platform_says_in_place_of_a_job_the_next_job_is_taken() {
    let platform = Platform::with_jobs([job("a", short())]);
    platform.say(
        "job-take",
        &[
            Odd::Status(500),
            Odd::Status(204),
            Odd::Page("<html><title>Just a moment...</title></html>"),
            Odd::Status(400),
            Odd::Text("text/plain", "{\"id\": \"not-a-job\", \"input\": {}}"),
            Odd::Text("application/json", ""),
            Odd::Text("application/json", "{\"id\": \"half"),
            Odd::Status(429),
            Odd::Text("application/json", "[{\"input\": {}}, 7]"),
            Odd::Stall,
        ],
    );
    let worker = Worker::start(&platform, &[("DUOLIP_RUNPOD_POLL_SECONDS", "1")]);
    let result = platform.result("a").await;
    Probe::bytes(&video(&result.body["output"])).assert_exact(16_000, 16_000);
    let log = worker.log();
    for words in [
        "500 Internal Server Error",
        "Just a moment...",
        "text/plain",
        "cannot be read",
        "a job has no id",
        "a job is no JSON object",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert!(platform.results("not-a-job").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_taken_by_the_batch_and_one_handed_out_twice_is_rendered_once() {
    let jobs = ["a", "b", "b", "c"].map(|id| job(id, short()));
    let platform = Platform::with_jobs(jobs);
    let _worker = Worker::start(&platform, &[("DUOLIP_RUNPOD_CONCURRENCY", "3")]);
    for id in ["a", "b", "c"] {
        assert!(platform.result(id).await.body["output"]["frames"].is_number(), "{id}");
    }
    assert_eq!(platform.results("b").len(), 1);
    let batch = &platform.calls("job-take-batch")[0];
    assert_eq!((batch.names[0].as_str(), batch.query["batch_size"].as_str()), ("pod1", "3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_named_in_pings_while_it_runs_and_ends_without_a_word_when_the_platform_stops_it()
{
    let platform = Platform::with_jobs([job("long", long())]);
    let worker = Worker::start(&platform, &[]);
    let ping = platform.call("ping", |ping| ping.query.contains_key("job_id")).await;
    assert_eq!((ping.names[0].as_str(), ping.query["job_id"].as_str()), ("pod1", "long"));
    assert!(ping.query["runpod_version"].starts_with("duolip-"));
    worker.folders.wait_for_jobs(1).await;
    let stop = platform.call("job-stop", |_| true).await;
    assert!(!stop.query.contains_key("job_in_progress"));

    platform.stop("long");
    worker.folders.wait_for_jobs(0).await;
    worker.is_childless().await;
    platform.hand_out(job("next", short()));
    platform.result("next").await;
    assert!(platform.results("long").is_empty(), "{:?}", platform.results("long"));
    let pings = platform.calls("ping").len();
    platform.call("ping", |ping| !ping.query.contains_key("job_id")).await;
    assert!(pings > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_dies_and_comes_back_gets_the_result_and_is_asked_for_more() {
    let mut platform = Platform::with_jobs([job("a", short())]);
    let worker = Worker::start(&platform, &[]);
    worker.folders.wait_for_jobs(1).await;
    platform.die();
    worker.logs("the result is posted again").await;
    platform.revive();
    assert!(platform.result("a").await.body["output"]["frames"].is_number());
    platform.hand_out(job("b", short()));
    platform.result("b").await;
    assert_eq!(platform.results("a").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_none_is_answered_with_a_typed_error_and_the_next_one_is_rendered() {
    let with = |id: &str, key: &str, value: Value| {
        let mut job = job(id, short());
        job[key] = value;
        job
    };
    let platform = Platform::with_jobs([
        json!({"id": "without"}),
        json!({"id": "list", "input": ["text"]}),
        job("unknown", json!({"text": "Hi", "txt": "Hi"})),
        job("endpoint", json!({"text": "Hi", "endpoint": "health"})),
        job("nobody", json!({"text": "Hi", "language": "en", "avatar": "nobody"})),
        job("url", json!({"text": "Hi", "language": "en", "delivery": "url"})),
        with("bucket", "s3Config", json!({"accessId": "k", "accessSecret": "hunter2"})),
        job("good", short()),
    ]);
    let worker = Worker::start(&platform, &[]);
    platform.result("good").await;
    for (id, code, words) in [
        ("without", "invalid_input", "no input"),
        ("list", "invalid_input", "not an object"),
        ("unknown", "invalid_input", "txt"),
        ("endpoint", "invalid_input", "health"),
        ("nobody", "not_found", "nobody"),
        ("url", "invalid_input", "DUOLIP_STORE"),
        ("bucket", "invalid_input", "s3Config"),
    ] {
        let result = platform.result(id).await;
        let error = error(&result);
        assert_eq!((&error["code"], &error["error_type"]), (&json!(code), &json!(code)), "{id}");
        assert!(error["error_message"].as_str().unwrap().contains(words), "{id}: {error}");
        assert_eq!((&error["worker_id"], &error["hostname"]), (&json!("pod1"), &json!("machine1")));
        assert_eq!(error["retryable"], false, "{id}");
        assert!(result.body.get("stopPod").is_none() && result.body.get("output").is_none());
    }
    assert!(!worker.log().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfit_worker_says_what_is_wrong_and_ends_without_taking_a_job() {
    let nowhere = [("CHECKPOINT_PATH_GAN", "/nowhere/g"), ("CHECKPOINT_PATH_NOGAN", "/nowhere/n")];
    let full = [("DUOLIP_RUNPOD_MIN_DISK_MIB", "1000000000")];
    for (environment, check, words) in
        [(&nowhere[..], "models", "/nowhere/g"), (&full, "disk", "DUOLIP_RUNPOD_MIN_DISK_MIB")]
    {
        let platform = Platform::with_jobs([job("a", short())]);
        let mut worker = Worker::start(&platform, environment);
        assert_eq!(worker.ended().await.code(), Some(1), "{}", worker.log());
        let pings = platform.calls("ping");
        assert_eq!(pings.len(), 1, "{pings:?}");
        let query = &pings[0].query;
        assert_eq!((query["status"].as_str(), query["check"].as_str()), ("unhealthy", check));
        assert!(query["reason"].contains(words), "{query:?}");
        assert!(query["reason"].chars().count() <= 256);
        assert!(platform.calls("job-take").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_that_no_result_can_carry_is_refused_with_the_limit_and_the_way_out() {
    let speech = json!({"audio": BASE64_STANDARD.encode(wav(16_000 * 4, 16_000))});
    let platform = Platform::with_jobs([job("a", speech)]);
    let _worker = Worker::start(&platform, &[("DUOLIP_RUNPOD_MAX_RESULT_BYTES", "100000")]);
    let error = error(&platform.result("a").await);
    assert_eq!(error["code"], "limit_exceeded");
    let message = error["error_message"].as_str().unwrap();
    for words in ["25848", "RunPod", "DUOLIP_STORE"] {
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_streamed_tells_its_chunks_as_they_are_painted_and_its_answer_last() {
    let audio = BASE64_STANDARD.encode(wav(16_000 * 3, 16_000));
    let platform =
        Platform::with_jobs([job("a", json!({"audio": audio, "num_workers": 3, "stream": true}))]);
    let _worker = Worker::start(&platform, &[]);
    let result = platform.result("a").await;
    assert_eq!(result.query["isStream"], "true");
    let output = result.body["output"].as_array().unwrap();
    let (answer, painted) = output.split_last().unwrap();
    Probe::bytes(&video(answer)).assert_exact(16_000 * 3, 16_000);
    let mut frames: Vec<_> = painted
        .iter()
        .map(|part| (part["painted"]["first_frame"].as_u64(), part["painted"]["frames"].as_u64()))
        .map(|(first, frames)| (first.unwrap(), frames.unwrap()))
        .collect();
    frames.sort_unstable();
    let mut next = 0;
    for (first, frames) in frames {
        assert_eq!(first, next, "{painted:?}");
        next = first + frames;
    }
    assert_eq!(Some(next), answer["frames"].as_u64());
    let streamed = platform.calls("job-stream");
    assert!(streamed.iter().all(|part| part.query["isStream"] == "false"));
    let parts: Vec<_> = streamed.iter().map(|part| &part.body["output"]).collect();
    assert_eq!(parts, output.iter().collect::<Vec<_>>());
}

#[test]
fn a_wrong_configuration_is_one_line_and_no_secret_of_it_is_shown() {
    let folders = crate::server::Folders::new();
    for (name, value, words) in [
        ("RUNPOD_WEBHOOK_GET_JOB", "http://host/job-take/$ID", "RUNPOD_WEBHOOK_POST_OUTPUT"),
        ("RUNPOD_WEBHOOK_PING", "nowhere", "nowhere"),
        ("RUNPOD_AI_API_KEY", "hunter two", "RUNPOD_AI_API_KEY"),
        ("DUOLIP_RUNPOD_CONCURRENCY", "0", "0"),
    ] {
        let output = worker::runpod(&folders).env(name, value).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{name}: {said}");
        assert!(said.contains(words) && !said.contains("hunter"), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
    }
    assert!(!Path::new(folders.work.path()).join("duolip-undelivered").exists());
}
