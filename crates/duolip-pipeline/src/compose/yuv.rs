//! RGB → yuv420p, BT.709, limited range.
//!
//! The base frame and the painted rectangle go through the same arithmetic, so that the rectangle's
//! edge cannot be seen.

use crate::picture::{Picture, YuvFrame};

/// Fixed-point fraction of the coefficients.
const BITS: i32 = 16;
const HALF: i32 = 1 << (BITS - 1);

const fn coefficient(value: f64) -> i32 {
    (value * (1 << BITS) as f64 + if value < 0.0 { -0.5 } else { 0.5 }) as i32
}

const LUMA_RANGE: f64 = 219.0 / 255.0;
const CHROMA_RANGE: f64 = 224.0 / 255.0;
const RED: f64 = 0.2126;
const GREEN: f64 = 0.7152;
const BLUE: f64 = 0.0722;
const BLUE_SPAN: f64 = 2.0 * (1.0 - BLUE);
const RED_SPAN: f64 = 2.0 * (1.0 - RED);

const LUMA: [i32; 3] = [
    coefficient(RED * LUMA_RANGE),
    coefficient(GREEN * LUMA_RANGE),
    coefficient(BLUE * LUMA_RANGE),
];
const CHROMA_BLUE: [i32; 3] = [
    coefficient(-RED / BLUE_SPAN * CHROMA_RANGE),
    coefficient(-GREEN / BLUE_SPAN * CHROMA_RANGE),
    coefficient((1.0 - BLUE) / BLUE_SPAN * CHROMA_RANGE),
];
const CHROMA_RED: [i32; 3] = [
    coefficient((1.0 - RED) / RED_SPAN * CHROMA_RANGE),
    coefficient(-GREEN / RED_SPAN * CHROMA_RANGE),
    coefficient(-BLUE / RED_SPAN * CHROMA_RANGE),
];

fn weigh(coefficients: [i32; 3], colour: [i32; 3], offset: i32, extra_bits: i32) -> u8 {
    let sum: i32 = coefficients.iter().zip(colour).map(|(c, value)| c * value).sum();
    let half = HALF << extra_bits;
    (offset + ((sum + half) >> (BITS + extra_bits))).clamp(0, 255) as u8
}

/// The even `width` x `height` part of `photo` as a frame.
///
/// # Panics
/// When a side is odd or longer than the photo's.
#[must_use]
pub fn yuv_from_rgb(photo: &Picture, width: usize, height: usize) -> YuvFrame {
    let mut frame = YuvFrame::new(width, height);
    if (photo.width, photo.height) == (width, height) {
        paint(photo, 0, 0, &mut frame);
    } else {
        let rows = photo.rgb.chunks_exact(photo.width * 3).take(height);
        let rgb = rows.flat_map(|row| &row[..width * 3]).copied().collect();
        paint(&Picture { width, height, rgb }, 0, 0, &mut frame);
    }
    frame
}

/// Converts `picture` into the rectangle of `frame` whose corner is (left, top). All even.
pub(super) fn paint(picture: &Picture, left: usize, top: usize, frame: &mut YuvFrame) {
    let (width, height) = (frame.width, frame.height);
    let (luma, chroma) = frame.planes.split_at_mut(width * height);
    let (blue, red) = chroma.split_at_mut(width * height / 4);
    let row_bytes = picture.width * 3;
    for (pair, rows) in picture.rgb.chunks_exact(row_bytes * 2).enumerate() {
        let (upper, lower) = rows.split_at(row_bytes);
        let y = top + pair * 2;
        let (luma_upper, luma_lower) = luma[y * width..(y + 2) * width].split_at_mut(width);
        let chroma_at = y / 2 * (width / 2) + left / 2;
        let quads = upper.as_chunks::<6>().0.iter().zip(lower.as_chunks::<6>().0);
        for (column, (a, b)) in quads.enumerate() {
            let mut sum = [0; 3];
            for (pixels, luma) in [(a, &mut *luma_upper), (b, &mut *luma_lower)] {
                for (x, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
                    let colour = pixel.map(i32::from);
                    luma[left + column * 2 + x] = weigh(LUMA, colour, 16, 0);
                    for (sum, value) in sum.iter_mut().zip(colour) {
                        *sum += value;
                    }
                }
            }
            blue[chroma_at + column] = weigh(CHROMA_BLUE, sum, 128, 2);
            red[chroma_at + column] = weigh(CHROMA_RED, sum, 128, 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yuv_of(rgb: [u8; 3]) -> [u8; 3] {
        let photo = Picture { width: 2, height: 2, rgb: rgb.repeat(4) };
        let planes = yuv_from_rgb(&photo, 2, 2).planes;
        assert!(planes[..4].iter().all(|&luma| luma == planes[0]));
        [planes[0], planes[4], planes[5]]
    }

    #[test]
    fn the_corners_of_the_cube_are_those_of_bt709() {
        assert_eq!(yuv_of([0, 0, 0]), [16, 128, 128]);
        assert_eq!(yuv_of([255, 255, 255]), [235, 128, 128]);
        assert_eq!(yuv_of([255, 0, 0]), [63, 102, 240]);
        assert_eq!(yuv_of([0, 255, 0]), [173, 42, 26]);
        assert_eq!(yuv_of([0, 0, 255]), [32, 240, 118]);
    }

    #[test]
    fn an_odd_photo_loses_its_last_row_and_column() {
        let photo = Picture { width: 5, height: 3, rgb: vec![200; 45] };
        let frame = yuv_from_rgb(&photo, 4, 2);
        assert_eq!(frame, yuv_from_rgb(&Picture { width: 4, height: 2, rgb: vec![200; 24] }, 4, 2));
    }
}
