//! The mouth generator run by duolip-winograd: on the CPU, more than twice as fast as ONNX Runtime.

use std::num::NonZeroUsize;
use std::path::Path;

use duolip_compiler::MouthLayers;
use duolip_pipeline::face::{FaceBox, FaceCrop};
use duolip_pipeline::mel::WINDOW_VALUES;
use duolip_winograd::{Features, MouthGenerator};
use ort::value::DynValue;

use crate::interface::{Element, Port, Ports, SplitInterface};
use crate::network::RunError;
use crate::tensors::{MOUTH_CHANNELS, append_mouths};

/// A chain of layers, and the memory that its mouths come out in.
#[derive(Debug)]
pub(super) struct ChainGenerator {
    generator: MouthGenerator,
    /// The features' names, in the order in which the layers know them.
    features: Vec<String>,
    mouths: Vec<f32>,
}

impl ChainGenerator {
    /// The generator in `file` and its inputs and outputs; `None` where ONNX Runtime is to run it: a
    /// graph of another make, or a processor without vector instructions that are known here.
    pub(super) fn load(file: &Path, threads: NonZeroUsize) -> Option<(Ports, Self)> {
        if !duolip_winograd::is_vectorised() {
            return None;
        }
        // What is wrong with the file is for ONNX Runtime to say.
        let layers = std::fs::read(file).ok().and_then(|bytes| {
            MouthLayers::read(&bytes)
                .inspect_err(|reason| {
                    tracing::debug!(file = %file.display(), %reason, "ONNX Runtime runs it");
                })
                .ok()
        })?;
        let port = |(name, shape): &(String, Vec<Option<usize>>)| Port {
            name: name.clone(),
            kind: "Tensor<f32>".to_owned(),
            element: Some(Element::F32),
            shape: shape.clone(),
        };
        let ports = Ports {
            inputs: layers.inputs.iter().map(port).collect(),
            outputs: vec![port(&layers.mouths)],
        };
        let features = layers.inputs.iter().skip(1).map(|(name, _)| name.clone()).collect();
        let generator = MouthGenerator::new(layers.window, layers.into_layers(), threads)
            .inspect_err(|error| tracing::warn!(%error, "ONNX Runtime runs the mouth generator"))
            .ok()?;
        Some((ports, Self { generator, features, mouths: Vec::new() }))
    }

    /// What the face encoder gave, laid out for the layers.
    pub(super) fn features(
        &self,
        interface: &SplitInterface,
        encoded: &[DynValue],
    ) -> Result<Features, RunError> {
        let mut planes = vec![&[][..]; self.features.len()];
        for (feature, value) in interface.features.iter().zip(encoded) {
            if let Some(at) = self.features.iter().position(|name| *name == feature.name) {
                planes[at] = value.try_extract_tensor::<f32>()?.1;
            }
        }
        Ok(self.generator.features(&planes))
    }

    /// Paints the mouths of `windows` and appends them.
    pub(super) fn paint(
        &mut self,
        features: &Features,
        painted: FaceBox,
        face: &FaceCrop,
        windows: &[f32],
        bgr: &mut Vec<u8>,
    ) -> Result<(), RunError> {
        let count = windows.len() / WINDOW_VALUES;
        self.mouths.resize(count * MOUTH_CHANNELS * painted.height() * painted.width(), 0.0);
        self.generator.paint(features, windows, &mut self.mouths)?;
        append_mouths(&self.mouths, face, painted, bgr);
        Ok(())
    }

    /// Gives back what larger batches took.
    pub(super) fn shrink(&mut self) {
        self.mouths = Vec::new();
        self.generator.shrink();
    }
}
