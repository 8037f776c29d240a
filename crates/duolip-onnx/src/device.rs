//! Where graphs run: sessions of ONNX Runtime, set up alike for every graph on one device.

use std::num::NonZeroUsize;
use std::path::Path;

use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{ArenaExtendStrategy, CPU, CUDA};
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

    /// Its arena, as ONNX Runtime's settings name it.
    pub(crate) const fn arena(self) -> &'static str {
        match self {
            Self::Cpu => "cpu:0",
            Self::Cuda => "gpu:0",
        }
    }
}

/// How often a graph runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// For every batch: what it works in is kept from run to run.
    Often,
    /// Once for a face. On the CPU what it works in is given back after each run, and loading is
    /// made short rather than the run: weights stay as they are in the file.
    Seldom,
}

/// Loads the graph in `file` onto `device`.
///
/// # Errors
/// [`SessionError::Provider`], [`SessionError::Load`].
pub(crate) fn load(
    file: &Path,
    device: Device,
    runs: Runs,
    intra_threads: NonZeroUsize,
    runtime: &OnnxRuntime,
) -> Result<Session, SessionError> {
    let load = |source| SessionError::Load { file: file.to_path_buf(), source };
    let at = |level| configured(level, intra_threads, runtime).map_err(load);
    let configured = || at(GraphOptimizationLevel::Level3);
    match device {
        Device::Cpu if runs == Runs::Seldom => without_arena(at(GraphOptimizationLevel::Level1)?)
            .and_then(|mut builder| builder.commit_from_file(file))
            .map_err(load),
        Device::Cpu => configured()?.commit_from_file(file).map_err(load),
        Device::Cuda => {
            let cuda = || on_cuda(configured()?).map_err(SessionError::Provider);
            let mut all_on_it =
                cuda()?.with_disable_cpu_fallback().map_err(|error| load(error.into()))?;
            match all_on_it.commit_from_file(file) {
                // ONNX Runtime would give to the CPU, without a word, what CUDA has no kernel for.
                Err(error) if is_cpu_fallback(error.message()) => {
                    tracing::warn!(file = %file.display(), "a part of the graph runs on the CPU");
                    cuda()?.commit_from_file(file).map_err(load)
                }
                loaded => loaded.map_err(load),
            }
        }
    }
}

/// Whether ONNX Runtime's message says that the CPU would have to run a part of a graph.
fn is_cpu_fallback(message: &str) -> bool {
    message.contains("fallback to CPU EP has been explicitly disabled")
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

/// Frees after each run what the CPU worked in.
fn without_arena(builder: SessionBuilder) -> Result<SessionBuilder, ort::Error> {
    let cpu = CPU::default().with_arena_allocator(false).build();
    Ok(builder.with_execution_providers([cpu])?.with_memory_pattern(false)?)
}

/// Registers CUDA, set so that the same input gives the same output in every process and nearly
/// the CPU's.
fn on_cuda(builder: SessionBuilder) -> Result<SessionBuilder, ort::Error> {
    let cuda = CUDA::default()
        // The exhaustive search times the kernels: which one wins differs from run to run. Either
        // search is done once for each shape, and the warm-up has all shapes there are.
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
        // TF32 keeps 10 bits of each factor; a mouth's 8 would show it.
        .with_tf32(false)
        // The shapes are few and fixed: memory that grows by powers of two would only be taken from
        // the other model.
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        .build()
        // Without this the session runs on the CPU and does not say so.
        .error_on_failure();
    Ok(builder.with_deterministic_compute(true)?.with_execution_providers([cuda])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library of the set-up script has no CUDA: every node falls back to the CPU.
    #[test]
    fn a_graph_that_would_run_on_the_cpu_in_part_is_known_by_onnx_runtimes_own_words() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runtime = OnnxRuntime::load(&[root.join("../../target/onnxruntime")]).unwrap();
        let level = GraphOptimizationLevel::Level3;
        let builder = configured(level, NonZeroUsize::MIN, runtime).unwrap();
        let file = root.join("tests/fixtures/blend.onnx");
        let error = builder.with_disable_cpu_fallback().unwrap().commit_from_file(file);
        let error = error.map(|_| "a session").unwrap_err();
        assert!(is_cpu_fallback(error.message()), "{error}");
        assert!(!is_cpu_fallback("CUDA failure 2: out of memory"));
    }
}
