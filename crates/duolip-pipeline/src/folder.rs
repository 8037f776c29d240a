//! The job folder: every temporary file of one job lies here, and it disappears with the job.
//!
//! A process that is killed cannot remove its folders. Each folder is locked as long as its process
//! lives, so that the next process can tell what is left over: [`sweep`].

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
pub struct JobFolder(Arc<Locked>);

/// A folder, and itself opened and locked.
#[derive(Debug)]
struct Locked {
    _lock: File,
    folder: TempDir,
}

/// How the names of job folders begin.
const PREFIX: &str = "duolip-job-";

/// How long a folder is left alone: nobody takes longer from making one to locking it.
const YOUNG: Duration = Duration::from_mins(1);

impl JobFolder {
    /// A new folder inside `parent`.
    ///
    /// # Errors
    /// [`FolderError`] when `parent` does not exist or is not writable.
    pub fn create_in(parent: &Path) -> Result<Self, FolderError> {
        let create = || {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let lock = File::open(folder.path())?;
            lock.lock()?;
            Ok(Self(Arc::new(Locked { _lock: lock, folder })))
        };
        create().map_err(FolderError)
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.folder.path()
    }

    /// The path of the file `name` in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// Removes the job folders in `parent` whose process is gone, and says how many. Folders of living
/// processes are left alone.
///
/// # Errors
/// When `parent` cannot be read. A folder that cannot be looked into or removed is left and does not
/// count.
pub fn sweep(parent: &Path) -> std::io::Result<usize> {
    let mut swept = 0;
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = File::open(entry.path()) else { continue };
        // One that is young may be in the making.
        let age = lock.metadata().and_then(|file| file.modified()).map(|time| time.elapsed());
        if !matches!(age, Ok(Ok(age)) if age >= YOUNG) {
            continue;
        }
        if lock.try_lock().is_ok() && std::fs::remove_dir_all(entry.path()).is_ok() {
            swept += 1;
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_folder_left_by_a_killed_process_is_swept_and_a_living_one_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = JobFolder::create_in(parent.path()).unwrap();
        std::fs::write(living.file("segment-00.mp4"), "frames").unwrap();
        // What a killed process leaves: a folder with files, and nobody who holds it.
        let left = parent.path().join("duolip-job-left");
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("video.mp4"), "frames").unwrap();
        assert_eq!(sweep(parent.path()).unwrap(), 0, "it may be in the making");
        let long_ago = SystemTime::now() - 2 * YOUNG;
        for folder in [&left, living.path()] {
            File::open(folder).unwrap().set_modified(long_ago).unwrap();
        }
        let other = parent.path().join("somebody-elses");
        std::fs::create_dir(&other).unwrap();

        assert_eq!(sweep(parent.path()).unwrap(), 1);
        assert!(!left.exists());
        assert!(other.exists());
        assert!(living.file("segment-00.mp4").exists());
        assert_eq!(sweep(parent.path()).unwrap(), 0);
    }

    #[test]
    fn a_folder_goes_with_its_last_holder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = JobFolder::create_in(parent.path()).unwrap();
        let (path, other) = (folder.path().to_owned(), folder.clone());
        drop(folder);
        assert!(path.exists());
        drop(other);
        assert!(!path.exists());
    }
}
