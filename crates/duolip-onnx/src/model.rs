//! Lip-sync models on disk: what a path names, checked before any session is started.
//!
//! A model is a folder with a `manifest.toml` and its graphs, or a single file, whatever its name:
//! a bare graph. Whether the graphs can be run is for [`crate::session`] to find out.

mod error;

use std::path::{Path, PathBuf};

use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::lipsync::Look;

use crate::device::Device;
use crate::manifest::ModelManifest;

pub use error::{GraphKind, ModelError};

/// A lip-sync model on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LipSyncModel {
    /// Which of the pair it is.
    pub look: Look,
    /// Its graphs.
    pub graphs: GraphFiles,
    /// What the model says of itself; a bare graph says nothing.
    pub manifest: Option<ModelManifest>,
}

/// The graphs of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphFiles {
    /// One graph: mel windows and faces in, mouths out.
    Whole(PathBuf),
    /// What a face needs once, apart from what every mel window needs.
    Split {
        /// In single precision.
        f32: SplitFiles,
        /// In half precision, for CUDA.
        f16: Option<SplitFiles>,
        /// The pixels of a mouth that they paint.
        painted: FaceBox,
    },
}

/// The split graphs in one precision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFiles {
    /// A face in, its features out.
    pub face_encoder: PathBuf,
    /// Mel windows and features in, mouths out.
    pub mouth_generator: PathBuf,
}

impl GraphFiles {
    /// The graph that is run for every batch: the one to name in a message.
    pub(crate) fn main(&self, device: Device) -> &Path {
        match self {
            Self::Whole(file) => file,
            Self::Split { f32, f16, .. } => &on(device, f32, f16.as_ref()).mouth_generator,
        }
    }
}

/// The files to run on `device`: half precision on CUDA, where there is any. On a CPU it would gain
/// nothing.
pub(crate) fn on<'a>(
    device: Device,
    f32: &'a SplitFiles,
    f16: Option<&'a SplitFiles>,
) -> &'a SplitFiles {
    match device {
        Device::Cpu => f32,
        Device::Cuda => f16.unwrap_or(f32),
    }
}

impl LipSyncModel {
    /// The model at `path`, to be the pair's `look`. A file is taken for a whole graph; one that is
    /// none is refused when the session starts.
    ///
    /// # Errors
    /// [`ModelError`], naming file and value.
    pub fn open(path: &Path, look: Look) -> Result<Self, ModelError> {
        let unreadable = |source| ModelError::Unreadable { file: path.to_path_buf(), source };
        if path.metadata().map_err(unreadable)?.is_dir() {
            let (manifest, graphs) = ModelManifest::read(path)?;
            if let Some(actual) = manifest.look
                && actual != look
            {
                let (folder, expected) = (path.to_path_buf(), look);
                return Err(ModelError::OtherLook { folder, expected, actual });
            }
            return Ok(Self { look, graphs, manifest: Some(manifest) });
        }
        Ok(Self { look, graphs: GraphFiles::Whole(path.to_path_buf()), manifest: None })
    }

    /// The model's name: the manifest's, or else the file's.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.manifest {
            Some(manifest) => manifest.name.clone(),
            None => self.graphs.main(Device::Cpu).display().to_string(),
        }
    }

    /// The same model under another name.
    #[must_use]
    pub fn named(mut self, name: String) -> Self {
        if let Some(manifest) = &mut self.manifest {
            manifest.name = name;
        }
        self
    }

    /// Checks that the model, whose faces have `input_size`, paints all that `paste` takes from a
    /// mouth.
    ///
    /// # Errors
    /// [`ModelError::PaintsTooLittle`].
    pub(crate) fn check_painted(&self, paste: Paste, input_size: usize) -> Result<(), ModelError> {
        let GraphFiles::Split { painted, .. } = self.graphs else {
            return Ok(());
        };
        let needed = paste.painted_pixels(input_size);
        let covered = painted.left <= needed.left
            && painted.top <= needed.top
            && painted.right >= needed.right
            && painted.bottom >= needed.bottom;
        if covered {
            Ok(())
        } else {
            Err(ModelError::PaintsTooLittle { model: self.name(), paste, painted, needed })
        }
    }
}

#[cfg(test)]
mod tests;
