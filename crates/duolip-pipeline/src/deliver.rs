//! Delivery: a finished video → a place where its reader can fetch it. The trait; S3, folders and
//! memory are behind it. The bytes themselves are delivered without a store.

use std::path::PathBuf;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::error::{Classify, ErrorKind};

/// A finished file on its way to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name in the store, below the store's prefix: `<job id>.mp4`.
    pub name: String,
    /// Where it lies now.
    pub file: PathBuf,
    /// Such as `video/mp4`.
    pub media_type: &'static str,
    /// The file name that a browser is to save it under.
    pub download_name: String,
}

/// An artifact that its reader can fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its full name in the store, the prefix included.
    pub key: String,
    /// Where it can be fetched.
    pub url: String,
    /// When `url` stops working; `None` for one that lasts.
    pub expires_at: Option<SystemTime>,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

/// Why an artifact was not stored. Nothing half-written is left in the store.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The name would leave the store's prefix, or no store could keep it.
    #[error("{name:?} cannot be the name of a stored video: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file itself cannot be read.
    #[error("{file} cannot be read", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store refuses: wrong credentials, no such bucket, no permission.
    #[error("{store} refused the video; its credentials, bucket and permissions need a look")]
    Refused {
        /// Which store.
        store: String,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store does not answer, or fails, after all retries.
    #[error("{store} could not take the video")]
    Unavailable {
        /// Which store.
        store: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Classify for DeliverError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadName { .. } | Self::Unreadable { .. } => ErrorKind::Internal,
            Self::Refused { .. } | Self::Unavailable { .. } => ErrorKind::Upstream,
        }
    }
}

/// Keeps artifacts and says where they can be fetched.
#[async_trait]
pub trait ArtifactStore: Send + Sync + std::fmt::Debug {
    /// The store in a few words, for health and messages; no secrets.
    fn description(&self) -> String;

    /// Stores `artifact`; an artifact of the same name is replaced.
    ///
    /// # Errors
    /// [`DeliverError`].
    ///
    /// # Cancellation
    /// Dropping the future ends the upload; nothing half-written is left to be read.
    async fn put(&self, artifact: &Artifact) -> Result<Stored, DeliverError>;
}
