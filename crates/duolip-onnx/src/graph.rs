//! Any graph on the CPU: named tensors in, named tensors out.
//!
//! For checking what an import wrote and for measuring it; rendering goes through
//! [`crate::session`]. Knows nothing of lip-sync.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt as _;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorRef};

use crate::device::configured;
use crate::interface::{Element, Port, Ports};
use crate::library::OnnxRuntime;

/// How a graph is loaded and run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphSettings {
    /// Threads that work on one run, the caller's among them.
    pub threads: NonZeroUsize,
    /// What to save.
    pub save: Save,
}

/// What to save when a graph is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Save {
    /// Memory: the weights are there once, as they were written. While it is loaded, a graph of
    /// 142 MB takes 155 MB (bytes handed in not counted).
    Memory,
    /// Time, as a session does: the weights are arranged anew for the CPU's vector units. The same
    /// graph takes 430 MB.
    Time,
}

impl From<NonZeroUsize> for GraphSettings {
    /// As a session runs it.
    fn from(threads: NonZeroUsize) -> Self {
        Self { threads, save: Save::Time }
    }
}

impl Save {
    fn level(self) -> GraphOptimizationLevel {
        match self {
            Self::Memory => GraphOptimizationLevel::Level2,
            Self::Time => GraphOptimizationLevel::Level3,
        }
    }
}

/// A graph loaded onto the CPU.
#[derive(Debug)]
pub struct Graph {
    name: String,
    session: Session,
    ports: Ports,
}

/// A tensor to go into a graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Given<'a> {
    /// The input's name.
    pub name: &'a str,
    /// Its axes.
    pub shape: &'a [usize],
    /// Its values, row-major; rounded where the input is f16.
    pub values: &'a [f32],
}

/// A tensor that came out of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The output's name.
    pub name: String,
    /// Its axes.
    pub shape: Vec<usize>,
    /// Its values, row-major; widened where the output is f16.
    pub values: Vec<f32>,
}

impl Taken {
    /// The same tensor, to go into another graph under its name.
    #[must_use]
    pub fn given(&self) -> Given<'_> {
        Given { name: &self.name, shape: &self.shape, values: &self.values }
    }
}

impl Graph {
    /// Loads the graph in `file`. A number of threads will do for settings.
    ///
    /// # Errors
    /// [`GraphError::Load`].
    ///
    /// # Performance
    /// The file is read piece by piece and never lies in memory as a whole: prefer this for what is
    /// on the disk already.
    pub fn from_file(
        file: &Path,
        settings: impl Into<GraphSettings>,
        runtime: &'static OnnxRuntime,
    ) -> Result<Self, GraphError> {
        let name = file.display().to_string();
        let settings = settings.into();
        let loaded = configured(settings.save.level(), settings.threads, runtime)
            .and_then(|mut builder| builder.commit_from_file(file));
        Self::named(name, loaded)
    }

    /// Loads a graph out of `bytes`. Messages call it `name`. A number of threads will do for
    /// settings.
    ///
    /// # Errors
    /// [`GraphError::Load`].
    ///
    /// # Performance
    /// ONNX Runtime keeps a copy of the weights of its own; `bytes` may be dropped afterwards.
    pub fn from_bytes(
        name: &str,
        bytes: &[u8],
        settings: impl Into<GraphSettings>,
        runtime: &'static OnnxRuntime,
    ) -> Result<Self, GraphError> {
        let settings = settings.into();
        let loaded = configured(settings.save.level(), settings.threads, runtime)
            .and_then(|mut builder| builder.commit_from_memory(bytes));
        Self::named(name.to_owned(), loaded)
    }

    fn named(name: String, loaded: Result<Session, ort::Error>) -> Result<Self, GraphError> {
        match loaded {
            Ok(session) => Ok(Self { name, ports: Ports::of(&session), session }),
            Err(source) => Err(GraphError::Load { graph: name, source }),
        }
    }

    /// Its inputs, in its own order.
    #[must_use]
    pub fn inputs(&self) -> &[Port] {
        &self.ports.inputs
    }

    /// Its outputs, in its own order.
    #[must_use]
    pub fn outputs(&self) -> &[Port] {
        &self.ports.outputs
    }

