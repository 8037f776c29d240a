//! Convolutions of 3 x 3 by Winograd's algorithm: 36 products for 4 x 4 results, which take 144 as
//! they are defined.
//!
//! Tiles of 6 x 6 inputs are transformed, multiplied place by place with the transformed kernels,
//! a matrix product per place, and transformed back.
//!
//! # Source
//! A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015; F(4 x 4, 3 x 3).

use std::collections::TryReserveError;

use pulp::{Simd, WithSimd};

use crate::lanes::{PANEL, Panels, ROWS, accumulate_one, accumulate_two};
use crate::layer::{Kind, Ready};
use crate::map::Shape;
use crate::memory::Aligned;
use crate::store::{End, load, save};

/// Rows and columns of results in a tile.
const RESULTS: usize = 4;
/// Rows and columns of inputs in a tile.
const INPUTS: usize = 6;
/// Places of a transformed tile.
pub(crate) const PLACES: usize = INPUTS * INPUTS;

/// How many bytes of transformed tiles are worked on at a time: what a core's own cache holds.
const BLOCK_BYTES: usize = 768 << 10;

/// A convolution of 3 x 3, each place of whose result is one place of its input.
#[derive(Debug)]
pub(crate) struct Winograd {
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// Zeros read above and left of the input.
    pub(crate) pads: [usize; 2],
    /// For each place of a transformed tile, `[channels, outputs]`.
    pub(crate) weights: [Panels; PLACES],
}

/// Memory that layers share.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Transformed inputs: `[PLACES, tiles, channels]`.
    inputs: Aligned,
    /// Products: `[PLACES, tiles, outputs]`.
    products: Aligned,
    /// A tile that reaches beyond its map.
    tile: Aligned,
}

impl Winograd {
    /// The convolution with `weight`, `[outputs, channels, 3, 3]`.
    pub(crate) fn new(input: Shape, output: Shape, pads: [usize; 2], weight: &[f32]) -> Self {
        let kernels = weight.as_chunks::<9>().0;
        let weights = Panels::several(input.used, output.used, |channel, output| {
            kernel(&kernels[output * input.used + channel])
        });
        Self { input, output, pads, weights }
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        self.weights.iter().map(Panels::bytes).sum()
    }

    /// How many tiles of `mouths` are worked on at a time, and how many values there are from one
    /// place's inputs to the next then, and from its products.
    fn block(&self, mouths: usize) -> (usize, [usize; 2]) {
        let [down, right] = self.tiles();
        let values = [self.input.channels, self.output.channels];
        let tile_bytes = PLACES * (values[0] + values[1]) * size_of::<f32>();
        let block = (BLOCK_BYTES / tile_bytes / ROWS).max(1) * ROWS;
        let block = block.min((mouths * down * right).next_multiple_of(ROWS));
        // A line of the cache more: else all places of a tile would want the same one.
        (block, values.map(|values| block * values + PANEL))
    }

    /// Rows and columns of tiles.
    fn tiles(&self) -> [usize; 2] {
        [self.output.height, self.output.width].map(|size| size.div_ceil(RESULTS))
    }
}

impl Scratch {
    /// Makes room for what `layer` needs for `mouths` at a time.
    pub(crate) fn reserve(&mut self, layer: &Ready, mouths: usize) -> Result<(), TryReserveError> {
        if let Kind::Winograd(layer) = &layer.kind {
            let (_, steps) = layer.block(mouths);
            self.inputs.reserve(PLACES * steps[0])?;
            self.products.reserve(PLACES * steps[1])?;
            self.tile.reserve(PLACES * layer.input.channels)?;
        }
        Ok(())
    }
}

/// `G g G^T`.
fn kernel(taps: &[f32; 9]) -> [f32; PLACES] {
    const G: [[f64; 3]; INPUTS] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let [one, other, third] = [0, 3, 6].map(|row| {
        let taps = [taps[row], taps[row + 1], taps[row + 2]].map(f64::from);
        G.map(|right| right[0] * taps[0] + right[1] * taps[1] + right[2] * taps[2])
    });
    std::array::from_fn(|place| {
        let (down, column) = (G[place / INPUTS], place % INPUTS);
        (down[0] * one[column] + down[1] * other[column] + down[2] * third[column]) as f32
    })
}

