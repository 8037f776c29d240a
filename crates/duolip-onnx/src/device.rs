//! Where graphs run: sessions of ONNX Runtime, set up alike for every graph on one device.

use std::num::NonZeroUsize;
use std::path::Path;

use ort::ep::CUDA;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use crate::library::OnnxRuntime;
use crate::session::SessionError;

/// Where a network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    Cpu,
    Cuda,
}

impl Device {
    /// The device's own memory.
    pub(crate) fn memory(self) -> Result<MemoryInfo<'static>, ort::Error> {
        let device = match self {
            Self::Cpu => AllocationDevice::CPU,
            Self::Cuda => AllocationDevice::CUDA,
        };
        MemoryInfo::new(device, 0, AllocatorType::Device, MemoryType::Default)
    }
}

/// Loads the graph in `file` onto `device`.
///
/// # Errors
/// [`SessionError::Provider`], [`SessionError::Load`].
pub(crate) fn load(
    file: &Path,
    device: Device,
    intra_threads: NonZeroUsize,
    runtime: &OnnxRuntime,
) -> Result<Session, SessionError> {
    let load = |source| SessionError::Load { file: file.to_path_buf(), source };
    let level = GraphOptimizationLevel::Level3;
    let builder = configured(level, intra_threads, runtime).map_err(load)?;
    let mut builder = match device {
        Device::Cpu => builder,
        Device::Cuda => on_cuda(builder).map_err(SessionError::Provider)?,
    };
    builder.commit_from_file(file).map_err(load)
}

/// A session's settings on the CPU, for a graph that is still to come.
pub(crate) fn configured(
    level: GraphOptimizationLevel,
    intra_threads: NonZeroUsize,
    runtime: &OnnxRuntime,
) -> Result<SessionBuilder, ort::Error> {
    Ok(Session::builder(runtime.environment())?
        .with_optimization_level(level)?
        .with_intra_threads(intra_threads.get())?
        // The few shapes there are come again and again: one allocation for each.
        .with_memory_pattern(true)?
        // Otherwise a file's name could say that it is something else.
        .with_config_entry("session.load_model_format", "ONNX")?)
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
