//! Vectors read and written, and what becomes of sums.

use pulp::Simd;

use crate::lanes::Pixel;
use crate::map::Plus;

/// The end of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    plus: &'a [Pixel],
    /// From one plane's first to the next one's.
    plane: usize,
    /// All bits of a place where each has values of its own, none where all have the same.
    places: usize,
    relu: bool,
}

impl<'a> End<'a> {
    /// The end of a layer whose results have planes of `plane` pixels.
    pub(crate) fn new(plus: Plus<'a>, plane: usize, relu: bool) -> Self {
        match plus {
            Plus::Bias(plus) => Self { plus, plane: 1, places: 0, relu },
            Plus::Feature(plus) => Self { plus, plane, places: usize::MAX, relu },
        }
    }

    /// Bias or feature added to `sum`, which is vector `at` of the pixel at `place` in plane `panel`;
    /// negative values cut off.
    #[inline(always)]
    pub(crate) fn of<S: Simd>(
        self,
        simd: S,
        sum: S::f32s,
        panel: usize,
        place: usize,
        at: usize,
    ) -> S::f32s {
        let plus = &self.plus[panel * self.plane + (place & self.places)];
        let value = simd.add_f32s(sum, load::<S>(plus, at));
        if self.relu { simd.max_f32s(value, simd.splat_f32s(0.0)) } else { value }
    }
}

/// Vector `at` of a pixel.
#[inline(always)]
pub(crate) fn load<S: Simd>(pixel: &Pixel, at: usize) -> S::f32s {
    S::as_simd_f32s(pixel).0[at]
}

/// Writes vector `at` of a pixel.
#[inline(always)]
pub(crate) fn save<S: Simd>(pixel: &mut Pixel, at: usize, values: S::f32s) {
    S::as_mut_simd_f32s(pixel).0[at] = values;
}
