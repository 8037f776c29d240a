//! Bad input: each gets its typed error with the value and the limit, and the server goes on.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::media::{wav, wav_of};
use crate::server::{Server, root};

/// Avatars: a good one, and every bad one.
fn avatars() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("anna")).unwrap();
    for file in ["photo.png", "avatar.toml"] {
        std::fs::copy(root().join("avatars/anna").join(file), at("anna").join(file)).unwrap();
    }
    blank(&at("blank.png"), 200, 200);
    blank(&at("dot.png"), 1, 1);
    std::fs::write(at("poster.png"), png_header(30_000, 30_000)).unwrap();
    std::fs::write(at("words.png"), "these are words").unwrap();
    folder
}

fn blank(path: &Path, width: u32, height: u32) {
    image::RgbImage::from_pixel(width, height, image::Rgb([90, 120, 150])).save(path).unwrap();
}

/// The beginning of a PNG of this size, with right check sums, and nothing behind it.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = Vec::from(*b"IHDR");
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = Vec::from(*b"\x89PNG\r\n\x1a\n\0\0\0\x0d");
    png.extend(&header);
    png.extend(crc32(&header).to_be_bytes());
    png.extend(*b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

fn spec(channels: u16, bits: u16, float: bool) -> hound::WavSpec {
    hound::WavSpec {
        channels,
        sample_rate: 16_000,
        bits_per_sample: bits,
        sample_format: if float { hound::SampleFormat::Float } else { hound::SampleFormat::Int },
    }
}

fn with_audio(audio: &[u8]) -> Value {
    json!({"audio": BASE64_STANDARD.encode(audio)})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_gets_its_typed_error_and_the_server_goes_on() {
    let avatars = avatars();
    let server = Server::warm(&["--avatars-dir", avatars.path().to_str().unwrap()]).await;
    let nan = wav_of(spec(1, 32, true), 100, |n| if n == 50 { f32::NAN } else { 0.0 });
    let avatar = |name: &str| json!({"text": "Привет", "avatar": name});
    let workers = |value: Value| json!({"text": "Привет", "num_workers": value});
    let cases: Vec<(Value, u16, &str, &str)> = vec![
        (json!({"text": ""}), 422, "invalid_input", "nothing to say"),
        (json!({"text": "😀 🎉"}), 422, "invalid_input", "nothing to say"),
        (json!({"text": "a\u{0}b"}), 422, "invalid_input", "U+0000 at character 1"),
        (
            json!({"text": "ы".repeat(1 << 20)}),
            413,
            "limit_exceeded",
            "1048576 characters; the limit is 10000",
        ),
        (
            json!({"text": "Hi", "language": "xx-klingon"}),
            422,
            "invalid_input",
            "\"xx-klingon\" is unknown; known: ",
        ),
        (
            json!({"text": "Hi", "voice": "nobody"}),
            422,
            "invalid_input",
            "voice \"nobody\" is unknown; known: ",
        ),
        (workers(json!(0)), 422, "invalid_input", "num_workers is 0; it must be from 1 to 16"),
        (workers(json!(-1)), 422, "invalid_input", "num_workers is -1"),
        (workers(json!(17)), 422, "invalid_input", "num_workers is 17"),
        (
            workers(json!("two")),
            422,
            "invalid_input",
            "num_workers: \"two\" is not a whole number from 1 to 16",
        ),
        (workers(json!(1.5)), 422, "invalid_input", "1.5"),
        (json!({}), 422, "invalid_input", "neither text nor audio"),
        (json!({"text": "Hi", "audio": "AAAA"}), 422, "invalid_input", "both text and audio"),
        (json!({"audio": "!"}), 422, "invalid_input", "audio: it is not base64"),
        (json!({"audio": ""}), 422, "invalid_input", "0 bytes"),
        (json!({"text": 7}), 422, "invalid_input", "text: invalid type"),
        (json!({"text": "Hi", "txet": "Hi"}), 422, "invalid_input", "txet"),
        (json!({"text": "Hi", "models": ["gun"]}), 422, "invalid_input", "gun"),
        (json!({"text": "Hi", "models": []}), 422, "invalid_input", "models is empty"),
        (
            json!({"text": "Hi", "model": "gan"}),
            422,
            "invalid_input",
            "model is not a field of /api/generate_parallel",
        ),
        (
            json!({"text": "Hi", "language": "r".repeat(65)}),
            422,
            "limit_exceeded",
            "language has 65 characters; the limit is 64",
        ),
        (json!({"text": "Hi", "delivery": "url"}), 422, "invalid_input", "no artifact store"),
        (with_audio(&wav(0, 16_000)), 422, "invalid_input", "0 samples"),
        (with_audio(&nan), 422, "invalid_input", "sample 50 is NaN"),
        (with_audio(b"just a text file named .wav"), 422, "invalid_input", "not WAV, MP3"),
        (with_audio(b"<html><body>Not found</body></html>"), 422, "invalid_input", "not WAV, MP3"),
        (avatar("dot"), 422, "limit_exceeded", "1x1 px"),
        (avatar("poster"), 422, "limit_exceeded", "30000x30000 px"),
        (avatar("blank"), 422, "no_face", "no face was found"),
        (avatar("words"), 422, "invalid_input", "words"),
        (avatar("nobody"), 404, "not_found", "\"nobody\""),
        (avatar("../anna"), 404, "not_found", "../anna"),
    ];
    for (body, status, code, message) in cases {
        let shown: String = body.to_string().chars().take(80).collect();
        let response = server.post("/api/generate_parallel", body).await;
        let actual = response.status();
        let answer: Value = response.json().await.unwrap();
        let error = &answer["error"];
        assert_eq!(actual, status, "{shown}: {error}");
        assert_eq!(error["code"], code, "{shown}");
        let said = error["message"].as_str().unwrap();
        assert!(said.contains(message), "{shown}: {said:?} should say {message:?}");
        assert_eq!(error["retryable"], false, "{shown}");
        assert!(error["stage"].is_string(), "{shown}");
        assert!(!said.contains("/tmp"), "{shown} tells of our folders: {said}");
    }
    assert_eq!(server.folders.jobs(), 0, "a refused request left its folder behind");

    for (spec, name) in [
        (spec(1, 8, false), "8-bit"),
        (spec(2, 24, false), "24-bit stereo"),
        (spec(6, 16, false), "5.1"),
        (spec(1, 32, true), "float"),
        (hound::WavSpec { sample_rate: 44_100, ..spec(1, 32, true) }, "float of 44.1 kHz"),
    ] {
        // Float samples far beyond full scale: finite, so they are cut off and not refused.
        let loud = if name.starts_with("float") { 3e38 } else { 0.2 };
        let body = with_audio(&wav_of(spec, 8_000, |n| (n as f32 * 0.1).sin() * loud));
        let response = server.post("/api/generate", body).await;
        assert_eq!(response.status(), 200, "{name} WAV");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read_and_routes_that_are_not_there() {
    let server = Server::warm(&["--max-audio-mib", "1"]).await;
    let send = async |method: reqwest::Method, path: &str, kind: &str, body: Vec<u8>| {
        let request = reqwest::Client::new().request(method, server.url(path));
        let response = request.header("content-type", kind).body(body).send().await.unwrap();
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        (
            status,
            answer["error"]["code"].as_str().unwrap().to_owned(),
            answer["error"]["message"].clone(),
        )
    };
    let post = reqwest::Method::POST;
    let path = "/api/generate_parallel";
    let (status, code, _) =
        send(post.clone(), path, "application/json", b"{\"text\": ".into()).await;
    assert_eq!((status, code.as_str()), (400, "invalid_input"));
    let (status, code, _) = send(post.clone(), path, "application/json", b"[1]".into()).await;
    assert_eq!((status, code.as_str()), (400, "invalid_input"));
    let (status, code, _) = send(post.clone(), path, "application/json", b"\xff\xfe".into()).await;
    assert_eq!((status, code.as_str()), (400, "invalid_input"));
    let (status, code, message) =
        send(post.clone(), path, "application/json", vec![b' '; 3 << 20]).await;
    assert_eq!((status, code.as_str()), (413, "limit_exceeded"), "{message}");
    let (status, code, _) = send(post.clone(), path, "multipart/form-data", b"x".into()).await;
    assert_eq!((status, code.as_str()), (400, "invalid_input"));
    let (status, code, _) = send(post, "/api/nothing", "application/json", b"{}".into()).await;
    assert_eq!((status, code.as_str()), (404, "not_found"));
    let (status, code, _) =
        send(reqwest::Method::DELETE, path, "application/json", b"{}".into()).await;
    assert_eq!((status, code.as_str()), (405, "invalid_input"));

    let audio = vec![0; (1 << 20) + 1];
    let part = reqwest::multipart::Part::bytes(audio).file_name("speech.wav");
    let form = reqwest::multipart::Form::new().part("audio", part).text("num_workers", "two");
    let request = reqwest::Client::new().post(server.url(path)).multipart(form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("\"two\""), "{answer}");
    let part = reqwest::multipart::Part::bytes(vec![0; (1 << 20) + 1]).file_name("speech.wav");
    let form = reqwest::multipart::Form::new().part("audio", part);
    let request = reqwest::Client::new().post(server.url(path)).multipart(form);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 413);
    let answer: Value = response.json().await.unwrap();
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!(message, "audio has 1048577 bytes; the limit is 1048576");
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_over_the_limit_is_refused_whether_given_or_synthesised() {
    let server = Server::warm(&["--max-speech-seconds", "2"]).await;
    let text = "Раз, два, три, четыре, пять, вышел зайчик погулять.";
    for body in [with_audio(&wav(32_001, 16_000)), json!({"text": text})] {
        let response = server.post("/api/generate", body).await;
        assert_eq!(response.status(), 422);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], "limit_exceeded");
        assert_eq!(answer["error"]["message"], "the speech is longer than 2 s");
    }
    let exactly = server.post("/api/generate", with_audio(&wav(32_000, 16_000))).await;
    assert_eq!(exactly.status(), 200);
}

/// Sends raw bytes and gives back the status and the message of the answer.
async fn raw(server: &Server, body: &[u8]) -> (u16, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /api/generate HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may have answered and closed before all is written.
    let _ = stream.write_all(body).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_pieces_is_told_from_one_that_is_too_large() {
    let server = Server::warm(&["--max-audio-mib", "1"]).await;
    let (status, answer) = raw(&server, b"zz\r\nnot a chunk\r\n").await;
    assert_eq!(status, 400, "{answer}");
    let mut large = b"300000\r\n".to_vec();
    large.extend(vec![b' '; 0x0030_0000]);
    let (status, answer) = raw(&server, &large).await;
    assert_eq!(status, 413, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_empty_fields_is_a_form_without_them() {
    let server = Server::warm(&[]).await;
    let send = async |form: reqwest::multipart::Form| {
        let request = reqwest::Client::new().post(server.url("/api/generate")).multipart(form);
        let response = request.send().await.unwrap();
        let status = response.status();
        (status.as_u16(), response.bytes().await.unwrap())
    };
    let empty = || {
        let nothing = reqwest::multipart::Part::bytes(Vec::new()).file_name("");
        reqwest::multipart::Form::new().part("audio", nothing).text("num_workers", "")
    };
    let (status, _) = send(empty().text("text", "Привет")).await;
    assert_eq!(status, 200);
    let (status, answer) = send(empty().text("text", "a").text("text", "b")).await;
    assert_eq!(status, 422);
    assert!(String::from_utf8_lossy(&answer).contains("text is given twice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_a_megabyte_is_not_sent_back() {
    let server = Server::warm(&[]).await;
    for field in ["num_workers", "delivery", "model", "unknown"] {
        let body = json!({"text": "Привет", field: "x".repeat(1 << 20)});
        let response = server.post("/api/generate", body).await;
        assert_eq!(response.status(), 422, "{field}");
        let answer = response.text().await.unwrap();
        assert!(answer.len() < 1000, "{field}: an answer of {} bytes", answer.len());
    }
    let body = json!({"text": "Привет", "x".repeat(1 << 20): 1});
    let answer = server.post("/api/generate", body).await.text().await.unwrap();
    assert!(answer.len() < 1000, "an answer of {} bytes", answer.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avatar_may_have_a_name_of_any_alphabet() {
    let avatars = avatars();
    std::fs::rename(avatars.path().join("anna"), avatars.path().join("Аня")).unwrap();
    let folder = avatars.path().to_str().unwrap();
    let server = Server::warm(&["--avatars-dir", folder, "--default-avatar", "Аня"]).await;
    let response = server.post("/api/generate", json!({"text": "Привет"})).await;
    assert_eq!(response.status(), 200);
}
