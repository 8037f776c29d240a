//! Chains of layers against sums made one by one in f64, with every kind of vector instructions that
//! this machine has.

use std::num::NonZeroUsize;
use std::sync::Arc;

use pulp::Arch;

use super::MouthGenerator;
use crate::crew::Crew;
use crate::layer::{Kind, Layer, Plus, Sums};

/// A map of one mouth: channels, rows, columns, and the values in that order.
#[derive(Clone)]
struct Planes {
    shape: [usize; 3],
    values: Vec<f64>,
}

impl Planes {
    fn at(&self, channel: usize, y: isize, x: isize) -> f64 {
        let [_, height, width] = self.shape;
        match (usize::try_from(y), usize::try_from(x)) {
            (Ok(y), Ok(x)) if y < height && x < width => {
                self.values[(channel * height + y) * width + x]
            }
            _ => 0.0,
        }
    }

    fn of(shape: [usize; 3], value: impl Fn(usize, usize, usize) -> f64) -> Self {
        let [channels, height, width] = shape;
        let mut values = Vec::with_capacity(channels * height * width);
        for channel in 0..channels {
            for y in 0..height {
                values.extend((0..width).map(|x| value(channel, y, x)));
            }
        }
        Self { shape, values }
    }
}

/// The sum that `kernel`, `[outputs, inputs, rows, columns]`, makes for `output` where it begins at
/// row `top`, column `left`.
fn sum(
    input: &Planes,
    weight: &[f32],
    kernel: [usize; 2],
    output: usize,
    top: isize,
    left: isize,
) -> f64 {
    let ([rows, columns], channels) = (kernel, input.shape[0]);
    let mut sum = 0.0;
    for channel in 0..channels {
        for row in 0..rows {
            for column in 0..columns {
                let at = ((output * channels + channel) * rows + row) * columns + column;
                sum += f64::from(weight[at])
                    * input.at(channel, top + row as isize, left + column as isize);
            }
        }
    }
    sum
}

/// What `layer` is defined to give.
fn defined(layer: &Layer, input: &Planes, features: &[Planes]) -> Planes {
    let [channels, height, width] = input.shape;
    let sums = match &layer.sums {
        Sums::Convolution { weight, kernel, stride, pads } => {
            let outputs = weight.len() / (channels * kernel[0] * kernel[1]);
            let size = |axis: usize, size: usize| {
                (size + pads[axis][0] + pads[axis][1] - kernel[axis]) / stride[axis] + 1
            };
            Planes::of([outputs, size(0, height), size(1, width)], |output, y, x| {
                let top = (y * stride[0]) as isize - pads[0][0] as isize;
                let left = (x * stride[1]) as isize - pads[1][0] as isize;
                sum(input, weight, *kernel, output, top, left)
            })
        }
        Sums::Doubling { weights, kept: [[top, rows], [left, columns]] } => {
            Planes::of([weights[0].len() / channels, *rows, *columns], |output, y, x| {
                let (y, x) = (y + top, x + left);
                let kernel = [y % 2 + 1, x % 2 + 1];
                let weight = &weights[y % 2 * 2 + x % 2];
                sum(input, weight, kernel, output, y as isize / 2, x as isize / 2)
            })
        }
        Sums::Product { weight, size: [rows, columns] } => {
            let inputs = channels * height * width;
            let outputs = weight.len() / inputs;
            Planes::of([outputs / (rows * columns), *rows, *columns], |output, y, x| {
                let column = (output * rows + y) * columns + x;
                let products = input.values.iter().enumerate();
                products.map(|(row, value)| value * f64::from(weight[row * outputs + column])).sum()
            })
        }
    };
    Planes::of(sums.shape, |channel, y, x| {
        let plus = match &layer.plus {
            Plus::Bias(bias) => bias.get(channel).copied().map_or(0.0, f64::from),
            Plus::Feature(at) => features[*at].at(channel, y as isize, x as isize),
        };
        let value = sums.at(channel, y as isize, x as isize) + plus;
        if layer.relu { value.max(0.0) } else { value }
    })
}

