//! Face: avatar → face box, crop, mask and base frame; prepared once per avatar.
//!
//! The pure part. Reading photos, finding faces and caching lie in duolip-avatar.

use serde::{Deserialize, Serialize};

use crate::compose::{MouthPatch, Paste};
use crate::error::{Classify, ErrorKind};
use crate::picture::{Picture, YuvFrame};
use crate::units::FrameRate;

/// The least width and height of a face box, in pixels.
pub const MIN_FACE_PIXELS: usize = 32;

/// A rectangle around a face, half-open.
///
/// # Units
/// Pixels of the photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceBox {
    /// The first column.
    pub left: usize,
    /// The first row.
    pub top: usize,
    /// One past the last column.
    pub right: usize,
    /// One past the last row.
    pub bottom: usize,
}

impl FaceBox {
    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.right - self.left
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.bottom - self.top
    }

    /// The box, counted from the corner of `other`, in which it lies.
    pub(crate) fn seen_from(self, other: Self) -> Self {
        Self {
            left: self.left - other.left,
            top: self.top - other.top,
            right: self.right - other.left,
            bottom: self.bottom - other.top,
        }
    }

    /// The box, widened by `pads` and cut off at the edges of a `width` x `height` picture.
    ///
    /// # Source
    /// Wav2Lip inference.py, `get_smoothened_boxes`' caller: pads apply to detected boxes only.
    #[must_use]
    pub fn padded(&self, pads: Pads, width: usize, height: usize) -> Self {
        Self {
            left: self.left.saturating_sub(pads.left),
            top: self.top.saturating_sub(pads.top),
            right: (self.right + pads.right).min(width),
            bottom: (self.bottom + pads.bottom).min(height),
        }
    }
}

/// By how much a detected box is widened.
///
/// # Units
/// Pixels of the photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pads {
    /// Upwards.
    pub top: usize,
    /// Downwards: the chin moves.
    pub bottom: usize,
    /// To the left.
    pub left: usize,
    /// To the right.
    pub right: usize,
}

impl Default for Pads {
    /// Wav2Lip's own: 10 pixels below.
    fn default() -> Self {
        Self { top: 0, bottom: 10, left: 0, right: 0 }
    }
}

/// What the network sees of the avatar.
///
/// # Shape
/// `[size, size, 3]`, row-major, u8, channels B, G, R.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceCrop {
    /// Width and height in pixels.
    pub size: usize,
    /// `size · size · 3` bytes.
    pub bgr: Vec<u8>,
}

/// An avatar, ready to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Avatar {
    /// Its name in the registry.
    pub name: String,
    /// The frame rate of its videos.
    pub frame_rate: FrameRate,
    /// Where its face is.
    pub face_box: FaceBox,
    /// What the networks see of it, one crop for each input size in use.
    pub crops: Vec<std::sync::Arc<FaceCrop>>,
    /// The frame on which only the mouth changes.
    pub base: YuvFrame,
    /// Where and how the mouth is pasted.
    pub patch: MouthPatch,
}

impl Avatar {
    /// Prepares `photo`, whose face is at `face_box`, for networks that take `input_sizes`.
    ///
    /// A photo with an odd side loses its last row or column: yuv420p has none.
    ///
    /// # Errors
    /// [`FaceError::BadBox`] when the box is empty, tiny or outside the photo.
    pub fn prepare(
        name: &str,
        photo: &Picture,
        face_box: FaceBox,
        frame_rate: FrameRate,
        paste: Paste,
        input_sizes: &[usize],
    ) -> Result<Self, FaceError> {
        let (width, height) = (photo.width & !1, photo.height & !1);
        let fits = face_box.left < face_box.right
            && face_box.top < face_box.bottom
            && face_box.right <= photo.width
            && face_box.bottom <= photo.height;
        if !fits || face_box.width().min(face_box.height()) < MIN_FACE_PIXELS {
            return Err(FaceError::BadBox { face_box, width: photo.width, height: photo.height });
        }
        // The painted rectangle must lie in the even part of the photo.
        let face_box = FaceBox {
            right: face_box.right.min(width),
            bottom: face_box.bottom.min(height),
            ..face_box
        };
        Ok(Self {
            name: name.to_owned(),
            frame_rate,
            face_box,
            crops: input_sizes
                .iter()
                .map(|&size| std::sync::Arc::new(crate::compose::crop_face(photo, face_box, size)))
                .collect(),
            base: crate::compose::yuv_from_rgb(photo, width, height),
            patch: MouthPatch::new(photo, face_box, paste),
        })
    }

    /// The crop for a network that takes `size` pixels.
    #[must_use]
    pub fn crop(&self, size: usize) -> Option<&std::sync::Arc<FaceCrop>> {
        self.crops.iter().find(|crop| crop.size == size)
    }
}

/// Finds the face of a photo.
pub trait FaceDetector: Send + Sync {
    /// The most certain face of `photo`, or `None`.
    ///
    /// # Errors
    /// [`FaceError::Detector`].
    fn detect(&self, photo: &Picture) -> Result<Option<FaceBox>, FaceError>;
}

/// Why an avatar cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// No avatar of that name.
    #[error("avatar {name:?} is not in the registry; known: {known}")]
    UnknownAvatar {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The photo shows no face.
    #[error(
        "no face was found in {photo} ({width}x{height} px); name one with face_box in avatar.toml"
    )]
    NoFace {
        /// The photo.
        photo: String,
        /// Its width in pixels.
        width: usize,
        /// Its height in pixels.
        height: usize,
    },
    /// The box given or found is unusable.
    #[error(
        "face box {face_box:?} must lie inside the photo of {width}x{height} px and be at least \
         {MIN_FACE_PIXELS} px wide and high"
    )]
    BadBox {
        /// The box.
        face_box: FaceBox,
        /// The photo's width in pixels.
        width: usize,
        /// The photo's height in pixels.
        height: usize,
    },
    /// The photo has too many or too few pixels.
    #[error("{photo} is {width}x{height} px; a photo has from {min} to {max} px on each side")]
    PhotoSize {
        /// The photo.
        photo: String,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The least side.
        min: u32,
        /// The greatest side.
        max: u32,
    },
    /// The photo cannot be read as a picture.
    #[error("{photo} is not a PNG, JPEG or WebP picture that can be read")]
    NotAPhoto {
        /// The photo.
        photo: String,
        /// What the decoder said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// avatar.toml is wrong.
    #[error("{file} is not a valid avatar.toml: {reason}")]
    BadSettings {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the avatar cannot be read.
    #[error("{file} could not be read")]
    File {
        /// The file.
        file: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The face detector failed.
    #[error("the face detector failed")]
    Detector(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for FaceError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownAvatar { .. } => ErrorKind::NotFound,
            Self::NoFace { .. } => ErrorKind::NoFace,
            Self::PhotoSize { .. } => ErrorKind::LimitExceeded,
            Self::BadBox { .. } | Self::NotAPhoto { .. } | Self::BadSettings { .. } => {
                ErrorKind::InvalidInput
            }
            Self::File { .. } | Self::Detector(_) => ErrorKind::Internal,
        }
    }
}
