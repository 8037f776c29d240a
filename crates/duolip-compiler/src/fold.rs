//! `BatchNorm` and the residual connection, moved into the convolution's own weights.
//!
//! Exact rewrites, computed in f64 and rounded once. Pure.

use crate::layer::{Form, Layer};

/// A convolution that stands for a layer up to its `ReLU`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folded {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    /// Laid out as in [`Layer::weight`].
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// `layer`'s convolution, `BatchNorm` and residual connection as one convolution over its input
/// channels `first..first + count`.
///
/// `BatchNorm` multiplies each output channel and adds to it; adding the input is one more in the
/// middle of the kernel that leads from a channel to itself.
pub(crate) fn folded(layer: &Layer, first: usize, count: usize) -> Folded {
    let Form { kernel, transposed, residual, .. } = layer.form;
    let taps = kernel * kernel;
    let (scale, bias) = affine(layer);
    let mut weight = Vec::with_capacity(layer.outputs * count * taps);
    let mut push = |input: usize, output: usize, at: usize| {
        let start = at * taps;
        let middle = (residual && input == output).then_some(taps / 2);
        weight.extend(layer.weight[start..start + taps].iter().enumerate().map(|(tap, &value)| {
            let one = if Some(tap) == middle { 1.0 } else { 0.0 };
            (f64::from(value) * scale[output] + one) as f32
        }));
    };
    if transposed.is_some() {
        for input in first..first + count {
            for output in 0..layer.outputs {
                push(input, output, input * layer.outputs + output);
            }
        }
    } else {
        for output in 0..layer.outputs {
            for input in first..first + count {
                push(input, output, output * layer.inputs + input);
            }
        }
    }
    let bias = bias.into_iter().map(|value| value as f32).collect();
    Folded { inputs: count, outputs: layer.outputs, kernel, weight, bias }
}

/// What each output channel of the bare convolution is multiplied with, and what is added then.
fn affine(layer: &Layer) -> (Vec<f64>, Vec<f64>) {
    let Some(norm) = &layer.norm else {
        let bias = layer.bias.iter().map(|&bias| f64::from(bias)).collect();
        return (vec![1.0; layer.outputs], bias);
    };
    (0..layer.outputs)
        .map(|channel| {
            let at = |values: &[f32]| f64::from(values[channel]);
            let deviation = (at(&norm.variance) + f64::from(norm.epsilon)).sqrt();
            let scale = at(&norm.scale) / deviation;
            (scale, (at(&layer.bias) - at(&norm.mean)) * scale + at(&norm.shift))
        })
        .unzip()
}
