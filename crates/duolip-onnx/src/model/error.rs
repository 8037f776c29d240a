//! Why a lip-sync model cannot be run: every message names the file, what it has and what is
//! wanted.

use std::fmt;
use std::path::PathBuf;

use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::lipsync::Look;

use crate::interface::{FACE_SIZES, LARGEST_BATCH, Port};

/// Why a path names no lip-sync model that can be run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file or folder is not there or cannot be read.
    #[error("{file} could not be read", file = file.display())]
    Unreadable {
        /// The file or folder.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The folder is no model's.
    #[error("{folder} has no manifest.toml", folder = folder.display())]
    NoManifest {
        /// The folder.
        folder: PathBuf,
    },
    /// The manifest lacks a field, or is no TOML.
    #[error("{file} is not a valid manifest", file = file.display())]
    BadManifest {
        /// The manifest.
        file: PathBuf,
        /// What is wrong, and in which line.
        source: toml::de::Error,
    },
    /// A field of the manifest has a value that means nothing.
    #[error("{file} says {field} = {value:?}; known: {known}", file = file.display())]
    UnknownValue {
        /// The manifest.
        file: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The values there are.
        known: &'static str,
    },
    /// The manifest does not list a file that every model has.
    #[error("{file} lists no {missing} under [files]", file = file.display())]
    NotListed {
        /// The manifest.
        file: PathBuf,
        /// The file that it should list.
        missing: &'static str,
    },
    /// The manifest lists graphs of both forms.
    #[error(
        "{file} lists {one} and {other}; a model has either lipsync.onnx, or face_encoder.onnx and \
         mouth_generator.onnx",
        file = file.display()
    )]
    BothForms {
        /// The manifest.
        file: PathBuf,
        /// A file of the one form.
        one: &'static str,
        /// A file of the other.
        other: &'static str,
    },
    /// The manifest says that a whole graph paints a part.
    #[error(
        "{file} has [painted], which lipsync.onnx cannot keep: it paints every pixel",
        file = file.display()
    )]
    PaintedWhole {
        /// The manifest.
        file: PathBuf,
    },
    /// The painted rectangle is empty or leaves the mouth.
    #[error(
        "{file} says in [painted] {}; that must be at least one pixel of the {input_size}x{input_size}",
        rectangle(painted),
        file = file.display()
    )]
    BadRectangle {
        /// The manifest.
        file: PathBuf,
        /// The rectangle.
        painted: FaceBox,
        /// The mouth's width and height in pixels.
        input_size: usize,
    },
    /// A file that the manifest lists is not there.
    #[error(
        "{file} is listed in {manifest} and is not there",
        file = file.display(),
        manifest = manifest.display()
    )]
    MissingFile {
        /// The manifest.
        manifest: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// A file is not the one that the manifest lists.
    #[error("{file} has the SHA-256 {actual}; its manifest says {expected}", file = file.display())]
    WrongHash {
        /// The file.
        file: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What the file has.
        actual: String,
    },
    /// The model is the other one of the pair.
    #[error("{folder} is a {actual} model; a {expected} model is wanted here", folder = folder.display())]
    OtherLook {
        /// The model's folder.
        folder: PathBuf,
        /// The look wanted.
        expected: Look,
        /// The look it has.
        actual: Look,
    },
    /// The graph takes another size than the manifest says.
    #[error(
        "{file} takes faces of {actual} px; its manifest says input_size = {expected}",
        file = file.display()
    )]
    OtherSize {
        /// The graph.
        file: PathBuf,
        /// What the manifest says, in pixels.
        expected: usize,
        /// What the graph takes, in pixels.
        actual: usize,
    },
    /// The graph's faces are too small to be pasted, or too large.
    #[error(
        "{file} takes faces of {size} px; supported are {} to {} px",
        FACE_SIZES.start(),
        FACE_SIZES.end(),
        file = file.display()
    )]
    FaceSize {
        /// The graph.
        file: PathBuf,
        /// What the graph takes, in pixels.
        size: usize,
    },
    /// The graph takes but one batch size, and that is too large.
    #[error(
        "{file} has the fixed batch size {batch}; the largest supported is {LARGEST_BATCH}",
        file = file.display()
    )]
    Batch {
        /// The graph.
        file: PathBuf,
        /// Its batch size.
        batch: usize,
    },
    /// The graph paints another rectangle than the manifest says.
    #[error(
        "{file} gives {mouths}; its manifest says that it paints {}, which are {}x{} pixels",
        rectangle(painted),
        painted.height(),
        painted.width(),
        file = file.display()
    )]
    OtherRectangle {
        /// The mouth generator.
        file: PathBuf,
        /// What the manifest says.
        painted: FaceBox,
        /// The generator's output.
        mouths: Box<Port>,
    },
    /// The model was imported for another way of pasting.
    #[error(
        "model {model} paints {} of its mouths, and {paste} paste takes {}; import its checkpoint \
         again with `duolip import-model --paste {paste}`",
        rectangle(painted),
        rectangle(needed),
        paste = paste.name()
    )]
    PaintsTooLittle {
        /// The model's name.
        model: String,
        /// How its mouths are to be pasted.
        paste: Paste,
        /// What it paints.
        painted: FaceBox,
        /// What the paste takes.
        needed: FaceBox,
    },
    /// The graph is not what it should be.
    #[error(
        "{file} is not a {kind}: {what}; wanted are {}; it has inputs {} and outputs {}",
        kind.wanted(),
        listed(inputs),
        listed(outputs),
        file = file.display()
    )]
    WrongInterface {
        /// The graph.
        file: PathBuf,
        /// What it should be.
        kind: GraphKind,
        /// What does not fit.
        what: String,
        /// Its inputs.
        inputs: Vec<Port>,
        /// Its outputs.
        outputs: Vec<Port>,
    },
}

/// What a graph of a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphKind {
    /// Mel windows and faces to mouths.
    LipSync,
    /// Faces to features.
    FaceEncoder,
    /// Mel windows and features to mouths.
    MouthGenerator,
}

impl GraphKind {
    fn wanted(self) -> &'static str {
        match self {
            Self::LipSync => {
                "two f32 inputs, mel (N, 1, 80, 16) and faces (N, 6, S, S), and one output \
                 (N, 3, S, S)"
            }
            Self::FaceEncoder => "one f32 input, faces (M, 6, S, S), and features (M, C, h, w)",
            Self::MouthGenerator => {
                "the f32 input mel (N, 1, 80, 16), the face encoder's outputs as inputs of the same \
                 names (1, C, h, w), and one f32 output (N, 3, h, w)"
            }
        }
    }
}

impl fmt::Display for GraphKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LipSync => "lip-sync graph",
            Self::FaceEncoder => "face encoder",
            Self::MouthGenerator => "mouth generator",
        })
    }
}

fn listed(ports: &[Port]) -> String {
    if ports.is_empty() {
        return "none".to_owned();
    }
    ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ")
}

fn rectangle(pixels: &FaceBox) -> String {
    let FaceBox { left, top, right, bottom } = pixels;
    format!("rows {top}..{bottom} and columns {left}..{right}")
}
