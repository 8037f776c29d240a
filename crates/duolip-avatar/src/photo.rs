//! Photo: the bytes of a PNG, JPEG or WebP file → picture.
//!
//! The content decides the format, whatever the file is called. The size in the header is checked
//! before a pixel is decoded: a file of 100 bytes can claim pixels by the gigabyte.

use std::io::Cursor;

use duolip_pipeline::face::FaceError;
use duolip_pipeline::picture::Picture;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

/// The least side of a photo, in pixels.
pub const MIN_SIDE: u32 = 64;

/// The greatest side of a photo, in pixels.
pub const MAX_SIDE: u32 = 4096;

/// What a decoder may allocate: the largest photo at 16 bits and four channels, twice.
const DECODER_BYTES: u64 = MAX_SIDE as u64 * MAX_SIDE as u64 * 8 * 2;

/// Reads a photo. It is turned upright as its EXIF says; transparent parts become white.
///
/// `photo` names it in errors.
///
/// # Errors
/// [`FaceError::NotAPhoto`] when it is none or is damaged, [`FaceError::PhotoSize`] when a side is
/// out of range.
pub fn picture_from_photo(photo: &str, bytes: &[u8]) -> Result<Picture, FaceError> {
    let unreadable = |source| FaceError::NotAPhoto { photo: photo.to_owned(), source };
    let decoded = |error: image::ImageError| unreadable(error.into());

    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| unreadable(error.into()))?;
    // Another crate of the build may have switched on more formats.
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err(unreadable("its first bytes are of no format that is read".into()));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODER_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(decoded)?;
    let (width, height) = decoder.dimensions();
    if ![width, height].iter().all(|side| (MIN_SIDE..=MAX_SIDE).contains(side)) {
        let photo = photo.to_owned();
        return Err(FaceError::PhotoSize { photo, width, height, min: MIN_SIDE, max: MAX_SIDE });
    }
    // A photo whose EXIF is damaged is still a photo.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(decoded)?;
    image.apply_orientation(orientation);
    Ok(Picture {
        width: image.width() as usize,
        height: image.height() as usize,
        rgb: rgb_over_white(image),
    })
}

fn rgb_over_white(image: DynamicImage) -> Vec<u8> {
    if !image.color().has_alpha() {
        return image.into_rgb8().into_raw();
    }
    let over_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    image
        .into_rgba8()
        .pixels()
        .flat_map(|pixel| {
            let [red, green, blue, alpha] = pixel.0;
            [red, green, blue].map(|value| over_white(value, alpha))
        })
        .collect()
}

#[cfg(test)]
mod tests;
