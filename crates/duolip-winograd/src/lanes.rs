//! The inner loop: rows of inputs times a matrix of weights, many outputs at a time.
//!
//! Every convolution ends here. Vector instructions come from `pulp`, which chooses them at run
//! time: outputs are the lanes, inputs are broadcast. Each output is the sum over its inputs in
//! their order, whatever is computed beside it.

use pulp::Simd;

use crate::memory::Aligned;

/// Outputs in a panel of weights, and channels in a pixel of a map.
pub(crate) const PANEL: usize = 16;

/// Channels of one place in a map that lie one after the other.
pub(crate) type Pixel = [f32; PANEL];

/// How far the inner loop is unrolled.
const STEP: usize = 4;

/// A matrix of weights, `[depth, outputs]`, cut into panels of [`PANEL`] outputs, which lie one after
/// the other; the last is filled up with zeros.
#[derive(Debug)]
pub(crate) struct Panels {
    depth: usize,
    outputs: usize,
    values: Aligned,
}

impl Panels {
    /// The matrix whose value for input `k` and output `o` is `at(k, o)`.
    pub(crate) fn new(depth: usize, outputs: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let [panels] = Self::several(depth, outputs, |k, o| [at(k, o)]);
        panels
    }

    /// `N` matrices of one shape, whose values are found together.
    pub(crate) fn several<const N: usize>(
        depth: usize,
        outputs: usize,
        at: impl Fn(usize, usize) -> [f32; N],
    ) -> [Self; N] {
        let count = outputs.div_ceil(PANEL);
        let length = count * depth * PANEL;
        let mut all: [Aligned; N] = std::array::from_fn(|_| Aligned::zeros(length));
        let mut values: [&mut [f32]; N] = all.each_mut().map(|values| values.get_mut(length));
        for output in 0..outputs {
            let start = output / PANEL * depth * PANEL + output % PANEL;
            for k in 0..depth {
                for (values, value) in values.iter_mut().zip(at(k, output)) {
                    values[start + k * PANEL] = value;
                }
            }
        }
        all.map(|values| Self { depth, outputs, values })
    }

    /// Values of all panels.
    #[inline(always)]
    fn len(&self) -> usize {
        self.outputs.next_multiple_of(PANEL) * self.depth
    }

    pub(crate) fn bytes(&self) -> usize {
        self.len() * size_of::<f32>()
    }

    /// How many vectors have outputs in them.
    #[inline(always)]
    pub(crate) fn vectors<S: Simd>(&self) -> usize {
        self.outputs.div_ceil(S::F32_LANES)
    }

    /// The weights for the outputs in `V` vectors from `first` on.
    #[inline(always)]
    pub(crate) fn columns<S: Simd, const V: usize>(&self, first: usize) -> [Column<'_>; V] {
        let mut columns = [self.column::<S>(first); V];
        for at in 1..V {
            columns[at] = self.column::<S>(first + at);
        }
        columns
    }

    #[inline(always)]
    fn column<S: Simd>(&self, at: usize) -> Column<'_> {
        let (panel, vector) = (at / vectors::<S>(), at % vectors::<S>());
        let start = panel * self.depth * PANEL;
        let values = self.values.get(self.len());
        Column { panel: &values[start..start + self.depth * PANEL], vector }
    }
}

/// A vector of outputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    /// The panel that it is in.
    panel: &'a [f32],
    /// Which of the panel's vectors it is.
    vector: usize,
}

/// Vectors in a panel.
#[inline(always)]
pub(crate) const fn vectors<S: Simd>() -> usize {
    PANEL / S::F32_LANES
}

/// Some of a row's inputs, which lie in a pixel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Where the pixel is, counted from that of the row's first run.
    pub(crate) place: usize,
    /// How many of its values are inputs.
    pub(crate) length: usize,
}

/// `R` rows of inputs.
pub(crate) trait Rows<const R: usize> {
    /// The pixel of each that is at `place`, counted from its first.
    fn pixels(&self, place: usize) -> [&Pixel; R];
}

