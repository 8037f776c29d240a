//! The last step: logits to values of 0 to 1, and maps to planes.

use pulp::{Simd, WithSimd};

use crate::lanes::{PANEL, Pixel};
use crate::map::Shape;

/// The sigmoid of each value of a map, as planes.
pub(crate) struct Apply<'a> {
    pub(crate) shape: Shape,
    pub(crate) map: &'a [Pixel],
    /// `[channels, rows, columns]`.
    pub(crate) planes: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { shape, map, planes } = self;
        let mut lines = planes.chunks_exact_mut(shape.width);
        for channel in 0..shape.channels {
            let (panel, channel) = (channel / PANEL, channel % PANEL);
            for y in 0..shape.height {
                let Some(line) = lines.next() else { return };
                let pixels = &map[panel * shape.plane() + shape.at(y + 1, 1)..];
                for (to, from) in line.iter_mut().zip(pixels) {
                    *to = from[channel];
                }
                // By itself, so that the compiler makes vectors of it.
                for value in line {
                    *value = sigmoid(*value);
                }
            }
        }
    }
}

/// `1 / (1 + exp(-value))`, to 2e-7.
///
/// The exponential is that of 2: of the nearest whole number it is put together from bits, of the rest
/// it is a polynomial.
#[inline(always)]
fn sigmoid(value: f32) -> f32 {
    /// 1.5 * 2^23: added to a number, this leaves no place behind the point.
    const ROUND: f32 = 12_582_912.0;
    // Beyond, the result is 0 or 1 to the last bit but 30, and no exponent overflows.
    let power = (value * -std::f32::consts::LOG2_E).clamp(-60.0, 60.0);
    let rounded = power + ROUND;
    let rest = (power - (rounded - ROUND)) * std::f32::consts::LN_2;
    // The exponential's series on -0.35..=0.35.
    let mut series = 1.0 / 720.0;
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * rest + factor;
    }
    let exponential = f32::from_bits(series.to_bits().wrapping_add(rounded.to_bits() << 23));
    1.0 / (1.0 + exponential)
}

#[cfg(test)]
mod tests {
    use super::sigmoid;

    #[test]
    fn it_is_the_sigmoid() {
        for step in -40_000..=40_000 {
            let value = step as f32 / 1000.0;
            let expected = 1.0 / (1.0 + (-f64::from(value)).exp());
            let difference = (f64::from(sigmoid(value)) - expected).abs();
            assert!(difference < 2e-7, "{value}: {difference}");
        }
        assert!(sigmoid(f32::NAN).is_nan());
        assert!(sigmoid(f32::INFINITY) > 0.999_999);
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-6);
    }
}
