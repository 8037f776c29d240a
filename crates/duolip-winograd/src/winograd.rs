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

use crate::lanes::{
    Consecutive, InnerLoop, PANEL, Panels, Pixel, Run, Sums, references, together, vectors,
};
use crate::layer::{Kind, Ready};
use crate::map::Shape;
use crate::memory::Aligned;
use crate::store::{End, load, save};
use tile::{Four, Line, MOST_INPUTS, Three, Tile, lines};

/// Tiles whose places lie one after the other: a whole number of rows for each inner loop that is used
/// here.
const GROUP: usize = 12;

/// A transformed tile of a group and a plane: at each place the pixels of all tiles.
type Group<const PLACES: usize> = [[Pixel; GROUP]; PLACES];

/// The most bytes of transformed tiles that are worked on at a time. As many as a layer's weights have
/// are enough, for then neither are read more often than the others; and where those are few, tiles stay
/// in the core's own cache from one step to the next.
const BLOCK_BYTES: usize = 3 << 20;

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
    /// Where the inputs of a place are, from its first plane's on.
    runs: Vec<Run>,
}

/// Memory that layers share.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Transformed inputs: `[groups, planes, places, tiles, channels]`.
    inputs: Aligned,
    /// Products: `[groups, planes, places, tiles, outputs]`.
    products: Aligned,
}

impl Winograd {
    /// The convolution with `weight`, `[outputs, channels, 3, 3]`.
    pub(crate) fn new(input: Shape, output: Shape, pads: [usize; 2], weight: &[f32]) -> Self {
        let kernels = weight.as_chunks::<9>().0;
        let of = |channel: usize, output: usize| &kernels[output * input.channels + channel];
        let results = results(input, output);
        let (depth, outputs) = (input.channels, output.channels);
        let weights: Vec<_> = if results == Four::RESULTS {
            Panels::several::<36>(depth, outputs, |k, o| kernel(Four::KERNEL, of(k, o))).into()
        } else {
            Panels::several::<25>(depth, outputs, |k, o| kernel(Three::KERNEL, of(k, o))).into()
        };
        let places = weights.len() * GROUP;
        let runs = (0..input.panels())
            .map(|panel| Run { place: panel * places, length: input.channels_of(panel) });
        Self { input, output, pads, results, weights, runs: runs.collect() }
    }

    /// Bytes of the transformed weights for maps of these shapes.
    pub(crate) fn bytes_for(input: Shape, output: Shape) -> usize {
        bytes_in_tiles(results(input, output), input, output)
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        self.weights.iter().map(Panels::bytes).sum()
    }

    /// How many groups of the tiles of `mouths` are worked on at a time.
    fn block(&self, mouths: usize) -> usize {
        let [down, right] = tiles(self.output, self.results);
        let bytes = self.group_values().iter().sum::<usize>() * size_of::<f32>();
        let block = self.weight_bytes().min(BLOCK_BYTES) / bytes;
        block.clamp(1, (mouths * down * right).div_ceil(GROUP))
    }

    /// Values of a group's inputs, and of its products.
    fn group_values(&self) -> [usize; 2] {
        [self.input, self.output].map(|map| map.panels() * self.weights.len() * GROUP * PANEL)
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
    places(results) * input.channels * output.panels() * PANEL * size_of::<f32>()
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
            let groups = layer.block(mouths);
            let [inputs, products] = layer.group_values();
            self.inputs.reserve(groups * inputs)?;
            self.products.reserve(groups * products)?;
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
    pub(crate) input: &'a [Pixel],
    pub(crate) output: &'a mut [Pixel],
    pub(crate) scratch: &'a mut Scratch,
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.layer.results == Four::RESULTS {
            self.by::<S, Four, { Four::INPUTS }, { Four::INPUTS * Four::INPUTS }>(simd);
        } else {
            self.by::<S, Three, { Three::INPUTS }, { Three::INPUTS * Three::INPUTS }>(simd);
        }
    }
}

