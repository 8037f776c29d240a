//! The mouth generator's graph: mel windows and the features of a face to painted mouths.

use duolip_pipeline::mel::{BANDS, WINDOW_STEPS};

use crate::area::{Span, reach};
use crate::builder::{Precision, Value, int};
use crate::compile::emit::Emitter;
use crate::compile::plan::{Block, Plan};
use crate::fold::{Folded, folded};
use crate::layer::Layer;
use crate::network::Network;
use crate::onnx::OnnxGraph;
use crate::topology::MOUTH_CHANNELS;

/// The graph and its multiply-adds for one frame.
pub(super) fn mouth_generator(
    network: &Network,
    plan: &Plan<'_>,
    precision: Precision,
) -> (OnnxGraph, u64) {
    let mut emitter = Emitter::new("mouth_generator", precision);
    let mel = emitter.graph.input("mel", "N", &[1, BANDS, WINDOW_STEPS]);
    let features: Vec<Value> = plan
        .blocks
        .iter()
        .enumerate()
        .map(|(at, block)| {
            emitter.graph.feature_input(&format!("feature_{at}"), &block.feature_shape())
        })
        .collect();
    let mut value = speech_vector(&mut emitter, network, mel);
    for (block, feature) in plan.blocks.iter().zip(&features) {
        value = paint(&mut emitter, block, &value, feature);
    }
    let mouths = emitter.graph.node("Sigmoid", &[&value], Vec::new());
    let [rows, columns] = plan.painted.map(Span::len);
    emitter.graph.output(&mouths, "mouths", "N", &[MOUTH_CHANNELS, rows, columns]);
    (emitter.graph.finish(), emitter.work)
}

/// The audio encoder and the decoder's first block: one vector `[N, channels]` per mel window.
///
/// Layers that see a single place are matrix products over the batch: their weights are read once
/// for all frames, and not once for each.
fn speech_vector(emitter: &mut Emitter, network: &Network, mel: Value) -> Value {
    let mut value = mel;
    let mut size = [BANDS, WINDOW_STEPS];
    let mut flat = false;
    for layer in network.audio.iter().chain(&network.decoder[0]) {
        let form = &layer.form;
        let output = [0, 1].map(|axis| form.output_size(size[axis], axis));
        let weights = folded(layer, 0, layer.inputs);
        let sum = if output == [1, 1] && form.padding == 0 {
            if !flat {
                value = emitter.graph.node("Flatten", &[&value], vec![int("axis", 1)]);
                flat = true;
            }
            let rows = layer.inputs * form.kernel * form.kernel;
            let matrix = transposed(&weights.weight, rows);
            emitter.product(rows, &matrix, Some(&weights.bias), &value)
        } else {
            let reach = [0, 1]
                .map(|axis| reach(form, axis, Span { start: 0, end: output[axis] }, size[axis]));
            emitter.convolution(form, &weights, true, &reach, &value)
        };
        value = emitter.graph.relu(&sum);
        size = output;
    }
    value
}

/// One block: its first layer over `value` alone, the skip's part added, then the others.
fn paint(emitter: &mut Emitter, block: &Block<'_>, value: &Value, feature: &Value) -> Value {
    let first = &block.steps[0];
    let own = folded(first.layer, 0, block.channels);
    let own = if block.skip_size == 1 {
        unfold(emitter, block, &own, value)
    } else {
        emitter.convolution(&first.layer.form, &own, false, &first.reach, value)
    };
    let sum = emitter.graph.node("Add", &[&own, feature], Vec::new());
    let mut value = emitter.graph.relu(&sum);
    for step in &block.steps[1..] {
        let Layer { form, inputs, .. } = step.layer;
        let weights = folded(step.layer, 0, *inputs);
        value = emitter.convolution(form, &weights, true, &step.reach, &value);
        if form.activated {
            value = emitter.graph.relu(&value);
        }
    }
    value
}

/// The transposed convolution of a single place: a product that gives every place of the result.
fn unfold(emitter: &mut Emitter, block: &Block<'_>, weights: &Folded, value: &Value) -> Value {
    let [rows, columns] = block.steps[0].output;
    let kernel = weights.kernel;
    let mut matrix = Vec::with_capacity(weights.weight.len());
    for taps in weights.weight.chunks_exact(kernel * kernel) {
        for row in rows.start..rows.end {
            matrix
                .extend_from_slice(&taps[row * kernel + columns.start..row * kernel + columns.end]);
        }
    }
    let flat = emitter.product(weights.inputs, &matrix, None, value);
    let [channels, rows, columns] = block.feature_shape();
    let shape = emitter.graph.integers(&[-1, channels as i64, rows as i64, columns as i64]);
    emitter.graph.node("Reshape", &[&flat, &shape], Vec::new())
}

/// A matrix whose rows have `length` values, transposed.
fn transposed(matrix: &[f32], length: usize) -> Vec<f32> {
    let rows = matrix.len() / length;
    (0..length).flat_map(|column| (0..rows).map(move |row| matrix[row * length + column])).collect()
}
