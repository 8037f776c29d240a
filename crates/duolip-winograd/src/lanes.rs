//! The inner loop: rows of inputs times a matrix of weights, many outputs at a time.
//!
//! Every convolution ends here. Vector instructions come from `pulp`, which chooses them at run
//! time: outputs are the lanes, inputs are broadcast. Each output is the sum over its inputs in
//! their order, whatever is computed beside it.

use pulp::Simd;

use crate::memory::Aligned;

/// Outputs in a panel of weights.
pub(crate) const PANEL: usize = 16;

/// How far the inner loop is unrolled.
const STEP: usize = 4;

/// A matrix of weights, `[depth, outputs]`, cut into panels of [`PANEL`] outputs, which lie one after
/// the other; the last is filled up with zeros.
#[derive(Debug)]
pub(crate) struct Panels {
    pub(crate) depth: usize,
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

    /// The weights of inputs `from..from + depth` for the outputs in vector `at`.
    #[inline(always)]
    pub(crate) fn column<S: Simd>(&self, at: usize, from: usize, depth: usize) -> Column<'_> {
        let (panel, vector) = (at / vectors::<S>(), at % vectors::<S>());
        let start = (panel * self.depth + from) * PANEL;
        let values = self.values.get(self.len());
        Column { panel: &values[start..start + depth * PANEL], vector }
    }
}

/// A vector of outputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    /// The panel that it is in, or a part of its depth.
    panel: &'a [f32],
    /// Which of the panel's vectors it is.
    vector: usize,
}

/// Rows of inputs that are gone through together.
pub(crate) const ROWS: usize = 12;

/// Vectors in a panel.
#[inline(always)]
pub(crate) const fn vectors<S: Simd>() -> usize {
    PANEL / S::F32_LANES
}

/// Vector `at` of the weights of each input in `panel`.
macro_rules! weights {
    ($S:ident, $panel:expr, $k:expr, $at:expr) => {
        $S::as_simd_f32s(&$panel[$k * PANEL..($k + 1) * PANEL]).0[$at]
    };
}

/// A function that adds to `sums` the products of as many rows as there are names, each `rows[i]`,
/// and of two columns of weights. Sums are names and no array, and so stay in registers.
macro_rules! rows {
    ($two:ident, $count:literal, $($row:ident $index:literal $a:ident $b:ident),+) => {
        #[inline(always)]
        fn $two<S: Simd>(
            simd: S,
            sums: [&mut [S::f32s; $count]; 2],
            rows: &[&[f32]; $count],
            columns: [Column<'_>; 2],
        ) {
            let (first, first_rest) = columns[0].panel.as_chunks::<{ STEP * PANEL }>();
            let (second, second_rest) = columns[1].panel.as_chunks::<{ STEP * PANEL }>();
            let at = [columns[0].vector, columns[1].vector];
            let steps = first.len();
            let second = &second[..steps];
            let [one_sums, other_sums] = sums;
            $(
                let (mut $a, mut $b) = (one_sums[$index], other_sums[$index]);
                let $row = &rows[$index].as_chunks::<STEP>().0[..steps];
            )+
            for step in 0..steps {
                for k in 0..STEP {
                    let one = weights!(S, first[step], k, at[0]);
                    let other = weights!(S, second[step], k, at[1]);
                    $(
                        let input = simd.splat_f32s($row[step][k]);
                        $a = simd.mul_add_e_f32s(input, one, $a);
                        $b = simd.mul_add_e_f32s(input, other, $b);
                    )+
                }
            }
            for k in 0..first_rest.len() / PANEL {
                let one = weights!(S, first_rest, k, at[0]);
                let other = weights!(S, second_rest, k, at[1]);
                $(
                    let input = simd.splat_f32s(rows[$index][steps * STEP + k]);
                    $a = simd.mul_add_e_f32s(input, one, $a);
                    $b = simd.mul_add_e_f32s(input, other, $b);
                )+
            }
            *one_sums = [$($a),+];
            *other_sums = [$($b),+];
        }
    };
}

/// The same of one column.
macro_rules! rows_of_one {
    ($one:ident, $count:literal, $($row:ident $index:literal $a:ident),+) => {
        #[inline(always)]
        pub(crate) fn $one<S: Simd>(
            simd: S,
            sums: &mut [S::f32s; $count],
            rows: &[&[f32]; $count],
            column: Column<'_>,
        ) {
            let (first, first_rest) = column.panel.as_chunks::<{ STEP * PANEL }>();
            let steps = first.len();
            $(
                let mut $a = sums[$index];
                let $row = &rows[$index].as_chunks::<STEP>().0[..steps];
            )+
            for step in 0..steps {
                for k in 0..STEP {
                    let one = weights!(S, first[step], k, column.vector);
                    $( $a = simd.mul_add_e_f32s(simd.splat_f32s($row[step][k]), one, $a); )+
                }
            }
            for k in 0..first_rest.len() / PANEL {
                let one = weights!(S, first_rest, k, column.vector);
                $(
                    let input = simd.splat_f32s(rows[$index][steps * STEP + k]);
                    $a = simd.mul_add_e_f32s(input, one, $a);
                )+
            }
            *sums = [$($a),+];
        }
    };
}

rows!(two_of_twelve, 12, r0 0 a0 b0, r1 1 a1 b1, r2 2 a2 b2, r3 3 a3 b3, r4 4 a4 b4, r5 5 a5 b5,
    r6 6 a6 b6, r7 7 a7 b7, r8 8 a8 b8, r9 9 a9 b9, r10 10 a10 b10, r11 11 a11 b11);
rows!(two_of_six, 6, r0 0 a0 b0, r1 1 a1 b1, r2 2 a2 b2, r3 3 a3 b3, r4 4 a4 b4, r5 5 a5 b5);
rows_of_one!(accumulate_one, 12, r0 0 a0, r1 1 a1, r2 2 a2, r3 3 a3, r4 4 a4, r5 5 a5, r6 6 a6,
    r7 7 a7, r8 8 a8, r9 9 a9, r10 10 a10, r11 11 a11);

/// Adds to `sums` the products of `rows` and two columns.
#[inline(always)]
pub(crate) fn accumulate_two<S: Simd>(
    simd: S,
    sums: [&mut [S::f32s; ROWS]; 2],
    rows: &[&[f32]; ROWS],
    columns: [Column<'_>; 2],
) {
    if S::F32_LANES == 16 {
        two_of_twelve(simd, sums, rows, columns);
    } else {
        let (rows, _) = rows.as_chunks::<6>();
        let [one, other] = sums;
        let (one, other) = (one.as_chunks_mut::<6>().0, other.as_chunks_mut::<6>().0);
        two_of_six(simd, [&mut one[0], &mut other[0]], &rows[0], columns);
        two_of_six(simd, [&mut one[1], &mut other[1]], &rows[1], columns);
    }
}
