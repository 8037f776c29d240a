//! Convolutions of 3 x 3 by Winograd's algorithm: 36 products for 4 x 4 results, which take 144 as
//! they are defined, or 25 for 3 x 3, where maps are no multiple of four or weights are large.
//!
//! Tiles of inputs, two rows and columns larger, are transformed, multiplied place by place with the
//! transformed kernels, a matrix product per place, and transformed back.
//!
//! # Source
//! A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015; F(4 x 4, 3 x 3) and
//! F(3 x 3, 3 x 3).

mod tile;

use std::collections::TryReserveError;
use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use crate::lanes::{InnerLoop, Inputs, PANEL, Panels, ROWS, Sums, together};
use crate::layer::{Kind, Ready};
use crate::map::Shape;
use crate::memory::Aligned;
use crate::store::{End, save};
use tile::{Four, Line, MOST_INPUTS, Three, Tile, lines};

/// How many bytes of transformed tiles are worked on at a time: what a core's own cache holds.
const BLOCK_BYTES: usize = 768 << 10;

/// The most bytes that transformed weights of a layer may take in tiles of 4 x 4 results: beyond, a
/// third less memory is worth more than the products that they save.
const MOST_BYTES_OF_FOUR: usize = 8 << 20;

/// A convolution of 3 x 3, each place of whose result is one place of its input.
#[derive(Debug)]
pub(crate) struct Winograd {
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// Zeros read above and left of the input.
    pub(crate) pads: [usize; 2],
    /// Rows and columns of results in a tile: 3 or 4.
    results: usize,
    /// For each place of a transformed tile, `[channels, outputs]`.
    weights: Vec<Panels>,
}

/// Memory that layers share.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Transformed inputs: `[places, tiles, channels]`.
    inputs: Aligned,
    /// Products: `[places, tiles, outputs]`.
    products: Aligned,
    /// A tile that reaches beyond its map.
    tile: Aligned,
}

impl Winograd {
    /// The convolution with `weight`, `[outputs, channels, 3, 3]`.
    pub(crate) fn new(input: Shape, output: Shape, pads: [usize; 2], weight: &[f32]) -> Self {
        let kernels = weight.as_chunks::<9>().0;
        let of = |channel: usize, output: usize| &kernels[output * input.used + channel];
        let results = results(input, output);
        let (depth, outputs) = (input.used, output.used);
        let weights = if results == Four::RESULTS {
            Panels::several::<36>(depth, outputs, |k, o| kernel(Four::KERNEL, of(k, o))).into()
        } else {
            Panels::several::<25>(depth, outputs, |k, o| kernel(Three::KERNEL, of(k, o))).into()
        };
        Self { input, output, pads, results, weights }
    }

    /// Bytes of the transformed weights for maps of these shapes.
    pub(crate) fn bytes_for(input: Shape, output: Shape) -> usize {
        bytes_in_tiles(results(input, output), input, output)
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        self.weights.iter().map(Panels::bytes).sum()
    }

    /// How many tiles of `mouths` are worked on at a time, and how many values there are from one
    /// place's inputs to the next then, and from its products.
    fn block(&self, mouths: usize) -> (usize, [usize; 2]) {
        let [down, right] = tiles(self.output, self.results);
        let values = [self.input.channels, self.output.channels];
        let tile_bytes = self.weights.len() * (values[0] + values[1]) * size_of::<f32>();
        let block = (BLOCK_BYTES / tile_bytes / ROWS).max(1) * ROWS;
        let block = block.min((mouths * down * right).next_multiple_of(ROWS));
        // A line of the cache more: else all places of a tile would want the same one.
        (block, values.map(|values| block * values + PANEL))
    }
}

/// The results of a tile with which `output` takes the fewest products, if its weights stay small.
fn results(input: Shape, output: Shape) -> usize {
    let products = |results| {
        let [down, right] = tiles(output, results);
        down * right * places(results)
    };
    let small = bytes_in_tiles(Four::RESULTS, input, output) <= MOST_BYTES_OF_FOUR;
    if small && products(Four::RESULTS) < products(Three::RESULTS) {
        Four::RESULTS
    } else {
        Three::RESULTS
    }
}

fn bytes_in_tiles(results: usize, input: Shape, output: Shape) -> usize {
    places(results) * input.channels * output.channels * size_of::<f32>()
}

/// Rows and columns of tiles with so many rows and columns of `results`.
fn tiles(output: Shape, results: usize) -> [usize; 2] {
    [output.height, output.width].map(|size| size.div_ceil(results))
}

/// Places of a transformed tile.
fn places(results: usize) -> usize {
    (results + 2) * (results + 2)
}

