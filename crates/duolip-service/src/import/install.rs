//! A folder that appears whole or not at all, made by one process at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duolip_pipeline::CancellationToken;
use tempfile::TempDir;

use super::ImportError;

/// How long a waiting import sleeps before it tries again.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// The right to make `target`, and the hidden folder beside it in which it is made.
///
/// Dropped without [`Staging::install`], nothing stays.
#[derive(Debug)]
pub(super) struct Staging {
    target: PathBuf,
    folder: TempDir,
    _lock: Lock,
}

impl Staging {
    /// Waits until no other process makes `target`, or until `cancelled`. What a killed one left
    /// behind is removed.
    pub(super) fn begin(target: &Path, cancelled: &CancellationToken) -> Result<Self, ImportError> {
        let unwritable = ImportError::unwritable(target);
        let (parent, name) = place_of(target).map_err(&unwritable)?;
        let lock = Lock::take(parent.join(format!(".{name}.lock")), cancelled)
            .map_err(&unwritable)?
            .ok_or(ImportError::Cancelled)?;
        let folder = new_folder(&parent, &name).map_err(&unwritable)?;
        Ok(Self { target: target.to_path_buf(), folder, _lock: lock })
    }

    /// Where the folder will be.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Where the files are to be written.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the folder in its place.
    pub(super) fn install(self) -> io::Result<()> {
        // A temporary folder is its owner's alone; a model is for everybody.
        let for_everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.folder.path(), for_everybody)?;
        std::fs::rename(self.folder.path(), &self.target)?;
        // It is no longer where it was made: nothing to remove.
        let _ = self.folder.keep();
        Ok(())
    }
}

/// The folder around `target`, which is made if need be, and its name.
fn place_of(target: &Path) -> io::Result<(PathBuf, String)> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent)?;
    Ok((parent.to_path_buf(), name.into_owned()))
}

/// A hidden folder beside the one called `name`; earlier ones of that name are removed.
fn new_folder(parent: &Path, name: &str) -> io::Result<TempDir> {
    let prefix = format!(".{name}.importing-");
    for entry in parent.read_dir()? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)
}

/// A locked file; the operating system unlocks it when the process ends, however it ends.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// `None` when it was cancelled.
    fn take(path: PathBuf, cancelled: &CancellationToken) -> io::Result<Option<Self>> {
        let mut told = false;
        while !cancelled.is_cancelled() {
            let file = File::create(&path)?;
            match file.try_lock() {
                Ok(()) => {
                    // Who held it before has removed the file, or somebody else made a new one.
                    let named = path.metadata().map(|file| file.ino());
                    let own = file.metadata()?.ino();
                    if named.is_ok_and(|inode| inode == own) {
                        return Ok(Some(Self { path, _file: file }));
                    }
                }
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        tracing::info!(lock = %path.display(), "another import is under way; waiting");
                        told = true;
                    }
                    std::thread::sleep(BETWEEN_TRIES);
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Drop for Lock {
    /// Removes the file while it is still locked.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn begin(target: &Path) -> Staging {
        Staging::begin(target, &CancellationToken::new()).unwrap()
    }

    fn entries(folder: &Path) -> Vec<String> {
        let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_folder_appears_whole_and_nothing_else_stays() {
        let parent = tempfile::tempdir().unwrap();
        let staging = begin(&parent.path().join("model"));
        std::fs::write(staging.folder().join("a"), "1").unwrap();
        assert!(!parent.path().join("model").exists());
        staging.install().unwrap();
        assert_eq!(entries(parent.path()), ["model"]);
        assert_eq!(entries(&parent.path().join("model")), ["a"]);
    }

    #[test]
    fn an_abandoned_folder_leaves_nothing_and_a_killed_ones_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let killed = parent.path().join(".model.importing-killed");
        std::fs::create_dir(&killed).unwrap();
        std::fs::write(killed.join("half"), "1").unwrap();
        let staging = begin(&parent.path().join("model"));
        std::fs::write(staging.folder().join("a"), "1").unwrap();
        assert!(!killed.exists());
        drop(staging);
        assert_eq!(entries(parent.path()), [""; 0]);
    }

    #[test]
    fn who_waits_for_another_import_can_be_told_to_stop() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("model");
        let held = begin(&target);
        let cancelled = CancellationToken::new();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Staging::begin(&target, &cancelled));
            cancelled.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(ImportError::Cancelled)));
        });
        drop(held);
        assert_eq!(entries(parent.path()), [""; 0]);
    }

    #[test]
    fn of_many_at_the_same_time_one_makes_it() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("model");
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let staging = begin(&target);
                    if !target.exists() {
                        made.fetch_add(1, Ordering::Relaxed);
                        std::fs::write(staging.folder().join("a"), "1").unwrap();
                        staging.install().unwrap();
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
        assert_eq!(entries(parent.path()), ["model"]);
    }
}
