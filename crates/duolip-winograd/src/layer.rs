//! Layers as a caller describes them, and as they are run.

use crate::direct::{Direct, Kernel};
use crate::lanes::{Panels, Pixel, Run};
use crate::map::Shape;
use crate::winograd::Winograd;

/// A layer: sums over its input, something added to them, and negative values cut off or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// How the sums are made.
    pub sums: Sums,
    /// What is added to them.
    pub plus: Plus,
    /// Whether negative results become 0.
    pub relu: bool,
}

/// How a layer's sums are made. Weights are laid out as in ONNX.
#[derive(Debug, Clone, PartialEq)]
pub enum Sums {
    /// A convolution.
    Convolution {
        /// `[outputs, inputs, rows, columns]`.
        weight: Vec<f32>,
        /// Rows and columns of the kernel.
        kernel: [usize; 2],
        /// Places from one to the next, down and right.
        stride: [usize; 2],
        /// Zeros before and after, of rows and of columns: 0 or 1.
        pads: [[usize; 2]; 2],
    },
    /// Four convolutions whose results take turns in both directions: even rows and columns, even
    /// rows and odd columns, odd and even, odd and odd.
    Doubling {
        /// `[outputs, inputs, 1 or 2, 1 or 2]`; an odd row or column has kernels of 2, of which the
        /// second reaches one place further.
        weights: [Vec<f32>; 4],
        /// Which rows and columns of the result are kept: the first and how many.
        kept: [[usize; 2]; 2],
    },
    /// All values of the input at once, each place of the result by weights of its own.
    Product {
        /// `[inputs * rows * columns, outputs * rows * columns]`, of input and result.
        weight: Vec<f32>,
        /// Rows and columns of the result.
        size: [usize; 2],
    },
}

/// What is added to a layer's sums.
#[derive(Debug, Clone, PartialEq)]
pub enum Plus {
    /// A number for each output; none stands for zeros.
    Bias(Vec<f32>),
    /// The feature of this number, a map of the result's shape.
    Feature(usize),
}

/// A layer ready to run.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) kind: Kind,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) plus: Ending,
    pub(crate) relu: bool,
}

/// What is added to a layer's sums, laid out.
#[derive(Debug)]
pub(crate) enum Ending {
    /// For each plane a pixel.
    Bias(Vec<Pixel>),
    /// The feature of this number.
    Feature(usize),
}

#[derive(Debug)]
pub(crate) enum Kind {
    Direct(Direct),
    Winograd(Box<Winograd>),
}

/// The most bytes that transformed weights of a layer may take, three or four times as many as it
/// has: beyond, memory is worth more than the products that they save.
const MOST_TRANSFORMED_BYTES: usize = 24 << 20;

/// The fewest channels of a map whose convolutions are made by Winograd's algorithm. Mel windows have one
/// and maps of layers twelve or more; where between them it begins to pay was not measured.
const FEWEST: usize = 8;

impl Ready {
    pub(crate) fn new(layer: Layer, input: Shape) -> Self {
        let Layer { sums, plus, relu } = layer;
        let (kind, output) = match &sums {
            Sums::Convolution { weight, kernel, stride, pads } => {
                convolution(weight, *kernel, *stride, *pads, input)
            }
            Sums::Doubling { weights, kept } => doubling(weights, *kept, input),
            Sums::Product { weight, size } => product(weight, *size, input),
        };
        let plus = match plus {
            Plus::Feature(at) => Ending::Feature(at),
            Plus::Bias(bias) => {
                let mut pixels = vec![Pixel::default(); output.panels()];
                pixels.as_flattened_mut()[..bias.len()].copy_from_slice(&bias);
                Ending::Bias(pixels)
            }
        };
        Self { kind, input, output, plus, relu }
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        match &self.kind {
            Kind::Direct(direct) => direct.weight_bytes(),
            Kind::Winograd(winograd) => winograd.weight_bytes(),
        }
    }
}

