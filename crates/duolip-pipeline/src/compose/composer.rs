//! Mouths into frames: resize, blend with the photo, convert to YUV, all inside the painted
//! rectangle and in memory of its own.
//!
//! Pixels lie in rows of one colour each, `[height, 3, width]` with the channels B, G, R: loops over
//! neighbouring values of one kind are what the compiler turns into vector instructions. It does so once
//! for each kind of processor, in what is inlined into [`Paint`].

use pulp::{Arch, Simd, WithSimd};

use super::detail::{self, Detail};
use super::enlarge::Enlarger;
use super::resize::Resizer;
use super::{MouthPatch, Paste, yuv};
use crate::face::{FaceBox, FaceCrop};
use crate::picture::YuvFrame;

/// Resizes a mouth to the size of the face.
#[derive(Debug)]
enum Scaler {
    /// As Wav2Lip does; then its pixels, `[height, width, 3]`.
    Bilinear(Resizer, Vec<u8>),
    /// Crisper.
    Cubic(Enlarger),
}

impl Scaler {
    /// Fills `target`, `[height, 3, width]`.
    #[inline(always)]
    fn resize(&mut self, mouth: &[u8], width: usize, target: &mut [u8]) {
        match self {
            Self::Bilinear(resizer, pixels) => {
                resizer.resize(mouth, pixels);
                let rows = pixels.chunks_exact(width * 3).zip(target.chunks_exact_mut(width * 3));
                for (pixels, target) in rows {
                    yuv::split_colours(pixels, target);
                }
            }
            Self::Cubic(enlarger) => enlarger.resize(mouth, target),
        }
    }
}

/// Pastes mouths into frames of one avatar, with its own scratch memory: one for each chunk.
#[derive(Debug)]
pub struct Composer<'a> {
    patch: &'a MouthPatch,
    scaler: Scaler,
    /// Where the resized mouth lies in the painted rectangle.
    within: FaceBox,
    /// The resized mouth, `[height, 3, width]` of `within`.
    mouth: Vec<u8>,
    /// What mouths lack of the photo.
    detail: Option<Detail>,
    /// The photo in the painted rectangle, `[height, 3, width]`.
    photo: Vec<u8>,
    /// The same with the mouth blended in. Outside of `within` it is the photo for ever.
    blended: Vec<u8>,
    /// The same as a frame of its own.
    picture: YuvFrame,
}

impl<'a> Composer<'a> {
    /// A composer for the mouths that a model paints on `crop`, on frames of the avatar whose mouth
    /// `patch` covers. `rest` is the mouth that it paints for silence, `[size, size, 3]`, BGR: what
    /// the photo shows beyond it is given back to all others. With [`Paste::Parity`] it is not.
    #[must_use]
    pub fn new(patch: &'a MouthPatch, crop: &FaceCrop, rest: &[u8]) -> Self {
        let (face, painted, size) = (patch.face_box, patch.painted, crop.size);
        let shown = FaceBox {
            left: painted.left.max(face.left),
            top: painted.top.max(face.top),
            right: painted.right.min(face.right),
            bottom: painted.bottom.min(face.bottom),
        };
        let of_mouth = shown.seen_from(face);
        let (width, height) = (face.width(), face.height());
        let pixels = vec![0; shown.width() * shown.height() * 3];
        let within = shown.seen_from(painted);
        let mut scaler = match patch.paste {
            Paste::Parity => {
                Scaler::Bilinear(Resizer::new(size, size, width, height, of_mouth), pixels.clone())
            }
            Paste::Feathered => Scaler::Cubic(Enlarger::new(size, size, width, height, of_mouth)),
        };
        let row = painted.width() * 3;
        let mut photo = vec![0; patch.photo.len()];
        for (rgb, bgr) in patch.photo.chunks_exact(row).zip(photo.chunks_exact_mut(row)) {
            yuv::colours_from_rgb(rgb, bgr);
        }
        let detail = (patch.paste == Paste::Feathered).then(|| {
            let mut enlarged = |picture: &[u8]| {
                let mut pixels = pixels.clone();
                scaler.resize(picture, within.width(), &mut pixels);
                pixels
            };
            let apart = detail::differences(rest, crop, patch.paste.painted_pixels(size));
            let colours = photo.chunks_exact(painted.width());
            let colours = colours.skip(within.top * 3).take(within.height() * 3);
            let shown: Vec<u8> =
                colours.flat_map(|row| &row[within.left..within.right]).copied().collect();
            Detail::new(enlarged(rest), &shown, &enlarged(&apart), within.width())
        });
        Self {
            patch,
            scaler,
            within,
            mouth: pixels,
            detail,
            blended: photo.clone(),
            photo,
            picture: YuvFrame::new(painted.width(), painted.height()),
        }
    }