/// Numbers from -1 to 1 that follow from `seed`.
fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Weights whose sums over `inputs` keep the size of what goes in.
fn weights(outputs: usize, inputs: usize, seed: u64) -> Vec<f32> {
    let scale = (3.0 / inputs as f32).sqrt();
    random(outputs * inputs, seed).iter().map(|value| value * scale).collect()
}

fn convolution(
    [inputs, outputs]: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pads: [[usize; 2]; 2],
) -> Layer {
    let weight = weights(outputs, inputs * kernel[0] * kernel[1], 1);
    let bias = random(outputs, 2);
    let sums = Sums::Convolution { weight, kernel, stride, pads };
    Layer { sums, plus: Plus::Bias(bias), relu: true }
}

fn same(inputs: usize, outputs: usize) -> Layer {
    convolution([inputs, outputs], [3, 3], [1, 1], [[1, 1], [1, 1]])
}

fn doubling(inputs: usize, outputs: usize, kept: [[usize; 2]; 2]) -> Layer {
    let weights = [1, 2, 2, 4].map(|taps| weights(outputs, inputs * taps, 3));
    Layer { sums: Sums::Doubling { weights, kept }, plus: Plus::Feature(0), relu: true }
}

fn product(inputs: usize, outputs: usize, size: [usize; 2]) -> Layer {
    let weight = weights(inputs, outputs * size[0] * size[1], 4);
    Layer { sums: Sums::Product { weight, size }, plus: Plus::Bias(Vec::new()), relu: false }
}

/// All kinds of instructions that this processor has.
fn instructions() -> Vec<Arch> {
    let mut kinds = vec![Arch::Scalar, Arch::new()];
    #[cfg(target_arch = "x86_64")]
    kinds.extend(pulp::x86::V3::try_new().map(Arch::V3));
    kinds
}

/// Asserts that `layers` give for each of `mouths` inputs of `window` what they are defined to give,
/// and the same in whatever company.
fn assert_defined(window: [usize; 3], layers: &[Layer], mouths: usize) {
    let size: usize = window.iter().product();
    let windows = random(mouths * size, 5);
    // As many features as are wanted, of the shape of the layer that adds them.
    let mut features: Vec<Planes> = Vec::new();
    let mut expected = Vec::new();
    for values in windows.chunks_exact(size) {
        let values = values.iter().copied().map(f64::from).collect();
        let mut value = Planes { shape: window, values };
        for layer in layers {
            if layer.plus == Plus::Feature(0) && features.is_empty() {
                let zero = Planes { shape: [0; 3], values: Vec::new() };
                let shape = {
                    let mut bare = layer.clone();
                    bare.plus = Plus::Bias(Vec::new());
                    defined(&bare, &value, &[zero]).shape
                };
                let values = random(shape.iter().product(), 6);
                let values = values.into_iter().map(f64::from).collect();
                features.push(Planes { shape, values });
            }
            value = defined(layer, &value, &features);
        }
        expected.extend(value.values.iter().map(|value| 1.0 / (1.0 + (-value).exp())));
    }
    let planes: Vec<Vec<f32>> = features
        .iter()
        .map(|feature| feature.values.iter().map(|&value| value as f32).collect())
        .collect();
    let planes: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
    for arch in instructions() {
        let mut first: Option<Vec<f32>> = None;
        // Alone, alone with three threads, and beside another.
        for (threads, others) in [(1, 0), (3, 0), (3, 1)] {
            let count = NonZeroUsize::new(threads).unwrap();
            let crew = Arc::new(Crew::new(count, count).unwrap());
            let _others: Vec<_> = (0..others).map(|_| crew.begin()).collect();
            let mut generator = MouthGenerator::new(window, layers.to_vec(), Arc::clone(&crew));
            generator.arch = arch;
            let features = generator.features(&planes);
            for batch in [mouths, 1, 2] {
                let mut all = Vec::new();
                for windows in windows.chunks(batch * size) {
                    let count = expected.len() / mouths * (windows.len() / size);
                    let mut mouths = vec![f32::NAN; count];
                    generator.paint(&features, windows, &mut mouths).unwrap();
                    all.extend(mouths);
                }
                for (at, (&actual, &expected)) in all.iter().zip(&expected).enumerate() {
                    let difference = (f64::from(actual) - expected).abs();
                    assert!(difference < 3e-6, "{arch:?}, value {at}: {actual}, not {expected}");
                }
                let first = first.get_or_insert_with(|| all.clone());
                assert!(
                    *first == all,
                    "{arch:?}: batches of {batch}, {threads} threads, {others} beside"
                );
            }
        }
    }
}

