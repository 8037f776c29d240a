//! Every reason not to take a file: one variant per kind of file, each message says what the file
//! is and where a sound one is found.
//!
//! Must not know how a file is read.

use std::io;

use crate::{Form, KnownNetwork};

/// Why a file gives no weights.
///
/// The file's path is not in the messages: callers put it before them: "wav2lip.pth: this is …".
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be opened or read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),

    /// No bytes at all.
    #[error(
        "this file is empty: the download never began; docs/models.md says where Wav2Lip's checkpoints are found"
    )]
    Empty,

    /// A web page or an XML answer, saved under the checkpoint's name.
    #[error(
        "this is a web page of {size_bytes} bytes, not a checkpoint: the site answered the download with a page (to sign in, to confirm, or an error); open the link of docs/models.md in a browser and save the file itself (Wav2Lip-SD-GAN.pt and Wav2Lip-SD-NOGAN.pt have about 140 MB)"
    )]
    WebPage {
        /// Size of the page.
        size_bytes: u64,
    },

    /// The stand-in that git leaves for a large file.
    #[error(
        "this is a Git LFS pointer, a note of {size_bytes} bytes that stands for the checkpoint: run `git lfs pull` in the repository it came from, or download the file itself from its page"
    )]
    LfsPointer {
        /// Size of the note.
        size_bytes: u64,
    },

    /// Weights in the safetensors form.
    #[error(
        "this is a safetensors file, which none of Wav2Lip's checkpoints is; take the .pt or .pth file named in docs/models.md"
    )]
    Safetensors,

    /// An HDF5 file or a Keras archive.
    #[error(
        "this is a Keras model (HDF5), not a PyTorch checkpoint; take the .pt or .pth file named in docs/models.md"
    )]
    Keras,

    /// A TensorFlow `SavedModel`.
    #[error(
        "this is a TensorFlow SavedModel, not a PyTorch checkpoint; take the .pt or .pth file named in docs/models.md"
    )]
    TensorFlow,

    /// An archive or a compressed file that may hold a checkpoint.
    #[error(
        "this is a {kind}, not a checkpoint: unpack it and import the .pt, .pth or .onnx inside"
    )]
    Packed {
        /// `tar archive`, `gzip file`, …
        kind: &'static str,
    },

    /// A zip archive that PyTorch did not write.
    #[error(
        "this is a zip archive, but not a PyTorch one: it has no data.pkl{}; unpack it and import the .pt, .pth or .onnx inside",
        first_entry.as_ref().map(|name| format!(" (it begins with {name:?})")).unwrap_or_default()
    )]
    OtherZip {
        /// Name of the first entry.
        first_entry: Option<String>,
    },

    /// A zip archive without its end.
    #[error(
        "this PyTorch archive is cut off: its directory, which comes last, is missing after {size_bytes} bytes; download it again (Wav2Lip-SD-GAN.pt and Wav2Lip-SD-NOGAN.pt have about 140 MB)"
    )]
    TruncatedZip {
        /// Size of what there is.
        size_bytes: u64,
    },

    /// A legacy stream without its end.
    #[error(
        "this legacy PyTorch pickle is cut off: it ends after {size_bytes} bytes, where more must follow; download it again (wav2lip.pth and wav2lip_gan.pth have about 416 MB)"
    )]
    TruncatedLegacy {
        /// Size of what there is.
        size_bytes: u64,
    },

    /// An ONNX graph without its end.
    #[error("this ONNX file is cut off after {size_bytes} bytes; download or export it again")]
    TruncatedOnnx {
        /// Size of what there is.
        size_bytes: u64,
    },

    /// Written on a big-endian machine.
    #[error(
        "{form} written on a big-endian machine, which is not read here; load it with PyTorch there and save it on a little-endian one"
    )]
    BigEndian {
        /// Its container.
        form: Form,
    },

    /// TorchScript from before PyTorch 1.4.
    #[error(
        "this is a TorchScript archive from before PyTorch 1.4 (model.json), which is not read here; load it with PyTorch 1.4 or newer and save it again"
    )]
    OldTorchScript,

    /// TorchScript whose parameters were folded into the code.
    #[error(
        "this TorchScript archive was frozen: its weights are constants of the code, without names; take the archive as it was before torch.jit.freeze (Wav2Lip-SD-GAN.pt and Wav2Lip-SD-NOGAN.pt are not frozen; docs/models.md says where they are found)"
    )]
    Frozen,

    /// A pickle PyTorch did not write.
    #[error(
        "this is a Python pickle that PyTorch did not write, so it holds no weights; docs/models.md says where Wav2Lip's checkpoints are found"
    )]
    PlainPickle,

    /// PyTorch wrote it, but there is no tensor by a name in it.
    #[error(
        "{form} without a single named tensor in it, so no network's weights; docs/models.md says where Wav2Lip's checkpoints are found"
    )]
    NoTensors {
        /// Its container.
        form: Form,
    },

    /// Another network, one that often lies beside the right one.
    #[error("{network}")]
    WrongNetwork {
        /// Which.
        network: KnownNetwork,
    },

    /// It holds an object of a class that is not plain data.
    #[error(
        "{form} that holds an object of the Python class {class}, and only tensors and plain data are read; save the network's state_dict() by itself, or take a file named in docs/models.md"
    )]
    ForeignClass {
        /// Its container.
        form: Form,
        /// Module and name of the class.
        class: String,
    },

    /// Its bytes contradict one another.
    #[error("{form} that is damaged; download it again")]
    Damaged {
        /// Its container.
        form: Form,
        /// What is wrong in it.
        #[source]
        damage: Damage,
    },

    /// None of the kinds above.
    #[error(
        "this is no checkpoint of a known kind: it begins with {first_bytes}; docs/models.md says where Wav2Lip's checkpoints are found"
    )]
    Unknown {
        /// The first bytes, printable ones as they are.
        first_bytes: String,
    },
}

