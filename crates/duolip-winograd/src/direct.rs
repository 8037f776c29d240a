//! Convolutions as they are defined: for every place of the result a sum over what its kernel covers.

use pulp::{Simd, WithSimd};

use crate::lanes::{InnerLoop, Inputs, Panels, ROWS, Sums, together};
use crate::map::Shape;
use crate::store::End;

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
                let mut vector = 0;
                while vector < vectors {
                    let mut next = Next::default();
                    for _ in 0..blocks {
                        let block = self.block(kernel, &mut next, mouths);
                        self.columns(simd, kernel, &block, vector);
                    }
                    vector += together::<S>(vectors - vector);
                }
            } else {
                let mut next = Next::default();
                for _ in 0..blocks {
                    let block = self.block(kernel, &mut next, mouths);
                    let mut vector = 0;
                    while vector < vectors {
                        self.columns(simd, kernel, &block, vector);
                        vector += together::<S>(vectors - vector);
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

    /// The results of `block` in the vectors of outputs from `vector` on that are summed up together.
    #[inline(always)]
    fn columns<S: Simd>(&mut self, simd: S, kernel: &Kernel, block: &Block, vector: usize) {
        match together::<S>(kernel.weights.vectors::<S>() - vector) {
            1 => self.rows::<S, 12, 1>(simd, kernel, block, vector),
            3 => self.rows::<S, 3, 3>(simd, kernel, block, vector),
            _ if S::F32_LANES == 16 => self.rows::<S, 12, 2>(simd, kernel, block, vector),
            _ => self.rows::<S, 6, 2>(simd, kernel, block, vector),
        }
    }

    /// `V` vectors of outputs from `vector` on, `R` of the block's places at a time.
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        kernel: &Kernel,
        block: &Block,
        vector: usize,
    ) where
        Sums: InnerLoop<S, R, V>,
    {
        let run = kernel.weights.depth / kernel.lines.len();
        let inputs = Inputs { values: self.input, lines: &kernel.lines, run };
        let columns = kernel.weights.columns::<S, V>(vector);
        let end = self.end.in_vectors::<S>();
        let output = S::as_mut_simd_f32s(self.output).0;
        for (part, from) in block.from.as_chunks::<R>().0.iter().enumerate() {
            let sums = Sums::sums(simd, inputs, from, &columns);
            for row in 0..R.min(block.count.saturating_sub(part * R)) {
                let mouth = block.mouth[part * R + row] / S::F32_LANES;
                let place = block.to[part * R + row] / S::F32_LANES;
                for at in 0..V {
                    let vector = vector + at;
                    output[mouth + place + vector] = end.of(simd, sums[row][at], vector, place);
                }
            }
        }
    }
}
