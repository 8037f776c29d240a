//! Which node reads which value, and chains of layers along them.

use std::collections::HashMap;

use crate::onnx::{Graph, Node, Tensor, data_type};
use crate::recognise::RecognitionError;
use crate::recognise::graph::attribute;
use crate::recognise::graph::read::Found;

/// The most layers that are followed without a Concat: graphs may go in circles.
const MOST_LAYERS: usize = 64;
/// The most names of one value that are followed.
const MOST_ALIASES: usize = 16;

/// The element type f32, as Cast names it.
const TO_F32: i64 = data_type::FLOAT as i64;

/// A graph's nodes by what they read, and its constants by name.
pub(super) struct Nodes<'graph> {
    readers: HashMap<&'graph str, Vec<&'graph Node>>,
    constants: HashMap<&'graph str, &'graph Tensor>,
    /// What a value is another name of, by an Identity, or by a Cast of a constant to f32.
    aliases: HashMap<&'graph str, &'graph str>,
}

impl<'graph> Nodes<'graph> {
    pub(super) fn new(graph: &'graph Graph) -> Self {
        let mut constants: HashMap<&str, &Tensor> =
            graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let mut aliases = HashMap::new();
        for node in &graph.node {
            match (node.op_type.as_str(), &node.input[..], &node.output[..]) {
                ("Identity", [from], [to]) => {
                    aliases.insert(to.as_str(), from.as_str());
                }
                // Weights that are stored in half precision.
                ("Cast", [from], [to])
                    if constants.contains_key(from.as_str())
                        && attribute(node, "to").and_then(|to| to.i) == Some(TO_F32) =>
                {
                    aliases.insert(to.as_str(), from.as_str());
                }
                ("Constant", [], [to]) => {
                    if let Some(tensor) =
                        attribute(node, "value").and_then(|value| value.t.as_ref())
                    {
                        constants.insert(to, tensor);
                    }
                }
                _ => {}
            }
        }
        let mut nodes = Self { readers: HashMap::new(), constants, aliases };
        for node in graph.node.iter().filter(|node| node.op_type != "Identity") {
            for name in &node.input {
                let root = nodes.root(name);
                let readers = nodes.readers.entry(root).or_default();
                // Once, however often it reads the same value.
                if readers.last().is_none_or(|last| !std::ptr::eq(*last, node)) {
                    readers.push(node);
                }
            }
        }
        nodes
    }

    /// The value that `name` is another name of; `name` itself where it is none.
    pub(super) fn root<'a>(&self, mut name: &'a str) -> &'a str
    where
        'graph: 'a,
    {
        // Few, so that circles of Identities end.
        for _ in 0..MOST_ALIASES {
            match self.aliases.get(name) {
                Some(from) => name = from,
                None => break,
            }
        }
        name
    }

    pub(super) fn constant(&self, name: &str) -> Option<&'graph Tensor> {
        self.constants.get(self.root(name)).copied()
    }

    pub(super) fn readers(&self, value: &str) -> &[&'graph Node] {
        self.readers.get(value).map_or(&[], Vec::as_slice)
    }

    /// The only node that reads `value`.
    pub(super) fn sole_reader(&self, value: &str) -> Option<&'graph Node> {
        match self.readers(value) {
            [node] => Some(node),
            _ => None,
        }
    }

    /// The operators that read `value`, for a message.
    pub(super) fn readers_text(&self, value: &str) -> String {
        let operators: Vec<&str> =
            self.readers(value).iter().take(4).map(|node| node.op_type.as_str()).collect();
        if operators.is_empty() { "nothing".to_owned() } else { operators.join(" and ") }
    }

    /// The convolutions from `value` on, up to where a Concat reads along or none follows, and the
    /// value at the end.
    pub(super) fn chain(
        &self,
        value: &str,
        at: &str,
    ) -> Result<(Vec<Found<'graph>>, String), RecognitionError> {
        let mut layers = Vec::new();
        let mut value = value.to_owned();
        while let Some((layer, end)) =
            Found::after(self, &value, &format!("{at}, layer {}", layers.len()))?
        {
            layers.push(layer);
            value = end;
            if layers.len() >= MOST_LAYERS || self.reads(&value, "Concat") {
                break;
            }
        }
        Ok((layers, value))
    }

    /// What becomes of `value`, a vector per frame, by nodes that only give it other axes.
    pub(super) fn past_reshaping(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for _ in 0..MOST_ALIASES {
            let reshaping = self.sole_reader(&value).filter(|node| {
                matches!(node.op_type.as_str(), "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze")
                    && node.input.first().is_some_and(|name| self.root(name) == value)
            });
            match reshaping {
                Some(node) => output(node).clone_into(&mut value),
                None => break,
            }
        }
        value
    }

    fn reads(&self, value: &str, operator: &str) -> bool {
        self.readers(value).iter().any(|node| node.op_type == operator)
    }
}

/// What `node` gives, the first of it.
pub(super) fn output(node: &Node) -> &str {
    node.output.first().map_or("", String::as_str)
}
