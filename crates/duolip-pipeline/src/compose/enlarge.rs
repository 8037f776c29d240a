//! Catmull-Rom resizing: how a painted mouth grows to the size of its face.
//!
//! A 96-pixel mouth is enlarged two to four times, and bilinear resizing shows it as soft
//! stripes. This kernel reads four pixels a side instead of two. Parity mode does not use it.

use std::ops::Range;

use crate::face::FaceBox;

/// Source pixels that one output position reads along an axis.
const REACH: usize = 4;
/// Weights are whole numbers that add up to this.
const ONE: i32 = 1 << 10;

/// One output position: the first of [`REACH`] source positions, and their weights.
#[derive(Debug, Clone, Copy)]
struct Tap {
    first: usize,
    weights: [i32; REACH],
}

/// Resizes three-channel pictures of one fixed size to another, computing only a part of the
/// result.
///
/// # Source
/// Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -1/2;
/// half-pixel centres, positions beyond an edge take the edge's value, no antialiasing.
#[derive(Debug)]
pub(super) struct Enlarger {
    source_width: usize,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// The source rows that the output reads.
    needed: Range<usize>,
    /// These rows, horizontally resized: `[rows, 3, width]`.
    stretched: Vec<i32>,
}

/// The pixels, out of `size`, that outputs between these parts of an axis read: half-open.
pub(super) fn pixels_read(size: usize, from: f32, to: f32) -> Range<usize> {
    let before = |part: f32| (part * size as f32 - 0.5).floor();
    let first = (before(from) - 1.0).max(0.0) as usize;
    first..(before(to) as usize + 3).min(size)
}

impl Enlarger {
    /// From `source_width` x `source_height`, at least 4 x 4, to the part `within` of
    /// `width` x `height`.
    pub(super) fn new(
        source_width: usize,
        source_height: usize,
        width: usize,
        height: usize,
        within: FaceBox,
    ) -> Self {
        let taps = |range: Range<usize>, source_length, length| -> Vec<Tap> {
            range.map(|at| tap(at, source_length, length)).collect()
        };
        let columns = taps(within.left..within.right, source_width, width);
        let rows = taps(within.top..within.bottom, source_height, height);
        let first = rows.first().map_or(0, |tap| tap.first);
        let needed = first..rows.last().map_or(first, |tap| tap.first + REACH);
        Self {
            source_width,
            stretched: vec![0; needed.len() * columns.len() * 3],
            columns,
            rows,
            needed,
        }
    }

    /// Fills `target`, the part asked for, `[height, 3, width]`, from `source`, `[height, width, 3]`.
    #[inline(always)]
    pub(super) fn resize(&mut self, source: &[u8], target: &mut [u8]) {
        let row_values = self.columns.len() * 3;
        let source_rows = source.chunks_exact(self.source_width * 3);
        let needed = source_rows.skip(self.needed.start).take(self.needed.len());
        for (row, stretched) in needed.zip(self.stretched.chunks_exact_mut(row_values)) {
            stretch(row, &self.columns, stretched);
        }
        for (tap, target) in self.rows.iter().zip(target.chunks_exact_mut(row_values)) {
            let first = (tap.first - self.needed.start) * row_values;
            let (a, rest) = self.stretched[first..].split_at(row_values);
            let (b, rest) = rest.split_at(row_values);
            let (c, d) = rest.split_at(row_values);
            for ((((value, a), b), c), d) in target.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                let [for_a, for_b, for_c, for_d] = tap.weights;
                let sum = a * for_a + b * for_b + c * for_c + d * for_d;
                *value = ((sum + ONE * ONE / 2) / (ONE * ONE)).clamp(0, 255) as u8;
            }
        }
    }
}

/// The horizontal pass over one row: `[width, 3]` to `[3, width]`.
#[inline(always)]
fn stretch(source: &[u8], columns: &[Tap], target: &mut [i32]) {
    let pixels = source.as_chunks::<3>().0;
    let (first, rest) = target.split_at_mut(columns.len());
    let (second, third) = rest.split_at_mut(columns.len());
    for (((tap, first), second), third) in columns.iter().zip(first).zip(second).zip(third) {
        // The taps of a source this wide all lie inside.
        let Some(read) = pixels[tap.first..].first_chunk::<REACH>() else { continue };
        let sum = |channel: usize| -> i32 {
            let products = read.iter().zip(tap.weights);
            products.map(|(pixel, weight)| i32::from(pixel[channel]) * weight).sum()
        };
        (*first, *second, *third) = (sum(0), sum(1), sum(2));
    }
}