fn convolution(
    weight: &[f32],
    kernel: [usize; 2],
    stride: [usize; 2],
    pads: [[usize; 2]; 2],
    input: Shape,
) -> (Kind, Shape) {
    let size = |axis: usize, size: usize| {
        (size + pads[axis][0] + pads[axis][1] - kernel[axis]) / stride[axis] + 1
    };
    let [rows, columns] = kernel;
    let outputs = weight.len() / (input.channels * rows * columns);
    let output =
        Shape { height: size(0, input.height), width: size(1, input.width), channels: outputs };
    let starts = pads.map(|[before, _]| before);
    if kernel == [3, 3]
        && stride == [1, 1]
        && input.channels >= FEWEST
        && Winograd::bytes_for(input, output) <= MOST_TRANSFORMED_BYTES
    {
        return (Kind::Winograd(Box::new(Winograd::new(input, output, starts, weight))), output);
    }
    let places = (0..output.height).flat_map(|y| {
        (0..output.width).map(move |x| {
            let from = [y * stride[0] + 1 - starts[0], x * stride[1] + 1 - starts[1]];
            [input.at(from[0], from[1]), output.at(y + 1, x + 1)]
        })
    });
    let kernel = dense(weight, kernel, input, output, places.collect());
    (Kind::Direct(Direct { input, output, kernels: vec![kernel] }), output)
}

/// The kernel with `weight`, `[outputs, inputs, rows, columns]`.
fn dense(
    weight: &[f32],
    [rows, columns]: [usize; 2],
    input: Shape,
    output: Shape,
    places: Vec<[usize; 2]>,
) -> Kernel {
    let taps = rows * columns;
    let weights = Panels::new(taps * input.channels, output.channels, |k, o| {
        weight[(o * input.channels + k % input.channels) * taps + k / input.channels]
    });
    Kernel { runs: runs(rows, columns, input), weights, places }
}

/// What a kernel covers, from its first pixel on.
fn runs(rows: usize, columns: usize, input: Shape) -> Vec<Run> {
    let taps = (0..rows).flat_map(|y| (0..columns).map(move |x| input.at(y, x)));
    taps.flat_map(|tap| {
        (0..input.panels()).map(move |panel| Run {
            place: panel * input.plane() + tap,
            length: input.channels_of(panel),
        })
    })
    .collect()
}

fn doubling(weights: &[Vec<f32>; 4], kept: [[usize; 2]; 2], input: Shape) -> (Kind, Shape) {
    let [[top, height], [left, width]] = kept;
    let output = Shape { height, width, channels: weights[0].len() / input.channels };
    let kernels = weights.iter().enumerate().map(|(phase, weight)| {
        let odd = [phase / 2, phase % 2];
        let mut places = Vec::new();
        for y in (0..height).filter(|y| (y + top) % 2 == odd[0]) {
            for x in (0..width).filter(|x| (x + left) % 2 == odd[1]) {
                let from = input.at(((y + top) >> 1) + 1, ((x + left) >> 1) + 1);
                places.push([from, output.at(y + 1, x + 1)]);
            }
        }
        dense(weight, odd.map(|odd| odd + 1), input, output, places)
    });
    (Kind::Direct(Direct { input, output, kernels: kernels.collect() }), output)
}

fn product(weight: &[f32], size: [usize; 2], input: Shape) -> (Kind, Shape) {
    let [height, width] = size;
    let taps = input.height * input.width;
    let columns = weight.len() / (input.channels * taps);
    let output = Shape { height, width, channels: columns / (height * width) };
    let kernels = (0..height * width).map(|place| {
        let weights = Panels::new(taps * input.channels, output.channels, |k, o| {
            let row = k % input.channels * taps + k / input.channels;
            weight[row * columns + o * height * width + place]
        });
        let to = output.at(place / width + 1, place % width + 1);
        let places = vec![[input.at(1, 1), to]];
        Kernel { runs: runs(input.height, input.width, input), weights, places }
    });
    (Kind::Direct(Direct { input, output, kernels: kernels.collect() }), output)
}