impl Scratch {
    /// Makes room for what `layer` needs for `mouths` at a time.
    pub(crate) fn reserve(&mut self, layer: &Ready, mouths: usize) -> Result<(), TryReserveError> {
        if let Kind::Winograd(layer) = &layer.kind {
            let (_, steps) = layer.block(mouths);
            let places = layer.weights.len();
            self.inputs.reserve(places * steps[0])?;
            self.products.reserve(places * steps[1])?;
            self.tile.reserve(places * layer.input.channels)?;
        }
        Ok(())
    }
}

/// `G g G^T`.
fn kernel<const PLACES: usize>(table: &[[f64; 3]], taps: &[f32; 9]) -> [f32; PLACES] {
    let row = |row: usize, [a, b, c]: [f64; 3]| {
        let taps = [taps[row], taps[row + 1], taps[row + 2]].map(f64::from);
        a * taps[0] + b * taps[1] + c * taps[2]
    };
    std::array::from_fn(|place| {
        let (down, right) = (table[place / table.len()], table[place % table.len()]);
        (down[0] * row(0, right) + down[1] * row(3, right) + down[2] * row(6, right)) as f32
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
        if self.layer.results == Four::RESULTS {
            self.by::<S, Four>(simd);
        } else {
            self.by::<S, Three>(simd);
        }
    }
}

impl Apply<'_> {
    #[inline(always)]
    fn by<S: Simd, T: Tile>(self, simd: S) {
        let Self { layer, end, input, output, scratch } = self;
        let [down, right] = tiles(layer.output, T::RESULTS);
        let mouths = output.len() / layer.output.len();
        let total = mouths * down * right;
        let (block, steps) = layer.block(mouths);
        let places = layer.weights.len();
        let inputs = scratch.inputs.get_mut(places * steps[0]);
        let products = scratch.products.get_mut(places * steps[1]);
        let tile = scratch.tile.get_mut(places * layer.input.channels);
        for first in (0..total).step_by(block) {
            let count = block.min(total - first);
            let tiles = Tiles { layer, down, right, first, count, block, steps };
            simd.vectorize(Forward::<T> { tiles, input, tile, to: inputs, size: PhantomData });
            simd.vectorize(Multiply { tiles, from: inputs, to: products });
            simd.vectorize(Back::<T> { tiles, end, from: products, output, size: PhantomData });
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
struct Forward<'a, T> {
    tiles: Tiles<'a>,
    input: &'a [f32],
    tile: &'a mut [f32],
    to: &'a mut [f32],
    size: PhantomData<T>,
}

impl<T: Tile> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Winograd { input, pads, .. } = *self.tiles.layer;
        // From here on in vectors.
        let pixel = input.channels / S::F32_LANES;
        let step = self.tiles.steps[0] / S::F32_LANES;
        let to = S::as_mut_simd_f32s(self.to).0;
        let mut place = self.tiles.place();
        for at in 0..self.tiles.count {
            // With the border counted, and never negative since padding is at most 1.
            let top = place.down * T::RESULTS + 1 - pads[0];
            let left = place.right * T::RESULTS + 1 - pads[1];
            let map = &self.input[place.mouth * input.len()..(place.mouth + 1) * input.len()];
            place = place.next(self.tiles);
            let inside = top + T::INPUTS <= input.height + 2 && left + T::INPUTS <= input.width + 2;
            let (from, row) = if inside {
                (&map[input.at(top, left)..], input.row() / S::F32_LANES)
            } else {
                cut_out(input, map, [top, left], T::INPUTS, self.tile);
                (&self.tile[..], T::INPUTS * pixel)
            };
            let from = S::as_simd_f32s(from).0;
            for vector in 0..input.used.div_ceil(S::F32_LANES) {
                let columns = lines!(x, T::INPUTS, {
                    let first = x * pixel + vector;
                    T::forward(simd, lines!(y, T::INPUTS, from[first + y * row]))
                });
                let first = at * pixel + vector;
                for y in 0..T::INPUTS {
                    let line = T::forward(simd, across::<S>(&columns, y));
                    for x in 0..T::INPUTS {
                        to[first + (y * T::INPUTS + x) * step] = line[x];
                    }
                }
            }
        }
    }
}

/// The tile with so many `inputs` at row `top`, column `left` of `map`, border counted, with zeros
/// beyond the border.
fn cut_out(shape: Shape, map: &[f32], [top, left]: [usize; 2], inputs: usize, tile: &mut [f32]) {
    let width = inputs.min(shape.width + 2 - left) * shape.channels;
    for (y, line) in tile.chunks_exact_mut(inputs * shape.channels).take(inputs).enumerate() {
        if top + y < shape.height + 2 {
            let start = shape.at(top + y, left);
            line[..width].copy_from_slice(&map[start..start + width]);
            line[width..].fill(0.0);
        } else {
            line.fill(0.0);
        }
    }
}

