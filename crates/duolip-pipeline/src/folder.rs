//! The job folder: every temporary file of one job lies here, and it disappears with the job.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::error::{Classify, ErrorKind};

/// The job folder could not be made: no space, no permission.
#[derive(Debug, thiserror::Error)]
#[error("a job folder could not be made")]
pub struct FolderError(#[source] std::io::Error);

impl Classify for FolderError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// A folder shared by the stages of one job.
///
/// It is removed with everything in it when the last holder drops it: after success, failure, a
/// panic or cancellation.
#[derive(Debug, Clone)]
pub struct JobFolder(Arc<TempDir>);

impl JobFolder {
    /// A new folder inside `parent`.
    ///
    /// # Errors
    /// [`FolderError`] when `parent` does not exist or is not writable.
    pub fn create_in(parent: &Path) -> Result<Self, FolderError> {
        tempfile::Builder::new()
            .prefix("duolip-")
            .tempdir_in(parent)
            .map(|folder| Self(Arc::new(folder)))
            .map_err(FolderError)
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of the file `name` in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
