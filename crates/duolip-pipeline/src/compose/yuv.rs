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

#[inline(always)]
fn weigh(coefficients: [i32; 3], colour: [i32; 3], offset: i32, extra_bits: i32) -> u8 {
    let [a, b, c] = coefficients;
    let sum = a * colour[0] + b * colour[1] + c * colour[2];
    let half = HALF << extra_bits;
    (offset + ((sum + half) >> (BITS + extra_bits))).clamp(0, 255) as u8
}

/// The even `width` x `height` part of `photo` as a frame.
///
/// # Panics
/// When a side is odd or longer than the photo's.
#[must_use]
pub fn yuv_from_rgb(photo: &Picture, width: usize, height: usize) -> YuvFrame {
    let mut rows = vec![0; width * height * 3];
    let photo_rows = photo.rgb.chunks_exact(photo.width * 3);
    for (photo, row) in photo_rows.zip(rows.chunks_exact_mut(width * 3)) {
        colours_from_rgb(&photo[..width * 3], row);
    }
    let mut frame = YuvFrame::new(width, height);
    convert(&rows, &mut frame);
    frame
}

/// One row of pixels, `[width, 3]`, into three rows of one colour, `[3, width]`.
pub(super) fn split_colours(pixels: &[u8], target: &mut [u8]) {
    let pixels = pixels.as_chunks::<3>().0;
    let (first, rest) = target.split_at_mut(pixels.len());
    let (second, third) = rest.split_at_mut(pixels.len());
    for (((pixel, first), second), third) in pixels.iter().zip(first).zip(second).zip(third) {
        [*first, *second, *third] = *pixel;
    }
}

/// One row of pixels, red first, into rows of one colour, blue first.
pub(super) fn colours_from_rgb(pixels: &[u8], target: &mut [u8]) {
    split_colours(pixels, target);
    let third = target.len() / 3;
    let (first, rest) = target.split_at_mut(third);
    first.swap_with_slice(&mut rest[third..]);
}

/// Converts `picture`, `[height, 3, width]` with the channels B, G, R, into the frame of its size.
#[inline(always)]
pub(super) fn convert(picture: &[u8], frame: &mut YuvFrame) {
    let width = frame.width;
    let (luma, chroma) = frame.planes.split_at_mut(width * frame.height);
    let (blue, red) = chroma.split_at_mut(chroma.len() / 2);
    let rows = picture
        .chunks_exact(width * 6)
        .zip(luma.chunks_exact_mut(width * 2))
        .zip(blue.chunks_exact_mut(width / 2))
        .zip(red.chunks_exact_mut(width / 2));
    for (((colours, luma), blue), red) in rows {
        let (upper, lower) = colours.split_at(width * 3);
        let (luma_upper, luma_lower) = luma.split_at_mut(width);
        let (upper, lower) = (colours_of(upper), colours_of(lower));
        luma_row(upper, luma_upper);
        luma_row(lower, luma_lower);
        chroma_row(upper, lower, blue, red);
    }
}

/// The blue, green and red values of one row.
pub(super) type Colours<'a> = [&'a [u8]; 3];

#[inline(always)]
pub(super) fn colours_of(row: &[u8]) -> Colours<'_> {
    let (blue, rest) = row.split_at(row.len() / 3);
    let (green, red) = rest.split_at(blue.len());
    [blue, green, red]
}

#[inline(always)]
fn luma_row([blue, green, red]: Colours<'_>, luma: &mut [u8]) {
    for (((luma, &blue), &green), &red) in luma.iter_mut().zip(blue).zip(green).zip(red) {
        *luma = weigh(LUMA, [red, green, blue].map(i32::from), 16, 0);
    }
}

/// Chroma of the mean of each four pixels.
#[inline(always)]
fn chroma_row(upper: Colours<'_>, lower: Colours<'_>, blue: &mut [u8], red: &mut [u8]) {
    let pairs = |colour: usize| {
        let (upper, lower) = (upper[colour].as_chunks::<2>().0, lower[colour].as_chunks::<2>().0);
        let sum = |[a, b]: [u8; 2]| i32::from(a) + i32::from(b);
        upper.iter().zip(lower).map(move |(&upper, &lower)| sum(upper) + sum(lower))
    };
    let sums = pairs(0).zip(pairs(1)).zip(pairs(2));
    for ((((b, g), r), blue), red) in sums.zip(blue).zip(red) {
        *blue = weigh(CHROMA_BLUE, [r, g, b], 128, 2);
        *red = weigh(CHROMA_RED, [r, g, b], 128, 2);
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
