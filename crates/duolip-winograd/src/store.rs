//! Vectors read and written, and what becomes of sums.

use pulp::Simd;

use crate::map::Plus;

/// The end of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) plus: Plus<'a>,
    pub(crate) relu: bool,
}

impl End<'_> {
    /// Bias or feature added to `sum`, which belongs to the outputs from `output` on and is to be at
    /// `place` in a map; negative values cut off.
    #[inline(always)]
    pub(crate) fn of<S: Simd>(self, simd: S, sum: S::f32s, output: usize, place: usize) -> S::f32s {
        let plus = match self.plus {
            Plus::Bias(bias) => load::<S>(bias, output),
            Plus::Feature(feature) => load::<S>(feature, place),
        };
        let value = simd.add_f32s(sum, plus);
        if self.relu { simd.max_f32s(value, simd.splat_f32s(0.0)) } else { value }
    }
}

/// The vector that begins at `start`.
#[inline(always)]
pub(crate) fn load<S: Simd>(from: &[f32], start: usize) -> S::f32s {
    S::as_simd_f32s(&from[start..start + S::F32_LANES]).0[0]
}

/// Writes a vector that begins at `start`.
#[inline(always)]
pub(crate) fn save<S: Simd>(to: &mut [f32], start: usize, values: S::f32s) {
    S::as_mut_simd_f32s(&mut to[start..start + S::F32_LANES]).0[0] = values;
}