/// A layer applied to the maps of several mouths.
pub(crate) struct Apply<'a> {
    pub(crate) layer: &'a Winograd,
    pub(crate) end: End<'a>,
    pub(crate) input: &'a [f32],
    pub(crate) output: &'a mut [f32],
    pub(crate) scratch: &'a mut Scratch,
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, end, input, output, scratch } = self;
        let [down, right] = layer.tiles();
        let mouths = output.len() / layer.output.len();
        let total = mouths * down * right;
        let (block, steps) = layer.block(mouths);
        let inputs = scratch.inputs.get_mut(PLACES * steps[0]);
        let products = scratch.products.get_mut(PLACES * steps[1]);
        let tile = scratch.tile.get_mut(PLACES * layer.input.channels);
        for first in (0..total).step_by(block) {
            let count = block.min(total - first);
            let tiles = Tiles { layer, down, right, first, count, block, steps };
            simd.vectorize(Forward { tiles, input, tile, to: inputs });
            simd.vectorize(Multiply { tiles, from: inputs, to: products });
            simd.vectorize(Back { tiles, end, from: products, output });
        }
    }
}

/// Tiles that are worked on together, of all mouths one after the other.
#[derive(Clone, Copy)]
struct Tiles<'a> {
    layer: &'a Winograd,
    /// Rows of tiles in a mouth's map.
    down: usize,
    /// Columns of tiles.
    right: usize,
    first: usize,
    count: usize,
    /// Tiles for which there is room.
    block: usize,
    /// Values from one place's inputs to the next, and from its products.
    steps: [usize; 2],
}

impl Tiles<'_> {
    /// Where the first is.
    #[inline(always)]
    fn place(self) -> Place {
        let each = self.down * self.right;
        let (mouth, tile) = (self.first / each, self.first % each);
        Place { mouth, down: tile / self.right, right: tile % self.right }
    }
}

/// Where a tile is: of which mouth, and which in its map.
#[derive(Clone, Copy)]
struct Place {
    mouth: usize,
    down: usize,
    right: usize,
}

impl Place {
    #[inline(always)]
    fn next(self, tiles: Tiles<'_>) -> Self {
        let Self { mouth, down, right } = self;
        if right + 1 < tiles.right {
            Self { mouth, down, right: right + 1 }
        } else if down + 1 < tiles.down {
            Self { mouth, down: down + 1, right: 0 }
        } else {
            Self { mouth: mouth + 1, down: 0, right: 0 }
        }
    }
}

/// `B^T d B` of each tile.
struct Forward<'a> {
    tiles: Tiles<'a>,
    input: &'a [f32],
    tile: &'a mut [f32],
    to: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Winograd { input, pads, .. } = *self.tiles.layer;
        let channels = input.channels;
        let mut place = self.tiles.place();
        for at in 0..self.tiles.count {
            // With the border counted, and never negative since padding is at most 1.
            let top = place.down * RESULTS + 1 - pads[0];
            let left = place.right * RESULTS + 1 - pads[1];
            let map = &self.input[place.mouth * input.len()..(place.mouth + 1) * input.len()];
            place = place.next(self.tiles);
            let inside = top + INPUTS <= input.height + 2 && left + INPUTS <= input.width + 2;
            let (from, row) = if inside {
                (&map[input.at(top, left)..], input.row())
            } else {
                cut_out(input, map, [top, left], self.tile);
                (&self.tile[..], INPUTS * channels)
            };
            let step = self.tiles.steps[0];
            let to = &mut self.to[at * channels..];
            for start in (0..channels).step_by(S::F32_LANES) {
                let mut half = [[simd.splat_f32s(0.0); INPUTS]; INPUTS];
                for x in 0..INPUTS {
                    let mut column = [simd.splat_f32s(0.0); INPUTS];
                    for y in 0..INPUTS {
                        column[y] = load::<S>(from, y * row + x * channels + start);
                    }
                    let column = forward(simd, column);
                    for y in 0..INPUTS {
                        half[y][x] = column[y];
                    }
                }
                for y in 0..INPUTS {
                    let line = forward(simd, half[y]);
                    for x in 0..INPUTS {
                        save::<S>(to, (y * INPUTS + x) * step + start, line[x]);
                    }
                }
            }
        }
    }
}

/// The tile at row `top`, column `left` of `map`, border counted, with zeros beyond the border.
fn cut_out(shape: Shape, map: &[f32], [top, left]: [usize; 2], tile: &mut [f32]) {
    let width = INPUTS.min(shape.width + 2 - left) * shape.channels;
    for (y, line) in tile.chunks_exact_mut(INPUTS * shape.channels).take(INPUTS).enumerate() {
        if top + y < shape.height + 2 {
            let start = shape.at(top + y, left);
            line[..width].copy_from_slice(&map[start..start + width]);
            line[width..].fill(0.0);
        } else {
            line.fill(0.0);
        }
    }
}

