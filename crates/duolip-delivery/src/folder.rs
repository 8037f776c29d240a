//! A store that is a folder: a mounted disk, or what a web server serves.
//!
//! A file appears under its name whole or not at all: it is written beside its place under a
//! temporary name, synced and renamed. A process that is killed may leave such a temporary file,
//! `.duolip-….part`, and never half a video.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use duolip_pipeline::CancellationToken;
use duolip_pipeline::deliver::{Artifact, ArtifactStore, DeliverError, Stored};

use crate::key::{Key, percent_encoded, prefix_fault};

#[cfg(test)]
mod tests;

/// How much is copied between two looks at the cancellation token.
const COPY_BYTES: usize = 1 << 20;

/// Where a folder store keeps its artifacts and how they are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderSettings {
    /// The folder; made when it is missing.
    pub folder: PathBuf,
    /// Folders inside it that keys begin with: `""`, `videos` or `videos/today`.
    pub prefix: String,
    /// The URL under which a web server shows the folder; `None`: artifacts get `file://` URLs.
    pub public_url: Option<String>,
}

/// Why a folder cannot be a store.
#[derive(Debug, thiserror::Error)]
pub enum FolderStoreError {
    /// The prefix would leave the folder.
    #[error("the prefix {prefix:?} cannot be used: {reason}")]
    BadPrefix {
        /// The prefix.
        prefix: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The folder is missing and cannot be made, or is no folder.
    #[error("the folder {folder} cannot be used", folder = folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Keeps artifacts as files in a folder.
#[derive(Debug)]
pub struct FolderArtifactStore {
    /// Absolute.
    folder: PathBuf,
    prefix: String,
    public_url: Option<String>,
}

impl FolderArtifactStore {
    /// A store in `settings.folder`, which is made when it is missing.
    ///
    /// # Errors
    /// [`FolderStoreError`].
    pub fn new(settings: FolderSettings) -> Result<Self, FolderStoreError> {
        let FolderSettings { folder, prefix, public_url } = settings;
        if let Some(reason) = prefix_fault(&prefix) {
            return Err(FolderStoreError::BadPrefix { prefix, reason });
        }
        let made = fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
        match made {
            Ok(folder) => Ok(Self { folder, prefix, public_url }),
            Err(source) => Err(FolderStoreError::Unusable { folder, source }),
        }
    }

    fn failed(&self, source: io::Error) -> DeliverError {
        let store = self.description();
        match source.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::AlreadyExists
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory => DeliverError::Refused { store, source: source.into() },
            _ => DeliverError::Unavailable { store, source: source.into() },
        }
    }

    fn url(&self, key: &Key) -> String {
        if let Some(prefix) = &self.public_url {
            return key.below(prefix);
        }
        let file = self.folder.join(key.as_str());
        format!("file://{}", percent_encoded(file.as_os_str().as_bytes()))
    }
}

#[async_trait]
impl ArtifactStore for FolderArtifactStore {
    fn description(&self) -> String {
        format!("the folder {}", self.folder.display())
    }

    async fn put(&self, artifact: &Artifact) -> Result<Stored, DeliverError> {
        let key = Key::new(&self.prefix, &artifact.name)?;
        let (source, destination) = (artifact.file.clone(), self.folder.join(key.as_str()));
        // Dropping this future cancels the copy, which has a thread of its own.
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let copied = tokio::task::spawn_blocking(move || copy(&source, &destination, &cancel))
            .await
            .unwrap_or_else(|panic| Err(Fault::Destination(io::Error::other(panic))));
        match copied {
            Ok(size_bytes) => Ok(Stored {
                url: self.url(&key),
                key: key.as_str().to_owned(),
                expires_at: None,
                size_bytes,
            }),
            Err(Fault::Source(source)) => {
                Err(DeliverError::Unreadable { file: artifact.file.clone(), source })
            }
            Err(Fault::Destination(source)) => Err(self.failed(source)),
        }
    }
}

/// Which end of a copy failed.
#[derive(Debug)]
enum Fault {
    Source(io::Error),
    Destination(io::Error),
}

/// Copies `source` to `destination`, which appears whole or not at all; gives its size in bytes.
fn copy(source: &Path, destination: &Path, cancel: &CancellationToken) -> Result<u64, Fault> {
    let mut source = open(source).map_err(Fault::Source)?;
    let folder = destination.parent().unwrap_or(destination);
    fs::create_dir_all(folder).map_err(Fault::Destination)?;
    // Removed when dropped. Readable for others as far as the umask allows: a web server may be
    // another user.
    let mut partial = tempfile::Builder::new()
        .prefix(".duolip-")
        .suffix(".part")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(Fault::Destination)?;

    let mut buffer = vec![0; COPY_BYTES];
    let mut size_bytes = 0;
    loop {
        wanted(cancel)?;
        let read = source.read(&mut buffer).map_err(Fault::Source)?;
        if read == 0 {
            break;
        }
        partial.write_all(&buffer[..read]).map_err(Fault::Destination)?;
        size_bytes += read as u64;
    }
    partial.as_file().sync_all().map_err(Fault::Destination)?;
    wanted(cancel)?;
    partial.persist(destination).map_err(|error| Fault::Destination(error.error))?;
    // The new name itself, too, is to outlive a power failure.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Fault::Destination)?;
    Ok(size_bytes)
}

/// Whether anybody still waits for the copy.
fn wanted(cancel: &CancellationToken) -> Result<(), Fault> {
    if cancel.is_cancelled() {
        return Err(Fault::Destination(io::Error::other("the delivery was cancelled")));
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"))
    }
}