/// The kernel at a distance of `x` source pixels.
fn catmull_rom(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// What output position `at` of `length` reads from an input of `source_length`.
fn tap(at: usize, source_length: usize, length: usize) -> Tap {
    let position = (at as f64 + 0.5) * source_length as f64 / length as f64 - 0.5;
    let lowest = position.floor() as isize - 1;
    let first = lowest.clamp(0, (source_length - REACH) as isize);
    let mut weights = [0; REACH];
    for source in lowest..lowest + REACH as isize {
        let weight = catmull_rom(source as f64 - position) * f64::from(ONE);
        let inside = source.clamp(0, source_length as isize - 1);
        weights[(inside - first) as usize] += weight.round() as i32;
    }
    // Rounding may leave a rest; the largest weight bears it best.
    let rest = ONE - weights.iter().sum::<i32>();
    if let Some(largest) = weights.iter_mut().max() {
        *largest += rest;
    }
    Tap { first: first as usize, weights }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 24;

    /// Pixel by pixel, as the source is.
    fn resized(source: &[u8], width: usize, height: usize, within: FaceBox) -> Vec<u8> {
        let mut target = vec![0; within.width() * within.height() * 3];
        Enlarger::new(SIZE, SIZE, width, height, within).resize(source, &mut target);
        let colour = |row: &[u8], at: usize| row[at % 3 * within.width() + at / 3];
        let rows = target.chunks_exact(within.width() * 3);
        rows.flat_map(|row| (0..row.len()).map(move |at| colour(row, at))).collect()
    }

    fn whole(width: usize, height: usize) -> FaceBox {
        FaceBox { left: 0, top: 0, right: width, bottom: height }
    }

    fn picture(value: impl Fn(usize, usize) -> u8) -> Vec<u8> {
        let pixels = (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (x, y)));
        pixels.flat_map(|(x, y)| [value(x, y), 7, 250]).collect()
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let source = picture(|x, y| (x * 31 + y * 17) as u8);
        assert_eq!(resized(&source, SIZE, SIZE, whole(SIZE, SIZE)), source);
    }

    #[test]
    fn an_even_colour_stays_even_at_any_size() {
        for (width, height) in [(71, 83), (17, 240), (9, 11)] {
            let target = resized(&picture(|_, _| 200), width, height, whole(width, height));
            assert!(target.as_chunks::<3>().0.iter().all(|pixel| *pixel == [200, 7, 250]));
        }
    }

    /// Each weight is rounded to 1/1024, so a slope may be off by a grey level.
    #[test]
    fn a_slope_stays_a_slope() {
        let (width, scale) = (SIZE * 3, 3.0);
        let target = resized(&picture(|x, _| (x * 10) as u8), width, SIZE, whole(width, SIZE));
        for x in 6..width - 6 {
            let wanted = ((x as f64 + 0.5) / scale - 0.5) * 10.0;
            let actual = f64::from(target[x * 3]);
            assert!((actual - wanted).abs() <= 1.0, "column {x}: {actual}, not {wanted}");
        }
    }

    #[test]
    fn an_edge_comes_out_steeper_than_bilinear() {
        let source = picture(|x, _| if x < SIZE / 2 { 60 } else { 180 });
        let width = SIZE * 3;
        let steepest = |target: &[u8]| {
            let row: Vec<i32> =
                target[..width * 3].as_chunks::<3>().0.iter().map(|p| i32::from(p[0])).collect();
            row.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
        };
        let cubic = steepest(&resized(&source, width, SIZE, whole(width, SIZE)));
        let mut bilinear = vec![0; width * SIZE * 3];
        super::super::resize::Resizer::new(SIZE, SIZE, width, SIZE, whole(width, SIZE))
            .resize(&source, &mut bilinear);
        assert!(cubic > steepest(&bilinear), "{cubic}");
    }

    #[test]
    fn a_part_equals_the_same_part_of_the_whole() {
        let source = picture(|x, y| (x * x + y * 29) as u8);
        let part = FaceBox { left: 13, top: 20, right: 40, bottom: 50 };
        let all = resized(&source, 61, 50, whole(61, 50));
        let some = resized(&source, 61, 50, part);
        for (row, actual) in some.chunks_exact(part.width() * 3).enumerate() {
            let start = ((row + part.top) * 61 + part.left) * 3;
            assert_eq!(actual, &all[start..start + part.width() * 3]);
        }
    }

    #[test]
    fn overshoot_is_cut_off_and_does_not_wrap() {
        let checks = picture(|x, y| if (x / 3 + y / 3) % 2 == 0 { 0 } else { 255 });
        let target = resized(&checks, SIZE * 5, SIZE * 5, whole(SIZE * 5, SIZE * 5));
        let values = || target.as_chunks::<3>().0.iter().map(|pixel| pixel[0]);
        assert_eq!((values().min(), values().max()), (Some(0), Some(255)));
        // In the middle of a bright field nothing dark may appear.
        let middle = (SIZE * 5 * 22 + 7) * 3;
        assert!(target[middle] > 200, "{}", target[middle]);
    }
}
