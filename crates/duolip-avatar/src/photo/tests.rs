//! Photos as people have them, and files that only pretend.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{
    ExtendedColorType, GrayImage, ImageBuffer, ImageEncoder, Luma, Rgb, RgbImage, Rgba, RgbaImage,
};

use super::*;

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn photo(width: u32, height: u32) -> DynamicImage {
    let pixel = |x, y| Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 90]);
    RgbImage::from_fn(width, height, pixel).into()
}

fn refused_size(bytes: &[u8]) -> (u32, u32) {
    match picture_from_photo("anna/photo.png", bytes) {
        Err(FaceError::PhotoSize { width, height, min: 64, max: 4096, .. }) => (width, height),
        other => panic!("{other:?}"),
    }
}

/// The CRC of a PNG chunk.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1))
        })
    })
}

/// A small PNG whose header claims another size.
fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut png = encoded(&photo(64, 64), ImageFormat::Png);
    // Signature 8, length 4, then "IHDR" with width, height and five more bytes, then its CRC.
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let checked = crc(&png[12..29]);
    png[29..33].copy_from_slice(&checked.to_be_bytes());
    png
}

#[test]
fn the_content_decides_the_format() {
    let image = photo(65, 67);
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let picture = picture_from_photo("photo.jpg", &encoded(&image, format)).unwrap();
        assert_eq!((picture.width, picture.height), (65, 67));
        assert_eq!(picture.rgb, image.as_bytes(), "{format:?}");
    }
    let picture = picture_from_photo("photo.png", &encoded(&image, ImageFormat::Jpeg)).unwrap();
    let worst =
        picture.rgb.iter().zip(image.as_bytes()).map(|(one, other)| one.abs_diff(*other)).max();
    assert!(worst < Some(24), "{worst:?} of 255 off after JPEG");
}

#[test]
fn a_photo_of_one_pixel_or_of_too_many_is_refused_by_its_size() {
    for (width, height) in [(1, 1), (63, 64), (64, 63), (4097, 64), (64, 4097)] {
        let png = encoded(&photo(width, height), ImageFormat::Png);
        assert_eq!(refused_size(&png), (width, height));
    }
    for (width, height) in [(64, 64), (4096, 64)] {
        let png = encoded(&photo(width, height), ImageFormat::Png);
        assert!(picture_from_photo("photo.png", &png).is_ok());
    }
}

/// 30,000 x 30,000 pixels would take 2.7 GB; the header alone refuses them.
#[test]
fn a_header_that_claims_gigabytes_is_refused_before_decoding() {
    assert_eq!(refused_size(&png_that_claims(30_000, 30_000)), (30_000, 30_000));
    // One row of this would pass the decoder's limit, so it never says its size.
    let endless_rows = picture_from_photo("photo.png", &png_that_claims(0x7fff_ffff, 64));
    assert!(matches!(endless_rows, Err(FaceError::NotAPhoto { .. })), "{endless_rows:?}");

    let mut jpeg = encoded(&photo(64, 64), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    assert_eq!(refused_size(&jpeg), (30_000, 30_000));
}

#[test]
fn the_size_error_reads_well() {
    let error = picture_from_photo("anna/photo.png", &png_that_claims(30_000, 30_000)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "anna/photo.png is 30000x30000 px; a photo has from 64 to 4096 px on each side"
    );
}

#[test]
fn what_is_no_photo_is_refused() {
    let png = encoded(&photo(64, 64), ImageFormat::Png);
    let damaged = [&png[..100], &[0xaa; 40], &png[140..]].concat();
    for bytes in
        [b"".as_slice(), b"hello, I am a photo", b"GIF89a\x40\0\x40\0", &png[..80], &damaged]
    {
        let error = picture_from_photo("anna/photo.png", bytes).unwrap_err();
        assert!(matches!(error, FaceError::NotAPhoto { .. }), "{error}");
    }
}

#[test]
fn grey_and_sixteen_bits_become_rgb() {
    let grey = GrayImage::from_pixel(64, 64, Luma([77]));
    let picture = picture_from_photo("grey.png", &encoded(&grey.into(), ImageFormat::Png)).unwrap();
    assert_eq!(picture.pixel(3, 5), [77, 77, 77]);
    let deep = ImageBuffer::from_pixel(64, 64, Rgb([0u16, 0x8080, 0xffff]));
    let picture = picture_from_photo("deep.png", &encoded(&deep.into(), ImageFormat::Png)).unwrap();
    assert_eq!(picture.pixel(63, 63), [0, 128, 255]);
}

#[test]
fn transparent_parts_are_white() {
    let image = RgbaImage::from_fn(64, 64, |x, _| match x {
        0 => Rgba([10, 20, 30, 255]),
        1 => Rgba([0, 100, 255, 128]),
        _ => Rgba([10, 20, 30, 0]),
    });
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let file = encoded(&image.clone().into(), format);
        let picture = picture_from_photo("photo.png", &file).unwrap();
        assert_eq!(picture.pixel(0, 0), [10, 20, 30]);
        assert_eq!(picture.pixel(1, 0), [127, 177, 255]);
        assert_eq!(picture.pixel(2, 0), [255, 255, 255]);
    }
}

/// EXIF with nothing but an orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

/// A telephone held upright writes its pictures lying, and says so in EXIF.
#[test]
fn a_photo_is_turned_upright() {
    let image = photo(80, 64);
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder.write_image(image.as_bytes(), 80, 64, ExtendedColorType::Rgb8).unwrap();
    let picture = picture_from_photo("photo.png", &png).unwrap();
    assert_eq!((picture.width, picture.height), (64, 80));
    assert_eq!(picture.rgb, image.rotate90().as_bytes());

    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new(&mut jpeg);
    encoder.set_exif_metadata(exif(8)).unwrap();
    encoder.write_image(image.as_bytes(), 80, 64, ExtendedColorType::Rgb8).unwrap();
    let picture = picture_from_photo("photo.jpg", &jpeg).unwrap();
    assert_eq!((picture.width, picture.height), (64, 80));
}
