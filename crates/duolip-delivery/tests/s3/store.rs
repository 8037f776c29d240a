//! What goes well, and what the server itself refuses.

use std::time::{Duration, SystemTime};

use duolip_delivery::{S3ArtifactStore, S3Checksum, S3Credentials, S3Settings};
use duolip_pipeline::deliver::{ArtifactStore as _, DeliverError, Stored};
use duolip_testkit::contract;

use crate::server::{BUCKET, Server, settings};
use crate::{artifact, causes};

/// Three parts of the smallest size that S3 takes, the last one short.
const IN_PARTS: usize = 12_000_000;

async fn fetch(stored: &Stored) -> Option<Vec<u8>> {
    let answer = reqwest::get(&stored.url).await.unwrap();
    if !answer.status().is_success() {
        return None;
    }
    Some(answer.bytes().await.unwrap().to_vec())
}

fn in_parts(server: &Server) -> S3Settings {
    S3Settings { multipart_threshold_bytes: 5 << 20, part_bytes: 5 << 20, ..settings(server.port) }
}

#[tokio::test]
async fn s3_keeps_the_contract() {
    let server = Server::start();
    let store = S3ArtifactStore::new(settings(server.port)).unwrap();
    contract::artifact_store(&store, fetch).await;
}

#[tokio::test]
async fn s3_keeps_the_contract_in_parts_under_a_prefix() {
    let server = Server::start();
    let store = S3ArtifactStore::new(S3Settings {
        multipart_threshold_bytes: 0,
        prefix: "kept/for a day".to_owned(),
        ..settings(server.port)
    })
    .unwrap();
    contract::artifact_store(&store, fetch).await;
    assert_eq!(server.pending_uploads(), [""; 0], "no upload is left open");
}

#[tokio::test]
async fn a_browser_gets_the_bytes_with_their_type_and_name() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let store = S3ArtifactStore::new(settings(server.port)).unwrap();
    let (artifact, content) = artifact(folder.path(), "a.mp4", 70_000);
    let stored = store.put(&artifact).await.unwrap();
    let answer = reqwest::get(&stored.url).await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "video/mp4");
    assert_eq!(header("content-disposition"), "inline; filename=\"avatar.mp4\"");
    assert!(answer.bytes().await.unwrap() == content, "other bytes than were stored");
}

#[tokio::test]
async fn a_large_file_goes_up_in_parts_and_arrives_whole() {
    for checksum in [S3Checksum::ContentMd5, S3Checksum::Crc32] {
        let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
        let settings = S3Settings { checksum: Some(checksum), ..in_parts(&server) };
        let store = S3ArtifactStore::new(settings).unwrap();
        let (artifact, content) = artifact(folder.path(), "large.mp4", IN_PARTS);
        let stored = store.put(&artifact).await.unwrap();
        assert_eq!(stored.size_bytes, IN_PARTS as u64);
        let answer = reqwest::get(&stored.url).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "video/mp4");
        // The server's mark of an object made of three parts.
        let e_tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        assert!(e_tag.ends_with("-3\""), "{e_tag} is not of three parts");
        assert!(answer.bytes().await.unwrap() == content, "{checksum:?}: other bytes");
        assert_eq!(server.pending_uploads(), [""; 0], "{checksum:?}: an upload is left open");
    }
}

#[tokio::test]
async fn either_checksum_goes_with_a_file_in_one_request() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    for checksum in [S3Checksum::ContentMd5, S3Checksum::Crc32] {
        let settings = S3Settings { checksum: Some(checksum), ..settings(server.port) };
        let store = S3ArtifactStore::new(settings).unwrap();
        let name = format!("{checksum:?}.mp4");
        let (artifact, content) = artifact(folder.path(), &name, 90_000);
        store.put(&artifact).await.unwrap();
        assert!(server.object(&name) == Some(content), "{checksum:?}: other bytes");
    }
}

