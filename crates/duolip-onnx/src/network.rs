//! A lip-sync graph in memory: mel windows and a face in, mouths out.
//!
//! Lives on its session's owner thread ([`crate::owner`]); everything here blocks. The only module
//! that runs inference.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use duolip_pipeline::face::FaceCrop;
use duolip_pipeline::lipsync::{LipSyncError, Look, MouthBatch, Mouths};
use duolip_pipeline::mel::WINDOW_VALUES;
use ort::ep::CUDA;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;

use crate::graph::{LipSyncGraph, MEL_SHAPE, Port};
use crate::library::OnnxRuntime;
use crate::model::{LipSyncModel, ModelError};
use crate::owner::Painter;
use crate::session::{SessionError, SessionSettings};
use crate::tensors::{FACE_CHANNELS, MOUTH_CHANNELS, append_mouths, face_planes};

/// The mel value of silence: what unused places of a batch hold.
const SILENCE: f32 = -4.0;

/// Where a network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    Cpu,
    Cuda,
}

/// A loaded graph and its input tensors.
#[derive(Debug)]
pub(crate) struct Network {
    look: Look,
    session: Session,
    graph: LipSyncGraph,
    batch_size: usize,
    /// Whether a short batch is filled up to `batch_size`.
    padded: bool,
    /// The face that `faces` shows.
    face: Option<Arc<FaceCrop>>,
    /// `[batch_size, 6, size, size]`: the same face in every place.
    faces: Vec<f32>,
    /// `[batch_size, 1, 80, 16]`: a short batch, filled up.
    windows: Vec<f32>,
}

impl Network {
    /// Loads `model`'s graph onto `device`.
    ///
    /// # Errors
    /// [`SessionError::Provider`], [`SessionError::Load`], [`SessionError::Model`].
    pub(crate) fn load(
        model: &LipSyncModel,
        settings: &SessionSettings,
        device: Device,
        runtime: &OnnxRuntime,
    ) -> Result<Self, SessionError> {
        let file = &model.graph_file;
        let load = |source| SessionError::Load { file: file.clone(), source };
        let builder = Session::builder(runtime.environment()).map_err(load)?;
        let builder = configured(builder, settings).map_err(load)?;
        let mut builder = match device {
            Device::Cpu => builder,
            Device::Cuda => on_cuda(builder).map_err(SessionError::Provider)?,
        };
        let session = builder.commit_from_file(file).map_err(load)?;
        let inputs: Vec<Port> = session.inputs().iter().map(Port::from).collect();
        let outputs: Vec<Port> = session.outputs().iter().map(Port::from).collect();
        let graph = LipSyncGraph::recognise(file, &inputs, &outputs)?;
        if let Some(manifest) = &model.manifest
            && manifest.input_size != graph.input_size
        {
            return Err(SessionError::Model(ModelError::OtherSize {
                file: file.clone(),
                expected: manifest.input_size,
                actual: graph.input_size,
            }));
        }
        Ok(Self {
            look: model.look,
            session,
            graph,
            batch_size: graph.fixed_batch.unwrap_or(settings.batch_size.get()),
            // A GPU's kernels are chosen by the whole shape: a frame in a short batch could come
            // out of another kernel than the same frame in a full one.
            padded: graph.fixed_batch.is_some() || device == Device::Cuda,
            face: None,
            faces: Vec::new(),
            windows: Vec::new(),
        })
    }

    /// Width and height of faces and mouths, in pixels.
    pub(crate) fn input_size(&self) -> usize {
        self.graph.input_size
    }

    /// How many mouths are painted at once.
    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Paints silence with the shapes that will be asked for: a full batch, and a single mouth
    /// where short batches are not filled up.
    ///
    /// # Errors
    /// [`LipSyncError::OutOfMemory`], [`LipSyncError::Inference`].
    pub(crate) fn warm_up(&mut self) -> Result<(), LipSyncError> {
        let size = self.graph.input_size;
        let face = Arc::new(FaceCrop { size, bgr: vec![127; size * size * MOUTH_CHANNELS] });
        let shortest = if self.padded { self.batch_size } else { 1 };
        for count in [self.batch_size, shortest] {
            let mel_windows = vec![SILENCE; count * WINDOW_VALUES];
            self.paint(&MouthBatch { mel_windows, face: Arc::clone(&face) }, &|| false)?;
        }
        Ok(())
    }

