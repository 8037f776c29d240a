//! Checkpoint files → tensors by name.
//!
//! The first step of an import: a file in any container PyTorch has written becomes a
//! [`StateDict`], which duolip-compiler turns into graphs. What a file is, is told by its content,
//! never by its name. Nothing in it is executed, and it cannot ask for more memory than its own
//! size justifies.
//!
//! Must not know of ONNX Runtime, of the layers of a lip-sync network, or of model folders.

mod archive;
mod dtype;
mod entries;
mod error;
mod input;
mod known;
mod legacy;
mod materialise;
mod onnx;
mod pickle;
mod sniff;
mod state;
mod zip;

use std::{
    fmt,
    fs::File,
    io::{Read, Seek},
    path::Path,
};

pub use error::{CheckpointError, Damage};
pub use known::KnownNetwork;
pub use state::{StateDict, Tensor};

use sniff::Kind;

/// What a file turned out to hold.
#[derive(Debug)]
pub enum Checkpoint {
    /// Weights written by PyTorch.
    Torch {
        /// The container they lay in.
        form: Form,
        /// The weights.
        state: StateDict,
    },
    /// An ONNX graph; its content is not read here.
    Onnx,
}

/// The containers PyTorch has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `torch.save` before PyTorch 1.6: pickles in a row, then raw storages.
    LegacyPickle,
    /// `torch.save` since PyTorch 1.6: a zip archive with `data.pkl` and `data/N`.
    ZipPickle,
    /// `torch.jit.save`: a zip archive that also holds the network's code.
    TorchScript,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LegacyPickle => "a legacy PyTorch pickle",
            Self::ZipPickle => "a PyTorch zip archive",
            Self::TorchScript => "a TorchScript archive",
        })
    }
}

/// Reads a checkpoint file of any container.
///
/// Where the pickle holds a dictionary with a `state_dict`, that is taken, and whatever lies
/// beside it (an optimiser's moments) is neither kept nor read from the disk.
///
/// # Errors
/// One variant per kind of file that is no lip-sync checkpoint; every message says what the file
/// is, and where a sound one is found. See [`CheckpointError`].
///
/// # Performance
/// Reads each storage of the state dict once. Peak memory: the state dict as f32, one storage as
/// stored, and at most a few tens of megabytes for names and directory.
pub fn read(file: &Path) -> Result<Checkpoint, CheckpointError> {
    read_from(File::open(file)?)
}

/// Whether `file` is an ONNX graph; a look at its first bytes tells.
///
/// # Errors
/// [`CheckpointError`] when it is neither that nor a checkpoint.
pub fn is_onnx(file: &Path) -> Result<bool, CheckpointError> {
    Ok(matches!(sniff::kind(&mut File::open(file)?)?, Kind::Onnx))
}

/// [`read`] for anything that can be read and sought in.
///
/// # Errors
/// As [`read`].
pub fn read_from(mut source: impl Read + Seek) -> Result<Checkpoint, CheckpointError> {
    match sniff::kind(&mut source)? {
        Kind::Onnx => Ok(Checkpoint::Onnx),
        Kind::Legacy { size_bytes } => {
            let form = Form::LegacyPickle;
            let state = legacy::read(&mut source, size_bytes)?;
            Ok(Checkpoint::Torch { form, state })
        }
        Kind::Zip { size_bytes } => {
            let (form, state) = archive::read(&mut source, size_bytes)?;
            Ok(Checkpoint::Torch { form, state })
        }
    }
}
