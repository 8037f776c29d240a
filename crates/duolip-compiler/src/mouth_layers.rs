//! A mouth generator's graph read back, as layers for duolip-winograd.
//!
//! Only what [`crate::compile`] writes is understood, and every length is checked: what is anything
//! else is for ONNX Runtime to run.

use std::collections::HashMap;

use duolip_winograd::{Layer, Plus, Sums};
use prost::Message;
use thiserror::Error;

use crate::onnx::{
    Attribute, Extent, Graph, Model, Node, Tensor, ValueInfo, data_type, within_bounds,
};

/// The largest number of rows or columns that a layer may have.
const LARGEST: usize = 2048;

/// A mouth generator as a chain of layers.
#[derive(Debug)]
pub struct MouthLayers {
    /// Channels, rows and columns of a mel window.
    pub window: [usize; 3],
    /// Name and shape of the mel windows' input, which is f32, and of the features', in their order.
    pub inputs: Vec<(String, Vec<Option<usize>>)>,
    /// Name and shape of the mouths' output, which is f32.
    pub mouths: (String, Vec<Option<usize>>),
    steps: Vec<Step>,
}

/// A file that is no mouth generator of this crate's, in f32.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a mouth generator as the compiler writes it: {0}")]
pub struct OtherGraph(String);

/// A layer whose weights are still as the file has them.
#[derive(Debug)]
struct Step {
    sums: Kind,
    weights: Vec<Tensor>,
    bias: Option<Tensor>,
    feature: Option<usize>,
    relu: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Convolution { kernel: [usize; 2], stride: [usize; 2], pads: [[usize; 2]; 2] },
    Doubling { kept: [[usize; 2]; 2] },
    Product { size: [usize; 2] },
}

impl MouthLayers {
    /// Reads `file`.
    ///
    /// # Errors
    /// [`OtherGraph`] says what is different.
    ///
    /// # Performance
    /// The weights are copied out of `file`, once.
    pub fn read(file: &[u8]) -> Result<Self, OtherGraph> {
        if !within_bounds(file) {
            return Err(other("it has too many parts"));
        }
        let model = Model::decode(file).map_err(|error| other(error.to_string()))?;
        let graph = model.graph.ok_or_else(|| other("it has no graph"))?;
        Reader::new(graph)?.read()
    }

    /// The layers, in their order. Each one's weights are numbers only while it is looked at.
    pub fn into_layers(self) -> impl Iterator<Item = Layer> {
        self.steps.into_iter().map(Step::layer)
    }
}

