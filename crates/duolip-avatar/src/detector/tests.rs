//! The real detector, on the drawn avatar.

use image::{RgbImage, imageops};

use super::*;

/// The drawn avatar.
fn anna() -> RgbImage {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../avatars/anna/photo.png");
    image::open(file).unwrap().into_rgb8()
}

/// Her face from brow to chin. The box of her avatar.toml is a little tighter.
const ANNA: [f32; 4] = [238.0, 166.0, 482.0, 466.0];

fn detect(image: &RgbImage) -> Option<FaceBox> {
    let picture = Picture {
        width: image.width() as usize,
        height: image.height() as usize,
        rgb: image.as_raw().clone(),
    };
    RustfaceDetector::new().unwrap().detect(&picture).unwrap()
}

/// Sees to it that every edge is within `tolerance` (in parts of the face) of anna's, scaled and
/// shifted.
fn assert_is_anna(found: Option<FaceBox>, scale: f32, shift: [f32; 2], tolerance: f32) {
    let found = found.expect("a face");
    let edges = [found.left, found.top, found.right, found.bottom];
    let shift = [shift[0], shift[1], shift[0], shift[1]];
    for ((edge, wanted), shift) in edges.iter().zip(ANNA).zip(shift) {
        let off = (*edge as f32 - (wanted * scale + shift)).abs() / (244.0 * scale);
        assert!(off < tolerance, "{found:?}: {edge} for {}, off {off}", wanted * scale + shift);
    }
}

#[test]
fn a_face_is_found_whole_from_brow_to_chin() {
    assert_is_anna(detect(&anna()), 1.0, [0.0, 0.0], 0.08);
}

#[test]
fn small_and_large_photos_give_the_same_face() {
    for side in [96, 333, 1999] {
        let photo = imageops::resize(&anna(), side, side, FilterType::Triangle);
        assert_is_anna(detect(&photo), side as f32 / 720.0, [0.0, 0.0], 0.12);
    }
}

#[test]
fn a_face_off_the_middle_is_found_where_it_is() {
    let mut wide = RgbImage::from_pixel(1203, 751, image::Rgb([200, 210, 220]));
    imageops::overlay(&mut wide, &anna(), 480, 30);
    assert_is_anna(detect(&wide), 1.0, [480.0, 30.0], 0.12);
}

#[test]
fn a_picture_without_a_face_has_none() {
    assert_eq!(detect(&RgbImage::from_pixel(300, 400, image::Rgb([128, 128, 128]))), None);
    let stripes = RgbImage::from_fn(640, 480, |x, y| {
        image::Rgb([(x * 7) as u8, (y * 13) as u8, (x * y) as u8])
    });
    assert_eq!(detect(&stripes), None);
}

/// The detector's window does not fit in: searched all the same, it would read past the picture.
#[test]
fn a_sliver_of_a_picture_has_no_face() {
    for (width, height) in [(4096, 64), (64, 4096), (1024, 64), (640, 41), (1008, 64)] {
        assert_eq!(detect(&RgbImage::new(width, height)), None);
    }
}

#[test]
fn boxes_are_cut_off_at_the_edges_of_the_photo() {
    let photo = Picture::new(100, 80);
    let square = Square { left: -10.0, top: -5.0, right: 90.0, bottom: 95.0 };
    let face = whole_face(&square, 1.0, &photo);
    assert_eq!(face, FaceBox { left: 0, top: 0, right: 87, bottom: 80 });
}
