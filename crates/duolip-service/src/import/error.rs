//! Why a checkpoint was not imported.

use std::io;
use std::path::{Path, PathBuf};

use duolip_checkpoint::CheckpointError;
use duolip_compiler::{PaintedError, RecognitionError};
use duolip_onnx::{GraphError, ModelError};
use duolip_pipeline::ErrorKind;
use duolip_pipeline::error::Classify;

/// Why a checkpoint was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nobody said by what right.
    #[error(
        "{}; accept that with --accept-license or DUOLIP_ACCEPT_LICENSE=true, or name the licence \
         of your own weights with --licence",
        super::TERMS
    )]
    TermsNotAccepted,
    /// The file is no checkpoint, or is damaged.
    #[error("{file} cannot be imported", file = file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// What it is instead.
        source: CheckpointError,
    },
    /// The file cannot be read.
    #[error("{file} could not be read", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is the checkpoint of another network.
    #[error("{file} is no Wav2Lip network that can be imported", file = file.display())]
    Recognition {
        /// The file.
        file: PathBuf,
        /// What differs first.
        source: RecognitionError,
    },
    /// Its mouths are too small to be pasted.
    #[error(transparent)]
    Painted(#[from] PaintedError),
    /// ONNX Runtime could not run the network as it is.
    #[error("the network in {form} could not be run")]
    Unrunnable {
        /// The container that it was in.
        form: String,
        /// What ONNX Runtime said.
        source: Box<GraphError>,
    },
    /// ONNX Runtime could not run one of the imported graphs.
    #[error("the imported model could not be compared with its source")]
    Comparison(#[source] Box<GraphError>),
    /// The imported model paints something else.
    #[error(
        "the imported model differs from its source by {difference} (of 0 to 1); at most {limit} \
         is accepted"
    )]
    Differs {
        /// The largest difference of one value of one pixel.
        difference: f32,
        /// The largest that is accepted.
        limit: f32,
    },
    /// What was just imported cannot be opened.
    #[error("the imported model in {folder} cannot be used", folder = folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        source: Box<ModelError>,
    },
    /// The output is there and is something else.
    #[error(
        "{folder} exists and is not this import; remove it or name another folder",
        folder = folder.display()
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// The output cannot be written.
    #[error("{folder} could not be written", folder = folder.display())]
    Unwritable {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The import was told to stop.
    #[error("the import was stopped; nothing was written")]
    Cancelled,
}

impl ImportError {
    pub(super) fn no_checkpoint(file: &Path) -> impl Fn(CheckpointError) -> Self {
        move |source| Self::Checkpoint { file: file.to_path_buf(), source }
    }

    pub(super) fn unreadable(file: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Unreadable { file: file.to_path_buf(), source }
    }

    pub(super) fn unwritable(folder: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let folder = folder.to_path_buf();
        move |source| Self::Unwritable { folder: folder.clone(), source }
    }
}

impl Classify for ImportError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::TermsNotAccepted
            | Self::Checkpoint { .. }
            | Self::Unreadable { .. }
            | Self::Recognition { .. }
            | Self::Painted(_)
            | Self::Unrunnable { .. }
            | Self::Occupied { .. }
            | Self::Unwritable { .. } => ErrorKind::InvalidInput,
            Self::Comparison(_) | Self::Differs { .. } | Self::Unusable { .. } => {
                ErrorKind::Internal
            }
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}
