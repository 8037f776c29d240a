//! Compose: mouth + base frame → video frame. Only the face rectangle changes.
//!
//! The mouth is resized into the face rectangle, blended with the photo and converted to YUV
//! there; every other pixel is the base frame's. Pure; knows nothing of encoders.

#![allow(
    clippy::inline_always,
    reason = "what is inlined into `composer::Paint` is compiled for each kind of processor"
)]

mod composer;
mod detail;
mod enlarge;
mod resize;
mod yuv;

use serde::{Deserialize, Serialize};

use crate::face::{FaceBox, FaceCrop};
use crate::picture::Picture;
use resize::Resizer;

pub use composer::Composer;
pub use yuv::yuv_from_rgb;

/// How the painted mouth comes into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Paste {
    /// Mouth and chin only, with soft edges.
    #[default]
    Feathered,
    /// The whole face rectangle with hard edges, as Wav2Lip does.
    Parity,
}

impl Paste {
    /// "feathered" or "parity".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feathered => "feathered",
            Self::Parity => "parity",
        }
    }

    /// The pixels of a mouth of `size` that reach the frame: a model need not paint the others.
    ///
    /// Parity counts from the middle row on: the upper half of the face is given to the network,
    /// and hardly comes back changed.
    #[must_use]
    pub fn painted_pixels(self, size: usize) -> FaceBox {
        match self {
            Self::Parity => FaceBox { left: 0, top: size / 2, right: size, bottom: size },
            Self::Feathered => {
                let span = |centre: f32, radius: f32| {
                    enlarge::pixels_read(size, centre - radius, centre + radius)
                };
                let columns = span(FEATHER_CENTRE.0, FEATHER_RADII.0);
                let rows = span(FEATHER_CENTRE.1, FEATHER_RADII.1);
                FaceBox {
                    left: columns.start,
                    top: rows.start,
                    right: columns.end,
                    bottom: rows.end,
                }
            }
        }
    }
}

/// The feather mask: a rounded patch over mouth and chin, in parts of the face rectangle.
///
/// What resizing reads under it keeps to rows 50..95 and columns 12..84 of a 96-pixel mouth:
/// imported models compute no more than that.
const FEATHER_CENTRE: (f32, f32) = (0.5, 0.755);
/// Its half axes.
const FEATHER_RADII: (f32, f32) = (0.359, 0.2185);
/// Of its depth, which is 1 in the centre and 0 at the rim: where it is this deep or deeper, the
/// photo is covered.
const FEATHER_SOFTNESS: f32 = 0.5;

/// Where and how mouths are pasted into one avatar's frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MouthPatch {
    /// The rectangle that the resized mouth fills.
    face_box: FaceBox,
    /// The rectangle that is painted: the mask's extent, widened to even edges.
    painted: FaceBox,
    /// The photo inside `painted`: `[height, width, 3]`, RGB.
    photo: Vec<u8>,
    /// The mouth's share of each pixel of `painted`, 0..=255: `[height, width]`.
    shares: Vec<u8>,
    /// How mouths are resized.
    paste: Paste,
}

impl MouthPatch {
    /// The patch of a face in `photo`.
    ///
    /// # Panics
    /// When `face_box` does not lie inside the even part of the photo.
    #[must_use]
    pub fn new(photo: &Picture, face_box: FaceBox, paste: Paste) -> Self {
        let inked = match paste {
            Paste::Parity => face_box,
            Paste::Feathered => feather_extent(face_box),
        };
        let painted = FaceBox {
            left: inked.left & !1,
            top: inked.top & !1,
            right: inked.right.next_multiple_of(2).min(photo.width & !1),
            bottom: inked.bottom.next_multiple_of(2).min(photo.height & !1),
        };
        let pixels = || {
            (painted.top..painted.bottom)
                .flat_map(move |y| (painted.left..painted.right).map(move |x| (x, y)))
        };
        let share = |(x, y)| {
            let inside = (face_box.left..face_box.right).contains(&x)
                && (face_box.top..face_box.bottom).contains(&y);
            match paste {
                _ if !inside => 0,
                Paste::Parity => 255,
                Paste::Feathered => feather(face_box, x, y),
            }
        };
        Self {
            face_box,
            painted,
            photo: pixels().flat_map(|(x, y)| photo.pixel(x, y)).collect(),
            shares: pixels().map(share).collect(),
            paste,
        }
    }

    /// The rectangle that is painted, with even edges: everything outside of it is the base frame's.
    #[must_use]
    pub fn painted(&self) -> FaceBox {
        self.painted
    }
}

/// The mask at the centre of pixel (x, y): 255 in the middle, 0 outside.
///
/// The patch is a superellipse of power 2.5: wider at the mouth's corners than an ellipse, and
/// without the corners of a box. Written with square roots, which every machine rounds alike.
fn feather(face_box: FaceBox, x: usize, y: usize) -> u8 {
    let distance = |at: usize, from: usize, length: usize, centre: f32, radius: f32| {
        let part = (at as f32 + 0.5 - from as f32) / length as f32;
        let distance = (part - centre).abs() / radius;
        distance * distance * distance.sqrt()
    };
    let across = distance(x, face_box.left, face_box.width(), FEATHER_CENTRE.0, FEATHER_RADII.0);
    let down = distance(y, face_box.top, face_box.height(), FEATHER_CENTRE.1, FEATHER_RADII.1);
    let depth = ((1.0 - across - down) / FEATHER_SOFTNESS).clamp(0.0, 1.0);
    let share = depth * depth * (3.0 - 2.0 * depth);
    (share * 255.0).round() as u8
}

/// The smallest rectangle around the feather mask.
fn feather_extent(face_box: FaceBox) -> FaceBox {
    let span = |from: usize, length: usize, centre: f32, radius: f32| {
        let at = |part: f32| from as f32 + part * length as f32;
        (at(centre - radius).floor() as usize, at(centre + radius).ceil() as usize)
    };
    let (left, right) = span(face_box.left, face_box.width(), FEATHER_CENTRE.0, FEATHER_RADII.0);
    let (top, bottom) = span(face_box.top, face_box.height(), FEATHER_CENTRE.1, FEATHER_RADII.1);
    FaceBox { left, top, right: right.min(face_box.right), bottom: bottom.min(face_box.bottom) }
}

/// Crops a face for a network of `size` pixels.
///
/// # Source
/// Wav2Lip inference.py: `cv2.resize(frame[y1:y2, x1:x2], (96, 96))`, `INTER_LINEAR`, equal to
/// OpenCV's to the bit.
#[must_use]
pub fn crop_face(photo: &Picture, face_box: FaceBox, size: usize) -> FaceCrop {
    let crop: Vec<u8> = (face_box.top..face_box.bottom)
        .flat_map(|y| (face_box.left..face_box.right).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let [red, green, blue] = photo.pixel(x, y);
            [blue, green, red]
        })
        .collect();
    let whole = FaceBox { left: 0, top: 0, right: size, bottom: size };
    let mut resizer = Resizer::new(face_box.width(), face_box.height(), size, size, whole);
    let mut bgr = vec![0; size * size * 3];
    resizer.resize(&crop, &mut bgr);
    FaceCrop { size, bgr }
}

#[cfg(test)]
mod tests;
