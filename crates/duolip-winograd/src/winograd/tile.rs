//! The sizes of tiles, and how a line of one is transformed.

use pulp::Simd;

/// A size of tile, with its transforms.
pub(super) trait Tile {
    /// Rows and columns of results.
    const RESULTS: usize;
    /// Rows and columns of inputs, two more.
    const INPUTS: usize;
    /// `G`: of a line of a kernel.
    const KERNEL: &[[f64; 3]];

    /// `B^T d`: of a line of inputs.
    fn forward<S: Simd>(simd: S, d: Line<S>) -> Line<S>;

    /// `A^T m`: of a line of products.
    fn back<S: Simd>(simd: S, m: Line<S>) -> Line<S>;
}

/// The most inputs in a line of a tile.
pub(super) const MOST_INPUTS: usize = 6;

/// A line of a tile, of which as much is used as the tile has.
pub(super) type Line<S> = [<S as Simd>::f32s; MOST_INPUTS];

/// What `$each` gives for `$at` from 0 up to `$count`, 6 or 5: then the sixth is not used. Written out,
/// so that no memory is cleared first.
macro_rules! lines {
    ($at:ident, $count:expr, $each:expr) => {
        [
            lines!(@ $at, 0, $each),
            lines!(@ $at, 1, $each),
            lines!(@ $at, 2, $each),
            lines!(@ $at, 3, $each),
            lines!(@ $at, 4, $each),
            lines!(@ $at, if $count == 6 { 5 } else { 4 }, $each),
        ]
    };
    (@ $at:ident, $number:expr, $each:expr) => {{
        let $at = $number;
        $each
    }};
}
pub(super) use lines;

/// 4 x 4 results of 6 x 6 inputs.
pub(super) struct Four;

impl Tile for Four {
    const RESULTS: usize = 4;
    const INPUTS: usize = 6;
    const KERNEL: &[[f64; 3]] = &[
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn forward<S: Simd>(simd: S, d: Line<S>) -> Line<S> {
        let even = scaled(simd, -4.0, d[2], d[4]);
        let odd = scaled(simd, -4.0, d[1], d[3]);
        let near = simd.sub_f32s(d[4], d[2]);
        let far = simd.sub_f32s(d[3], d[1]);
        [
            scaled(simd, 4.0, d[0], scaled(simd, -5.0, d[2], d[4])),
            simd.add_f32s(even, odd),
            simd.sub_f32s(even, odd),
            scaled(simd, 2.0, far, near),
            scaled(simd, -2.0, far, near),
            scaled(simd, 4.0, d[1], scaled(simd, -5.0, d[3], d[5])),
        ]
    }

    #[inline(always)]
    fn back<S: Simd>(simd: S, m: Line<S>) -> Line<S> {
        let one_plus = simd.add_f32s(m[1], m[2]);
        let one_minus = simd.sub_f32s(m[1], m[2]);
        let two_plus = simd.add_f32s(m[3], m[4]);
        let two_minus = simd.sub_f32s(m[3], m[4]);
        let none = simd.splat_f32s(0.0);
        [
            simd.add_f32s(m[0], simd.add_f32s(one_plus, two_plus)),
            scaled(simd, 2.0, two_minus, one_minus),
            scaled(simd, 4.0, two_plus, one_plus),
            scaled(simd, 8.0, two_minus, simd.add_f32s(one_minus, m[5])),
            none,
            none,
        ]
    }
}

/// 3 x 3 results of 5 x 5 inputs.
pub(super) struct Three;

impl Tile for Three {
    const RESULTS: usize = 3;
    const INPUTS: usize = 5;
    const KERNEL: &[[f64; 3]] = &[
        [1.0 / 2.0, 0.0, 0.0],
        [-1.0 / 2.0, -1.0 / 2.0, -1.0 / 2.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn forward<S: Simd>(simd: S, d: Line<S>) -> Line<S> {
        let near = simd.sub_f32s(d[3], d[1]);
        [
            scaled(simd, 2.0, simd.sub_f32s(d[0], d[2]), near),
            scaled(simd, -2.0, d[1], simd.sub_f32s(d[3], d[2])),
            scaled(simd, 2.0, d[1], scaled(simd, -3.0, d[2], d[3])),
            near,
            scaled(simd, -2.0, near, simd.sub_f32s(d[4], d[2])),
            simd.splat_f32s(0.0),
        ]
    }

    #[inline(always)]
    fn back<S: Simd>(simd: S, m: Line<S>) -> Line<S> {
        let plus = simd.add_f32s(m[1], m[2]);
        let minus = simd.sub_f32s(m[1], m[2]);
        let none = simd.splat_f32s(0.0);
        [
            simd.add_f32s(m[0], simd.add_f32s(plus, m[3])),
            scaled(simd, 2.0, m[3], minus),
            scaled(simd, 4.0, m[3], simd.add_f32s(plus, m[4])),
            none,
            none,
            none,
        ]
    }
}

/// `factor * value + plus`.
#[inline(always)]
fn scaled<S: Simd>(simd: S, factor: f32, value: S::f32s, plus: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor), value, plus)
}
