//! What goes wrong: the server, the way to it, the one who waits. Each fault ends in an error of
//! the right kind, and nothing half-written stays.

use std::sync::Arc;
use std::time::Duration;

use duolip_delivery::{S3ArtifactStore, S3Settings};
use duolip_pipeline::deliver::{ArtifactStore as _, DeliverError};
use duolip_pipeline::error::{Classify as _, ErrorKind};

use crate::proxy::{Proxy, Trouble};
use crate::server::{Server, settings};
use crate::{artifact, causes};

/// Three parts of the smallest size that S3 takes, the last one short.
const IN_PARTS: usize = 12_000_000;

fn in_parts(port: u16) -> S3Settings {
    S3Settings { multipart_threshold_bytes: 5 << 20, part_bytes: 5 << 20, ..settings(port) }
}

/// Settings for a server that will not answer: the patience of a second.
fn impatient(mut settings: S3Settings) -> S3Settings {
    settings.connection.answer_timeout = Duration::from_secs(1);
    settings.connection.slowest_bytes_per_second = 10 << 20;
    settings
}

/// Waits until `condition` holds, without holding up what else runs here.
async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in vain waited until {what}");
}

#[tokio::test]
async fn a_server_killed_in_the_middle_is_unavailable_and_keeps_nothing_when_it_is_back() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    // The parts reach the server in part, so that it is killed in the middle of them.
    let proxy = Proxy::before(server.port, Trouble::StandStillAfter(2_000_000)).await;
    let store = Arc::new(S3ArtifactStore::new(in_parts(proxy.port)).unwrap());
    let (artifact, _) = artifact(folder.path(), "a.mp4", IN_PARTS);
    let put = tokio::spawn(async move { store.put(&artifact).await });
    until("parts are under way", || proxy.passed_bytes() > 3_000_000).await;
    assert_eq!(server.pending_uploads().len(), 1);
    server.kill();
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{}", causes(&error));
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert_eq!(server.pending_uploads().len(), 1, "a dead server was not told of the end");

    server.restart();
    until("the upload is aborted", || server.pending_uploads().is_empty()).await;
    assert_eq!(server.object("a.mp4"), None);
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_one_request_keeps_what_was_there_before() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (old, old_content) = artifact(folder.path(), "a.mp4", 1000);
    S3ArtifactStore::new(settings(server.port)).unwrap().put(&old).await.unwrap();

    let proxy = Proxy::before(server.port, Trouble::StandStillAfter(1_000_000)).await;
    let store = S3ArtifactStore::new(settings(proxy.port)).unwrap();
    let (new, _) = artifact(folder.path(), "a.mp4", 8_000_000);
    let put = tokio::spawn(async move { store.put(&new).await });
    until("the file is under way", || proxy.passed_bytes() >= 1_000_000).await;
    server.kill();
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{}", causes(&error));
    server.restart();
    assert!(server.object("a.mp4") == Some(old_content), "the old video is gone");
}

#[tokio::test]
async fn where_no_server_listens_it_is_unavailable() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.kill();
    for settings in [settings(server.port), in_parts(server.port)] {
        let store = S3ArtifactStore::new(settings).unwrap();
        let error = store.put(&artifact(folder.path(), "a.mp4", 6_000_000).0).await.unwrap_err();
        assert!(matches!(error, DeliverError::Unavailable { .. }), "{}", causes(&error));
    }
}

/// A test that waits for ever is ended as a failure; that is the bound here.
#[tokio::test]
async fn a_server_that_stands_still_or_crawls_is_given_up() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (small, _) = artifact(folder.path(), "small.mp4", 1000);
    let (large, _) = artifact(folder.path(), "large.mp4", IN_PARTS);
    for (trouble, artifact) in [
        (Trouble::AnswersHeld, &small),
        (Trouble::StandStillAfter(0), &small),
        (Trouble::StandStillAfter(100_000), &large),
        (Trouble::Throttled(100_000), &large),
    ] {
        let proxy = Proxy::before(server.port, trouble.clone()).await;
        let store = S3ArtifactStore::new(impatient(settings(proxy.port))).unwrap();
        let error = store.put(artifact).await.unwrap_err();
        assert!(
            matches!(error, DeliverError::Unavailable { .. }),
            "{trouble:?} gave {}",
            causes(&error)
        );
    }
    assert_eq!(server.object("large.mp4"), None);
}

#[tokio::test]
async fn a_slow_server_is_waited_for_while_it_keeps_to_the_least_speed() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::before(server.port, Trouble::Throttled(400_000)).await;
    let mut settings = settings(proxy.port);
    settings.connection.answer_timeout = Duration::from_secs(3);
    settings.connection.slowest_bytes_per_second = 40_000;
    let store = S3ArtifactStore::new(settings).unwrap();
    let (artifact, content) = artifact(folder.path(), "a.mp4", 2_000_000);
    store.put(&artifact).await.unwrap();
    assert!(server.object("a.mp4") == Some(content));
}