/// What is wrong inside a damaged file.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Reading failed.
    #[error("reading failed")]
    Read(#[from] io::Error),
    /// Bytes are missing at the end.
    #[error("{needed} bytes are wanted at byte {at}, and it has {size_bytes}")]
    Ends {
        /// Bytes there are.
        size_bytes: u64,
        /// Bytes wanted.
        needed: u64,
        /// Where.
        at: u64,
    },
    /// A count is beyond what any checkpoint needs.
    #[error("more than {most} {of}")]
    Limit {
        /// What is counted.
        of: &'static str,
        /// The limit.
        most: usize,
    },
    /// The zip directory or an entry's header is wrong.
    #[error("the zip archive's {0}")]
    Zip(&'static str),
    /// An entry is wrong.
    #[error("the entry {name:?} {wrong}")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong.
        wrong: &'static str,
    },
    /// An instruction of the pickle is unknown, or would run code.
    #[error("the pickle has the instruction {code:#04x} at byte {at}, which no checkpoint needs")]
    Instruction {
        /// The instruction.
        code: u8,
        /// Where.
        at: u64,
    },
    /// An instruction of the pickle does not find what it works on.
    #[error("the pickle's instruction at byte {at} {wrong}")]
    Pickle {
        /// Where.
        at: u64,
        /// What is wrong.
        wrong: &'static str,
    },
    /// A class that is not plain data; reported as [`CheckpointError::ForeignClass`].
    #[error("an object of the Python class {0}")]
    Class(String),
    /// Written on a big-endian machine; reported as [`CheckpointError::BigEndian`].
    #[error("big-endian numbers")]
    BigEndian,
    /// The stream's header is not as PyTorch writes it.
    #[error("the header {0}")]
    Header(&'static str),
    /// A tensor contradicts its storage.
    #[error("the tensor at byte {at} {wrong}")]
    Tensor {
        /// Where the pickle builds it.
        at: u64,
        /// What is wrong.
        wrong: &'static str,
    },
    /// A storage has another size than its tensors need.
    #[error("storage {key:?} has {has_bytes} bytes, its tensors say {says_bytes}")]
    StorageSize {
        /// Its key.
        key: String,
        /// Bytes there are.
        has_bytes: u64,
        /// Bytes there should be.
        says_bytes: u64,
    },
    /// A storage is missing, or there twice.
    #[error("storage {key:?} {wrong}")]
    Storage {
        /// Its key.
        key: String,
        /// What is wrong.
        wrong: &'static str,
    },
    /// Two tensors have one name.
    #[error("two tensors are called {0:?}")]
    DuplicateTensor(String),
    /// The names are nested in a way no network is.
    #[error("modules are nested deeper than {0}")]
    Nesting(usize),
    /// Tensors, or storages to be read for them, unfold to far more than the file holds.
    #[error(
        "its storages and tensors would take {wanted_bytes} bytes, and a file of its size may give {most_bytes}"
    )]
    TooLarge {
        /// Bytes of all of them.
        wanted_bytes: u64,
        /// Bytes allowed.
        most_bytes: u64,
    },
}

impl Damage {
    /// The refusal of a file in this container.
    pub(crate) fn of(self, form: Form) -> CheckpointError {
        match self {
            Self::Read(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                CheckpointError::Io(error)
            }
            Self::Class(class) => CheckpointError::ForeignClass { form, class },
            Self::BigEndian => CheckpointError::BigEndian { form },
            Self::Ends { size_bytes, .. } if form == Form::LegacyPickle => {
                CheckpointError::TruncatedLegacy { size_bytes }
            }
            damage => CheckpointError::Damaged { form, damage },
        }
    }
}