#[test]
fn convolutions_of_three_by_three_are_exact_at_every_size_and_padding() {
    for [height, width] in [[1, 1], [2, 5], [4, 4], [5, 9], [13, 6]] {
        for pads in [[[1, 1], [1, 1]], [[0, 1], [1, 0]], [[1, 0], [0, 1]]] {
            let layers = [
                same(3, 20),
                convolution([20, 33], [3, 3], [1, 1], pads),
                convolution([33, 3], [1, 1], [1, 1], [[0, 0], [0, 0]]),
            ];
            if height > 1 {
                assert_defined([3, height, width], &layers, 3);
            }
        }
        assert_defined([3, height, width], &[same(3, 18), same(18, 3)], 5);
    }
}

#[test]
fn other_strides_and_kernels_are_exact() {
    for (kernel, stride, pads) in [
        ([3, 3], [3, 1], [[1, 0], [1, 1]]),
        ([3, 3], [3, 2], [[1, 1], [1, 0]]),
        ([1, 2], [1, 1], [[0, 0], [0, 1]]),
        ([3, 3], [2, 2], [[0, 0], [0, 0]]),
    ] {
        let layers = [convolution([1, 24], kernel, stride, pads), same(24, 16)];
        assert_defined([1, 11, 8], &layers, 4);
    }
}

/// However many vectors of outputs are left, and in rows that are one after the other or not.
#[test]
fn every_number_of_outputs_is_exact() {
    for outputs in (16..=160).step_by(16) {
        let wide = convolution([3, outputs], [1, 3], [1, 1], [[0, 0], [1, 1]]);
        let last = convolution([outputs, 3], [3, 3], [2, 2], [[1, 1], [1, 1]]);
        assert_defined([3, 3, 27], &[wide, same(outputs, outputs), last], 2);
    }
}

#[test]
fn doubling_takes_turns_adds_its_feature_and_keeps_the_part_asked_for() {
    for kept in [[[0, 10], [0, 8]], [[1, 8], [1, 6]], [[1, 9], [0, 7]]] {
        assert_defined([2, 5, 4], &[same(2, 24), doubling(24, 17, kept), same(17, 3)], 3);
    }
}

#[test]
fn products_take_a_whole_map_and_give_one() {
    let layers = [same(2, 20), product(20 * 9, 40, [1, 1]), product(40, 18, [3, 2]), same(18, 3)];
    assert_defined([2, 3, 3], &layers, 14);
}

#[test]
fn few_small_maps_and_many_weights_are_gone_through_together() {
    // Weights of 1.2 MB for maps of 10 kB, then the other way round.
    let layers = [same(2, 96), same(96, 96), doubling(96, 8, [[0, 8], [0, 8]]), same(8, 3)];
    let generator = MouthGenerator::new([2, 4, 4], layers.to_vec(), Crew::of_one().into());
    assert!(generator.stages.len() > 2, "{:?}", generator.stages);
    assert!(generator.layers.iter().any(|layer| matches!(layer.kind, Kind::Winograd(_))));
    assert_defined([2, 4, 4], &layers, 7);
}

#[test]
fn what_a_batch_took_is_given_back_and_taken_again() {
    let layers = [same(1, 16), same(16, 3)];
    let mut generator = MouthGenerator::new([1, 8, 8], layers, Crew::of_one().into());
    let features = generator.features(&[]);
    let windows = random(4 * 64, 9);
    let mut before = vec![0.0; 4 * 3 * 64];
    generator.paint(&features, &windows, &mut before).unwrap();
    generator.shrink();
    let mut after = vec![0.0; 4 * 3 * 64];
    generator.paint(&features, &windows, &mut after).unwrap();
    assert_eq!(before, after);
}
