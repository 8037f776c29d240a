//! A store that keeps artifacts in memory: for tests, and for programs that embed the engine and
//! take the video out again. It holds everything until it is taken, so it is not for a server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use duolip_pipeline::deliver::{Artifact, ArtifactStore, DeliverError, Stored};

use crate::key::Key;

/// An artifact in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptArtifact {
    /// The file's content.
    pub bytes: Arc<[u8]>,
    /// Such as `video/mp4`.
    pub media_type: &'static str,
    /// The file name that a browser is to save it under.
    pub download_name: String,
}

/// Keeps artifacts in memory; a clone is another handle to the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryArtifactStore(Arc<Mutex<HashMap<String, KeptArtifact>>>);

impl MemoryArtifactStore {
    /// The artifact `key`, which stays.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<KeptArtifact> {
        self.artifacts().get(key).cloned()
    }

    /// The artifact `key`, which is no longer kept.
    #[must_use]
    pub fn take(&self, key: &str) -> Option<KeptArtifact> {
        self.artifacts().remove(key)
    }

    // No code that can panic runs under the lock, so a poisoned map is whole.
    fn artifacts(&self) -> MutexGuard<'_, HashMap<String, KeptArtifact>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ArtifactStore for MemoryArtifactStore {
    fn description(&self) -> String {
        "memory".to_owned()
    }

    async fn put(&self, artifact: &Artifact) -> Result<Stored, DeliverError> {
        let key = Key::new("", &artifact.name)?;
        let bytes: Arc<[u8]> = tokio::fs::read(&artifact.file)
            .await
            .map_err(|source| DeliverError::Unreadable { file: artifact.file.clone(), source })?
            .into();
        let size_bytes = bytes.len() as u64;
        let kept = KeptArtifact {
            bytes,
            media_type: artifact.media_type,
            download_name: artifact.download_name.clone(),
        };
        self.artifacts().insert(key.as_str().to_owned(), kept);
        Ok(Stored {
            url: key.below("memory://"),
            key: key.as_str().to_owned(),
            expires_at: None,
            size_bytes,
        })
    }
}
