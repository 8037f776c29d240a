//! A lip-sync network in memory: mel windows and a face in, mouths out.
//!
//! Lives on its session's owner thread ([`crate::owner`]); everything here blocks. What is common to
//! whole and split models: batches, warm-up, errors.

mod split;
mod whole;

use std::error::Error;
use std::sync::Arc;

use duolip_pipeline::face::{FaceBox, FaceCrop};
use duolip_pipeline::lipsync::{LipSyncError, Look};
use duolip_pipeline::mel::WINDOW_VALUES;

use crate::chain::{ChainError, OutOfMemory};
use crate::device::Device;
use crate::features::FeatureCounters;
use crate::library::OnnxRuntime;
use crate::model::{GraphFiles, LipSyncModel, ModelError};
use crate::owner::{Painter, paint};
use crate::session::{SessionError, SessionSettings};
use crate::tensors::MOUTH_CHANNELS;
use split::{FileChanged, SplitNetwork};
use whole::WholeNetwork;

/// The mel value of silence: what unused places of a batch hold.
const SILENCE: f32 = -4.0;

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Network {
    look: Look,
    graphs: Graphs,
    batch_size: usize,
    /// Whether the graph takes no other batch size.
    fixed: bool,
    /// Whether a short batch is filled up to `batch_size`.
    padded: bool,
    /// `[batch_size, 1, 80, 16]`: a short batch, filled up.
    windows: Vec<f32>,
}

/// The two forms of model.
#[derive(Debug)]
enum Graphs {
    Whole(WholeNetwork),
    Split(Box<SplitNetwork>),
}

impl Network {
    /// Loads `model`'s graphs onto `device`. What is done for faces is counted in `counters`.
    ///
    /// # Errors
    /// [`SessionError::Provider`], [`SessionError::Load`], [`SessionError::Model`],
    /// [`SessionError::Features`].
    pub(crate) fn load(
        model: &LipSyncModel,
        settings: &SessionSettings,
        device: Device,
        runtime: &'static OnnxRuntime,
        counters: Arc<FeatureCounters>,
    ) -> Result<Self, SessionError> {
        let graphs = match &model.graphs {
            GraphFiles::Whole(file) => {
                Graphs::Whole(WholeNetwork::load(file, settings, device, runtime)?)
            }
            GraphFiles::Split { f32, f16, painted } => {
                // Before anything large is loaded.
                if let Some(manifest) = &model.manifest {
                    model.check_painted(settings.paste, manifest.input_size)?;
                }
                let files = crate::model::on(device, f32, f16.as_ref());
                let network =
                    SplitNetwork::load(files, *painted, settings, device, runtime, counters)?;
                Graphs::Split(Box::new(network))
            }
        };
        let fixed_batch = match &graphs {
            Graphs::Whole(whole) => whole.fixed_batch(),
            Graphs::Split(_) => None,
        };
        let network = Self {
            look: model.look,
            graphs,
            batch_size: fixed_batch.unwrap_or(settings.batch_size.get()),
            fixed: fixed_batch.is_some(),
            // A GPU's kernels are chosen by the whole shape: a frame in a short batch could come
            // out of another kernel than the same frame in a full one.
            padded: fixed_batch.is_some() || device == Device::Cuda,
            windows: Vec::new(),
        };
        let actual = network.input_size();
        if let Some(manifest) = &model.manifest
            && manifest.input_size != actual
        {
            let (file, expected) = (model.graphs.main(device).to_path_buf(), manifest.input_size);
            return Err(SessionError::Model(ModelError::OtherSize { file, expected, actual }));
        }
        Ok(network)
    }

    /// Width and height of faces and mouths, in pixels.
    pub(crate) fn input_size(&self) -> usize {
        match &self.graphs {
            Graphs::Whole(whole) => whole.input_size(),
            Graphs::Split(split) => split.interface().input_size,
        }
    }

    /// The pixels of a mouth that are painted.
    pub(crate) fn painted(&self) -> FaceBox {
        match &self.graphs {
            Graphs::Whole(whole) => whole.painted(),
            Graphs::Split(split) => split.interface().painted,
        }
    }

    /// The bytes kept of one face; `None` for a whole graph, which keeps nothing.
    pub(crate) fn feature_bytes(&self) -> Option<usize> {
        match &self.graphs {
            Graphs::Whole(_) => None,
            Graphs::Split(split) => Some(split.interface().feature_bytes()),
        }
    }

