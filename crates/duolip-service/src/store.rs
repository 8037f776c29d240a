//! The artifact store that the configuration names: a bucket, a folder, or RunPod's bucket.

use std::sync::Arc;
use std::time::Duration;

use duolip_delivery::{
    FolderArtifactStore, FolderSettings, FolderStoreError, RunPodBucketError, S3ArtifactStore,
    S3Connection, S3Objects, S3Settings, S3SettingsError,
};
use duolip_pipeline::ErrorKind;
use duolip_pipeline::deliver::ArtifactStore;
use duolip_pipeline::error::Classify;

use crate::config::DeliveryArgs;

pub use duolip_delivery::{RunPodBucket, RunPodSource};

/// Why there is no such store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket cannot be used as it is named.
    #[error(transparent)]
    S3(#[from] S3SettingsError),
    /// RunPod's values name no bucket.
    #[error(transparent)]
    RunPod(#[from] RunPodBucketError),
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderStoreError),
}

impl Classify for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::S3(_) | Self::RunPod(_) => ErrorKind::InvalidInput,
            Self::Folder(_) => ErrorKind::Internal,
        }
    }
}

/// What begins the name of a bucket.
pub(crate) const S3_SCHEME: &str = "s3://";

/// The store that `args` name; `None` where they name none. Nothing is asked of a server yet.
///
/// # Errors
/// [`StoreError`].
pub fn configured(args: &DeliveryArgs) -> Result<Option<Arc<dyn ArtifactStore>>, StoreError> {
    let Some(place) = &args.store else {
        if args.bucket_endpoint_url.is_none() {
            return Ok(None);
        }
        let secret = args.bucket_secret_access_key.as_ref();
        let bucket = RunPodBucket {
            source: RunPodSource::Environment,
            endpoint_url: args.bucket_endpoint_url.clone(),
            access_key_id: args.bucket_access_key_id.clone(),
            secret_access_key: secret.map(|secret| secret.expose().to_owned()),
            bucket_name: args.bucket_name.clone(),
        };
        return runpod(args, &bucket).map(Some);
    };
    if let Some(place) = place.strip_prefix(S3_SCHEME) {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let settings = S3Settings {
            prefix: prefix.to_owned(),
            connection: connection(args),
            ..with_urls(S3Settings::new(bucket), args)
        };
        return Ok(Some(Arc::new(S3ArtifactStore::new(settings)?)));
    }
    let settings = FolderSettings {
        folder: place.into(),
        prefix: String::new(),
        public_url: args.store_public_url.clone(),
    };
    Ok(Some(Arc::new(FolderArtifactStore::new(settings)?)))
}

/// The store in a bucket as RunPod names it; URLs are as `args` say.
///
/// # Errors
/// [`StoreError`], naming what is missing as the source of `bucket` calls it.
pub fn runpod(
    args: &DeliveryArgs,
    bucket: &RunPodBucket,
) -> Result<Arc<dyn ArtifactStore>, StoreError> {
    let settings = with_urls(S3Settings::from_runpod(bucket)?, args);
    Ok(Arc::new(S3ArtifactStore::new(settings)?))
}

/// The objects of the S3 server that `args` name: manifests are read and results written there.
///
/// # Errors
/// [`StoreError::S3`].
pub fn objects(args: &DeliveryArgs) -> Result<S3Objects, StoreError> {
    Ok(S3Objects::new(connection(args))?)
}

/// Credentials and region are found where the AWS SDK looks.
fn connection(args: &DeliveryArgs) -> S3Connection {
    S3Connection {
        endpoint: args.s3_endpoint.clone(),
        path_style: args.s3_path_style,
        ..S3Connection::default()
    }
}

fn with_urls(settings: S3Settings, args: &DeliveryArgs) -> S3Settings {
    S3Settings {
        public_url: args.store_public_url.clone(),
        url_expiry: Duration::from_secs(args.url_expiry_seconds.into()),
        ..settings
    }
}
