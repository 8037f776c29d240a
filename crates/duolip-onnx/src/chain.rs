//! A mouth generator on the CPU without ONNX Runtime: a graph of the compiler's, as the layers that
//! duolip-winograd runs.
//!
//! What sessions paint with there, and what imports and measurements compare.

use std::path::Path;
use std::sync::Arc;

use duolip_compiler::{MouthLayers, OtherGraph};
use duolip_winograd::MouthGenerator;

pub use duolip_winograd::{Crew, CrewError, Features, OutOfMemory};

use crate::interface::{Element, Port, Ports};

/// Loaded layers, and the memory that mouths come out in.
#[derive(Debug)]
pub struct Chain {
    generator: MouthGenerator,
    /// Mel windows, then features, in the order in which the layers know them.
    ports: Ports,
    /// Values of a mel window and of a mouth.
    sizes: [usize; 2],
    mouths: Vec<f32>,
}

/// Why there is no chain, or why it does not paint.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// This processor has no vector instructions that are known here: ONNX Runtime is faster.
    #[error("the processor has neither AVX2, AVX-512 nor NEON")]
    NoVectors,
    /// The graph is of another make: ONNX Runtime runs it.
    #[error(transparent)]
    Graph(#[from] OtherGraph),
    /// The file could not be read.
    #[error("the mouth generator could not be read")]
    File(#[from] std::io::Error),
    /// A feature was not given, or in another shape.
    #[error("the mouth generator takes {0}, which was not given")]
    Missing(Port),
}

impl ChainError {
    /// Whether ONNX Runtime is to run the graph, and nothing has failed.
    #[must_use]
    pub fn is_for_onnx_runtime(&self) -> bool {
        matches!(self, Self::NoVectors | Self::Graph(_))
    }
}

impl Chain {
    /// The mouth generator in `file`, to be run by `crew`.
    ///
    /// # Errors
    /// As [`Chain::from_bytes`], and [`ChainError::File`].
    pub fn from_file(file: &Path, crew: Arc<Crew>) -> Result<Self, ChainError> {
        Self::from_bytes(&std::fs::read(file)?, crew)
    }

    /// The mouth generator in `bytes`, to be run by `crew`.
    ///
    /// # Errors
    /// [`ChainError::NoVectors`], [`ChainError::Graph`].
    pub fn from_bytes(bytes: &[u8], crew: Arc<Crew>) -> Result<Self, ChainError> {
        if !duolip_winograd::is_vectorised() {
            return Err(ChainError::NoVectors);
        }
        let layers = MouthLayers::read(bytes)?;
        let port = |(name, shape): &(String, Vec<Option<usize>>)| Port {
            name: name.clone(),
            kind: "Tensor<f32>".to_owned(),
            element: Some(Element::F32),
            shape: shape.clone(),
        };
        let inputs: Vec<Port> = layers.inputs.iter().map(port).collect();
        let ports = Ports { inputs, outputs: vec![port(&layers.mouths)] };
        let sizes = [&ports.inputs[0], &ports.outputs[0]].map(values);
        let generator = MouthGenerator::new(layers.window, layers.into_layers(), crew);
        Ok(Self { generator, ports, sizes, mouths: Vec::new() })
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The features of one face, laid out for the layers: `named` gives each by its name,
    /// `[channels, rows, columns]`.
    ///
    /// # Errors
    /// [`ChainError::Missing`].
    pub fn features<'a>(
        &self,
        named: impl Fn(&str) -> Option<&'a [f32]>,
    ) -> Result<Features, ChainError> {
        let planes = self.ports.inputs.iter().skip(1).map(|port| {
            let planes = named(&port.name).filter(|planes| planes.len() == values(port));
            planes.ok_or_else(|| ChainError::Missing(port.clone()))
        });
        Ok(self.generator.features(&planes.collect::<Result<Vec<_>, _>>()?))
    }

    /// The mouths of `windows`, `[N, 1, 80, 16]`, on the face with `features`: `[N, 3, rows, columns]`.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn paint(&mut self, features: &Features, windows: &[f32]) -> Result<&[f32], OutOfMemory> {
        let [window, mouth] = self.sizes;
        self.mouths.resize(windows.len() / window * mouth, 0.0);
        self.generator.paint(features, windows, &mut self.mouths)?;
        Ok(&self.mouths)
    }

    /// Gives back what larger batches took.
    pub(crate) fn shrink(&mut self) {
        self.mouths = Vec::new();
        self.generator.shrink();
    }
}

/// How many values `port` has for one frame.
fn values(port: &Port) -> usize {
    port.shape.iter().skip(1).map(|axis| axis.unwrap_or(0)).product()
}
