//! Objects by their location; and the SDK's own search for credentials.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use duolip_delivery::{ObjectError, ObjectState, S3Location, S3Objects};

use crate::causes;
use crate::proxy::{Proxy, Trouble};
use crate::server::{BUCKET, Server, connection};

fn location(text: &str) -> S3Location {
    S3Location::parse(text).unwrap()
}

#[tokio::test]
async fn an_object_is_read_as_it_was_written() {
    let server = Server::start();
    let objects = S3Objects::new(connection(server.port)).unwrap();
    let location = location("s3://videos/batch 1/results.jsonl");
    let mut state = ObjectState::Missing;
    for content in [b"{\"id\":\"1\"}\n".to_vec(), Vec::new(), vec![7; 300_000]] {
        let written = objects.write(&location, content.clone(), "application/jsonl", &state).await;
        state = written.unwrap();
        let size = content.len() as u64;
        let read = objects.read(&location, size).await.unwrap();
        assert!(read.content == content, "of {size} bytes");
        assert_eq!(read.state, state, "of {size} bytes");
        assert!(server.object("batch 1/results.jsonl") == Some(content), "of {size} bytes");
    }
    match objects.read(&location, 299_999).await {
        Err(ObjectError::TooLarge { limit_bytes, .. }) => assert_eq!(limit_bytes, 299_999),
        other => panic!("300000 bytes over a limit of 299999 gave {other:?}"),
    }
}

#[tokio::test]
async fn what_somebody_else_has_written_is_not_replaced() {
    let server = Server::start();
    let objects = S3Objects::new(connection(server.port)).unwrap();
    let location = location("s3://videos/results.jsonl");
    let write = async |content: &str, over: &ObjectState| {
        objects.write(&location, content.as_bytes().to_vec(), "application/jsonl", over).await
    };
    let first = write("first", &ObjectState::Missing).await.unwrap();
    let error = write("second", &ObjectState::Missing).await.unwrap_err();
    assert!(matches!(error, ObjectError::Changed { .. }), "{}", causes(&error));
    assert_eq!(
        error.to_string(),
        "s3://videos/results.jsonl was written by somebody else meanwhile"
    );
    // As after an answer that was lost: it lies there already.
    assert_eq!(write("first", &ObjectState::Missing).await.unwrap(), first);

    let third = write("third", &first).await.unwrap();
    let error = write("fourth", &first).await.unwrap_err();
    assert!(matches!(error, ObjectError::Changed { .. }), "{}", causes(&error));
    assert_eq!(server.object("results.jsonl").unwrap(), b"third");
    write("fifth", &third).await.unwrap();
    assert_eq!(server.object("results.jsonl").unwrap(), b"fifth");
}

#[tokio::test]
async fn a_server_without_conditions_replaces_what_is_there() {
    let server = Server::start();
    let (status, body) = ("501 Not Implemented", "<Error><Code>NotImplemented</Code></Error>");
    let proxy = Proxy::before(server.port, Trouble::Answered { times: 1, status, body }).await;
    let mut connection = connection(proxy.port);
    connection.attempts = 1;
    let objects = S3Objects::new(connection).unwrap();
    let location = location("s3://videos/results.jsonl");
    let state = objects.write(&location, vec![1], "text/plain", &ObjectState::Missing).await;
    assert_eq!(state.unwrap(), ObjectState::Unknown);
    assert_eq!(server.object("results.jsonl").unwrap(), [1]);
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let mut server = Server::start();
    let objects = S3Objects::new(connection(server.port)).unwrap();
    let missing = location("s3://videos/missing.jsonl");
    let error = objects.read(&missing, 10).await.unwrap_err();
    assert!(matches!(error, ObjectError::NotFound { .. }), "{}", causes(&error));
    assert_eq!(error.to_string(), "there is no s3://videos/missing.jsonl");

    let mut strange = connection(server.port);
    strange.credentials.as_mut().unwrap().secret_access_key = "wrong".to_owned();
    let strange = S3Objects::new(strange).unwrap();
    let read = strange.read(&missing, 10).await.unwrap_err();
    let written =
        strange.write(&missing, vec![1], "text/plain", &ObjectState::Unknown).await.unwrap_err();
    for error in [read, written] {
        assert!(matches!(error, ObjectError::Refused { .. }), "{}", causes(&error));
    }

    server.kill();
    let read = objects.read(&missing, 10).await.unwrap_err();
    let written =
        objects.write(&missing, vec![1], "text/plain", &ObjectState::Unknown).await.unwrap_err();
    for error in [read, written] {
        assert!(matches!(error, ObjectError::Unavailable { .. }), "{}", causes(&error));
    }
}

#[tokio::test]
async fn an_answer_that_stands_still_is_given_up() {
    let server = Server::start();
    let proxy = Proxy::before(server.port, Trouble::AnswersHeld).await;
    let mut connection = connection(proxy.port);
    connection.answer_timeout = Duration::from_secs(1);
    let objects = S3Objects::new(connection).unwrap();
    let error = objects.read(&location("s3://videos/a"), 10).await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable { .. }), "{}", causes(&error));
}

/// The example program, which leaves everything to the SDK, with `variables` and no others.
fn store_file(file: &Path, variables: &[(&str, &str)]) -> (bool, String) {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/store_file");
    let output = Command::new(program)
        .arg(BUCKET)
        .arg(file)
        .arg("found.mp4")
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn credentials_region_and_endpoint_are_found_where_the_aws_sdk_looks() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let file = folder.path().join("made.mp4");
    std::fs::write(&file, "a video").unwrap();
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    let (stored, url) = store_file(
        &file,
        &[
            ("AWS_ENDPOINT_URL_S3", &endpoint),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ],
    );
    assert!(stored, "{url}");
    let answer = reqwest::get(url.trim()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "a video");

    for (variables, hint) in [
        (&[("AWS_REGION", "eu-west-1")][..], "credential"),
        (&[("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")][..], "region"),
    ] {
        let (stored, said) = store_file(&file, variables);
        assert!(!stored);
        let expected = "the S3 bucket videos refused the video; its credentials, bucket and \
                        permissions need a look";
        assert_eq!(said.lines().next(), Some(expected), "{said}");
        assert!(said.to_lowercase().contains(hint), "{hint} is not in {said}");
    }
}
