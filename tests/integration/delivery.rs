//! Videos delivered as a URL: by a folder that a web server shows, and by a real S3 server.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use duolip_testkit::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use serde_json::{Value, json};

use crate::media::{Probe, wav};
use crate::server::Server;

fn request(delivery: &str) -> Value {
    let audio = BASE64_STANDARD.encode(wav(16_000 * 3, 16_000));
    json!({"audio": audio, "num_workers": 2, "delivery": delivery})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_video_and_the_answer_says_what_it_cost() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let server =
        Server::warm(&["--store", place, "--store-public-url", "https://videos.example/v"]).await;
    let bytes = server.post("/api/generate_parallel", request("bytes")).await;
    let video = bytes.bytes().await.unwrap();

    let answer = server.post("/api/generate_parallel", request("url")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-duolip-frames"], "75");
    let said: Value = answer.json().await.unwrap();
    let job_id = said["job_id"].as_str().unwrap();
    assert_eq!(said["url"], format!("https://videos.example/v/{job_id}.mp4"));
    assert_eq!(said["expires_at"], Value::Null);
    let stored = std::fs::read(folder.path().join(format!("{job_id}.mp4"))).unwrap();
    assert!(stored == video, "stored otherwise than sent");
    assert_eq!(said["size_bytes"], stored.len());
    assert_eq!((&said["frames"], &said["duration_seconds"]), (&json!(75), &json!(3.0)));
    let chunks = said["chunks"].as_array().unwrap();
    assert_eq!((&chunks[0]["model"], &chunks[1]["model"]), (&json!("gan"), &json!("nogan")));
    assert_eq!(chunks[0]["start_seconds"], 0.0);
    assert_eq!(chunks[0]["end_seconds"], chunks[1]["start_seconds"]);
    assert_eq!(chunks[1]["end_seconds"], 3.0);
    for stage in ["mel", "render", "concat", "deliver", "total"] {
        assert!(said["timings_ms"][stage].is_f64(), "{said}");
    }
    server.folders.wait_for_jobs(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_gives_a_presigned_url_and_a_video_it_refuses_is_kept() {
    let mut store = S3Server::start();
    let bucket = format!("s3://{BUCKET}/made");
    let endpoint = store.endpoint();
    let named = ["--bucket-endpoint-url", &format!("{endpoint}/{BUCKET}")];
    let keys = ["--bucket-access-key-id", ACCESS_KEY, "--bucket-secret-access-key", SECRET_KEY];
    let server = Server::warm(&[&named[..], &keys].concat()).await;
    let answer = server.post("/api/generate", json!({"text": "Да.", "delivery": "url"})).await;
    assert_eq!(answer.status(), 200);
    let said: Value = answer.json().await.unwrap();
    assert!(said["expires_at"].as_str().unwrap().ends_with('Z'), "{said}");
    let fetched = reqwest::get(said["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(fetched.headers()["content-type"], "video/mp4");
    let frames = said["frames"].as_u64().unwrap() as usize;
    assert_eq!(Probe::bytes(&fetched.bytes().await.unwrap()).packet_times.len(), frames);

    store.kill();
    let answer = server.post("/api/generate", json!({"text": "Да.", "delivery": "url"})).await;
    assert_eq!(answer.status(), 502);
    let said: Value = answer.json().await.unwrap();
    assert_eq!(
        (&said["error"]["code"], &said["error"]["stage"]),
        (&json!("upstream"), &json!("deliver"))
    );
    let message = said["error"]["message"].as_str().unwrap();
    let (_, kept) = message.split_once("the video is kept at ").expect(message);
    assert_eq!(Probe::bytes(&std::fs::read(kept).unwrap()).video_codec, "h264");
    let work: Vec<_> = std::fs::read_dir(server.folders.work.path()).unwrap().collect();
    assert_eq!(work.len(), 1, "more is left than the kept video: {work:?}");

    // A bucket that is named and cannot be one is found before any model is loaded.
    let folders = crate::server::Folders::new();
    let service = duolip_service::service::Service::new(folders.config(&["--store", "s3://a"]));
    let health = tokio::task::spawn_blocking(move || {
        service.warm_up();
        service.health()
    });
    let problems = health.await.unwrap().problems;
    assert!(problems[0].contains("DUOLIP_STORE"), "{problems:?} with {bucket}");
}
