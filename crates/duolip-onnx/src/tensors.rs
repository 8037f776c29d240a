//! Pixels to tensors and back: how the network sees a face, and how its answer becomes a mouth.
//!
//! Pure. Knows nothing of ONNX Runtime.

use duolip_pipeline::face::{FaceBox, FaceCrop};

/// Channels of the face tensor: the masked copy's B, G, R, then the reference's.
pub(crate) const FACE_CHANNELS: usize = 6;

/// Channels of a mouth: B, G, R.
pub(crate) const MOUTH_CHANNELS: usize = 3;

/// Writes what the network sees of `face` to `planes`.
///
/// # Shape
/// `planes` becomes `[6, size, size]`, row-major, f32 in 0..=1: B, G, R of the masked copy, whose
/// rows from `size / 2` on are zero, then B, G, R of the reference.
///
/// # Source
/// `Wav2Lip/inference.py`, `datagen`: the same values, since a byte divided by 255 rounds to one f32.
pub(crate) fn face_planes(face: &FaceCrop, planes: &mut Vec<f32>) {
    let pixels = face.size * face.size;
    let kept = face.size / 2 * face.size;
    planes.clear();
    planes.resize(FACE_CHANNELS * pixels, 0.0);
    let (masked, reference) = planes.split_at_mut(MOUTH_CHANNELS * pixels);
    for (at, pixel) in face.bgr.chunks_exact(MOUTH_CHANNELS).enumerate() {
        for (channel, &value) in pixel.iter().enumerate() {
            reference[channel * pixels + at] = f32::from(value) / 255.0;
        }
    }
    for channel in 0..MOUTH_CHANNELS {
        let rows = channel * pixels..channel * pixels + kept;
        masked[rows.clone()].copy_from_slice(&reference[rows]);
    }
}

/// Appends the mouths in `planes` to `bgr`: `face` with the pixels of `painted` replaced.
///
/// # Shape
/// `planes` is `[count, 3, rows, columns]` of `painted`, f32; appended are `[count, size, size, 3]`,
/// u8: inside the rectangle 255 times the value, clamped to 0..=255 and truncated.
///
/// # Source
/// `Wav2Lip/inference.py`, `main`. It does not clamp: its last layer cannot leave 0..=1, another
/// graph's may.
pub(crate) fn append_mouths(planes: &[f32], face: &FaceCrop, painted: FaceBox, bgr: &mut Vec<u8>) {
    let pixels = painted.width() * painted.height();
    for mouth in planes.chunks_exact(MOUTH_CHANNELS * pixels) {
        let first = bgr.len();
        bgr.extend_from_slice(&face.bgr);
        let (blue, rest) = mouth.split_at(pixels);
        let (green, red) = rest.split_at(pixels);
        let rows = bgr[first..].chunks_exact_mut(face.size * MOUTH_CHANNELS);
        for (row, at) in rows.skip(painted.top).zip((0..pixels).step_by(painted.width())) {
            let row = &mut row[painted.left * MOUTH_CHANNELS..painted.right * MOUTH_CHANNELS];
            for (pixel, at) in row.as_chunks_mut::<MOUTH_CHANNELS>().0.iter_mut().zip(at..) {
                // `as` truncates towards zero and clamps.
                *pixel = [blue[at], green[at], red[at]].map(|value| (value * 255.0) as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masked_copy_comes_first_and_loses_its_lower_half() {
        // Two pixels wide and high; every byte differs.
        let face = FaceCrop { size: 2, bgr: vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] };
        let mut planes = vec![9.0; 99];
        face_planes(&face, &mut planes);
        let bytes: Vec<f32> = planes.iter().map(|value| (value * 255.0).round()).collect();
        #[rustfmt::skip]
        let expected = [
            1.0, 4.0, 0.0, 0.0,
            2.0, 5.0, 0.0, 0.0,
            3.0, 6.0, 0.0, 0.0,
            1.0, 4.0, 7.0, 10.0,
            2.0, 5.0, 8.0, 11.0,
            3.0, 6.0, 9.0, 12.0,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn bytes_become_the_same_f32_as_through_double_precision() {
        let bgr: Vec<u8> = (0..=255).flat_map(|value| [value; 3]).collect();
        let mut planes = Vec::new();
        face_planes(&FaceCrop { size: 16, bgr }, &mut planes);
        for (value, &plane) in planes[3 * 256..4 * 256].iter().enumerate() {
            #[expect(clippy::float_cmp, reason = "the very same bits are meant")]
            {
                assert_eq!(plane, (value as f64 / 255.0) as f32);
            }
        }
    }

    #[test]
    fn mouths_are_truncated_clamped_and_interleaved() {
        let just_below_two = 1.999 / 255.0;
        let face = FaceCrop { size: 1, bgr: vec![9; 3] };
        let whole = FaceBox { left: 0, top: 0, right: 1, bottom: 1 };
        // Two mouths of one pixel: B, G, R.
        let planes = [0.0, just_below_two, 1.0, -0.5, 7.0, f32::NAN];
        let mut bgr = vec![42];
        append_mouths(&planes, &face, whole, &mut bgr);
        assert_eq!(bgr, [42, 0, 1, 255, 0, 255, 0]);
    }

    #[test]
    fn around_the_painted_rectangle_is_the_face() {
        let face = FaceCrop { size: 3, bgr: (0..27).collect() };
        let painted = FaceBox { left: 1, top: 2, right: 3, bottom: 3 };
        let bytes = [101.5, 102.5, 103.5, 104.5, 105.5, 106.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5];
        let mut bgr = Vec::new();
        append_mouths(&bytes.map(|byte| byte / 255.0), &face, painted, &mut bgr);
        let (first, second) = bgr.split_at(27);
        assert_eq!(first[..21], face.bgr[..21]);
        assert_eq!(first[21..], [101, 103, 105, 102, 104, 106]);
        assert_eq!(second[..21], face.bgr[..21]);
        assert_eq!(second[21..], [1, 3, 5, 2, 4, 6]);
    }
}
