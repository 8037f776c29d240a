//! A bucket of the job's own: the `s3Config` that a caller sends beside `input`.

use std::sync::Arc;

use duolip_pipeline::deliver::ArtifactStore;
use duolip_pipeline::error::Classify;
use duolip_pipeline::{ErrorKind, JobError, Stage};
use duolip_service::config::DeliveryArgs;
use duolip_service::store::{RunPodBucket, RunPodSource, runpod};
use serde::Deserialize;
use serde_json::Value;

/// A bucket as RunPod's clients name it. What else they send is left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Config {
    endpoint_url: Option<String>,
    access_id: Option<String>,
    access_secret: Option<String>,
    bucket_name: Option<String>,
}

/// It cannot be read. Nothing is quoted: it holds credentials.
#[derive(Debug, thiserror::Error)]
#[error("s3Config is not an object of texts: endpointUrl, accessId, accessSecret and bucketName")]
struct Unreadable;

impl Classify for Unreadable {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

/// The artifact store that `s3_config` describes.
///
/// # Errors
/// Kind `invalid_input`, naming what is missing or wrong.
pub(crate) fn store_for(
    s3_config: &Value,
    args: &DeliveryArgs,
) -> Result<Arc<dyn ArtifactStore>, JobError> {
    let at = Stage::Validate;
    let S3Config { endpoint_url, access_id, access_secret, bucket_name } =
        S3Config::deserialize(s3_config).map_err(|_| JobError::new(at, Unreadable))?;
    let bucket = RunPodBucket {
        source: RunPodSource::Job,
        endpoint_url,
        access_key_id: access_id,
        secret_access_key: access_secret,
        bucket_name,
    };
    runpod(args, &bucket).map_err(JobError::at(at))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        delivery: DeliveryArgs,
    }

    #[test]
    fn a_bucket_of_the_jobs_own_is_taken_and_what_is_missing_is_named() {
        let args = Args::parse_from(["test"]).delivery;
        let whole = json!({"endpointUrl": "https://videos.s3.eu-west-1.amazonaws.com",
            "accessId": "key", "accessSecret": "hunter2", "other": 1});
        let store = store_for(&whole, &args).unwrap();
        assert_eq!(store.description(), "the S3 bucket videos");
        for (config, words) in [
            (json!({"endpointUrl": "https://s3.amazonaws.com/videos"}), "accessId"),
            (json!({"accessSecret": "hunter2"}), "endpointUrl"),
            (json!("hunter2"), "not an object of texts"),
        ] {
            let error = store_for(&config, &args).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let said = error.to_string();
            assert!(said.contains(words) && !said.contains("hunter"), "{said}");
        }
    }
}
