//! One convolution of a graph, and what it costs.

use crate::area::{Area, Reach, Span};
use crate::builder::{Builder, Precision, Value, int, ints};
use crate::fold::Folded;
use crate::layer::Form;

/// A graph being written, and its multiply-adds so far.
#[derive(Debug)]
pub(super) struct Emitter {
    pub(super) graph: Builder,
    pub(super) work: u64,
    /// Whether transposed convolutions stay what they are, with equal padding on both sides and a
    /// Slice for the rest, which is what GPU providers take; else they become [`Self::phases`].
    symmetric: bool,
}

impl Emitter {
    pub(super) fn new(name: &str, precision: Precision) -> Self {
        let symmetric = precision == Precision::F16;
        Self { graph: Builder::new(name, precision), work: 0, symmetric }
    }

    /// `folded` over `input`, which is the part of its input that `reach` tells and no more.
    pub(super) fn convolution(
        &mut self,
        form: &Form,
        folded: &Folded,
        with_bias: bool,
        reach: &[Reach; 2],
        input: &Value,
    ) -> Value {
        let Folded { inputs, outputs, kernel, weight, bias } = folded;
        let (inputs, outputs, kernel) = (*inputs, *outputs, *kernel);
        let transposed = form.transposed.is_some();
        let shape = if transposed {
            [inputs, outputs, kernel, kernel]
        } else {
            [outputs, inputs, kernel, kernel]
        };
        // A transposed convolution works per place of its input.
        let places = [0, 1].map(|axis| {
            let Reach { input, pads: [before, after] } = reach[axis];
            match form.transposed {
                Some(_) => input.len(),
                None => (input.len() + before + after - kernel) / form.stride[axis] + 1,
            }
        });
        self.work += (weight.len() * places[0] * places[1]) as u64;
        if *form == Form::doubling() && !self.symmetric {
            let bias = with_bias.then_some(bias.as_slice());
            return self.phases(folded, bias, reach, input);
        }
        let weight = self.graph.numbers(&shape, weight);
        let bias = with_bias.then(|| self.graph.numbers(&[outputs], bias));
        let inputs: Vec<&Value> =
            [Some(input), Some(&weight), bias.as_ref()].into_iter().flatten().collect();
        if transposed && self.symmetric {
            return self.transposed(form, kernel, reach, &inputs);
        }
        let [[top, bottom], [left, right]] = reach.map(|axis| axis.pads);
        let attributes = vec![
            ints("kernel_shape", [kernel; 2]),
            ints("strides", form.stride),
            ints("pads", [top, left, bottom, right]),
        ];
        self.graph.node(if transposed { "ConvTranspose" } else { "Conv" }, &inputs, attributes)
    }