    /// Composes one frame: `mouth` is `[size, size, 3]`, BGR. `frame` is the base frame, or an
    /// earlier frame of the same avatar: only the painted rectangle is written, and all of it.
    ///
    /// # Panics
    /// When the painted rectangle does not lie inside `frame`.
    pub fn compose(&mut self, mouth: &[u8], frame: &mut YuvFrame) {
        self.paint(mouth);
        self.put(frame, <[u8]>::copy_from_slice);
    }

    /// Mixes `mouth` into a composed frame: 0 leaves the frame, 1 gives what
    /// [`Composer::compose`] does.
    ///
    /// # Panics
    /// As [`Composer::compose`].
    pub fn mix(&mut self, mouth: &[u8], share: f32, frame: &mut YuvFrame) {
        self.paint(mouth);
        self.put(frame, |values, other| cross_fade(values, other, share));
    }

    fn put(&self, frame: &mut YuvFrame, write: impl FnMut(&mut [u8], &[u8])) {
        frame.write_part(&self.picture, self.patch.painted.left, self.patch.painted.top, write);
    }

    fn paint(&mut self, mouth: &[u8]) {
        Arch::new().dispatch(Paint { composer: self, mouth });
    }

    #[inline(always)]
    fn paint_here(&mut self, mouth: &[u8]) {
        let within = self.within;
        self.scaler.resize(mouth, within.width(), &mut self.mouth);
        if let Some(detail) = &mut self.detail {
            detail.give_back(&mut self.mouth);
        }
        let width = self.patch.painted.width();
        let rows = self
            .mouth
            .chunks_exact(within.width() * 3)
            .zip(self.patch.shares.chunks_exact(width).skip(within.top))
            .zip(self.photo.chunks_exact(width * 3).skip(within.top))
            .zip(self.blended.chunks_exact_mut(width * 3).skip(within.top));
        for (((mouth, shares), photo), blended) in rows {
            let shares = &shares[within.left..within.right];
            let colours = mouth
                .chunks_exact(within.width())
                .zip(photo.chunks_exact(width))
                .zip(blended.chunks_exact_mut(width));
            for ((mouth, photo), blended) in colours {
                let columns = within.left..within.right;
                blend(mouth, &photo[columns.clone()], shares, &mut blended[columns]);
            }
        }
        yuv::convert(&self.blended, &mut self.picture);
    }
}

/// A mouth painted with all instructions that the processor has.
struct Paint<'a, 'b> {
    composer: &'a mut Composer<'b>,
    mouth: &'a [u8],
}

impl WithSimd for Paint<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.composer.paint_here(self.mouth);
    }
}

/// The mouth's share of each value from `mouth`, the rest from `photo`, rounded.
#[inline(always)]
fn blend(mouth: &[u8], photo: &[u8], shares: &[u8], target: &mut [u8]) {
    for (((&mouth, &photo), &share), target) in mouth.iter().zip(photo).zip(shares).zip(target) {
        let share = u16::from(share);
        let mixed = u16::from(photo) * (255 - share) + u16::from(mouth) * share;
        *target = rounded_255th(mixed);
    }
}

/// `value / 255`, rounded, for values up to 255 · 255: without a division, and in 16 bits.
#[inline(always)]
fn rounded_255th(value: u16) -> u8 {
    let raised = value + 127;
    ((raised + 1 + (raised >> 8)) >> 8) as u8
}

/// Mixes `other` into `values`: 0 leaves them, 1 replaces them.
fn cross_fade(values: &mut [u8], other: &[u8], share: f32) {
    for (value, &other) in values.iter_mut().zip(other) {
        let mixed = f32::from(*value) * (1.0 - share) + f32::from(other) * share;
        *value = mixed.round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cross_fade_is_the_weighted_mean() {
        let mut mouth = vec![0, 100, 255];
        cross_fade(&mut mouth, &[100, 100, 0], 0.25);
        assert_eq!(mouth, [25, 100, 191]);
    }

    #[test]
    fn a_255th_is_rounded_as_a_division_would() {
        for value in 0..=255 * 255 {
            assert_eq!(u32::from(rounded_255th(value)), (u32::from(value) + 127) / 255, "{value}");
        }
    }
}