    /// Makes `self.faces` show `face`.
    fn show(&mut self, face: &Arc<FaceCrop>) {
        if self.face.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, face)) {
            return;
        }
        self.face = None;
        face_planes(face, &mut self.faces);
        let one = self.faces.len();
        self.faces.reserve_exact(one * (self.batch_size - 1));
        for _ in 1..self.batch_size {
            self.faces.extend_from_within(..one);
        }
        self.face = Some(Arc::clone(face));
    }

    /// Runs the graph on up to `batch_size` mel windows and the face shown; appends the mouths.
    fn run(&mut self, windows: &[f32], bgr: &mut Vec<u8>) -> Result<(), RunError> {
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
        let size = self.graph.input_size;
        let [channels, bands, steps] = MEL_SHAPE;
        let mel = TensorRef::from_array_view(([rows, channels, bands, steps], windows))?;
        let faces = &self.faces[..rows * FACE_CHANNELS * size * size];
        let faces = TensorRef::from_array_view(([rows, FACE_CHANNELS, size, size], faces))?;
        let outputs = if self.graph.mel_first {
            self.session.run(ort::inputs![mel, faces])?
        } else {
            self.session.run(ort::inputs![faces, mel])?
        };
        let (shape, planes) = outputs[0].try_extract_tensor::<f32>()?;
        let expected = [rows, MOUTH_CHANNELS, size, size];
        let actual: Vec<usize> = shape.iter().map(|&axis| axis as usize).collect();
        if actual != expected {
            return Err(RunError::WrongOutput { expected, actual });
        }
        append_mouths(&planes[..count * MOUTH_CHANNELS * size * size], size, bgr);
        Ok(())
    }
}

impl Painter for Network {
    fn paint(
        &mut self,
        batch: &MouthBatch,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Mouths, LipSyncError> {
        let started = Instant::now();
        self.show(&batch.face);
        let size = self.graph.input_size;
        let mut bgr = Vec::with_capacity(batch.count() * size * size * MOUTH_CHANNELS);
        for windows in batch.mel_windows.chunks(self.batch_size * WINDOW_VALUES) {
            if cancelled() {
                return Err(LipSyncError::Cancelled);
            }
            let batch_size = windows.len() / WINDOW_VALUES;
            self.run(windows, &mut bgr).map_err(|error| error.classified(self.look, batch_size))?;
        }
        Ok(Mouths { size, bgr, work: started.elapsed() })
    }
}

/// Why a run of the graph gave no mouths.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// ONNX Runtime failed.
    #[error(transparent)]
    Runtime(#[from] ort::Error),
    /// The graph's output has another shape than was asked for.
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
            Self::Runtime(error) => Box::new(error),
            other @ Self::WrongOutput { .. } => Box::new(other),
        };
        LipSyncError::Inference { look, source }
    }
}

/// Whether ONNX Runtime's message says that memory ran out: it has no error code for it.
fn is_out_of_memory(message: &str) -> bool {
    [
        "out of memory",
        "Failed to allocate memory",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "bad allocation",
        "bad_alloc",
    ]
    .iter()
    .any(|said| message.contains(said))
}

fn configured(
    builder: SessionBuilder,
    settings: &SessionSettings,
) -> Result<SessionBuilder, ort::Error> {
    Ok(builder
        .with_optimization_level(GraphOptimizationLevel::Level3)?
        .with_intra_threads(settings.intra_threads.get())?
        // The few shapes there are come again and again: one allocation for each.
        .with_memory_pattern(true)?)
}

/// Registers CUDA, set so that the same input gives the same output in every process and nearly
/// the CPU's.
fn on_cuda(builder: SessionBuilder) -> Result<SessionBuilder, ort::Error> {
    let cuda = CUDA::default()
        // The exhaustive search times the kernels: which one wins differs from run to run.
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
        // TF32 keeps 10 bits of each factor; a mouth's 8 would show it.
        .with_tf32(false)
        .build()
        // Without this the session runs on the CPU and does not say so.
        .error_on_failure();
    Ok(builder.with_deterministic_compute(true)?.with_execution_providers([cuda])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_ran_out_is_told_from_other_failures() {
        let out_of_memory = [
            "Non-zero status code returned while running Conv node. Name:'/0' Status Message: \
             bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal Failed to allocate \
             memory for requested buffer of size 18874368",
            "CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size);",
            "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
            "Exception during initialization: std::bad_alloc",
        ];
        for message in out_of_memory {
            assert!(is_out_of_memory(message), "{message}");
        }
        let others = [
            "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
            "indices element out of data bounds, idx=4 must be within the inclusive range [-1,0]",
        ];
        for message in others {
            assert!(!is_out_of_memory(message), "{message}");
        }
    }
}