/// Rows that begin anywhere.
pub(crate) struct Scattered<'a, const R: usize> {
    pub(crate) pixels: &'a [Pixel],
    pub(crate) from: [usize; R],
}

impl<const R: usize> Rows<R> for Scattered<'_, R> {
    #[inline(always)]
    fn pixels(&self, place: usize) -> [&Pixel; R] {
        let mut rows = [&self.pixels[0]; R];
        for row in 0..R {
            rows[row] = &self.pixels[self.from[row] + place];
        }
        rows
    }
}

/// Rows that begin in pixels one after the other.
pub(crate) struct Consecutive<'a> {
    pub(crate) pixels: &'a [Pixel],
    pub(crate) from: usize,
}

impl<const R: usize> Rows<R> for Consecutive<'_> {
    #[inline(always)]
    fn pixels(&self, place: usize) -> [&Pixel; R] {
        // One check for all of them, and known distances.
        references(&self.pixels[self.from + place..].as_chunks::<R>().0[0])
    }
}

/// References to each of `values`.
#[inline(always)]
pub(crate) fn references<T, const R: usize>(values: &[T; R]) -> [&T; R] {
    let mut references = [&values[0]; R];
    for at in 0..R {
        references[at] = &values[at];
    }
    references
}

/// Vector `at` of the weights of each input in `panel`.
macro_rules! weights {
    ($S:ident, $panel:expr, $k:expr, $at:expr) => {
        $S::as_simd_f32s(&$panel[$k * PANEL..($k + 1) * PANEL]).0[$at]
    };
}

/// How many vectors of outputs are summed up together where `left` are left: the more, the fewer loads
/// of inputs, but one is left alone only where there is but one.
#[inline(always)]
pub(crate) const fn together<S: Simd>(left: usize) -> usize {
    let most = if S::F32_LANES < 16 { 2 } else { 4 };
    match left {
        1..=4 if left <= most => left,
        3 | 5 | 6 => 3,
        _ if left % most == 1 => 3,
        _ => most,
    }
}

