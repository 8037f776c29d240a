//! The face encoder's graph: a face to what the decoder's first layers make of its skips.

use crate::area::{reach, whole};
use crate::builder::Precision;
use crate::compile::emit::{Emitter, slice};
use crate::compile::plan::Plan;
use crate::fold::folded;
use crate::network::Network;
use crate::onnx::OnnxGraph;
use crate::topology::FACE_CHANNELS;

/// The graph and its multiply-adds for one face.
pub(super) fn face_encoder(
    network: &Network,
    plan: &Plan<'_>,
    precision: Precision,
) -> (OnnxGraph, u64) {
    let mut emitter = Emitter::new("face_encoder", precision);
    let size = network.input_size;
    let mut value = emitter.graph.input("face", "M", &[FACE_CHANNELS, size, size]);
    let mut skips = Vec::new();
    let mut size = size;
    for block in &network.face {
        for layer in block {
            let output = layer.form.output_size(size, 0);
            let reach = [0, 1].map(|axis| reach(&layer.form, axis, whole(output)[axis], size));
            let folded = folded(layer, 0, layer.inputs);
            let sum = emitter.convolution(&layer.form, &folded, true, &reach, &value);
            value = emitter.graph.relu(&sum);
            size = output;
        }
        skips.push(value.clone());
    }
    for (at, (block, skip)) in plan.blocks.iter().zip(skips.iter().rev()).enumerate() {
        let first = &block.steps[0];
        let skip_channels = first.layer.inputs - block.channels;
        let folded = folded(first.layer, block.channels, skip_channels);
        let part = match first.input() {
            all if all == whole(block.skip_size) => skip.clone(),
            part => slice(&mut emitter.graph, skip, part),
        };
        let feature = emitter.convolution(&first.layer.form, &folded, true, &first.reach, &part);
        let name = format!("feature_{at}");
        emitter.graph.feature_output(&feature, &name, "M", &block.feature_shape());
    }
    (emitter.graph.finish(), emitter.work)
}
