//! Buckets as RunPod names them, read from addresses and names.

use super::*;

fn bucket(url: &str, name: Option<&str>) -> RunPodBucket {
    RunPodBucket {
        source: RunPodSource::Job,
        endpoint_url: Some(url.to_owned()),
        access_key_id: Some("id".to_owned()),
        secret_access_key: Some("secret".to_owned()),
        bucket_name: name.map(str::to_owned),
    }
}

/// Endpoint, region and bucket that `url`, and `name` beside it, come to.
fn read(url: &str, name: Option<&str>) -> (Option<String>, Option<String>, String) {
    let settings = S3Settings::from_runpod(&bucket(url, name)).unwrap();
    (settings.connection.endpoint, settings.connection.region, settings.bucket)
}

#[test]
fn the_url_of_every_provider_gives_endpoint_region_and_bucket() {
    let none = "";
    for (url, name, endpoint, region, bucket) in [
        ("https://vid.s3.eu-west-1.amazonaws.com", None, none, "eu-west-1", "vid"),
        ("https://vid.s3.dualstack.eu-west-1.amazonaws.com/", None, none, "eu-west-1", "vid"),
        ("https://a.b.s3.cn-north-1.amazonaws.com.cn", None, none, "cn-north-1", "a.b"),
        ("https://s3.eu-west-1.amazonaws.com/vid", None, none, "eu-west-1", "vid"),
        ("https://vid.s3.amazonaws.com", None, none, "us-east-1", "vid"),
        ("https://s3.amazonaws.com", Some("vid"), none, "us-east-1", "vid"),
        ("https://vid.s3.eu-west-1.amazonaws.com", Some("vid"), none, "eu-west-1", "vid"),
        (
            "https://vid.nyc3.digitaloceanspaces.com",
            None,
            "https://nyc3.digitaloceanspaces.com",
            "nyc3",
            "vid",
        ),
        (
            "https://nyc3.digitaloceanspaces.com/vid",
            None,
            "https://nyc3.digitaloceanspaces.com",
            "nyc3",
            "vid",
        ),
        ("https://vid.s3.fr-par.scw.cloud", None, "https://s3.fr-par.scw.cloud", "fr-par", "vid"),
        ("https://s3.wasabisys.com", Some("vid"), "https://s3.wasabisys.com", none, "vid"),
        (
            "https://s3api-eu-ro-1.runpod.io",
            Some("volume"),
            "https://s3api-eu-ro-1.runpod.io",
            "eu-ro-1",
            "volume",
        ),
        (
            "https://1a2b.r2.cloudflarestorage.com/vid",
            None,
            "https://1a2b.r2.cloudflarestorage.com",
            none,
            "vid",
        ),
        (
            "https://vid.1a2b.r2.cloudflarestorage.com",
            Some("vid"),
            "https://1a2b.r2.cloudflarestorage.com",
            none,
            "vid",
        ),
        ("http://127.0.0.1:9000/vid/", None, "http://127.0.0.1:9000", none, "vid"),
        ("http://minio:9000", Some(" vid "), "http://minio:9000", none, "vid"),
    ] {
        let some = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        assert_eq!(read(url, name), (some(endpoint), some(region), bucket.to_owned()), "{url}");
    }
}

#[test]
fn the_settings_carry_the_key_and_keep_its_secret_from_the_log() {
    let runpod = bucket("https://vid.s3.eu-west-1.amazonaws.com", None);
    let settings = S3Settings::from_runpod(&runpod).unwrap();
    let credentials = settings.connection.credentials.as_ref().unwrap();
    assert_eq!(credentials.access_key_id, "id");
    assert_eq!(credentials.secret_access_key, "secret");
    for shown in [format!("{runpod:?}"), format!("{settings:?}")] {
        assert!(!shown.replace("secret_access_key", "").contains("secret"), "{shown}");
    }
}

#[test]
fn what_is_missing_is_called_by_the_name_its_reader_knows() {
    let whole = bucket("https://host/vid", None);
    let empty = Some("  ".to_owned());
    for (lacking, variable, field) in [
        (
            RunPodBucket { endpoint_url: None, ..whole.clone() },
            "BUCKET_ENDPOINT_URL",
            "s3Config.endpointUrl",
        ),
        (
            RunPodBucket { access_key_id: empty.clone(), ..whole.clone() },
            "BUCKET_ACCESS_KEY_ID",
            "s3Config.accessId",
        ),
        (
            RunPodBucket { secret_access_key: empty, ..whole.clone() },
            "BUCKET_SECRET_ACCESS_KEY",
            "s3Config.accessSecret",
        ),
    ] {
        for (source, name) in [(RunPodSource::Environment, variable), (RunPodSource::Job, field)] {
            let error = S3Settings::from_runpod(&RunPodBucket { source, ..lacking.clone() });
            assert_eq!(error, Err(RunPodBucketError::Missing { name }));
        }
    }
    S3Settings::from_runpod(&whole).unwrap();
}

#[test]
fn an_unclear_bucket_is_asked_for_instead_of_guessed() {
    let error = |url, name| S3Settings::from_runpod(&bucket(url, name)).unwrap_err().to_string();
    assert_eq!(
        error("https://s3.eu-west-1.amazonaws.com", None),
        "https://s3.eu-west-1.amazonaws.com carries no bucket, as in \
         https://BUCKET.s3.REGION.amazonaws.com or https://HOST/BUCKET, and s3Config.bucketName is \
         missing"
    );
    assert_eq!(
        error("https://one.s3.eu-west-1.amazonaws.com", Some("two")),
        "the URL carries the bucket one, and s3Config.bucketName says two"
    );
    assert_eq!(
        error("https://one.s3.eu-west-1.amazonaws.com/two", None),
        "the URL carries the bucket one, and its path says two"
    );
    assert_eq!(
        error("https://host/one/two", None),
        "the path of https://host/one/two is more than a bucket"
    );
    assert_eq!(
        error("ftp://host/vid", None),
        "s3Config.endpointUrl cannot be used: it begins with neither http:// nor https://"
    );
    assert_eq!(
        error("https://user:hunter2@host/vid", None),
        "s3Config.endpointUrl cannot be used: it holds a user name or password"
    );
    assert_eq!(
        error("https://host/v%20d", None),
        "\"v%20d\" cannot be the name of a bucket: it has characters other than letters, digits, \
         '.', '_' and '-'"
    );
}
