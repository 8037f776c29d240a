//! Detector: photo → face box, through `rustface`.
//!
//! The model lies in the `rustface` package; build.rs finds it there. Runs once for each avatar
//! without a `face_box`.

use std::fmt;

use duolip_pipeline::face::{FaceBox, FaceDetector, FaceError, MIN_FACE_PIXELS};
use duolip_pipeline::picture::Picture;
use image::GrayImage;
use image::imageops::{self, FilterType};
use rustface::{ImageData, Model};

/// The detector's model, 1.2 MB.
const MODEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/face_detector.bin"));

/// The longer side of the picture that is searched, whatever the photo's: time and accuracy do
/// not depend on the photo.
const SEARCHED_SIDE: f32 = 640.0;

/// The least face that is found, in pixels of the searched picture: the detector's window.
const WINDOW: u32 = 40;

/// The factor between the sizes that are searched. Finer than the detector's usual 0.8: boxes
/// come out only in these sizes.
const SCALE_FACTOR: f32 = 0.9;

/// How certain a face must be, summed over the picture and its mirror image. Faces of portraits
/// reach 40 to 100; what looks like a face by accident, up to about 5.
const MIN_CERTAINTY: f64 = 10.0;

/// How far two boxes must cover each other to be of the same face: intersection over union.
const SAME_FACE: f32 = 0.4;

/// Finds faces with the `SeetaFace` cascade.
pub struct RustfaceDetector(Model);

impl fmt::Debug for RustfaceDetector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RustfaceDetector").finish_non_exhaustive()
    }
}

impl RustfaceDetector {
    /// A detector with the embedded model.
    ///
    /// # Errors
    /// [`FaceError::Detector`] when the model cannot be read.
    pub fn new() -> Result<Self, FaceError> {
        rustface::read_model(MODEL).map(Self).map_err(|error| FaceError::Detector(error.into()))
    }

    /// The faces of a grey picture.
    fn faces(&self, grey: &GrayImage) -> Vec<Found> {
        let mut detector = rustface::create_detector_with_model(self.0.clone());
        // One less than the picture, or rounding may shrink it below the window.
        detector.set_max_face_size(grey.width().min(grey.height()) - 1);
        detector.set_pyramid_scale_factor(SCALE_FACTOR);
        detector
            .detect(&ImageData::new(grey.as_raw(), grey.width(), grey.height()))
            .iter()
            .map(|face| {
                let (left, top) = (face.bbox().x() as f32, face.bbox().y() as f32);
                let (width, height) = (face.bbox().width() as f32, face.bbox().height() as f32);
                let square = Square { left, top, right: left + width, bottom: top + height };
                Found { square, certainty: face.score() }
            })
            .collect()
    }
}

impl FaceDetector for RustfaceDetector {
    /// Searches the picture and its mirror image, and takes the mean of both boxes: a single box
    /// is off by up to 5 % of the face.
    ///
    /// # Performance
    /// About 0.5 s, whatever the photo's size.
    fn detect(&self, photo: &Picture) -> Result<Option<FaceBox>, FaceError> {
        let scale = SEARCHED_SIDE / photo.width.max(photo.height) as f32;
        let side = |length: usize| (length as f32 * scale).round() as u32;
        let (width, height) = (side(photo.width), side(photo.height));
        if width.min(height) <= WINDOW {
            return Ok(None);
        }
        let grey = imageops::resize(&grey_from(photo), width, height, FilterType::Triangle);
        let mirrored = self.faces(&imageops::flip_horizontal(&grey));
        let mirrored: Vec<_> = mirrored.into_iter().map(|face| face.mirrored(width)).collect();
        let best = self
            .faces(&grey)
            .into_iter()
            .map(|face| face.confirmed_by(&mirrored))
            .filter(|face| face.certainty >= MIN_CERTAINTY)
            .max_by(|one, other| one.certainty.total_cmp(&other.certainty));
        Ok(best
            .map(|face| whole_face(&face.square, scale, photo))
            .filter(|face| face.width().min(face.height()) >= MIN_FACE_PIXELS))
    }
}

/// What the detector answers, in pixels of the searched picture.
#[derive(Debug, Clone, Copy)]
struct Square {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl Square {
    fn area(&self) -> f32 {
        (self.right - self.left).max(0.0) * (self.bottom - self.top).max(0.0)
    }

    /// Intersection over union.
    fn cover(&self, other: &Self) -> f32 {
        let both = Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
        .area();
        both / (self.area() + other.area() - both)
    }
}

/// A face, found.
#[derive(Debug, Clone, Copy)]
struct Found {
    square: Square,
    certainty: f64,
}

impl Found {
    /// The same face where the picture, `width` pixels wide, is not mirrored.
    fn mirrored(self, width: u32) -> Self {
        let Square { left, right, .. } = self.square;
        let square =
            Square { left: width as f32 - right, right: width as f32 - left, ..self.square };
        Self { square, ..self }
    }

    /// The mean of this face and the same in the mirror; itself when the mirror does not show it.
    fn confirmed_by(self, mirrored: &[Self]) -> Self {
        let same = mirrored
            .iter()
            .filter(|other| self.square.cover(&other.square) >= SAME_FACE)
            .max_by(|one, other| one.certainty.total_cmp(&other.certainty));
        let Some(same) = same else { return self };
        let (one, other) = (&self.square, &same.square);
        let square = Square {
            left: one.left.midpoint(other.left),
            top: one.top.midpoint(other.top),
            right: one.right.midpoint(other.right),
            bottom: one.bottom.midpoint(other.bottom),
        };
        Self { square, certainty: self.certainty + same.certainty }
    }
}

/// How much narrower than the square a face is, on each side, in parts of the square.
const INSET: f32 = 0.03;
/// How far the chin reaches below the square, in parts of the square.
const CHIN: f32 = 0.15;

/// The box of the whole face, in pixels of the photo.
///
/// The detector's square reaches from the hairline to below the mouth. The box that lip-sync
/// networks are trained on is taller than wide and includes the chin. The rule was measured on a
/// portrait and on the drawn avatar: after it, the chin is inside, and the pads come on top.
///
/// # Source
/// Our own rule, in place of Wav2Lip's S3FD detector, whose boxes are such.
fn whole_face(square: &Square, scale: f32, photo: &Picture) -> FaceBox {
    let side = square.right - square.left;
    let edge = |at: f32, limit: usize| ((at / scale).round().max(0.0) as usize).min(limit);
    let (left, right) = (square.left + INSET * side, square.right - INSET * side);
    FaceBox {
        left: edge(left, photo.width),
        top: edge(square.top, photo.height),
        right: edge(right, photo.width),
        bottom: edge(square.bottom + CHIN * side, photo.height),
    }
}

/// Luma, BT.601, as the detector was trained on.
fn grey_from(photo: &Picture) -> GrayImage {
    GrayImage::from_fn(photo.width as u32, photo.height as u32, |x, y| {
        let [red, green, blue] = photo.pixel(x as usize, y as usize).map(u32::from);
        image::Luma([((299 * red + 587 * green + 114 * blue + 500) / 1000) as u8])
    })
}

#[cfg(test)]
mod tests;