/// The inner loop for `R` rows and `V` vectors of outputs. Which are used where was measured
/// (bench/NOTES.md): sums and weights have to fit in sixteen registers, or thirty-two, and the addresses
/// of scattered rows in sixteen others.
pub(crate) trait InnerLoop<S: Simd, const R: usize, const V: usize> {
    /// The sums of the inputs in `runs` of each row, with the weights in `columns`.
    fn sums<W: Rows<R>>(
        simd: S,
        rows: &W,
        runs: &[Run],
        columns: &[Column<'_>; V],
    ) -> [[S::f32s; V]; R];
}

/// Where the inner loops are found.
pub(crate) struct Sums;

/// An inner loop for as many rows and sums as there are names, which are no array, and so stay in
/// registers.
macro_rules! inner_loop {
    ($rows:literal x $vectors:literal: $($weight:ident $panel:ident $column:literal),+;
        $($row:ident $index:literal $($sum:ident $with:ident)+),+) => {
        impl<S: Simd> InnerLoop<S, $rows, $vectors> for Sums {
            #[inline(always)]
            fn sums<W: Rows<$rows>>(
                simd: S,
                rows: &W,
                runs: &[Run],
                columns: &[Column<'_>; $vectors],
            ) -> [[S::f32s; $vectors]; $rows] {
                $( $( let mut $sum = simd.splat_f32s(0.0); )+ )+
                let mut first = 0;
                for &Run { place, length } in runs {
                    let length = length.min(PANEL);
                    let pixels = rows.pixels(place);
                    $( let $row = pixels[$index]; )+
                    $( let $panel = &columns[$column].panel[first * PANEL..][..length * PANEL]; )+
                    first += length;
                    let (steps, rest) = (length / STEP, length % STEP);
                    {
                        $( let $row = &$row.as_chunks::<STEP>().0[..steps]; )+
                        $( let $panel = &$panel.as_chunks::<{ STEP * PANEL }>().0[..steps]; )+
                        for step in 0..steps {
                            for k in 0..STEP {
                                $(
                                    let $weight =
                                        weights!(S, $panel[step], k, columns[$column].vector);
                                )+
                                $(
                                    let input = simd.splat_f32s($row[step][k]);
                                    $( $sum = simd.mul_add_e_f32s(input, $with, $sum); )+
                                )+
                            }
                        }
                    }
                    for k in length - rest..length {
                        $( let $weight = weights!(S, $panel, k, columns[$column].vector); )+
                        $(
                            let input = simd.splat_f32s($row[k]);
                            $( $sum = simd.mul_add_e_f32s(input, $with, $sum); )+
                        )+
                    }
                }
                [ $( [ $($sum),+ ] ),+ ]
            }
        }
    };
}

inner_loop!(12 x 1: w p 0; r0 0 a0 w, r1 1 a1 w, r2 2 a2 w, r3 3 a3 w, r4 4 a4 w, r5 5 a5 w, r6 6 a6 w,
    r7 7 a7 w, r8 8 a8 w, r9 9 a9 w, r10 10 a10 w, r11 11 a11 w);
inner_loop!(8 x 1: w p 0; r0 0 a0 w, r1 1 a1 w, r2 2 a2 w, r3 3 a3 w, r4 4 a4 w, r5 5 a5 w, r6 6 a6 w,
    r7 7 a7 w);
inner_loop!(12 x 2: w p 0, x q 1; r0 0 a0 w b0 x, r1 1 a1 w b1 x, r2 2 a2 w b2 x, r3 3 a3 w b3 x,
    r4 4 a4 w b4 x, r5 5 a5 w b5 x, r6 6 a6 w b6 x, r7 7 a7 w b7 x, r8 8 a8 w b8 x, r9 9 a9 w b9 x,
    r10 10 a10 w b10 x, r11 11 a11 w b11 x);
inner_loop!(8 x 2: w p 0, x q 1; r0 0 a0 w b0 x, r1 1 a1 w b1 x, r2 2 a2 w b2 x, r3 3 a3 w b3 x,
    r4 4 a4 w b4 x, r5 5 a5 w b5 x, r6 6 a6 w b6 x, r7 7 a7 w b7 x);
inner_loop!(6 x 2: w p 0, x q 1; r0 0 a0 w b0 x, r1 1 a1 w b1 x, r2 2 a2 w b2 x, r3 3 a3 w b3 x,
    r4 4 a4 w b4 x, r5 5 a5 w b5 x);
inner_loop!(4 x 2: w p 0, x q 1; r0 0 a0 w b0 x, r1 1 a1 w b1 x, r2 2 a2 w b2 x, r3 3 a3 w b3 x);
inner_loop!(8 x 3: w p 0, x q 1, y s 2; r0 0 a0 w b0 x c0 y, r1 1 a1 w b1 x c1 y, r2 2 a2 w b2 x c2 y,
    r3 3 a3 w b3 x c3 y, r4 4 a4 w b4 x c4 y, r5 5 a5 w b5 x c5 y, r6 6 a6 w b6 x c6 y,
    r7 7 a7 w b7 x c7 y);
inner_loop!(6 x 3: w p 0, x q 1, y s 2; r0 0 a0 w b0 x c0 y, r1 1 a1 w b1 x c1 y, r2 2 a2 w b2 x c2 y,
    r3 3 a3 w b3 x c3 y, r4 4 a4 w b4 x c4 y, r5 5 a5 w b5 x c5 y);
inner_loop!(3 x 3: w p 0, x q 1, y s 2; r0 0 a0 w b0 x c0 y, r1 1 a1 w b1 x c1 y, r2 2 a2 w b2 x c2 y);
inner_loop!(6 x 4: w p 0, x q 1, y s 2, z t 3; r0 0 a0 w b0 x c0 y d0 z, r1 1 a1 w b1 x c1 y d1 z,
    r2 2 a2 w b2 x c2 y d2 z, r3 3 a3 w b3 x c3 y d3 z, r4 4 a4 w b4 x c4 y d4 z,
    r5 5 a5 w b5 x c5 y d5 z);
