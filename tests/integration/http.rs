//! The contract of the two rendering endpoints.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Response;
use serde_json::json;

use crate::media::{Probe, wav};
use crate::server::Server;

const LONG_TEXT: &str = "Здравствуйте! Меня зовут Анна. Помогу вам быстро найти ответ на любой \
    вопрос, а потом расскажу о погоде. Сегодня тепло и солнечно, завтра будет дождь и ветер.";

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_becomes_a_video_of_both_models() {
    let server = Server::warm(&[]).await;
    let body = json!({"text": LONG_TEXT, "language": "ru", "num_workers": 2});
    let response = server.post("/api/generate_parallel", body).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "video/mp4");
    let disposition = header(&response, "content-disposition");
    assert_eq!(disposition, "attachment; filename=\"avatar_parallel.mp4\"");
    assert_eq!(header(&response, "x-duolip-chunks"), "2");
    assert_eq!(header(&response, "x-duolip-job-id").len(), 36);
    assert!(header(&response, "x-duolip-speedup").parse::<f64>().unwrap() > 0.0);
    let timing = header(&response, "server-timing").to_owned();
    for stage in ["speak", "mel", "plan", "render", "encode_speech", "concat", "total"] {
        assert!(timing.contains(&format!("{stage};dur=")), "{timing}");
    }
    assert!(timing.contains("chunk0;desc=\"gan\"") && timing.contains("chunk1;desc=\"nogan\""));
    let frames: usize = header(&response, "x-duolip-frames").parse().unwrap();
    let seconds: f64 = header(&response, "x-duolip-duration").parse().unwrap();
    let length: usize = header(&response, "content-length").parse().unwrap();

    let video = response.bytes().await.unwrap();
    assert_eq!(video.len(), length);
    let probe = Probe::bytes(&video);
    assert_eq!(probe.video_codec, "h264");
    assert_eq!(probe.pixel_format, "yuv420p");
    assert_eq!(probe.audio_codec, "aac");
    assert_eq!(probe.packet_times.len(), frames);
    assert!((probe.audio_seconds - seconds).abs() < 1e-3);
    assert!((0.0..0.04).contains(&(probe.video_seconds - probe.audio_seconds)), "{probe:?}");
    server.folders.wait_for_jobs(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_comes_as_base64_or_as_the_file_of_a_form() {
    let server = Server::warm(&[]).await;
    let audio = wav(22_050, 22_050);
    let body = json!({"audio": BASE64_STANDARD.encode(&audio), "model": "nogan"});
    let response = server.post("/api/generate", body).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-disposition"), "attachment; filename=\"avatar.mp4\"");
    assert!(header(&response, "server-timing").contains("desc=\"nogan\""));
    let from_json = response.bytes().await.unwrap();
    Probe::bytes(&from_json).assert_exact(22_050, 22_050);

    let file = reqwest::multipart::Part::bytes(audio).file_name("speech.wav");
    let form = reqwest::multipart::Form::new().part("audio", file).text("model", "nogan");
    let request = reqwest::Client::new().post(server.url("/api/generate")).multipart(form);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(from_json == response.bytes().await.unwrap(), "the same speech, another video");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parallel_endpoint_takes_its_models_by_name() {
    let server = Server::warm(&[]).await;
    let audio = BASE64_STANDARD.encode(wav(16_000 * 3, 16_000));
    let body = json!({"audio": audio, "models": ["nogan", "gan"], "num_workers": 3});
    let response = server.post("/api/generate_parallel", body).await;
    assert_eq!(response.status(), 200);
    let timing = header(&response, "server-timing").to_owned();
    for chunk in ["chunk0;desc=\"nogan\"", "chunk1;desc=\"gan\"", "chunk2;desc=\"nogan\""] {
        assert!(timing.contains(chunk), "{timing}");
    }
}
