//! Lip-sync models on disk: what a path names, checked before any session is started.
//!
//! A model is a folder with a `manifest.toml` and `lipsync.onnx`, or a bare `.onnx` file. Whether
//! the graph can be run is for [`crate::session`] to find out.

use std::path::{Path, PathBuf};

use duolip_pipeline::lipsync::Look;

use crate::graph::Port;
use crate::manifest::ModelManifest;

/// A lip-sync model on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LipSyncModel {
    /// Which of the pair it is.
    pub look: Look,
    /// The graph's file.
    pub graph_file: PathBuf,
    /// What the model says of itself; a bare graph says nothing.
    pub manifest: Option<ModelManifest>,
}

impl LipSyncModel {
    /// The model at `path`, to be the pair's `look`.
    ///
    /// # Errors
    /// [`ModelError`], naming file and value.
    pub fn open(path: &Path, look: Look) -> Result<Self, ModelError> {
        let unreadable = |source| ModelError::Unreadable { file: path.to_path_buf(), source };
        if path.metadata().map_err(unreadable)?.is_dir() {
            let (manifest, graph_file) = ModelManifest::read(path)?;
            if manifest.look != look {
                return Err(ModelError::OtherLook {
                    folder: path.to_path_buf(),
                    expected: look,
                    actual: manifest.look,
                });
            }
            return Ok(Self { look, graph_file, manifest: Some(manifest) });
        }
        let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("onnx") => Ok(Self { look, graph_file: path.to_path_buf(), manifest: None }),
            Some("pt" | "pth") => Err(ModelError::Checkpoint { file: path.to_path_buf() }),
            _ => Err(ModelError::UnknownForm { file: path.to_path_buf() }),
        }
    }

    /// The model's name: the manifest's, or else the file's.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.manifest {
            Some(manifest) => manifest.name.clone(),
            None => self.graph_file.display().to_string(),
        }
    }
}

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
    /// It is a PyTorch checkpoint.
    #[error(
        "{file} is a PyTorch checkpoint and must be imported before it can be run; a model that can \
         be run is a folder with manifest.toml and lipsync.onnx, or an .onnx file",
        file = file.display()
    )]
    Checkpoint {
        /// The checkpoint.
        file: PathBuf,
    },
    /// It is some other file.
    #[error(
        "{file} is no lip-sync model; a model is a folder with manifest.toml and lipsync.onnx, or \
         an .onnx file",
        file = file.display()
    )]
    UnknownForm {
        /// The file.
        file: PathBuf,
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
    /// The graph is not a lip-sync graph.
    #[error(
        "{file} is not a lip-sync graph: {what}; wanted are two f32 inputs, mel (N, 1, 80, 16) and \
         faces (N, 6, S, S), and one output (N, 3, S, S); it has inputs {} and outputs {}",
        listed(inputs),
        listed(outputs),
        file = file.display()
    )]
    WrongInterface {
        /// The graph.
        file: PathBuf,
        /// What does not fit.
        what: &'static str,
        /// Its inputs.
        inputs: Vec<Port>,
        /// Its outputs.
        outputs: Vec<Port>,
    },
}

fn listed(ports: &[Port]) -> String {
    if ports.is_empty() {
        return "none".to_owned();
    }
    ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