#[tokio::test]
async fn a_put_dropped_in_the_middle_of_its_parts_is_aborted() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::before(server.port, Trouble::StandStillAfter(2_000_000)).await;
    let store = S3ArtifactStore::new(in_parts(proxy.port)).unwrap();
    let (artifact, _) = artifact(folder.path(), "a.mp4", IN_PARTS);
    let put = tokio::spawn(async move { store.put(&artifact).await });
    until("parts are under way", || proxy.passed_bytes() > 3_000_000).await;
    assert_eq!(server.pending_uploads().len(), 1);
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    until("the upload is aborted", || server.pending_uploads().is_empty()).await;
    assert_eq!(server.object("a.mp4"), None);
}

#[tokio::test]
async fn a_put_dropped_before_the_server_has_named_the_upload_is_aborted() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::before(server.port, Trouble::AnswersHeld).await;
    let store = S3ArtifactStore::new(in_parts(proxy.port)).unwrap();
    let (artifact, _) = artifact(folder.path(), "a.mp4", IN_PARTS);
    let put = tokio::spawn(async move { store.put(&artifact).await });
    until("the server knows the upload", || server.pending_uploads().len() == 1).await;
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    proxy.let_answers_through();
    until("the upload is aborted", || server.pending_uploads().is_empty()).await;
    assert_eq!(server.object("a.mp4"), None);
}

#[tokio::test]
async fn a_put_in_one_request_that_is_dropped_stores_nothing() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::before(server.port, Trouble::StandStillAfter(1_000_000)).await;
    let store = S3ArtifactStore::new(settings(proxy.port)).unwrap();
    let (artifact, _) = artifact(folder.path(), "a.mp4", 8_000_000);
    let put = tokio::spawn(async move { store.put(&artifact).await });
    until("the file is under way", || proxy.passed_bytes() >= 1_000_000).await;
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    // The server has done with the broken request when it answers the next one.
    S3ArtifactStore::new(settings(server.port)).unwrap().check().await.unwrap();
    assert_eq!(server.object("a.mp4"), None);
}

#[tokio::test]
async fn a_byte_that_changes_on_the_way_is_noticed() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::before(server.port, Trouble::ByteChanged(50_000)).await;
    let store = S3ArtifactStore::new(settings(proxy.port)).unwrap();
    let error = store.put(&artifact(folder.path(), "a.mp4", 100_000).0).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{}", causes(&error));
    assert!(causes(&error).contains("BadDigest"), "{}", causes(&error));
}

const SLOW_DOWN: Trouble = Trouble::Answered {
    times: 2,
    status: "503 Slow Down",
    body: "<Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>",
};

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    for (attempts, stored) in [(3, true), (2, false)] {
        let proxy = Proxy::before(server.port, SLOW_DOWN).await;
        let mut settings = settings(proxy.port);
        settings.connection.attempts = attempts;
        let store = S3ArtifactStore::new(settings).unwrap();
        let name = format!("{attempts}.mp4");
        let (artifact, content) = artifact(folder.path(), &name, 100_000);
        match store.put(&artifact).await {
            Ok(_) => assert!(stored, "two attempts sufficed where two were answered with 503"),
            Err(error @ DeliverError::Unavailable { .. }) if !stored => {
                assert!(causes(&error).contains("SlowDown"), "{}", causes(&error));
            }
            Err(error) => panic!("{attempts} attempts gave {}", causes(&error)),
        }
        assert_eq!(proxy.answered(), 2);
        assert!(server.object(&name) == stored.then_some(content));
    }
}

#[tokio::test]
async fn every_answer_of_a_server_is_a_refusal_or_unavailable() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (artifact, _) = artifact(folder.path(), "a.mp4", 1000);
    for (status, body, refused) in [
        ("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>", true),
        ("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>", true),
        ("400 Bad Request", "<Error><Code>ExpiredToken</Code></Error>", true),
        ("301 Moved Permanently", "<Error><Code>PermanentRedirect</Code></Error>", true),
        ("404 Not Found", "<html>nothing here</html>", true),
        ("400 Bad Request", "<Error><Code>RequestTimeout</Code></Error>", false),
        ("429 Too Many Requests", "", false),
        ("500 Internal Server Error", "<html>it broke</html>", false),
        ("503 Service Unavailable", "", false),
    ] {
        let always = Trouble::Answered { times: usize::MAX, status, body };
        let proxy = Proxy::before(server.port, always).await;
        for threshold in [1000, 0] {
            let mut settings = settings(proxy.port);
            settings.connection.attempts = 1;
            settings.multipart_threshold_bytes = threshold;
            let error = S3ArtifactStore::new(settings).unwrap().put(&artifact).await.unwrap_err();
            let is_refused = matches!(error, DeliverError::Refused { .. });
            assert_eq!(is_refused, refused, "{status} {body} gave {}", causes(&error));
        }
    }
    assert_eq!(server.object("a.mp4"), None);
}
