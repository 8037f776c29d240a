//! Vectors read and written, and what becomes of sums.

use pulp::Simd;

use crate::map::Plus;

/// The end of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) plus: Plus<'a>,
    pub(crate) relu: bool,
}

impl<'a> End<'a> {
    #[inline(always)]
    pub(crate) fn in_vectors<S: Simd>(self) -> VectorEnd<'a, S> {
        let (plus, places) = match self.plus {
            Plus::Bias(bias) => (bias, 0),
            Plus::Feature(feature) => (feature, usize::MAX),
        };
        VectorEnd { plus: S::as_simd_f32s(plus).0, places, relu: self.relu }
    }
}

/// The end of a layer, in vectors.
#[derive(Clone, Copy)]
pub(crate) struct VectorEnd<'a, S: Simd> {
    plus: &'a [S::f32s],
    /// All bits of a place where each has values of its own, none where all have the same.
    places: usize,
    relu: bool,
}

impl<S: Simd> VectorEnd<'_, S> {
    /// Bias or feature added to `sum`, which belongs to the outputs in `vector` and is to be in the map
    /// at `place`, counted in vectors; negative values cut off.
    #[inline(always)]
    pub(crate) fn of(self, simd: S, sum: S::f32s, vector: usize, place: usize) -> S::f32s {
        let value = simd.add_f32s(sum, self.plus[(place & self.places) + vector]);
        if self.relu { simd.max_f32s(value, simd.splat_f32s(0.0)) } else { value }
    }
}

/// Writes a vector that begins at `start`.
#[inline(always)]
pub(crate) fn save<S: Simd>(to: &mut [f32], start: usize, values: S::f32s) {
    S::as_mut_simd_f32s(&mut to[start..start + S::F32_LANES]).0[0] = values;
}
