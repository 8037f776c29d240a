//! Bilinear resizing, equal to OpenCV's `INTER_LINEAR` on u8 to the bit.
//!
//! The networks were trained on crops resized so, and parity mode pastes mouths resized so.

use crate::face::FaceBox;

/// Weights are whole numbers that add up to this.
const ONE: i32 = 1 << 11;

/// One output position: two input positions and their weights.
#[derive(Debug, Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weights: [i32; 2],
}

/// Resizes three-channel pictures of one fixed size to another, computing only a part of the
/// result.
///
/// # Source
/// OpenCV `imgproc/resize.cpp`, the fixed-point linear path: half-pixel centres, no antialiasing,
/// 11-bit weights, rounding after the vertical pass.
#[derive(Debug)]
pub(super) struct Resizer {
    source_width: usize,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// Horizontally resized source rows; `filled` tells which.
    stretched: Vec<i32>,
    filled: Vec<bool>,
}

impl Resizer {
    /// From `source_width` x `source_height` to the part `within` of `width` x `height`.
    pub(super) fn new(
        source_width: usize,
        source_height: usize,
        width: usize,
        height: usize,
        within: FaceBox,
    ) -> Self {
        let columns: Vec<_> =
            (within.left..within.right).map(|x| column_tap(x, source_width, width)).collect();
        Self {
            source_width,
            rows: (within.top..within.bottom).map(|y| row_tap(y, source_height, height)).collect(),
            stretched: vec![0; source_height * columns.len() * 3],
            filled: vec![false; source_height],
            columns,
        }
    }

    /// Fills `target`, the part asked for, from `source`.
    pub(super) fn resize(&mut self, source: &[u8], target: &mut [u8]) {
        let row_values = self.columns.len() * 3;
        self.filled.fill(false);
        for (tap, target) in self.rows.iter().zip(target.chunks_exact_mut(row_values)) {
            for row in [tap.first, tap.second] {
                if !std::mem::replace(&mut self.filled[row], true) {
                    let source = &source[row * self.source_width * 3..][..self.source_width * 3];
                    stretch(source, &self.columns, &mut self.stretched[row * row_values..]);
                }
            }
            let first = &self.stretched[tap.first * row_values..][..row_values];
            let second = &self.stretched[tap.second * row_values..][..row_values];
            for ((value, &a), &b) in target.iter_mut().zip(first).zip(second) {
                let a = (tap.weights[0] * (a >> 4)) >> 16;
                let b = (tap.weights[1] * (b >> 4)) >> 16;
                *value = ((a + b + 2) >> 2) as u8;
            }
        }
    }
}

/// The horizontal pass over one row.
fn stretch(source: &[u8], columns: &[Tap], target: &mut [i32]) {
    let pixels = source.as_chunks::<3>().0;
    for (tap, target) in columns.iter().zip(target.as_chunks_mut::<3>().0) {
        let (first, second) = (&pixels[tap.first], &pixels[tap.second]);
        for channel in 0..3 {
            target[channel] = i32::from(first[channel]) * tap.weights[0]
                + i32::from(second[channel]) * tap.weights[1];
        }
    }
}

/// Where output position `at` of `length` lies in an input of `source_length`.
fn place(at: usize, source_length: usize, length: usize) -> (isize, f32) {
    let scale = source_length as f64 / length as f64;
    let exact = ((at as f64 + 0.5) * scale - 0.5) as f32;
    let first = exact.floor();
    (first as isize, exact - first)
}

fn weights(fraction: f32) -> [i32; 2] {
    let weight = |share: f32| (share * ONE as f32).round_ties_even() as i32;
    [weight(1.0 - fraction), weight(fraction)]
}

/// Columns beyond the edge take the edge's value whole.
fn column_tap(at: usize, source_length: usize, length: usize) -> Tap {
    let last = source_length - 1;
    match place(at, source_length, length) {
        (first, _) if first < 0 => Tap { first: 0, second: 0, weights: [ONE, 0] },
        (first, _) if first as usize >= last => {
            Tap { first: last, second: last, weights: [ONE, 0] }
        }
        (first, fraction) => {
            let first = first as usize;
            Tap { first, second: first + 1, weights: weights(fraction) }
        }
    }
}

/// Rows beyond the edge are the edge's row twice, with both weights kept.
fn row_tap(at: usize, source_length: usize, length: usize) -> Tap {
    let last = source_length as isize - 1;
    let (first, fraction) = place(at, source_length, length);
    Tap {
        first: first.clamp(0, last) as usize,
        second: (first + 1).clamp(0, last) as usize,
        weights: weights(fraction),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        std::fs::read(folder.join(name)).unwrap()
    }

    #[test]
    fn resizing_equals_opencvs_to_the_bit() {
        let cases = [((96, 96), (289, 331)), ((96, 96), (61, 75)), ((200, 173), (96, 96))];
        for ((source_width, source_height), (width, height)) in cases {
            let source = fixture(&format!("resize_{source_width}x{source_height}.bgr"));
            let wanted =
                fixture(&format!("resize_{source_width}x{source_height}_to_{width}x{height}.bgr"));
            let whole = FaceBox { left: 0, top: 0, right: width, bottom: height };
            let mut actual = vec![0; width * height * 3];
            Resizer::new(source_width, source_height, width, height, whole)
                .resize(&source, &mut actual);
            assert!(actual == wanted, "{source_width}x{source_height} to {width}x{height}");
        }
    }

    #[test]
    fn a_part_equals_the_same_part_of_the_whole() {
        let source = fixture("resize_96x96.bgr");
        let whole = FaceBox { left: 0, top: 0, right: 50, bottom: 40 };
        let part = FaceBox { left: 7, top: 11, right: 30, bottom: 40 };
        let mut all = vec![0; 50 * 40 * 3];
        Resizer::new(96, 96, 50, 40, whole).resize(&source, &mut all);
        let mut some = vec![0; part.width() * part.height() * 3];
        Resizer::new(96, 96, 50, 40, part).resize(&source, &mut some);
        for (row, actual) in some.chunks_exact(part.width() * 3).enumerate() {
            let start = ((row + part.top) * 50 + part.left) * 3;
            assert_eq!(actual, &all[start..start + part.width() * 3]);
        }
    }
}
