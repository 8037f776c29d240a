//! Pixels to tensors and back: how the network sees a face, and how its answer becomes a mouth.
//!
//! Pure. Knows nothing of ONNX Runtime.

use duolip_pipeline::face::FaceCrop;

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

/// Appends the mouths in `planes` to `bgr`.
///
/// # Shape
/// `planes` is `[count, 3, size, size]`, f32; appended are `[count, size, size, 3]`, u8: 255 times
/// the value, clamped to 0..=255 and truncated.
///
/// # Source
/// `Wav2Lip/inference.py`, `main`. It does not clamp: its last layer cannot leave 0..=1, another
/// graph's may.
pub(crate) fn append_mouths(planes: &[f32], size: usize, bgr: &mut Vec<u8>) {
    let pixels = size * size;
    bgr.reserve(planes.len());
    for mouth in planes.chunks_exact(MOUTH_CHANNELS * pixels) {
        let (blue, rest) = mouth.split_at(pixels);
        let (green, red) = rest.split_at(pixels);
        for ((blue, green), red) in blue.iter().zip(green).zip(red) {
            // `as` truncates towards zero and clamps.
            bgr.extend([blue, green, red].map(|value| (value * 255.0) as u8));
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
        // Two mouths of one pixel: B, G, R.
        let planes = [0.0, just_below_two, 1.0, -0.5, 7.0, f32::NAN];
        let mut bgr = vec![42];
        append_mouths(&planes, 1, &mut bgr);
        assert_eq!(bgr, [42, 0, 1, 255, 0, 255, 0]);
    }
}