#[tokio::test]
async fn a_presigned_url_works_until_it_expires() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let put = async |name, seconds| {
        let url_expiry = Duration::from_secs(seconds);
        let settings = S3Settings { url_expiry, ..settings(server.port) };
        let store = S3ArtifactStore::new(settings).unwrap();
        store.put(&artifact(folder.path(), name, 1000).0).await.unwrap()
    };
    let (brief, lasting) = (put("brief.mp4", 1).await, put("lasting.mp4", 600).await);
    let expired = brief.expires_at.unwrap();
    // The server counts in whole seconds.
    while SystemTime::now() < expired + Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(reqwest::get(&brief.url).await.unwrap().status(), 403);
    assert_eq!(reqwest::get(&lasting.url).await.unwrap().status(), 200);
    // The same URL without its signature: it is the signature that opens the bucket.
    let (bare, _) = lasting.url.split_once('?').unwrap();
    assert_eq!(reqwest::get(bare).await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_public_url_replaces_presigning() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let store = S3ArtifactStore::new(S3Settings {
        prefix: "videos/".to_owned(),
        public_url: Some("https://cdn.example.com/v/".to_owned()),
        ..settings(server.port)
    })
    .unwrap();
    let (artifact, content) = artifact(folder.path(), "a b.mp4", 1000);
    let stored = store.put(&artifact).await.unwrap();
    assert_eq!(stored.key, "videos/a b.mp4");
    assert_eq!(stored.url, "https://cdn.example.com/v/videos/a%20b.mp4");
    assert_eq!(stored.expires_at, None);
    assert!(server.object("videos/a b.mp4") == Some(content));
}

#[tokio::test]
async fn wrong_credentials_are_a_refusal() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    for (key, secret) in [("key", "wrong"), ("unknown", "secret")] {
        for threshold in [u64::from(u32::MAX), 0] {
            let mut settings = settings(server.port);
            settings.multipart_threshold_bytes = threshold;
            settings.connection.credentials = Some(S3Credentials {
                access_key_id: key.to_owned(),
                secret_access_key: secret.to_owned(),
                session_token: None,
            });
            let store = S3ArtifactStore::new(settings).unwrap();
            let error = store.put(&artifact(folder.path(), "a.mp4", 1000).0).await.unwrap_err();
            assert!(matches!(error, DeliverError::Refused { .. }), "{}", causes(&error));
            assert!(!causes(&error).contains("wrong"), "the secret is in {}", causes(&error));
            let error = store.check().await.unwrap_err();
            assert!(matches!(error, DeliverError::Refused { .. }), "{}", causes(&error));
        }
    }
    assert_eq!(server.object("a.mp4"), None);
    assert_eq!(server.pending_uploads(), [""; 0]);
}

#[tokio::test]
async fn a_check_tells_a_bucket_that_is_there_from_one_that_is_not() {
    let server = Server::start();
    let store = S3ArtifactStore::new(settings(server.port)).unwrap();
    store.check().await.unwrap();
    let settings = S3Settings { bucket: "missing".to_owned(), ..settings(server.port) };
    let error = S3ArtifactStore::new(settings).unwrap().check().await.unwrap_err();
    assert!(matches!(error, DeliverError::Refused { .. }), "{}", causes(&error));
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn settings_that_cannot_work_are_refused_with_value_and_limits() {
    let sound = S3Settings::new(BUCKET);
    S3ArtifactStore::new(sound.clone()).unwrap();
    let mut impatient = sound.clone();
    impatient.connection.attempts = 0;
    let mut elsewhere = sound.clone();
    elsewhere.connection.endpoint = Some("localhost:9000".to_owned());
    for (settings, message) in [
        (
            S3Settings { url_expiry: Duration::from_millis(999), ..sound.clone() },
            "url_expiry in seconds is 0, which is not between 1 and 604800",
        ),
        (
            S3Settings { url_expiry: Duration::from_secs(604_801), ..sound.clone() },
            "url_expiry in seconds is 604801, which is not between 1 and 604800",
        ),
        (
            S3Settings { part_bytes: 5_000_000, ..sound.clone() },
            "part_bytes is 5000000, which is not between 5242880 and 5368709120",
        ),
        (
            S3Settings { prefix: "/videos".to_owned(), ..sound.clone() },
            "the prefix \"/videos\" cannot be used: it begins or ends with a slash, or has two in a \
             row",
        ),
        (
            S3Settings { bucket: "a/b/c".to_owned(), ..sound.clone() },
            "\"a/b/c\" cannot be the name of a bucket: it has characters other than letters, \
             digits, '.', '_' and '-'",
        ),
        (
            S3Settings { public_url: Some("cdn.example.com".to_owned()), ..sound },
            "public_url cannot be used: it is not a URL (relative URL without a base)",
        ),
        (impatient, "attempts is 0, which is not between 1 and 20"),
        (elsewhere, "endpoint cannot be used: it begins with neither http:// nor https://"),
    ] {
        assert_eq!(S3ArtifactStore::new(settings).unwrap_err().to_string(), message);
    }
}
