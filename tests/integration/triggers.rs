//! One job through every trigger that is a program of its own gives the video of plain HTTP, byte for
//! byte. Lambda and RunPod's queue are held to the same in `lambda` and `runpod`.

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::media::wav;
use crate::server::{Server, program, root};

#[tokio::test(flavor = "multi_thread")]
async fn batch_and_command_line_give_the_video_and_the_numbers_of_http() {
    let server = Server::warm(&[]).await;
    let speech = wav(16_000 * 4, 16_000);
    let job = json!({"audio": BASE64_STANDARD.encode(&speech), "num_workers": 3});
    let answer = server.post("/api/generate_parallel", job.clone()).await;
    let headers = answer.headers().clone();
    let video = answer.bytes().await.unwrap();

    let folder = server.folders.cache.path();
    let run = |arguments: &[&str]| {
        let output = Command::new(program("duolip"))
            .args(arguments)
            .current_dir(folder)
            .env("DUOLIP_DATA_DIR", root())
            .env("DUOLIP_CACHE_DIR", folder)
            .env("DUOLIP_WORK_DIR", server.folders.work.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("speech.wav"), &speech).unwrap();
    run(&["render", "--audio", "speech.wav", "--num-workers", "3", "--output", "rendered.mp4"]);
    assert!(std::fs::read(folder.join("rendered.mp4")).unwrap() == video, "render differs");

    let mut line = job;
    line["id"] = json!("batched");
    std::fs::write(folder.join("manifest.jsonl"), line.to_string()).unwrap();
    run(&["batch", "manifest.jsonl", "--results", "results.jsonl"]);
    assert!(std::fs::read(folder.join("batched.mp4")).unwrap() == video, "batch differs");
    let result = std::fs::read(folder.join("results.jsonl")).unwrap();
    let result: Value = serde_json::from_slice(&result).unwrap();
    for (field, header) in [("frames", "x-duolip-frames"), ("size_bytes", "content-length")] {
        assert_eq!(result[field].to_string(), headers[header].to_str().unwrap(), "{field}");
    }
    assert_eq!(result["chunks"].as_array().unwrap().len(), 3);
}