impl Step {
    fn layer(self) -> Layer {
        let Self { sums, weights, bias, feature, relu } = self;
        let mut weights = weights.into_iter().map(|tensor| numbers(&tensor));
        let mut next = || weights.next().unwrap_or_default();
        let sums = match sums {
            Kind::Convolution { kernel, stride, pads } => {
                Sums::Convolution { weight: next(), kernel, stride, pads }
            }
            Kind::Doubling { kept } => {
                Sums::Doubling { weights: [next(), next(), next(), next()], kept }
            }
            Kind::Product { size } => Sums::Product { weight: next(), size },
        };
        let plus = match feature {
            Some(feature) => Plus::Feature(feature),
            None => Plus::Bias(bias.as_ref().map(numbers).unwrap_or_default()),
        };
        Layer { sums, plus, relu }
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.raw_data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn other(what: impl Into<String>) -> OtherGraph {
    OtherGraph(what.into())
}

/// What has been read of a graph.
struct Reader {
    nodes: Vec<Node>,
    /// The next node.
    at: usize,
    constants: HashMap<String, Tensor>,
    inputs: Vec<(String, Vec<Option<usize>>)>,
    mouths: (String, Vec<Option<usize>>),
    /// What the nodes so far give, and its channels, rows and columns.
    value: String,
    shape: [usize; 3],
    steps: Vec<Step>,
}

impl Reader {
    fn new(graph: Graph) -> Result<Self, OtherGraph> {
        let port = |port: &ValueInfo| {
            let kind = port.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
            let tensor = kind.filter(|tensor| tensor.element == data_type::FLOAT);
            let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
            let shape = shape.ok_or_else(|| other(format!("{} is not f32", port.name)))?;
            let axes = shape.dim.iter().map(|axis| match axis.extent {
                Some(Extent::Value(length)) => usize::try_from(length).ok(),
                _ => None,
            });
            Ok((port.name.clone(), axes.collect::<Vec<_>>()))
        };
        let inputs = graph.input.iter().map(port).collect::<Result<Vec<_>, _>>()?;
        let [mouths] = &graph.output[..] else { return Err(other("it has not one output")) };
        let Some((mel, shape)) = inputs.first() else { return Err(other("it has no input")) };
        let &[None, Some(channels), Some(rows), Some(columns)] = &shape[..] else {
            return Err(other("its first input is not mel windows"));
        };
        Ok(Self {
            at: 0,
            value: mel.clone(),
            shape: checked([channels, rows, columns])?,
            mouths: port(mouths)?,
            steps: Vec::new(),
            inputs,
            nodes: graph.node,
            constants: graph
                .initializer
                .into_iter()
                .map(|tensor| (tensor.name.clone(), tensor))
                .collect(),
        })
    }

    fn read(mut self) -> Result<MouthLayers, OtherGraph> {
        let window = self.shape;
        while let Some(node) = self.next("") {
            match node.op_type.as_str() {
                "Sigmoid" if self.at == self.nodes.len() => break,
                "Flatten" => self.product(&node)?,
                "Gemm" => self.matrix(&node)?,
                "Conv" if self.doubles(&node) => self.doubling(node)?,
                "Conv" => self.convolution(&node)?,
                operator => return Err(other(format!("{operator} where a layer is to begin"))),
            }
            self.end()?;
        }
        let [channels, rows, columns] = self.shape.map(Some);
        let (name, shape) = &self.mouths;
        if self.value != *name
            || self.steps.is_empty()
            || shape[..] != [None, channels, rows, columns]
        {
            return Err(other("its output is not its last layer's sigmoid"));
        }
        let Self { inputs, mouths, steps, .. } = self;
        Ok(MouthLayers { window, inputs, mouths, steps })
    }

    /// The next node, if it reads the current value and is an `operator`, or any for "".
    fn next(&mut self, operator: &str) -> Option<Node> {
        let node = self.nodes.get(self.at)?;
        let reads = node.input.first() == Some(&self.value) && node.output.len() == 1;
        if !reads || !(operator.is_empty() || node.op_type == operator) {
            return None;
        }
        self.at += 1;
        self.value.clone_from(&node.output[0]);
        Some(node.clone())
    }

    /// Constant number `input` of `node`, with as many values as its shape has places, and its shape.
    fn constant(&mut self, node: &Node, input: usize) -> Result<(Tensor, Vec<usize>), OtherGraph> {
        let wrong = || other(format!("{} without a constant", node.name));
        let tensor = node.input.get(input).and_then(|name| self.constants.remove(name));
        let tensor = tensor.filter(|tensor| tensor.data_location == 0).ok_or_else(wrong)?;
        let shape: Option<Vec<usize>> =
            tensor.dims.iter().map(|&axis| usize::try_from(axis).ok()).collect();
        let shape = shape.ok_or_else(wrong)?;
        let bytes = match tensor.data_type {
            data_type::FLOAT => 4,
            data_type::INT64 => 8,
            _ => return Err(wrong()),
        };
        let count = shape.iter().try_fold(bytes, |count: usize, &axis| count.checked_mul(axis));
        if count != Some(tensor.raw_data.len()) || tensor.raw_data.is_empty() {
            return Err(wrong());
        }
        Ok((tensor, shape))
    }

    fn floats(&mut self, node: &Node, input: usize) -> Result<(Tensor, Vec<usize>), OtherGraph> {
        let (tensor, shape) = self.constant(node, input)?;
        if tensor.data_type == data_type::FLOAT {
            Ok((tensor, shape))
        } else {
            Err(other(format!("{} of integers", node.name)))
        }
    }

    fn integers(&mut self, node: &Node, input: usize) -> Result<Vec<i64>, OtherGraph> {
        let (tensor, _) = self.constant(node, input)?;
        if tensor.data_type != data_type::INT64 {
            return Err(other(format!("{} without integers", node.name)));
        }
        let values = tensor.raw_data.as_chunks().0.iter();
        Ok(values.map(|&bytes| i64::from_le_bytes(bytes)).collect())
    }

    /// The bias of `node`, one number for each of `outputs`.
    fn bias(&mut self, node: &Node, outputs: usize) -> Result<Option<Tensor>, OtherGraph> {
        if node.input.len() < 3 {
            return Ok(None);
        }
        let (bias, shape) = self.floats(node, 2)?;
        if shape == [outputs] { Ok(Some(bias)) } else { Err(other("a bias of another length")) }
    }

    /// Weights, kernel, strides and padding of the convolution `node`.
    fn kernel(&mut self, node: &Node) -> Result<Convolution, OtherGraph> {
        let (weight, shape) = self.floats(node, 1)?;
        let [outputs, inputs, rows, columns] = shape[..] else {
            return Err(other(format!("{} without a kernel", node.name)));
        };
        let numbers = attributes(node, ["kernel_shape", "pads", "strides"])?;
        let ([kernel_rows, kernel_columns], [top, left, bottom, right], [down, across]) =
            (&numbers[0][..], &numbers[1][..], &numbers[2][..])
        else {
            return Err(other(format!("{} with other attributes", node.name)));
        };
        let kernel = [rows, columns];
        let pads = [[*top, *bottom], [*left, *right]];
        let known = inputs == self.shape[0]
            && outputs > 0
            && [*kernel_rows, *kernel_columns] == kernel
            && kernel.iter().all(|size| (1..=3).contains(size))
            && pads.as_flattened().iter().all(|&pad| pad <= 1)
            && [*down, *across].iter().all(|stride| (1..=3).contains(stride))
            && (0..2)
                .all(|axis| self.shape[axis + 1] + pads[axis][0] + pads[axis][1] >= kernel[axis]);
        if !known {
            return Err(other(format!("{} is another convolution", node.name)));
        }
        let bias = self.bias(node, outputs)?;
        Ok(Convolution { weight, bias, outputs, kernel, stride: [*down, *across], pads })
    }

    fn convolution(&mut self, node: &Node) -> Result<(), OtherGraph> {
        let Convolution { weight, bias, outputs, kernel, stride, pads } = self.kernel(node)?;
        let size = |axis: usize| {
            let [before, after] = pads[axis];
            (self.shape[axis + 1] + before + after - kernel[axis]) / stride[axis] + 1
        };
        self.shape = checked([outputs, size(0), size(1)])?;
        self.push(Kind::Convolution { kernel, stride, pads }, vec![weight], bias);
        Ok(())
    }

    /// Whether the next node is another convolution of what `node` reads.
    fn doubles(&self, node: &Node) -> bool {
        self.nodes
            .get(self.at)
            .is_some_and(|next| next.op_type == "Conv" && next.input.first() == node.input.first())
    }

    fn doubling(&mut self, first: Node) -> Result<(), OtherGraph> {
        let mut phases = vec![first];
        for _ in 1..4 {
            self.value.clone_from(&phases[0].input[0]);
            phases.push(self.next("Conv").ok_or_else(|| other("fewer than four phases"))?);
        }
        let mut weights = Vec::new();
        let mut outputs = None;
        for (phase, node) in phases.iter().enumerate() {
            let kernel = [phase / 2 + 1, phase % 2 + 1];
            let found = self.kernel(node)?;
            let pads = kernel.map(|size| [0, size - 1]);
            let alike = found.kernel == kernel
                && found.pads == pads
                && found.stride == [1, 1]
                && found.bias.is_none()
                && *outputs.get_or_insert(found.outputs) == found.outputs;
            if !alike {
                return Err(other(format!("{} is another phase", node.name)));
            }
            weights.push(found.weight);
        }
        // Together, and taking turns.
        let names: Vec<&String> = phases.iter().map(|node| &node.output[0]).collect();
        self.value.clone_from(names[0]);
        let concat = self.next("Concat").filter(|node| node.input.iter().eq(names));
        let concat = concat.ok_or_else(|| other("phases that are not put together"))?;
        single(&concat, "axis", 1)?;
        let shuffle = self.next("DepthToSpace").ok_or_else(|| other("phases in a row"))?;
        single(&shuffle, "blocksize", 2)?;
        let [_, rows, columns] = self.shape;
        let mut kept = [[0, rows * 2], [0, columns * 2]];
        if let Some(slice) = self.next("Slice") {
            let [starts, ends, axes] = [1, 2, 3].map(|input| self.integers(&slice, input));
            let (starts, ends) = (starts?, ends?);
            let within = |axis: usize, size: usize| {
                let start = starts.get(axis).and_then(|&start| usize::try_from(start).ok())?;
                let end = ends.get(axis).and_then(|&end| usize::try_from(end).ok())?;
                (start < end && end <= size).then(|| [start, end - start])
            };
            let part = [within(0, rows * 2), within(1, columns * 2)];
            let ([Some(down), Some(across)], true) =
                (part, axes? == [2, 3] && slice.input.len() == 4)
            else {
                return Err(other(format!("{} is another part", slice.name)));
            };
            kept = [down, across];
        }
        self.shape = checked([outputs.unwrap_or(0), kept[0][1], kept[1][1]])?;
        self.push(Kind::Doubling { kept }, weights, None);
        Ok(())
    }

    /// A product after `Flatten`.
    fn product(&mut self, flatten: &Node) -> Result<(), OtherGraph> {
        single(flatten, "axis", 1)?;
        let node = self.next("Gemm").ok_or_else(|| other("Flatten without a product"))?;
        self.matrix(&node)
    }

    fn matrix(&mut self, node: &Node) -> Result<(), OtherGraph> {
        let (weight, shape) = self.floats(node, 1)?;
        let inputs: usize = self.shape.iter().product();
        let [rows, outputs] = shape[..] else { return Err(other("a product of no matrix")) };
        if rows != inputs || !node.attribute.is_empty() {
            return Err(other(format!("{} is another product", node.name)));
        }
        let bias = self.bias(node, outputs)?;
        self.shape = [outputs, 1, 1];
        let mut size = [1, 1];
        if let Some(reshape) = self.next("Reshape") {
            let shape = self.integers(&reshape, 1)?;
            let axes: Vec<usize> =
                shape.iter().skip(1).filter_map(|&axis| usize::try_from(axis).ok()).collect();
            let (Some(-1), &[channels, rows, columns]) = (shape.first(), &axes[..]) else {
                return Err(other(format!("{} to another shape", reshape.name)));
            };
            self.shape = checked([channels, rows, columns])?;
            size = [rows, columns];
            if self.shape.iter().product::<usize>() != outputs || bias.is_some() {
                return Err(other(format!("{} of another product", reshape.name)));
            }
        }
        self.push(Kind::Product { size }, vec![weight], bias);
        Ok(())
    }

    fn push(&mut self, sums: Kind, weights: Vec<Tensor>, bias: Option<Tensor>) {
        self.steps.push(Step { sums, weights, bias, feature: None, relu: false });
    }

    /// What may follow the sums of the last layer.
    fn end(&mut self) -> Result<(), OtherGraph> {
        let Some(step) = self.steps.len().checked_sub(1) else { return Ok(()) };
        if let Some(add) = self.next("Add") {
            let feature = self
                .inputs
                .iter()
                .skip(1)
                .position(|(name, _)| add.input.len() == 2 && *name == add.input[1]);
            let feature = feature.ok_or_else(|| other(format!("{} of no feature", add.name)))?;
            let [channels, rows, columns] = self.shape.map(Some);
            let fits = self.inputs[feature + 1].1 == [Some(1), channels, rows, columns];
            if !fits || self.steps[step].bias.is_some() {
                return Err(other(format!("{} of another feature", add.name)));
            }
            self.steps[step].feature = Some(feature);
        }
        self.steps[step].relu = self.next("Relu").is_some();
        Ok(())
    }
}

/// A convolution as its node has it.
struct Convolution {
    weight: Tensor,
    bias: Option<Tensor>,
    outputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    pads: [[usize; 2]; 2],
}

/// `shape` of channels, rows and columns, if a layer may have it.
fn checked(shape: [usize; 3]) -> Result<[usize; 3], OtherGraph> {
    let [channels, rows, columns] = shape;
    let fits = channels > 0 && (1..=LARGEST).contains(&rows) && (1..=LARGEST).contains(&columns);
    fits.then_some(shape).ok_or_else(|| other(format!("a layer of {shape:?}")))
}

/// The lists of numbers that `node` has under `names`, and nothing beside them.
fn attributes<const N: usize>(
    node: &Node,
    names: [&str; N],
) -> Result<[Vec<usize>; N], OtherGraph> {
    let wrong = || other(format!("{} with other attributes", node.name));
    let mut found: [Vec<usize>; N] = std::array::from_fn(|_| Vec::new());
    for Attribute { name, ints, .. } in &node.attribute {
        let at = names.iter().position(|known| known == name).ok_or_else(wrong)?;
        let numbers: Option<Vec<usize>> =
            ints.iter().map(|&number| usize::try_from(number).ok()).collect();
        found[at] = numbers.ok_or_else(wrong)?;
    }
    Ok(found)
}

/// Checks that `node` has `value` under `name`, and nothing beside it.
fn single(node: &Node, name: &str, value: i64) -> Result<(), OtherGraph> {
    match &node.attribute[..] {
        [only] if only.name == name && only.i == Some(value) => Ok(()),
        _ => Err(other(format!("{} with other attributes", node.name))),
    }
}