    /// A transposed convolution that doubles the size, as four convolutions: one for the places at
    /// even rows and columns of the result, one for even rows and odd columns, and so on. Each place
    /// of the input has one result of each.
    ///
    /// # Performance
    /// The same products as `ConvTranspose` does, which ONNX Runtime on the CPU makes by a product of
    /// matrices whose result it scatters: that takes half as long again.
    ///
    /// Result 2m reads the kernel's middle at input m; result 2m + 1 its end at m and its start at
    /// m + 1.
    fn phases(
        &mut self,
        folded: &Folded,
        bias: Option<&[f32]>,
        reach: &[Reach; 2],
        input: &Value,
    ) -> Value {
        const TAPS: [&[usize]; 2] = [&[1], &[2, 0]];
        let &Folded { inputs, outputs, .. } = folded;
        let mut phases = Vec::with_capacity(4);
        for (rows, columns) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (rows, columns) = (TAPS[rows], TAPS[columns]);
            let mut weight = Vec::with_capacity(outputs * inputs * rows.len() * columns.len());
            for output in 0..outputs {
                for input in 0..inputs {
                    let start = (input * outputs + output) * 9;
                    for row in rows {
                        weight.extend(
                            columns.iter().map(|column| folded.weight[start + row * 3 + column]),
                        );
                    }
                }
            }
            let shape = [rows.len(), columns.len()];
            let weight = self.graph.numbers(&[outputs, inputs, shape[0], shape[1]], &weight);
            let bias = bias.map(|bias| self.graph.numbers(&[outputs], bias));
            let attributes = vec![
                ints("kernel_shape", shape),
                ints("strides", [1, 1]),
                ints("pads", [0, 0, shape[0] - 1, shape[1] - 1]),
            ];
            let values: Vec<&Value> =
                [Some(input), Some(&weight), bias.as_ref()].into_iter().flatten().collect();
            phases.push(self.graph.node("Conv", &values, attributes));
        }
        let phases: Vec<&Value> = phases.iter().collect();
        let together = self.graph.node("Concat", &phases, vec![int("axis", 1)]);
        let value = self.graph.node("DepthToSpace", &[&together], vec![int("blocksize", 2)]);
        // The first result is that of the kernel's middle at the first input.
        let kept = reach.map(|Reach { input, pads: [before, after] }| Span {
            start: before - 1,
            end: (input.len() - 1) * 2 + 2 - after,
        });
        if [0, 1].iter().all(|&axis| kept[axis].len() == reach[axis].input.len() * 2) {
            return value;
        }
        slice(&mut self.graph, &value, kept)
    }

    /// A transposed convolution with the same padding on both sides, cut to size afterwards where
    /// that leaves too much.
    fn transposed(
        &mut self,
        form: &Form,
        kernel: usize,
        reach: &[Reach; 2],
        inputs: &[&Value],
    ) -> Value {
        let cuts = [0, 1].map(|axis| symmetric(&reach[axis], form.stride[axis], kernel));
        let [rows, columns] = cuts.map(|cut| cut.padding);
        let attributes = vec![
            ints("kernel_shape", [kernel; 2]),
            ints("strides", form.stride),
            ints("pads", [rows, columns, rows, columns]),
            ints("output_padding", cuts.map(|cut| cut.output_padding)),
        ];
        let value = self.graph.node("ConvTranspose", inputs, attributes);
        if cuts.iter().all(|cut| cut.kept.len() == cut.length) {
            return value;
        }
        slice(&mut self.graph, &value, cuts.map(|cut| cut.kept))
    }

    /// A matrix product: `[N, inputs]` times `weight`, `[inputs, outputs]`, plus `bias`.
    pub(super) fn product(
        &mut self,
        inputs: usize,
        weight: &[f32],
        bias: Option<&[f32]>,
        input: &Value,
    ) -> Value {
        let outputs = weight.len() / inputs;
        self.work += weight.len() as u64;
        let weight = self.graph.numbers(&[inputs, outputs], weight);
        let bias = bias.map(|bias| self.graph.numbers(&[outputs], bias));
        let inputs: Vec<&Value> =
            [Some(input), Some(&weight), bias.as_ref()].into_iter().flatten().collect();
        self.graph.node("Gemm", &inputs, Vec::new())
    }
}

/// The rows and columns `area` of a map.
pub(super) fn slice(graph: &mut Builder, map: &Value, area: Area) -> Value {
    let starts = graph.integers(&area.map(|span| span.start as i64));
    let ends = graph.integers(&area.map(|span| span.end as i64));
    let axes = graph.integers(&[2, 3]);
    graph.node("Slice", &[map, &starts, &ends, &axes], Vec::new())
}

/// A transposed convolution along an axis, with the same padding on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Symmetric {
    padding: usize,
    /// How much more at the end: less than the stride.
    output_padding: usize,
    /// How much it gives.
    length: usize,
    /// What is wanted of that.
    kept: Span,
}

/// What stands for the padding of `reach`: where the end is cut more than the start, less is cut
/// there, and where the start is cut by more than a stride more than the end, less there.
fn symmetric(reach: &Reach, stride: usize, kernel: usize) -> Symmetric {
    let [before, after] = reach.pads;
    let wanted = (reach.input.len() - 1) * stride + kernel - before - after;
    let more_after = after.saturating_sub(before);
    let more_before = (before + 1 + more_after).saturating_sub(after + stride);
    let padding = before - more_before;
    let output_padding = padding - (after - more_after);
    Symmetric {
        padding,
        output_padding,
        length: wanted + more_before + more_after,
        kept: Span { start: more_before, end: more_before + wanted },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_that_differs_is_made_equal_and_the_rest_cut_off() {
        for (pads, padding, output_padding, kept) in [
            ([1, 0], 1, 1, 0),
            ([1, 1], 1, 0, 0),
            ([2, 2], 2, 0, 0),
            ([2, 1], 2, 1, 0),
            ([1, 2], 1, 0, 0),
            ([2, 0], 1, 1, 1),
            ([0, 0], 0, 0, 0),
        ] {
            let reach = Reach { input: Span { start: 3, end: 8 }, pads };
            let found = symmetric(&reach, 2, 3);
            assert_eq!(
                (found.padding, found.output_padding),
                (padding, output_padding),
                "{pads:?}"
            );
            assert_eq!(found.kept, Span { start: kept, end: kept + 11 - pads[0] - pads[1] });
            assert_eq!(found.length, 11 - 2 * padding + output_padding, "{pads:?}");
        }
    }
}
