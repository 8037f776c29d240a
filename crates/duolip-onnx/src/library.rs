//! ONNX Runtime's library: loaded once and kept for the life of the process.
//!
//! First in the flow of this crate. Every other call into `ort` panics while no library is loaded,
//! so everything that calls it takes an [`OnnxRuntime`], which exists only once one is. Where
//! libraries lie is for `search` to know.

mod search;

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::{Environment, EnvironmentBuilder};
use ort::logging::LogLevel;

pub use search::default_candidates;
use search::{files_of, version_in_name};

/// The library of this process; ONNX Runtime allows one.
static LOADED: OnceLock<OnnxRuntime> = OnceLock::new();

/// Held while candidates are tried.
static LOADING: Mutex<()> = Mutex::new(());

/// ONNX Runtime, loaded.
#[derive(Debug)]
pub struct OnnxRuntime {
    path: PathBuf,
    version: String,
    environment: Environment,
}

impl OnnxRuntime {
    /// Loads the first of `candidates` that is a library this program can use, once per process:
    /// later calls give back the same one, whatever their candidates. After a failure it may be
    /// called again.
    ///
    /// A candidate is a library file, or a folder that holds `libonnxruntime.so`,
    /// `libonnxruntime.so.1.*` (the newest is taken) or their `.dylib` namesakes. A file name
    /// without any folder is left to the system's own search.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`] when no candidate can be used, with the reason for each;
    /// [`LibraryError::Environment`].
    pub fn load(candidates: &[PathBuf]) -> Result<&'static Self, LibraryError> {
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = LOADED.get() {
            return Ok(loaded);
        }
        let loaded = Self::first_usable(candidates)?;
        tracing::info!(path = %loaded.path.display(), version = loaded.version, "ONNX Runtime loaded");
        Ok(LOADED.get_or_init(|| loaded))
    }

    /// The library that [`OnnxRuntime::load`] found, if it has been called with success.
    #[must_use]
    pub fn loaded() -> Option<&'static Self> {
        LOADED.get()
    }

    /// The library file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version, such as "1.32.0".
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What sessions are created in.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    fn first_usable(candidates: &[PathBuf]) -> Result<Self, LibraryError> {
        let mut attempts = Vec::new();
        for candidate in candidates {
            match files_of(candidate) {
                Ok(files) => {
                    for path in files {
                        match ort::init_from(&path) {
                            Ok(builder) => return Self::started(builder, path),
                            Err(reason) => attempts.push(Attempt::unusable(path, reason)),
                        }
                    }
                }
                Err(reason) => attempts.push(Attempt { path: candidate.clone(), reason }),
            }
        }
        Err(LibraryError::NotFound { attempts })
    }

    fn started(builder: EnvironmentBuilder, path: PathBuf) -> Result<Self, LibraryError> {
        let environment = match builder.with_name("duolip").with_telemetry(false).build() {
            Ok(environment) => environment,
            Err(source) => return Err(LibraryError::Environment { path, source }),
        };
        // It reports every optimisation of every graph otherwise.
        environment.set_log_level(LogLevel::Warning);
        let version = version_of(ort::info(), &path);
        Ok(Self { path, version, environment })
    }
}

/// The version out of ONNX Runtime's build information, or else out of the file's name.
fn version_of(build_info: &str, path: &Path) -> String {
    let branch = build_info
        .split(", ")
        .find_map(|part| part.rsplit_once("git-branch=").map(|(_, branch)| branch))
        .and_then(|branch| branch.strip_prefix("rel-"));
    if let Some(version) = branch {
        return version.to_owned();
    }
    let file = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match version_in_name(&name) {
        Some(numbers) if !numbers.is_empty() => {
            numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
        }
        _ => "unknown".to_owned(),
    }
}

/// A candidate that could not be used.
#[derive(Debug)]
pub struct Attempt {
    /// The candidate.
    pub path: PathBuf,
    /// Why not.
    pub reason: AttemptError,
}

impl Attempt {
    fn unusable(path: PathBuf, reason: ort::LoadDynamicError) -> Self {
        let reason = AttemptError::Unusable(reason);
        tracing::warn!(path = %path.display(), %reason, "not a usable ONNX Runtime");
        Self { path, reason }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.path.display(), self.reason)
    }
}

/// Why a candidate could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// It is not there, or cannot be read.
    #[error(transparent)]
    Unreadable(io::Error),
    /// The folder is there, the library is not.
    #[error("no libonnxruntime in this folder")]
    NoneInFolder,
    /// It is no ONNX Runtime, one for another machine, or one that is too old.
    #[error("{}", own_words(.0))]
    Unusable(ort::LoadDynamicError),
}

/// What the linker said: `ort`'s message leaves it out.
fn own_words(reason: &ort::LoadDynamicError) -> String {
    match reason {
        ort::LoadDynamicError::Dlopen { error, .. } => {
            error.source().map_or_else(|| error.to_string(), ToString::to_string)
        }
        other => other.to_string(),
    }
}

/// Why there is no ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// No candidate could be used.
    #[error(
        "ONNX Runtime was not found; run `make setup`, or set ORT_DYLIB_PATH to a \
         libonnxruntime.so of version 1.{} or newer; tried: {}",
        ort::MINOR_VERSION,
        listed(attempts)
    )]
    NotFound {
        /// Every candidate, in the order tried.
        attempts: Vec<Attempt>,
    },
    /// The library was loaded and would not start.
    #[error("ONNX Runtime in {path} could not be started", path = path.display())]
    Environment {
        /// The library.
        path: PathBuf,
        /// What it said.
        #[source]
        source: ort::Error,
    },
}

fn listed(attempts: &[Attempt]) -> String {
    if attempts.is_empty() {
        return "nothing".to_owned();
    }
    attempts.iter().map(Attempt::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_build_or_else_from_the_name() {
        let named = Path::new("/nowhere/libonnxruntime.so.1.30.2");
        let released = "ORT Build Info: git-branch=rel-1.32.0, build type=Release";
        assert_eq!(version_of(released, named), "1.32.0");
        assert_eq!(version_of("ORT Build Info: git-branch=HEAD", named), "1.30.2");
        assert_eq!(version_of("", Path::new("/nowhere/libonnxruntime.so")), "unknown");
    }
}