    /// Paints silence with the shapes that will be asked for: a full batch, and a single mouth
    /// where short batches are not filled up. Nothing is kept of the face it is painted on. A batch
    /// for which there is no memory is halved here already.
    ///
    /// # Errors
    /// [`LipSyncError::OutOfMemory`], [`LipSyncError::Inference`].
    pub(crate) fn warm_up(&mut self) -> Result<(), LipSyncError> {
        let size = self.input_size();
        let face = Arc::new(FaceCrop { size, bgr: vec![127; size * size * MOUTH_CHANNELS] });
        let shortest = if self.padded { self.batch_size } else { 1 };
        for count in [self.batch_size, shortest] {
            paint(self.look, self, &face, &vec![SILENCE; count * WINDOW_VALUES])?;
        }
        if let Graphs::Split(split) = &mut self.graphs {
            split.forget_faces();
        }
        Ok(())
    }

    /// Paints up to `batch_size` mouths on `face`; appends them.
    fn run(
        &mut self,
        face: &Arc<FaceCrop>,
        windows: &[f32],
        bgr: &mut Vec<u8>,
    ) -> Result<(), RunError> {
        let count = windows.len() / WINDOW_VALUES;
        let rows = if self.padded { self.batch_size } else { count };
        let windows = if rows == count {
            windows
        } else {
            self.windows.clear();
            self.windows.extend_from_slice(windows);
            self.windows.resize(rows * WINDOW_VALUES, SILENCE);
            &self.windows
        };
        match &mut self.graphs {
            Graphs::Whole(whole) => whole.paint(face, windows, count, bgr),
            Graphs::Split(split) => split.paint(face, windows, count, bgr),
        }
    }
}

impl Painter for Network {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn paint(
        &mut self,
        face: &Arc<FaceCrop>,
        windows: &[f32],
        bgr: &mut Vec<u8>,
    ) -> Result<(), LipSyncError> {
        let count = windows.len() / WINDOW_VALUES;
        self.run(face, windows, bgr).map_err(|error| error.classified(self.look, count))
    }

    fn shrink(&mut self, rows: usize) -> bool {
        let tried = if self.padded { self.batch_size } else { rows };
        if self.fixed || tried < 2 {
            return false;
        }
        self.batch_size = tried / 2;
        if let Graphs::Split(split) = &mut self.graphs {
            split.shrink(self.batch_size);
        }
        true
    }
}

/// Why a run of the graphs gave no mouths.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// ONNX Runtime failed.
    #[error(transparent)]
    Runtime(#[from] ort::Error),
    /// The chain of layers failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There was no memory for a batch.
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    /// The face encoder could not be loaded again.
    #[error(transparent)]
    Load(#[from] SessionError),
    /// The face encoder is another by now.
    #[error(transparent)]
    Changed(#[from] FileChanged),
    /// A graph's output has another shape than was asked for.
    #[error("the graph's output has shape {actual:?}; wanted is {expected:?}")]
    WrongOutput { expected: [usize; 4], actual: Vec<usize> },
}

impl RunError {
    /// The domain's error: out of memory is told apart, since it may pass.
    fn classified(self, look: Look, batch_size: usize) -> LipSyncError {
        let source: Box<dyn Error + Send + Sync> = match self {
            Self::Runtime(error) if is_out_of_memory(error.message()) => {
                return LipSyncError::OutOfMemory { look, batch_size, source: Box::new(error) };
            }
            Self::Memory(error) => {
                return LipSyncError::OutOfMemory { look, batch_size, source: Box::new(error) };
            }
            Self::Load(SessionError::Load { source, .. }) if is_out_of_memory(source.message()) => {
                return LipSyncError::OutOfMemory { look, batch_size, source: Box::new(source) };
            }
            Self::Runtime(error) => Box::new(error),
            Self::Load(error) => Box::new(error),
            Self::Changed(error) => Box::new(error),
            other @ (Self::Chain(_) | Self::WrongOutput { .. }) => Box::new(other),
        };
        LipSyncError::Inference { look, source }
    }
}

/// Checks an output's shape, as ONNX Runtime gives it.
fn check_shape(actual: &[i64], expected: [usize; 4]) -> Result<(), RunError> {
    let actual: Vec<usize> = actual.iter().map(|&axis| axis as usize).collect();
    if actual == expected { Ok(()) } else { Err(RunError::WrongOutput { expected, actual }) }
}

/// Whether ONNX Runtime's message says that memory ran out: it has no error code for it.
fn is_out_of_memory(message: &str) -> bool {
    [
        "out of memory",
        "Failed to allocate memory",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUBLAS failure 3:",
        "bad allocation",
        "bad_alloc",
    ]
    .iter()
    .any(|said| message.contains(said))
}

#[cfg(test)]
mod tests;
