//! Real ONNX Runtime on the CPU for this crate's tests and measurements: named tensors in, named
//! tensors out.

// Shared by the tests and the measurement, which do not use all of it.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::OnceLock;

use half::f16;
use ort::environment::Environment;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{Tensor as OrtTensor, TensorElementType};

/// A tensor of f32, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Array {
    /// Numbers that follow from `seed`, evenly spread over `low..high`.
    pub(crate) fn random(shape: &[usize], seed: u64, low: f32, high: f32) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let values = (0..shape.iter().product())
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                low + (high - low) * (state >> 40) as f32 / (1_u64 << 24) as f32
            })
            .collect();
        Self { shape: shape.to_vec(), values }
    }

    /// The largest absolute difference to `other`; not a number where either is not.
    pub(crate) fn difference(&self, other: &Self) -> f32 {
        assert_eq!(self.shape, other.shape);
        let pairs = self.values.iter().zip(&other.values);
        pairs.map(|(left, right)| (left - right).abs()).fold(0.0, |most: f32, one| {
            if most.is_nan() || one.is_nan() { f32::NAN } else { most.max(one) }
        })
    }

    /// Rows and columns of a (N, C, h, w) tensor.
    pub(crate) fn cropped(
        &self,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
    ) -> Self {
        let [count, channels, height, width] = self.shape[..] else { panic!("{:?}", self.shape) };
        let values = (0..count * channels)
            .flat_map(|plane| rows.clone().map(move |row| (plane * height + row) * width))
            .flat_map(|start| self.values[start + columns.start..start + columns.end].to_vec())
            .collect();
        Self { shape: vec![count, channels, rows.len(), columns.len()], values }
    }
}

/// A loaded graph.
pub(crate) struct Loaded {
    session: Session,
}

impl Loaded {
    pub(crate) fn new(bytes: &[u8], threads: usize) -> Self {
        let session = Session::builder(environment())
            .unwrap()
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .unwrap()
            .with_intra_threads(threads)
            .unwrap()
            .commit_from_memory(bytes)
            .unwrap();
        Self { session }
    }

    /// Runs it on inputs by name; gives back all outputs by name, in the graph's order.
    pub(crate) fn run(&mut self, inputs: &[(&str, &Array)]) -> Vec<(String, Array)> {
        let feeds: Vec<(String, SessionInputValue<'static>)> = inputs
            .iter()
            .map(|(name, array)| {
                let port = self.session.inputs().iter().find(|port| port.name() == *name).unwrap();
                let value = match port.dtype().tensor_type() {
                    Some(TensorElementType::Float16) => {
                        let values: Vec<f16> =
                            array.values.iter().map(|&value| f16::from_f32(value)).collect();
                        OrtTensor::from_array((array.shape.clone(), values)).unwrap().into()
                    }
                    _ => OrtTensor::from_array((array.shape.clone(), array.values.clone()))
                        .unwrap()
                        .into(),
                };
                ((*name).to_owned(), value)
            })
            .collect();
        let outputs = self.session.run(feeds).unwrap();
        outputs
            .iter()
            .map(|(name, value)| {
                let (shape, values) =
                    if value.dtype().tensor_type() == Some(TensorElementType::Float16) {
                        let (shape, values) = value.try_extract_tensor::<f16>().unwrap();
                        (shape.to_vec(), values.iter().map(|value| value.to_f32()).collect())
                    } else {
                        let (shape, values) = value.try_extract_tensor::<f32>().unwrap();
                        (shape.to_vec(), values.to_vec())
                    };
                let shape = shape.iter().map(|&axis| usize::try_from(axis).unwrap()).collect();
                (name.to_owned(), Array { shape, values })
            })
            .collect()
    }
}

/// ONNX Runtime from where the set-up script puts it.
fn environment() -> &'static Environment {
    static LOADED: OnceLock<Environment> = OnceLock::new();
    LOADED.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/onnxruntime");
        let library = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let library = library
            .filter(|path| path.to_string_lossy().contains("libonnxruntime.so"))
            .max()
            .unwrap();
        let environment = ort::init_from(library).unwrap().with_telemetry(false).build().unwrap();
        environment.set_log_level(ort::logging::LogLevel::Warning);
        environment
    })
}
