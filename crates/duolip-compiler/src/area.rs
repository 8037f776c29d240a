//! Receptive fields: which part of a layer's input a part of its output needs.
//!
//! Pure arithmetic on one axis at a time.

use crate::layer::Form;

/// Places along an axis, half-open, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }
}

/// Rows and columns of a map.
pub(crate) type Area = [Span; 2];

/// Rows and columns of a square map of `size`.
pub(crate) fn whole(size: usize) -> Area {
    [Span { start: 0, end: size }; 2]
}

/// What a layer reads along an axis to give a part of its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The places of the input.
    pub(crate) input: Span,
    /// Of a convolution the zeros, of a transposed one the results to be cut off, before and after.
    pub(crate) pads: [usize; 2],
}

/// What a layer of `form` reads of an input of `size` places to give `output`.
pub(crate) fn reach(form: &Form, axis: usize, output: Span, size: usize) -> Reach {
    let Form { kernel, padding, .. } = *form;
    let stride = form.stride[axis];
    if form.transposed.is_some() {
        // Input i adds to outputs i * stride - padding .. + kernel.
        let start = (output.start + padding + 1).saturating_sub(kernel).div_ceil(stride);
        let end = ((output.end - 1 + padding) / stride + 1).min(size);
        let before = output.start + padding - start * stride;
        let last = (end - 1) * stride + kernel;
        let after = last.saturating_sub(output.end + padding);
        return Reach { input: Span { start, end }, pads: [before, after] };
    }
    // Output o reads inputs o * stride - padding .. + kernel.
    let first = output.start * stride;
    let last = (output.end - 1) * stride + kernel;
    Reach {
        input: Span {
            start: first.saturating_sub(padding),
            end: last.saturating_sub(padding).min(size),
        },
        pads: [padding.saturating_sub(first), (last).saturating_sub(padding + size)],
    }
}