impl Apply<'_> {
    #[inline(always)]
    fn by<S: Simd, T: Tile, const INPUTS: usize, const PLACES: usize>(self, simd: S) {
        let Self { layer, end, input, output, scratch } = self;
        let [down, right] = tiles(layer.output, T::RESULTS);
        let mouths = output.len() / layer.output.pixels();
        let total = mouths * down * right;
        let block = layer.block(mouths);
        let [inputs, products] = layer.group_values().map(|values| block * values);
        let inputs = groups_mut::<PLACES>(scratch.inputs.get_mut(inputs));
        let products = groups_mut::<PLACES>(scratch.products.get_mut(products));
        for first in (0..total).step_by(block * GROUP) {
            let count = (block * GROUP).min(total - first);
            let tiles = Tiles { layer, down, right, first, count };
            let size = PhantomData::<T>;
            simd.vectorize(Forward::<T, INPUTS, PLACES> { tiles, input, to: inputs, size });
            simd.vectorize(Multiply { tiles, from: inputs, to: products });
            simd.vectorize(Back::<T, PLACES> { tiles, end, from: products, output, size });
        }
    }
}

fn groups_mut<const PLACES: usize>(values: &mut [f32]) -> &mut [Group<PLACES>] {
    values.as_chunks_mut().0.as_chunks_mut().0.as_chunks_mut().0
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
struct Forward<'a, T, const INPUTS: usize, const PLACES: usize> {
    tiles: Tiles<'a>,
    input: &'a [Pixel],
    to: &'a mut [Group<PLACES>],
    size: PhantomData<T>,
}

impl<T: Tile, const INPUTS: usize, const PLACES: usize> WithSimd
    for Forward<'_, T, INPUTS, PLACES>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Winograd { input, pads, .. } = *self.tiles.layer;
        let (panels, plane) = (input.panels(), input.plane());
        let mut cut = [[[0.0; PANEL]; INPUTS]; INPUTS];
        let mut place = self.tiles.place();
        for at in 0..self.tiles.count {
            // With the border counted, and never negative since padding is at most 1.
            let top = place.down * T::RESULTS + 1 - pads[0];
            let left = place.right * T::RESULTS + 1 - pads[1];
            let map = &self.input[place.mouth * input.pixels()..][..input.pixels()];
            place = place.next(self.tiles);
            let inside = top + INPUTS <= input.height + 2 && left + INPUTS <= input.width + 2;
            for panel in 0..panels {
                let map = &map[panel * plane..][..plane];
                let mut rows = references(&cut);
                if inside {
                    for y in 0..INPUTS {
                        rows[y] = &map[input.at(top + y, left)..].as_chunks().0[0];
                    }
                } else {
                    cut_out(input, map, [top, left], &mut cut);
                    rows = references(&cut);
                }
                let to = &mut self.to[at / GROUP * panels + panel];
                for vector in 0..input.channels_of(panel).div_ceil(S::F32_LANES) {
                    let columns = lines!(x, INPUTS, {
                        T::forward(simd, lines!(y, INPUTS, load::<S>(&rows[y][x], vector)))
                    });
                    for y in 0..INPUTS {
                        let line = T::forward(simd, across::<S>(&columns, y));
                        for x in 0..INPUTS {
                            save::<S>(&mut to[y * INPUTS + x][at % GROUP], vector, line[x]);
                        }
                    }
                }
            }
        }
    }
}

/// The tile at row `top`, column `left` of `plane`, border counted, with zeros beyond the border.
fn cut_out<const INPUTS: usize>(
    shape: Shape,
    plane: &[Pixel],
    [top, left]: [usize; 2],
    tile: &mut [[Pixel; INPUTS]; INPUTS],
) {
    let width = INPUTS.min(shape.row() - left);
    for (y, line) in tile.iter_mut().enumerate() {
        line.fill([0.0; PANEL]);
        if top + y < shape.height + 2 {
            let start = shape.at(top + y, left);
            line[..width].copy_from_slice(&plane[start..start + width]);
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
struct Multiply<'a, const PLACES: usize> {
    tiles: Tiles<'a>,
    from: &'a [Group<PLACES>],
    to: &'a mut [Group<PLACES>],
}

impl<const PLACES: usize> WithSimd for Multiply<'_, PLACES> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tiles: Tiles { layer, count, .. }, from, to } = self;
        let groups = count.div_ceil(GROUP);
        for (place, weights) in layer.weights.iter().enumerate() {
            let mut product = Product { layer, weights, place, groups, from, to };
            let vectors = weights.vectors::<S>();
            let mut vector = 0;
            while vector < vectors {
                let together = together::<S>(vectors - vector);
                match together {
                    1 => product.columns::<S, 12, 1>(simd, vector),
                    3 if S::F32_LANES == 16 => product.columns::<S, 6, 3>(simd, vector),
                    3 => product.columns::<S, 3, 3>(simd, vector),
                    4 => product.columns::<S, 6, 4>(simd, vector),
                    _ if S::F32_LANES == 16 => product.columns::<S, 12, 2>(simd, vector),
                    _ => product.columns::<S, 4, 2>(simd, vector),
                }
                vector += together;
            }
        }
    }
}