/// Value `at` of each line.
#[inline(always)]
fn across<S: Simd>(lines: &[Line<S>; MOST_INPUTS], at: usize) -> Line<S> {
    let [a, b, c, d, e, f] = lines;
    [a[at], b[at], c[at], d[at], e[at], f[at]]
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
        let Tiles { layer, block, steps, .. } = self.tiles;
        let (channels, outputs) = (layer.input.channels, layer.output.channels);
        for (place, weights) in layer.weights.iter().enumerate() {
            let inputs = &self.from[place * steps[0]..][..block * channels];
            let products = &mut self.to[place * steps[1]..][..block * outputs];
            let mut product = Product { tiles: self.tiles, weights, inputs, products };
            let vectors = weights.vectors::<S>();
            let mut vector = 0;
            while vector < vectors {
                let together = together::<S>(vectors - vector);
                match together {
                    1 => product.columns::<S, 12, 1>(simd, vector),
                    3 => product.columns::<S, 3, 3>(simd, vector),
                    _ if S::F32_LANES == 16 => product.columns::<S, 12, 2>(simd, vector),
                    _ => product.columns::<S, 4, 2>(simd, vector),
                }
                vector += together;
            }
        }
    }
}

/// The matrix product for one place.
struct Product<'a> {
    tiles: Tiles<'a>,
    weights: &'a Panels,
    inputs: &'a [f32],
    products: &'a mut [f32],
}

impl Product<'_> {
    /// `V` vectors of outputs from `vector` on, for `R` tiles at a time.
    #[inline(always)]
    fn columns<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, vector: usize)
    where
        Sums: InnerLoop<S, R, V>,
    {
        let Tiles { layer, count, .. } = self.tiles;
        let (input, outputs) = (layer.input, layer.output.channels);
        let columns = self.weights.columns::<S, V>(vector);
        let inputs = Inputs { values: self.inputs, lines: &[0], run: input.used };
        for first in (0..count).step_by(R) {
            let mut from = [0; R];
            for row in 0..R {
                from[row] = (first + row) * input.channels;
            }
            let sums = Sums::sums(simd, inputs, &from, &columns);
            for row in 0..R {
                for at in 0..V {
                    let to = (first + row) * outputs + (vector + at) * S::F32_LANES;
                    save::<S>(self.products, to, sums[row][at]);
                }
            }
        }
    }
}

/// `A^T m A` of each tile, and the layer's end.
struct Back<'a, T> {
    tiles: Tiles<'a>,
    end: End<'a>,
    from: &'a [f32],
    output: &'a mut [f32],
    size: PhantomData<T>,
}

impl<T: Tile> WithSimd for Back<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tiles { layer, count, .. } = self.tiles;
        let output = layer.output;
        // From here on in vectors.
        let pixel = output.channels / S::F32_LANES;
        let step = self.tiles.steps[1] / S::F32_LANES;
        let from = S::as_simd_f32s(self.from).0;
        let end = self.end.in_vectors::<S>();
        let mut place = self.tiles.place();
        for at in 0..count {
            let Place { mouth, down, right } = place;
            let (top, left) = (down * T::RESULTS, right * T::RESULTS);
            place = place.next(self.tiles);
            let height = T::RESULTS.min(output.height - top);
            let width = T::RESULTS.min(output.width - left);
            let map = &mut self.output[mouth * output.len()..(mouth + 1) * output.len()];
            let map = S::as_mut_simd_f32s(map).0;
            for vector in 0..output.used.div_ceil(S::F32_LANES) {
                let first = at * pixel + vector;
                let columns = lines!(x, T::INPUTS, {
                    let column = lines!(y, T::INPUTS, from[first + (y * T::INPUTS + x) * step]);
                    T::back(simd, column)
                });
                for y in 0..height {
                    let line = T::back(simd, across::<S>(&columns, y));
                    let first = output.at(top + y + 1, left + 1) / S::F32_LANES;
                    for x in 0..width {
                        let place = first + x * pixel;
                        map[place + vector] = end.of(simd, line[x], vector, place);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_gets_the_tiles_with_which_it_takes_the_fewest_products() {
        for (height, width, wanted) in
            [(3, 3, 3), (6, 6, 3), (9, 6, 3), (9, 12, 3), (4, 4, 4), (8, 12, 4), (27, 16, 4)]
        {
            let map = Shape::of_layer(height, width, 16);
            assert_eq!(results(map, map), wanted, "{height} x {width}");
        }
    }

    #[test]
    fn large_weights_get_tiles_for_which_there_are_fewer_of_them() {
        for (channels, wanted) in [(240, 4), (256, 3)] {
            let map = Shape::of_layer(8, 12, channels);
            let bytes = Winograd::bytes_for(map, map);
            assert_eq!(results(map, map), wanted, "{channels} channels, {bytes} bytes");
            assert!(bytes <= MOST_BYTES_OF_FOUR);
        }
    }
}
