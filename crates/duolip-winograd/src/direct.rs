//! Convolutions as they are defined: for every place of the result a sum over what its kernel covers.

use pulp::{Simd, WithSimd};

use crate::lanes::{
    Consecutive, InnerLoop, Panels, Pixel, Run, Scattered, Sums, together, vectors,
};
use crate::map::Shape;
use crate::store::{End, save};

/// Places that are worked on together: a whole number of rows for each inner loop that is used here.
const ROWS: usize = 24;

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
    /// What it covers, counted from its first pixel.
    pub(crate) runs: Vec<Run>,
    /// `[rows * columns * channels, outputs]`.
    pub(crate) weights: Panels,
    /// Where the kernel's first pixel meets the input and where the result is, in a plane of one
    /// mouth's maps; the former in rising order.
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
    pub(crate) input: &'a [Pixel],
    pub(crate) output: &'a mut [Pixel],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mouths = self.output.len() / self.layer.output.pixels();
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
    /// Where in a plane of the mouth's result each is.
    to: [usize; ROWS],
    /// Where in all results the mouth's begin.
    mouth: [usize; ROWS],
}

impl Apply<'_> {
    #[inline(always)]
    fn block(&self, kernel: &Kernel, next: &mut Next, mouths: usize) -> Block {
        let mut block = Block { count: ROWS, from: [0; ROWS], to: [0; ROWS], mouth: [0; ROWS] };
        let (input, output) = (self.layer.input.pixels(), self.layer.output.pixels());
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
            1 if S::F32_LANES == 16 => self.rows::<S, 8, 1>(simd, kernel, block, vector),
            1 => self.rows::<S, 12, 1>(simd, kernel, block, vector),
            3 if S::F32_LANES == 16 => self.rows::<S, 8, 3>(simd, kernel, block, vector),
            3 => self.rows::<S, 3, 3>(simd, kernel, block, vector),
            4 => self.rows::<S, 6, 4>(simd, kernel, block, vector),
            _ if S::F32_LANES == 16 => self.rows::<S, 8, 2>(simd, kernel, block, vector),
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
        let Kernel { runs, weights, .. } = kernel;
        let columns = weights.columns::<S, V>(vector);
        let pixels = self.input;
        let plane = self.layer.output.plane();
        for (part, from) in block.from.as_chunks::<R>().0.iter().enumerate() {
            if part * R >= block.count {
                break;
            }
            // They rise, so they are one after the other if the last is as far from the first.
            let sums = if from[R - 1] == from[0] + R - 1 {
                Sums::sums(simd, &Consecutive { pixels, from: from[0] }, runs, &columns)
            } else {
                Sums::sums(simd, &Scattered { pixels, from: *from }, runs, &columns)
            };
            for row in 0..R.min(block.count - part * R) {
                let (mouth, place) = (block.mouth[part * R + row], block.to[part * R + row]);
                for at in 0..V {
                    let vector = vector + at;
                    let (panel, part) = (vector / vectors::<S>(), vector % vectors::<S>());
                    let value = self.end.of(simd, sums[row][at], panel, place, part);
                    save::<S>(&mut self.output[mouth + panel * plane + place], part, value);
                }
            }
        }
    }
}