/// The matrix product for one place.
struct Product<'a, const PLACES: usize> {
    layer: &'a Winograd,
    weights: &'a Panels,
    place: usize,
    groups: usize,
    from: &'a [Group<PLACES>],
    to: &'a mut [Group<PLACES>],
}

impl<const PLACES: usize> Product<'_, PLACES> {
    /// `V` vectors of outputs from `vector` on, for `R` tiles at a time.
    #[inline(always)]
    fn columns<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, vector: usize)
    where
        Sums: InnerLoop<S, R, V>,
    {
        let [inputs, outputs] = [self.layer.input, self.layer.output].map(Shape::panels);
        let runs = &self.layer.runs[..];
        let columns = self.weights.columns::<S, V>(vector);
        for group in 0..self.groups {
            let pixels = self.from[group * inputs..][..inputs].as_flattened().as_flattened();
            let to = &mut self.to[group * outputs..][..outputs];
            for first in (0..GROUP).step_by(R) {
                let rows = Consecutive { pixels, from: self.place * GROUP + first };
                let sums = Sums::sums(simd, &rows, runs, &columns);
                for at in 0..V {
                    let panel = (vector + at) / vectors::<S>();
                    let part = (vector + at) % vectors::<S>();
                    let to = &mut to[panel][self.place];
                    for row in 0..R {
                        save::<S>(&mut to[first + row], part, sums[row][at]);
                    }
                }
            }
        }
    }
}

/// `A^T m A` of each tile, and the layer's end.
struct Back<'a, T, const PLACES: usize> {
    tiles: Tiles<'a>,
    end: End<'a>,
    from: &'a [Group<PLACES>],
    output: &'a mut [Pixel],
    size: PhantomData<T>,
}

impl<T: Tile, const PLACES: usize> WithSimd for Back<'_, T, PLACES> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tiles { layer, count, .. } = self.tiles;
        let output = layer.output;
        let (panels, plane) = (output.panels(), output.plane());
        let mut place = self.tiles.place();
        for at in 0..count {
            let Place { mouth, down, right } = place;
            let (top, left) = (down * T::RESULTS, right * T::RESULTS);
            place = place.next(self.tiles);
            let height = T::RESULTS.min(output.height - top);
            let width = T::RESULTS.min(output.width - left);
            let map = &mut self.output[mouth * output.pixels()..][..output.pixels()];
            for panel in 0..panels {
                let map = &mut map[panel * plane..][..plane];
                let from = &self.from[at / GROUP * panels + panel];
                for vector in 0..output.channels_of(panel).div_ceil(S::F32_LANES) {
                    let columns = lines!(x, T::INPUTS, {
                        T::back(
                            simd,
                            lines!(y, T::INPUTS, {
                                load::<S>(&from[y * T::INPUTS + x][at % GROUP], vector)
                            }),
                        )
                    });
                    for y in 0..T::RESULTS {
                        if y == height {
                            break;
                        }
                        let line = T::back(simd, across::<S>(&columns, y));
                        let first = output.at(top + y + 1, left + 1);
                        let to = &mut map[first..first + width];
                        for x in 0..T::RESULTS {
                            if x < width {
                                let value = self.end.of(simd, line[x], panel, first + x, vector);
                                save::<S>(&mut to[x], vector, value);
                            }
                        }
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
            let map = Shape { height, width, channels: 16 };
            assert_eq!(results(map, map), wanted, "{height} x {width}");
        }
    }

    #[test]
    fn large_weights_get_tiles_for_which_there_are_fewer_of_them() {
        for (channels, wanted) in [(240, 4), (256, 3)] {
            let map = Shape { height: 8, width: 12, channels };
            let bytes = Winograd::bytes_for(map, map);
            assert_eq!(results(map, map), wanted, "{channels} channels, {bytes} bytes");
            assert!(bytes <= MOST_BYTES_OF_FOUR);
        }
    }
}
