//! The network as one graph, layer by layer as its source has it: nothing folded, nothing left out.
//!
//! The reference that compiled graphs are verified and measured against.

use duolip_pipeline::mel::{BANDS, WINDOW_STEPS};

use crate::builder::{Builder, Precision, Value, float, int, ints};
use crate::layer::{Form, Layer};
use crate::network::Network;
use crate::onnx::OnnxGraph;
use crate::topology::{FACE_CHANNELS, MOUTH_CHANNELS};

impl Network {
    /// The network without any rewrite, in f32.
    ///
    /// # Shape
    /// In: `mel` (N, 1, 80, 16) and `face` (N, 6, S, S), 0..=1, the masked picture and then the
    /// reference, BGR. Out: `mouths` (N, 3, S, S), 0..=1, BGR. N is open.
    #[must_use]
    pub fn plain_graph(&self) -> OnnxGraph {
        let mut graph = Builder::new("wav2lip", Precision::F32);
        let mel = graph.input("mel", "N", &[1, BANDS, WINDOW_STEPS]);
        let face = graph.input("face", "N", &[FACE_CHANNELS, self.input_size, self.input_size]);
        let mut skips = Vec::new();
        let mut value = face;
        for block in &self.face {
            value = chain(&mut graph, block, value);
            skips.push(value.clone());
        }
        value = chain(&mut graph, &self.audio, mel);
        for block in &self.decoder {
            value = chain(&mut graph, block, value);
            if let Some(skip) = skips.pop() {
                value = graph.node("Concat", &[&value, &skip], vec![int("axis", 1)]);
            }
        }
        value = chain(&mut graph, &self.output, value);
        let mouths = graph.node("Sigmoid", &[&value], Vec::new());
        graph.output(&mouths, "mouths", "N", &[MOUTH_CHANNELS, self.input_size, self.input_size]);
        graph.finish()
    }
}

fn chain(graph: &mut Builder, layers: &[Layer], input: Value) -> Value {
    layers.iter().fold(input, |value, layer| one(graph, layer, &value))
}

fn one(graph: &mut Builder, layer: &Layer, input: &Value) -> Value {
    let Form { kernel, stride, padding, transposed, residual, activated } = layer.form;
    let weight = graph.numbers(&layer.weight_shape(), &layer.weight);
    let bias = graph.numbers(&[layer.outputs], &layer.bias);
    let mut attributes = vec![
        ints("kernel_shape", [kernel; 2]),
        ints("strides", stride),
        ints("pads", [padding; 4]),
    ];
    let operator = match transposed {
        Some(more) => {
            attributes.push(ints("output_padding", [more; 2]));
            "ConvTranspose"
        }
        None => "Conv",
    };
    let mut value = graph.node(operator, &[input, &weight, &bias], attributes);
    if let Some(norm) = &layer.norm {
        let numbers = [&norm.scale, &norm.shift, &norm.mean, &norm.variance]
            .map(|numbers| graph.numbers(&[layer.outputs], numbers));
        let inputs = [&value, &numbers[0], &numbers[1], &numbers[2], &numbers[3]];
        value = graph.node("BatchNormalization", &inputs, vec![float("epsilon", norm.epsilon)]);
    }
    if residual {
        value = graph.node("Add", &[&value, input], Vec::new());
    }
    if activated { graph.relu(&value) } else { value }
}