/// A matrix product for each place of the transformed tiles.
struct Multiply<'a> {
    tiles: Tiles<'a>,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tiles { layer, count, block, steps, .. } = self.tiles;
        let (channels, outputs) = (layer.input.channels, layer.output.channels);
        for (place, weights) in layer.weights.iter().enumerate() {
            let inputs = &self.from[place * steps[0]..][..block * channels];
            let products = &mut self.to[place * steps[1]..][..block * outputs];
            let vectors = weights.vectors::<S>();
            for first in (0..count).step_by(ROWS) {
                let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
                for row in 0..ROWS {
                    let start = (first + row) * channels;
                    rows[row] = &inputs[start..start + layer.input.used];
                }
                let products = &mut products[first * outputs..];
                for vector in (0..vectors).step_by(2) {
                    let one = weights.column::<S>(vector, 0, layer.input.used);
                    let mut sums = [simd.splat_f32s(0.0); ROWS];
                    if vector + 1 < vectors {
                        let other = weights.column::<S>(vector + 1, 0, layer.input.used);
                        let mut other_sums = sums;
                        let both = [&mut sums, &mut other_sums];
                        accumulate_two(simd, both, &rows, [one, other]);
                        for row in 0..ROWS {
                            let start = row * outputs + vector * S::F32_LANES;
                            save::<S>(products, start + S::F32_LANES, other_sums[row]);
                        }
                    } else {
                        accumulate_one(simd, &mut sums, &rows, one);
                    }
                    for row in 0..ROWS {
                        save::<S>(products, row * outputs + vector * S::F32_LANES, sums[row]);
                    }
                }
            }
        }
    }
}

/// `A^T m A` of each tile, and the layer's end.
struct Back<'a> {
    tiles: Tiles<'a>,
    end: End<'a>,
    from: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tiles { layer, count, steps: [_, step], .. } = self.tiles;
        let output = layer.output;
        let mut place = self.tiles.place();
        for at in 0..count {
            let (mouth, top, left) = (place.mouth, place.down * RESULTS, place.right * RESULTS);
            place = place.next(self.tiles);
            let height = RESULTS.min(output.height - top);
            let width = RESULTS.min(output.width - left);
            let from = &self.from[at * output.channels..];
            let map = &mut self.output[mouth * output.len()..(mouth + 1) * output.len()];
            for start in (0..output.channels).step_by(S::F32_LANES) {
                let mut half = [[simd.splat_f32s(0.0); INPUTS]; RESULTS];
                for x in 0..INPUTS {
                    let mut column = [simd.splat_f32s(0.0); INPUTS];
                    for y in 0..INPUTS {
                        column[y] = load::<S>(from, (y * INPUTS + x) * step + start);
                    }
                    let column = back(simd, column);
                    for y in 0..RESULTS {
                        half[y][x] = column[y];
                    }
                }
                for y in 0..height {
                    let line = back(simd, half[y]);
                    for x in 0..width {
                        let place = output.at(top + y + 1, left + x + 1);
                        save::<S>(
                            map,
                            place + start,
                            self.end.of(simd, line[x], start, place + start),
                        );
                    }
                }
            }
        }
    }
}

/// `B^T d`, a column.
#[inline(always)]
fn forward<S: Simd>(simd: S, d: [S::f32s; INPUTS]) -> [S::f32s; INPUTS] {
    let even = scaled(simd, -4.0, d[2], d[4]);
    let odd = scaled(simd, -4.0, d[1], d[3]);
    let near = simd.sub_f32s(d[4], d[2]);
    let far = simd.sub_f32s(d[3], d[1]);
    [
        scaled(simd, 4.0, d[0], scaled(simd, -5.0, d[2], d[4])),
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        scaled(simd, 2.0, far, near),
        scaled(simd, -2.0, far, near),
        scaled(simd, 4.0, d[1], scaled(simd, -5.0, d[3], d[5])),
    ]
}

/// `A^T m`, a column.
#[inline(always)]
fn back<S: Simd>(simd: S, m: [S::f32s; INPUTS]) -> [S::f32s; RESULTS] {
    let one_plus = simd.add_f32s(m[1], m[2]);
    let one_minus = simd.sub_f32s(m[1], m[2]);
    let two_plus = simd.add_f32s(m[3], m[4]);
    let two_minus = simd.sub_f32s(m[3], m[4]);
    [
        simd.add_f32s(m[0], simd.add_f32s(one_plus, two_plus)),
        scaled(simd, 2.0, two_minus, one_minus),
        scaled(simd, 4.0, two_plus, one_plus),
        scaled(simd, 8.0, two_minus, simd.add_f32s(one_minus, m[5])),
    ]
}

/// `factor * value + plus`.
#[inline(always)]
fn scaled<S: Simd>(simd: S, factor: f32, value: S::f32s, plus: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor), value, plus)
}
