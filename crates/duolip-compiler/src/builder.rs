//! Graphs, put together node by node.
//!
//! Knows ONNX's operators, nothing of lip-sync networks.

use half::f16;

use crate::onnx::{
    Attribute, Dimension, Extent, Graph, Node, OnnxGraph, Shape, Tensor, TensorType, Type,
    ValueInfo, attribute_type, data_type,
};

/// How weights, features and the arithmetic inside a graph are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// 16-bit floats, for GPUs; faces, mel windows and mouths stay 32-bit.
    F16,
}

impl Precision {
    /// Bytes of one number.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    fn data_type(self) -> i32 {
        match self {
            Self::F32 => data_type::FLOAT,
            Self::F16 => data_type::FLOAT16,
        }
    }
}

/// A value inside a graph, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value(String);

/// A graph being put together.
#[derive(Debug)]
pub(crate) struct Builder {
    precision: Precision,
    graph: Graph,
}

impl Builder {
    pub(crate) fn new(name: &str, precision: Precision) -> Self {
        Self { precision, graph: Graph { name: name.to_owned(), ..Graph::default() } }
    }

    pub(crate) fn finish(self) -> OnnxGraph {
        OnnxGraph::new(self.graph)
    }

    /// An f32 input of the graph; inside, it has the graph's precision. Its first axis has the
    /// name `batch` and an open length.
    pub(crate) fn input(&mut self, name: &str, batch: &str, shape: &[usize]) -> Value {
        let batch = Extent::Open(batch.to_owned());
        self.graph.input.push(value_info(name, data_type::FLOAT, batch, shape));
        let value = Value(name.to_owned());
        match self.precision {
            Precision::F32 => value,
            Precision::F16 => self.cast(&value, data_type::FLOAT16),
        }
    }

    /// An input with one place on its batch axis, in the graph's precision.
    pub(crate) fn feature_input(&mut self, name: &str, shape: &[usize]) -> Value {
        let kind = self.precision.data_type();
        self.graph.input.push(value_info(name, kind, Extent::Value(1), shape));
        Value(name.to_owned())
    }

    /// Makes `value` an f32 output of the graph.
    pub(crate) fn output(&mut self, value: &Value, name: &str, batch: &str, shape: &[usize]) {
        let value = match self.precision {
            Precision::F32 => value.clone(),
            Precision::F16 => self.cast(value, data_type::FLOAT),
        };
        self.name_output(&value, name, data_type::FLOAT, batch, shape);
    }

    /// Makes `value` an output in the graph's precision.
    pub(crate) fn feature_output(
        &mut self,
        value: &Value,
        name: &str,
        batch: &str,
        shape: &[usize],
    ) {
        self.name_output(value, name, self.precision.data_type(), batch, shape);
    }

    fn name_output(&mut self, value: &Value, name: &str, kind: i32, batch: &str, shape: &[usize]) {
        let batch = Extent::Open(batch.to_owned());
        self.graph.output.push(value_info(name, kind, batch, shape));
        let names = self
            .graph
            .node
            .iter_mut()
            .flat_map(|node| node.input.iter_mut().chain(node.output.iter_mut()));
        for found in names.filter(|found| **found == value.0) {
            name.clone_into(found);
        }
    }

    /// A node of one output.
    pub(crate) fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: Vec<Attribute>,
    ) -> Value {
        let name = format!("{}_{}", operator.to_lowercase(), self.graph.node.len());
        self.graph.node.push(Node {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: operator.to_owned(),
            attribute: attributes,
            domain: String::new(),
        });
        Value(name)
    }

    pub(crate) fn relu(&mut self, value: &Value) -> Value {
        self.node("Relu", &[value], Vec::new())
    }

    fn cast(&mut self, value: &Value, to: i32) -> Value {
        self.node("Cast", &[value], vec![int("to", i64::from(to))])
    }

    /// Constant numbers in the graph's precision.
    pub(crate) fn numbers(&mut self, shape: &[usize], values: &[f32]) -> Value {
        let raw_data = match self.precision {
            Precision::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Precision::F16 => {
                values.iter().flat_map(|&value| halved(value).to_le_bytes()).collect()
            }
        };
        self.constant(self.precision.data_type(), shape, raw_data)
    }

    /// Constant integers on one axis.
    pub(crate) fn integers(&mut self, values: &[i64]) -> Value {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(data_type::INT64, &[values.len()], raw_data)
    }

    fn constant(&mut self, data_type: i32, shape: &[usize], raw_data: Vec<u8>) -> Value {
        let name = format!("constant_{}", self.graph.initializer.len());
        self.graph.initializer.push(Tensor {
            dims: shape.iter().map(|&axis| axis as i64).collect(),
            data_type,
            name: name.clone(),
            raw_data,
            ..Tensor::default()
        });
        Value(name)
    }
}

/// The nearest 16-bit float; what is beyond its range becomes the last within.
fn halved(value: f32) -> f16 {
    f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()))
}

/// An attribute of one integer.
pub(crate) fn int(name: &str, value: i64) -> Attribute {
    let kind = attribute_type::INT;
    Attribute { name: name.to_owned(), i: Some(value), kind, ..Attribute::default() }
}

/// An attribute of integers.
pub(crate) fn ints(name: &str, values: impl IntoIterator<Item = usize>) -> Attribute {
    let ints = values.into_iter().map(|value| value as i64).collect();
    Attribute { name: name.to_owned(), ints, kind: attribute_type::INTS, ..Attribute::default() }
}

/// An attribute of one float.
pub(crate) fn float(name: &str, value: f32) -> Attribute {
    let kind = attribute_type::FLOAT;
    Attribute { name: name.to_owned(), f: Some(value), kind, ..Attribute::default() }
}

fn value_info(name: &str, element: i32, batch: Extent, shape: &[usize]) -> ValueInfo {
    let axes = std::iter::once(batch).chain(shape.iter().map(|&axis| Extent::Value(axis as i64)));
    let dim = axes.map(|extent| Dimension { extent: Some(extent) }).collect();
    let tensor = TensorType { element, shape: Some(Shape { dim }) };
    ValueInfo { name: name.to_owned(), kind: Some(Type { tensor: Some(tensor) }) }
}
