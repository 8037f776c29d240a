//! What the network loses of the photo, given back.
//!
//! A network paints the whole lower face anew for every frame, beard and skin included, softer than
//! the photo and in a slightly other colour. Most of it hardly moves. So what the photo shows beyond
//! the mouth at rest, the one that the same model paints for silence, is added to every mouth: in
//! full where it is as at rest, less where it has moved away from there, and only where the mouth at
//! rest shows the same as the photo, which it does not where the photo laughs.

use super::yuv::colours_of;
use crate::face::{FaceBox, FaceCrop};

/// Levels of 255 from the mouth at rest from which on nothing is added.
const MOVED: u8 = 32;
/// Levels up to which photo and mouth at rest show the same, and twice as many from which on they
/// do not: means over a neighbourhood.
const ALIKE: u8 = 12;
/// A neighbourhood reaches this part of the face to each side: two pixels of 96.
const NEIGHBOURHOOD: usize = 48;

/// What is given back to the mouths of one model on one face.
#[derive(Debug)]
pub(super) struct Detail {
    /// The mouth at rest, `[height, 3, width]`.
    rest: Vec<u8>,
    /// What the photo shows beyond it, `[height, 3, width]`.
    lost: Vec<i16>,
    /// How much of it comes back in one row.
    row: Vec<i16>,
}

impl Detail {
    /// From the mouth at `rest`, the `photo` and how far they are `apart`, all `[height, 3, width]`.
    pub(super) fn new(rest: Vec<u8>, photo: &[u8], apart: &[u8], width: usize) -> Self {
        let trusted = apart.chunks_exact(width * 3).flat_map(|row| {
            let [blue, green, red] = colours_of(row);
            let largest = blue.iter().zip(green).zip(red).map(|((&b, &g), &r)| b.max(g).max(r));
            let trust: Vec<_> =
                largest.map(|apart| (2 * ALIKE).saturating_sub(apart).min(ALIKE)).collect();
            trust.repeat(3)
        });
        let lost = rest.iter().zip(photo).zip(trusted).map(|((&rest, &photo), trust)| {
            (i16::from(photo) - i16::from(rest)) * i16::from(trust) / i16::from(ALIKE)
        });
        Self { lost: lost.collect(), rest, row: vec![0; width] }
    }

    /// Adds to `mouth`, `[height, 3, width]`, what it lacks.
    #[inline(always)]
    pub(super) fn give_back(&mut self, mouth: &mut [u8]) {
        let width = self.row.len();
        let rows = self.rest.chunks_exact(width * 3).zip(self.lost.chunks_exact(width * 3));
        for (mouth, (rest, lost)) in mouth.chunks_exact_mut(width * 3).zip(rows) {
            parts(mouth, rest, &mut self.row);
            for (mouth, lost) in mouth.chunks_exact_mut(width).zip(lost.chunks_exact(width)) {
                for ((value, &lost), &part) in mouth.iter_mut().zip(lost).zip(&self.row) {
                    let added = lost * part / i16::from(MOVED);
                    *value = (i16::from(*value) + added).clamp(0, 255) as u8;
                }
            }
        }
    }
}

/// How much comes back of each pixel of a row, from 0 to [`MOVED`].
#[inline(always)]
fn parts(mouth: &[u8], rest: &[u8], parts: &mut [i16]) {
    let [blue, green, red] = colours_of(mouth);
    let [rest_blue, rest_green, rest_red] = colours_of(rest);
    let mouths = blue.iter().zip(green).zip(red);
    let rests = rest_blue.iter().zip(rest_green).zip(rest_red);
    for (part, (((b, g), r), ((rest_b, rest_g), rest_r))) in parts.iter_mut().zip(mouths.zip(rests))
    {
        let moved = b.abs_diff(*rest_b).max(g.abs_diff(*rest_g)).max(r.abs_diff(*rest_r));
        *part = i16::from(MOVED.saturating_sub(moved));
    }
}

/// How far `rest` is from the photo's own `face`, as means over neighbourhoods inside `painted`:
/// `[size, size, 3]`. Detail cancels out in them, an open mouth does not.
pub(super) fn differences(rest: &[u8], face: &FaceCrop, painted: FaceBox) -> Vec<u8> {
    let size = face.size;
    let reach = size / NEIGHBOURHOOD;
    let around = |at: usize, first: usize, end: usize| {
        at.saturating_sub(reach).max(first)..(at + reach + 1).min(end)
    };
    let mut means = vec![0; rest.len()];
    for y in painted.top..painted.bottom {
        for x in painted.left..painted.right {
            let rows = around(y, painted.top, painted.bottom);
            let columns = around(x, painted.left, painted.right);
            let pixels = (rows.len() * columns.len()) as u32;
            for channel in 0..3 {
                let places = rows.clone().flat_map(|y| columns.clone().map(move |x| (x, y)));
                let sum: i32 = places
                    .map(|(x, y)| (y * size + x) * 3 + channel)
                    .map(|at| i32::from(face.bgr[at]) - i32::from(rest[at]))
                    .sum();
                means[(y * size + x) * 3 + channel] = (sum.unsigned_abs() / pixels) as u8;
            }
        }
    }
    means
}
