//! S3, and the servers that speak it: artifacts in a bucket, reached by presigned or public URLs,
//! and objects by their location.
//!
//! A video goes up from the disk, in parts when it is large, with a checksum that the server
//! compares; an upload that does not end well leaves nothing behind.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use duolip_pipeline::deliver::{Artifact, ArtifactStore, DeliverError, Stored};

use crate::key::{Key, percent_encoded};
use connection::LazyClient;
use multipart::Cut;
use upload::Upload;
use verdict::deliver_error;

mod checksum;
mod connection;
mod location;
mod multipart;
mod objects;
mod runpod;
mod settings;
mod upload;
mod verdict;

pub use connection::{S3Connection, S3Credentials};
pub use location::{LocationError, S3Location};
pub use objects::{Object, ObjectError, ObjectState, S3Objects};
pub use runpod::{RunPodBucket, RunPodBucketError, RunPodSource};
pub use settings::{S3Checksum, S3Settings, S3SettingsError};

/// Keeps artifacts in an S3 bucket.
#[derive(Debug)]
pub struct S3ArtifactStore {
    settings: S3Settings,
    client: LazyClient,
}

impl S3ArtifactStore {
    /// A store in the bucket that `settings` name. Nothing is asked of the server yet, and
    /// credentials are looked for when they are first needed.
    ///
    /// # Errors
    /// [`S3SettingsError`].
    pub fn new(settings: S3Settings) -> Result<Self, S3SettingsError> {
        settings.check()?;
        let client = LazyClient::new(settings.connection.clone())?;
        Ok(Self { settings, client })
    }

    /// Asks the server for the bucket, so that wrong settings show before a video is rendered. On
    /// AWS it takes the permission `s3:ListBucket`, which storing does not.
    ///
    /// # Errors
    /// [`DeliverError::Refused`] when there is no such bucket, or not for these credentials;
    /// [`DeliverError::Unavailable`] when the server does not answer.
    pub async fn check(&self) -> Result<(), DeliverError> {
        let request = self.client.get().await.head_bucket().bucket(&self.settings.bucket);
        let answer = request.send().await;
        answer.map(|_| ()).map_err(|error| deliver_error(&self.description(), error))
    }

    async fn upload(&self, artifact: &Artifact, key: &Key) -> Result<Upload, DeliverError> {
        let unreadable = |source| DeliverError::Unreadable { file: artifact.file.clone(), source };
        let file = tokio::fs::metadata(&artifact.file).await.map_err(unreadable)?;
        if !file.is_file() {
            return Err(unreadable(std::io::Error::other("it is not a regular file")));
        }
        Ok(Upload {
            client: self.client.get().await.clone(),
            connection: self.settings.connection.clone(),
            store: self.description(),
            bucket: self.settings.bucket.clone(),
            key: key.as_str().to_owned(),
            file: artifact.file.clone(),
            size_bytes: file.len(),
            media_type: artifact.media_type,
            disposition: disposition(&artifact.download_name),
            checksum: self.settings.checksum(),
        })
    }

    /// The URL of `key`, and when it stops working.
    async fn url(&self, key: &Key) -> Result<(String, Option<SystemTime>), DeliverError> {
        if let Some(prefix) = &self.settings.public_url {
            return Ok((key.below(prefix), None));
        }
        let refused = |source| DeliverError::Refused { store: self.description(), source };
        // S3 counts in whole seconds.
        let now = SystemTime::now();
        let expiry = Duration::from_secs(self.settings.url_expiry.as_secs());
        let validity = PresigningConfig::builder()
            .start_time(now)
            .expires_in(expiry)
            .build()
            .map_err(|error| refused(error.into()))?;
        let client: &Client = self.client.get().await;
        let request = client.get_object().bucket(&self.settings.bucket).key(key.as_str());
        let signed = request
            .presigned(validity)
            .await
            .map_err(|error| deliver_error(&self.description(), error))?;
        Ok((signed.uri().to_owned(), Some(now + expiry)))
    }
}

#[async_trait]
impl ArtifactStore for S3ArtifactStore {
    fn description(&self) -> String {
        self.client.describe(&self.settings.bucket)
    }

    async fn put(&self, artifact: &Artifact) -> Result<Stored, DeliverError> {
        let key = Key::new(&self.settings.prefix, &artifact.name)?;
        let upload = self.upload(artifact, &key).await?;
        let size_bytes = upload.size_bytes;
        if size_bytes > self.settings.multipart_threshold_bytes {
            let S3Settings { part_bytes, parts_at_once, .. } = self.settings;
            multipart::put(Arc::new(upload), Cut { part_bytes, parts_at_once }).await?;
        } else {
            upload.put_whole().await?;
        }
        let (url, expires_at) = self.url(&key).await?;
        Ok(Stored { key: key.as_str().to_owned(), url, expires_at, size_bytes })
    }
}

/// A Content-Disposition under which browsers play the video and save it as `name`. What ASCII
/// cannot say stands in the form of RFC 6266 beside it.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|character| match character {
            '"' | '\\' | '/' | '%' => '_',
            character if character.is_ascii_graphic() || character == ' ' => character,
            _ => '_',
        })
        .collect();
    if plain == name {
        return format!("inline; filename=\"{plain}\"");
    }
    // The slash passes the encoding of paths and is not part of a file name.
    let encoded = percent_encoded(name.as_bytes()).replace('/', "_");
    format!("inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_a_name_that_cannot_break_out_of_its_quotes() {
        assert_eq!(disposition("avatar.mp4"), "inline; filename=\"avatar.mp4\"");
        assert_eq!(
            disposition("../a\"; x=\"б\r\n.mp4"),
            "inline; filename=\".._a_; x=____.mp4\"; \
             filename*=UTF-8''.._a%22%3B%20x%3D%22%D0%B1%0D%0A.mp4"
        );
    }
}
