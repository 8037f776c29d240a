//! Convolutions as they are defined: for every place of the result a sum over what its kernel covers.

use pulp::{Simd, WithSimd};

use crate::lanes::{Panels, ROWS, accumulate_one, accumulate_two};
use crate::map::Shape;
use crate::store::{End, save};

/// Weights of more bytes than this are gone through once for all places; fewer stay in the cache
/// while places are gone through once.
const LARGE: usize = 128 << 10;

/// A convolution, or several that fill one map.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) kernels: Vec<Kernel>,
}

/// A kernel and where it is applied.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Where what it covers begins, line by line, counted from its first value; lines of one length.
    pub(crate) lines: Vec<usize>,
    /// `[rows * columns * channels, outputs]`.
    pub(crate) weights: Panels,
    /// Where the kernel's first value meets the input and where the result is, in one mouth's maps.
    pub(crate) places: Vec<[usize; 2]>,
}

impl Direct {
    pub(crate) fn weight_bytes(&self) -> usize {
        self.kernels.iter().map(|kernel| kernel.weights.bytes()).sum()
    }
}

/// A layer applied to the maps of several mouths.
pub(crate) struct Apply<'a> {
    pub(crate) layer: &'a Direct,
    pub(crate) end: End<'a>,
    pub(crate) input: &'a [f32],
    pub(crate) output: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mouths = self.output.len() / self.layer.output.len();
        for kernel in &self.layer.kernels {
            let vectors = kernel.weights.vectors::<S>();
            let blocks = (mouths * kernel.places.len()).div_ceil(ROWS);
            if kernel.weights.bytes() > LARGE {
                for vector in (0..vectors).step_by(2) {
                    let mut next = Next::default();
                    for _ in 0..blocks {
                        let block = self.block(kernel, &mut next, mouths);
                        self.pair(simd, kernel, &block, vector, vectors);
                    }
                }
            } else {
                let mut next = Next::default();
                for _ in 0..blocks {
                    let block = self.block(kernel, &mut next, mouths);
                    for vector in (0..vectors).step_by(2) {
                        self.pair(simd, kernel, &block, vector, vectors);
                    }
                }
            }
        }
    }
}

/// The next place: of which mouth, and which.
#[derive(Default)]
struct Next {
    mouth: usize,
    place: usize,
}

/// Places that are worked on together.
struct Block {
    count: usize,
    /// Where in the input each begins; beyond `count`, at its beginning.
    from: [usize; ROWS],
    /// Where in the mouth's result each begins.
    to: [usize; ROWS],
    /// Where in all results the mouth's begins.
    mouth: [usize; ROWS],
}

impl Apply<'_> {
    #[inline(always)]
    fn block(&self, kernel: &Kernel, next: &mut Next, mouths: usize) -> Block {
        let mut block = Block { count: ROWS, from: [0; ROWS], to: [0; ROWS], mouth: [0; ROWS] };
        let (input, output) = (self.layer.input.len(), self.layer.output.len());
        let left = &kernel.places[next.place..];
        if let Some(places) = left.first_chunk::<ROWS>() {
            for (row, &[from, to]) in places.iter().enumerate() {
                block.from[row] = next.mouth * input + from;
                block.to[row] = to;
                block.mouth[row] = next.mouth * output;
            }
            next.place += ROWS;
        } else {
            for row in 0..ROWS {
                if next.place == kernel.places.len() {
                    *next = Next { mouth: next.mouth + 1, place: 0 };
                }
                if next.mouth == mouths {
                    block.count = row;
                    break;
                }
                let [from, to] = kernel.places[next.place];
                block.from[row] = next.mouth * input + from;
                block.to[row] = to;
                block.mouth[row] = next.mouth * output;
                next.place += 1;
            }
        }
        block
    }

    /// The results of `block` in two vectors of outputs, or in the last one.
    #[inline(always)]
    fn pair<S: Simd>(
        &mut self,
        simd: S,
        kernel: &Kernel,
        block: &Block,
        vector: usize,
        vectors: usize,
    ) {
        let run = kernel.weights.depth / kernel.lines.len();
        let is_pair = vector + 1 < vectors;
        let other_vector = if is_pair { vector + 1 } else { vector };
        let mut sums = [simd.splat_f32s(0.0); ROWS];
        let mut other_sums = sums;
        for (line, &offset) in kernel.lines.iter().enumerate() {
            let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
            for row in 0..ROWS {
                let from = block.from[row] + offset;
                rows[row] = &self.input[from..from + run];
            }
            let one = kernel.weights.column::<S>(vector, line * run, run);
            let other = kernel.weights.column::<S>(other_vector, line * run, run);
            if is_pair {
                accumulate_two(simd, [&mut sums, &mut other_sums], &rows, [one, other]);
            } else {
                accumulate_one(simd, &mut sums, &rows, one);
            }
        }
        let outputs = vector * S::F32_LANES;
        for row in 0..block.count {
            let (mouth, to) = (block.mouth[row], block.to[row] + outputs);
            let value = self.end.of(simd, sums[row], outputs, to);
            save::<S>(self.output, mouth + to, value);
            if is_pair {
                let (outputs, to) = (outputs + S::F32_LANES, to + S::F32_LANES);
                let value = self.end.of(simd, other_sums[row], outputs, to);
                save::<S>(self.output, mouth + to, value);
            }
        }
    }
}