    /// Runs the graph; gives all its outputs, in its own order. The order of `inputs` does not
    /// matter; what the graph does not take is an error, as is what is missing.
    ///
    /// # Errors
    /// [`GraphError`], naming graph and tensor.
    pub fn run(&mut self, inputs: &[Given<'_>]) -> Result<Vec<Taken>, GraphError> {
        let missing = |port: &&Port| !inputs.iter().any(|given| given.name == port.name);
        if let Some(port) = self.ports.inputs.iter().find(missing) {
            return Err(GraphError::Missing { graph: self.name.clone(), port: port.clone() });
        }
        let values = inputs
            .iter()
            .map(|given| Ok((given.name, self.value(given)?)))
            .collect::<Result<Vec<_>, GraphError>>()?;
        let outputs = match self.session.run(values) {
            Ok(outputs) => outputs,
            Err(source) => return Err(GraphError::Run { graph: self.name.clone(), source }),
        };
        let taken = self.ports.outputs.iter().zip(outputs.values());
        taken.map(|(port, value)| taken_from(&self.name, port, &value)).collect()
    }

    /// What `given` is to ONNX Runtime.
    fn value<'v>(&self, given: &Given<'v>) -> Result<SessionInputValue<'v>, GraphError> {
        let graph = || self.name.clone();
        let Some(port) = self.ports.inputs.iter().find(|port| port.name == given.name) else {
            return Err(GraphError::Unknown {
                graph: graph(),
                name: given.name.to_owned(),
                inputs: self.ports.inputs.clone(),
            });
        };
        let wanted = given.shape.iter().try_fold(1, |all: usize, &axis| all.checked_mul(axis));
        if wanted != Some(given.values.len()) {
            return Err(GraphError::OtherCount {
                graph: graph(),
                name: given.name.to_owned(),
                shape: given.shape.to_vec(),
                values: given.values.len(),
            });
        }
        let value = match port.element {
            Some(Element::F32) => {
                TensorRef::from_array_view((given.shape, given.values)).map(Into::into)
            }
            Some(Element::F16) => {
                let mut values = vec![f16::ZERO; given.values.len()];
                values.convert_from_f32_slice(given.values);
                Tensor::from_array((given.shape.to_vec(), values)).map(Into::into)
            }
            None => return Err(GraphError::NoFloats { graph: graph(), port: port.clone() }),
        };
        value.map_err(|source| GraphError::Run { graph: graph(), source })
    }
}

/// What came out at `port`.
fn taken_from(graph: &str, port: &Port, value: &DynValue) -> Result<Taken, GraphError> {
    let failed = |source| GraphError::Run { graph: graph.to_owned(), source };
    let (shape, values) = match port.element {
        Some(Element::F32) => {
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(failed)?;
            (shape, values.to_vec())
        }
        Some(Element::F16) => {
            let (shape, values) = value.try_extract_tensor::<f16>().map_err(failed)?;
            (shape, values.to_f32_vec())
        }
        None => {
            return Err(GraphError::NoFloats { graph: graph.to_owned(), port: port.clone() });
        }
    };
    let shape = shape.iter().map(|&axis| axis as usize).collect();
    Ok(Taken { name: port.name.clone(), shape, values })
}

/// Why a graph gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// ONNX Runtime could not load it.
    #[error("{graph} could not be loaded")]
    Load {
        /// Its file or name.
        graph: String,
        /// What ONNX Runtime said.
        source: ort::Error,
    },
    /// It takes a tensor that was not given.
    #[error("{graph} takes {port}, which was not given")]
    Missing {
        /// Its file or name.
        graph: String,
        /// The input.
        port: Port,
    },
    /// It was given a tensor that it does not take.
    #[error("{graph} takes no {name}; it takes {}", names(inputs))]
    Unknown {
        /// Its file or name.
        graph: String,
        /// The tensor's name.
        name: String,
        /// What it takes.
        inputs: Vec<Port>,
    },
    /// A tensor has more or fewer values than its shape says.
    #[error("{name} for {graph} has the shape {shape:?} and {values} values")]
    OtherCount {
        /// The graph's file or name.
        graph: String,
        /// The tensor's name.
        name: String,
        /// The shape given.
        shape: Vec<usize>,
        /// The number of values given.
        values: usize,
    },
    /// An input or output holds no floating-point numbers.
    #[error("{graph} has {port}, which is neither f32 nor f16")]
    NoFloats {
        /// Its file or name.
        graph: String,
        /// The input or output.
        port: Port,
    },
    /// ONNX Runtime could not run it.
    #[error("{graph} could not be run")]
    Run {
        /// Its file or name.
        graph: String,
        /// What ONNX Runtime said.
        source: ort::Error,
    },
    /// It could not be run without ONNX Runtime.
    #[error("{graph} could not be run as a chain of layers")]
    Chain {
        /// Its file.
        graph: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

fn names(ports: &[Port]) -> String {
    ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ")
}
