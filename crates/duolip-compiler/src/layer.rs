//! A convolution with all that belongs to it, as the source has it: weights unfolded.
//!
//! What recognition fills and the graphs are written from. Knows nothing of files.

use std::fmt;

/// Everything about a layer but its widths and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Rows and columns of the kernel.
    pub(crate) kernel: usize,
    /// Rows and columns from one place of the kernel to the next.
    pub(crate) stride: [usize; 2],
    /// Zeros on each side.
    pub(crate) padding: usize,
    /// Whether it is a transposed convolution, and if so, with how much more at the end.
    pub(crate) transposed: Option<usize>,
    /// Whether the input is added to the result.
    pub(crate) residual: bool,
    /// Whether `BatchNorm` and `ReLU` follow.
    pub(crate) activated: bool,
}

impl Form {
    /// A convolution with `BatchNorm` and `ReLU`.
    pub(crate) const fn convolution(kernel: usize, stride: [usize; 2], padding: usize) -> Self {
        Self { kernel, stride, padding, transposed: None, residual: false, activated: true }
    }

    /// One that keeps the size.
    pub(crate) const fn same(kernel: usize) -> Self {
        Self::convolution(kernel, [1, 1], kernel / 2)
    }

    /// One of 3 x 3 to whose result its input is added.
    pub(crate) const fn residual() -> Self {
        Self { residual: true, ..Self::same(3) }
    }

    /// A transposed convolution that doubles the size.
    pub(crate) const fn doubling() -> Self {
        Self { transposed: Some(1), ..Self::convolution(3, [2, 2], 1) }
    }

    /// A transposed convolution that makes `kernel` x `kernel` pixels of one.
    pub(crate) const fn unfolding(kernel: usize) -> Self {
        Self { transposed: Some(0), ..Self::convolution(kernel, [1, 1], 0) }
    }

    /// The size of the result along `axis` for an input of `size`.
    pub(crate) fn output_size(&self, size: usize, axis: usize) -> usize {
        let stride = self.stride[axis];
        match self.transposed {
            Some(more) => (size - 1) * stride + self.kernel + more - 2 * self.padding,
            None => (size + 2 * self.padding - self.kernel) / stride + 1,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, stride: [down, right], padding, .. } = self;
        let kind = if self.transposed.is_some() { "transposed convolution" } else { "convolution" };
        write!(formatter, "a {kind} {kernel}x{kernel}, stride {down}x{right}, padding {padding}")?;
        if let Some(more @ 1..) = self.transposed {
            write!(formatter, ", output padding {more}")?;
        }
        if self.residual {
            write!(formatter, ", with its input added")?;
        }
        write!(formatter, "{}", if self.activated { ", ReLU" } else { ", without ReLU" })
    }
}

/// What `BatchNorm` does, per channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Norm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// A convolution of given widths.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    pub(crate) form: Form,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// `[outputs, inputs, kernel, kernel]`; of a transposed one `[inputs, outputs, kernel, kernel]`.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    /// None where the source has it folded already, and on the last convolution.
    pub(crate) norm: Option<Norm>,
}

impl Layer {
    /// The weight's shape.
    pub(crate) fn weight_shape(&self) -> [usize; 4] {
        let Form { kernel, transposed, .. } = self.form;
        match transposed {
            Some(_) => [self.inputs, self.outputs, kernel, kernel],
            None => [self.outputs, self.inputs, kernel, kernel],
        }
    }

    /// Weights, biases and the trainable part of the norm.
    pub(crate) fn parameters(&self) -> usize {
        let norm = self.norm.as_ref().map_or(0, |norm| norm.scale.len() + norm.shift.len());
        self.weight.len() + self.bias.len() + norm
    }
}
