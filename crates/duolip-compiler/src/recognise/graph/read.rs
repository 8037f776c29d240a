//! One layer of an ONNX graph: its convolution and the nodes that belong to it.

use crate::layer::{Form, Layer, Norm};
use crate::onnx::{Node, Tensor};
use crate::recognise::graph::attribute;
use crate::recognise::graph::nodes::{Nodes, output};
use crate::recognise::values::values;
use crate::recognise::{RecognitionError, shape_text, variance};

/// A layer as the graph has it; its weights are read once its form is found to be right.
pub(super) struct Found<'graph> {
    pub(super) form: Form,
    weight: &'graph Tensor,
    bias: Option<&'graph Tensor>,
    norm: Option<(f32, [&'graph Tensor; 4])>,
}

impl<'graph> Found<'graph> {
    /// The layer whose convolution reads `value`, and the value it gives; none where no
    /// convolution does.
    pub(super) fn after(
        nodes: &Nodes<'graph>,
        value: &str,
        at: &str,
    ) -> Result<Option<(Self, String)>, RecognitionError> {
        let mut convolutions = nodes.readers(value).iter().copied().filter(|node| {
            matches!(node.op_type.as_str(), "Conv" | "ConvTranspose")
                && reads(nodes, node, 0, value)
        });
        let Some(node) = convolutions.next() else { return Ok(None) };
        let differs = |expected: &str, found: String| RecognitionError::Layer {
            at: at.to_owned(),
            expected: expected.to_owned(),
            found,
        };
        if convolutions.next().is_some() {
            return Err(differs("one convolution", "read by several convolutions".to_owned()));
        }
        let constant = |node: &'graph Node, input: usize| {
            let name = node.input.get(input).filter(|name| !name.is_empty())?;
            nodes.constant(name)
        };
        let weight = constant(node, 1).ok_or_else(|| {
            differs(
                "a convolution with constant weights",
                "one whose weights are computed".to_owned(),
            )
        })?;
        let mut form = form(node, weight).map_err(|found| differs("a plain convolution", found))?;
        let bias = constant(node, 2);
        let mut end = output(node);
        let mut norm = None;
        let next = |end: &str, operator: &str| {
            nodes.sole_reader(end).filter(|node| node.op_type == operator)
        };
        if let Some(node) = next(end, "BatchNormalization") {
            let numbers = [1, 2, 3, 4].map(|input| constant(node, input));
            let [Some(scale), Some(shift), Some(mean), Some(variance)] = numbers else {
                return Err(differs(
                    "BatchNormalization of constants",
                    "of computed values".to_owned(),
                ));
            };
            let epsilon = attribute(node, "epsilon").and_then(|epsilon| epsilon.f).unwrap_or(1e-5);
            norm = Some((epsilon, [scale, shift, mean, variance]));
            end = output(node);
        }
        if let Some(node) = next(end, "Add") {
            let other = |input| reads(nodes, node, input, value);
            if node.input.len() != 2 || !(other(0) || other(1)) {
                return Err(differs("its input added", "something else added".to_owned()));
            }
            form.residual = true;
            end = output(node);
        }
        match (next(end, "Relu"), next(end, "Sigmoid")) {
            (Some(node), _) => end = output(node),
            // The last layer.
            (None, Some(_)) => form.activated = false,
            (None, None) => {
                let found = format!("one before {}", nodes.readers_text(end));
                return Err(differs("a layer before ReLU", found));
            }
        }
        Ok(Some((Self { form, weight, bias, norm }, end.to_owned())))
    }

    /// The layer with its numbers; `part` is for messages.
    pub(super) fn layer(&self, part: &str) -> Result<Layer, RecognitionError> {
        let (shape, weight) = values(self.weight)?;
        // `form` has seen that there are four axes.
        let transposed = usize::from(self.form.transposed.is_some());
        let (outputs, inputs) = (shape[transposed], shape[1 - transposed]);
        let numbers = |tensor: &Tensor| {
            let (shape, values) = values(tensor)?;
            if values.len() == outputs {
                return Ok(values);
            }
            Err(RecognitionError::Layer {
                at: format!("{part}, tensor {}", tensor.name),
                expected: format!("{outputs} values"),
                found: shape_text(&shape),
            })
        };
        let bias = self.bias.map_or_else(|| Ok(vec![0.0; outputs]), numbers)?;
        let norm = match self.norm {
            None => None,
            Some((epsilon, [scale, shift, mean, spread])) => {
                let norm = Norm {
                    scale: numbers(scale)?,
                    shift: numbers(shift)?,
                    mean: numbers(mean)?,
                    variance: numbers(spread)?,
                    epsilon,
                };
                variance(&spread.name, &norm.variance)?;
                Some(norm)
            }
        };
        Ok(Layer { form: self.form, inputs, outputs, weight, bias, norm })
    }
}

/// Whether input number `input` of `node` is `value`.
fn reads(nodes: &Nodes<'_>, node: &Node, input: usize, value: &str) -> bool {
    node.input.get(input).is_some_and(|name| nodes.root(name) == value)
}

/// The form of the convolution `node`, as if `BatchNorm` and `ReLU` followed; else what is special
/// about it.
fn form(node: &Node, weight: &Tensor) -> Result<Form, String> {
    let lengths = |name: &str, default: &[usize]| -> Result<Vec<usize>, String> {
        let Some(found) = attribute(node, name) else { return Ok(default.to_vec()) };
        let values: Option<Vec<usize>> =
            found.ints.iter().map(|&value| usize::try_from(value).ok()).collect();
        values
            .filter(|values| values.len() == default.len())
            .ok_or_else(|| format!("one with {name} {:?}", found.ints))
    };
    let [_, _, rows, columns] = weight.dims[..] else {
        return Err(format!("one whose weight has {} axes", weight.dims.len()));
    };
    let kernel =
        usize::try_from(rows).ok().filter(|_| rows == columns && (1..=1024).contains(&rows));
    let kernel = kernel.ok_or_else(|| format!("one with a kernel of {rows}x{columns}"))?;
    if lengths("kernel_shape", &[kernel; 2])? != [kernel; 2] {
        return Err("one whose kernel has another size than its weight".to_owned());
    }
    if lengths("dilations", &[1, 1])? != [1, 1] {
        return Err("a dilated one".to_owned());
    }
    if attribute(node, "group").and_then(|group| group.i).unwrap_or(1) != 1 {
        return Err("a grouped one".to_owned());
    }
    let automatic = attribute(node, "auto_pad").and_then(|pad| pad.s.as_deref());
    if automatic.is_some_and(|pad| pad != b"NOTSET") || attribute(node, "output_shape").is_some() {
        return Err("one with automatic padding".to_owned());
    }
    let pads = lengths("pads", &[0; 4])?;
    if pads.iter().any(|&pad| pad != pads[0]) {
        return Err(format!("one with pads {pads:?}"));
    }
    let strides = lengths("strides", &[1, 1])?;
    let more = lengths("output_padding", &[0, 0])?;
    if more[0] != more[1] {
        return Err(format!("one with output_padding {more:?}"));
    }
    Ok(Form {
        kernel,
        stride: [strides[0], strides[1]],
        padding: pads[0],
        transposed: (node.op_type == "ConvTranspose").then_some(more[0]),
        residual: false,
        activated: true,
    })
}
