//! Where the machine's values live: one table, addressed by number.
//!
//! A pickle may build cycles, or nest a million levels deep; in a table neither costs anything,
//! and giving it up takes no recursion. Everything added is counted against the limits.
//!
//! Must not know pickle instructions.

use std::collections::HashMap;

use super::Global;
use crate::{dtype::Dtype, error::Damage};

/// Containers, texts and tensors of one pickle. A checkpoint with its optimiser has about 10,000.
const MOST_NODES: usize = 65_536;
/// Members of all tuples, lists and dictionaries together.
const MOST_MEMBERS: usize = 262_144;
/// Most axes of a tensor.
const MOST_AXES: usize = 8;

/// A value: itself when small, else its number in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Something of no interest: a float, bytes, a device.
    Ignored,
    Node(u32),
}

#[derive(Debug)]
pub(super) enum Node {
    Text(Box<str>),
    Tuple(Box<[Value]>),
    List(Vec<Value>),
    Dictionary(Vec<(Value, Value)>),
    Global(Global),
    /// An object of a TorchScript class; BUILD gives it its attributes, a dictionary.
    Module {
        attributes: Value,
    },
    Storage(StorageView),
    Tensor(Box<TensorView>),
}

/// A storage as the pickle describes it; its bytes are still in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) key: String,
    pub(crate) dtype: Dtype,
    pub(crate) elements: u64,
}

impl Storage {
    /// Bytes it has in the file, if that is a number at all.
    pub(crate) fn size_bytes(&self) -> Option<u64> {
        self.elements.checked_mul(self.dtype.size())
    }
}

/// A storage, or a stretch of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct StorageView {
    pub(super) index: usize,
    pub(super) first: u64,
    pub(super) elements: u64,
}

/// A tensor as the pickle describes it: every index lies inside its storage.
#[derive(Debug, Clone)]
pub(crate) struct TensorView {
    /// Which of [`Arena::storages`].
    pub(crate) storage: usize,
    pub(crate) dtype: Dtype,
    /// In elements of `dtype`.
    pub(crate) offset: u64,
    /// Length and stride of each axis, in elements.
    pub(crate) axes: Box<[(u64, u64)]>,
    /// Product of the lengths.
    pub(crate) elements: u64,
}

impl TensorView {
    /// `None` when an index falls outside `stretch`, a number is negative or the axes are too many.
    pub(super) fn new(
        stretch: StorageView,
        stored: Dtype,
        dtype: Dtype,
        offset: i64,
        axes: impl ExactSizeIterator<Item = (i64, i64)>,
    ) -> Option<Self> {
        if axes.len() > MOST_AXES {
            return None;
        }
        let axes: Box<[(u64, u64)]> = axes
            .map(|(length, stride)| Some((length.try_into().ok()?, stride.try_into().ok()?)))
            .collect::<Option<_>>()?;
        // Bytes, then elements of the tensor's own type: an untyped storage counts in bytes.
        let in_dtype = |count: u64| Some(count.checked_mul(stored.size())? / dtype.size());
        let offset = in_dtype(stretch.first)?.checked_add(offset.try_into().ok()?)?;
        let end = in_dtype(stretch.first.checked_add(stretch.elements)?)?;
        let elements =
            axes.iter().try_fold(1u64, |count, (length, _)| count.checked_mul(*length))?;
        if elements > 0 {
            let last = axes.iter().try_fold(offset, |last, (length, stride)| {
                last.checked_add((length - 1).checked_mul(*stride)?)
            })?;
            if last >= end {
                return None;
            }
        }
        Some(Self { storage: stretch.index, dtype, offset, axes, elements })
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    nodes: Vec<Node>,
    members: usize,
    storages: Vec<Storage>,
    by_key: HashMap<String, usize>,
}

impl Arena {
    pub(super) fn add(&mut self, node: Node) -> Result<Value, Damage> {
        if self.nodes.len() == MOST_NODES {
            return Err(Damage::Limit { of: "values in the pickle", most: MOST_NODES });
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(node);
        Ok(Value::Node(index))
    }

    /// Counts members that are about to be kept.
    pub(super) fn count(&mut self, members: usize) -> Result<(), Damage> {
        self.members += members;
        if self.members > MOST_MEMBERS {
            return Err(Damage::Limit { of: "members of lists and the like", most: MOST_MEMBERS });
        }
        Ok(())
    }

    pub(super) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(index) => self.nodes.get(index as usize),
            _ => None,
        }
    }

    pub(super) fn node_mut(&mut self, value: Value) -> Option<&mut Node> {
        match value {
            Value::Node(index) => self.nodes.get_mut(index as usize),
            _ => None,
        }
    }

    /// The index of this storage; `None` when the key was seen with another type or length.
    pub(super) fn storage_index(&mut self, storage: Storage) -> Option<usize> {
        if let Some(&index) = self.by_key.get(&storage.key) {
            return (self.storages[index] == storage).then_some(index);
        }
        let index = self.storages.len();
        self.by_key.insert(storage.key.clone(), index);
        self.storages.push(storage);
        Some(index)
    }

    /// Every storage the pickle mentions.
    pub(crate) fn storages(&self) -> &[Storage] {
        &self.storages
    }

    /// Which of [`Self::storages`] has this key.
    pub(crate) fn storage_by_key(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn text(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Members of a tuple or a list.
    pub(crate) fn sequence(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Tuple(members) => Some(members),
            Node::List(members) => Some(members),
            _ => None,
        }
    }

    pub(crate) fn dictionary(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value)? {
            Node::Dictionary(members) => Some(members),
            _ => None,
        }
    }

    /// Attributes of a TorchScript object.
    pub(crate) fn module(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value)? {
            Node::Module { attributes } => Some(self.dictionary(*attributes).unwrap_or_default()),
            _ => None,
        }
    }

    pub(crate) fn tensor(&self, value: Value) -> Option<&TensorView> {
        match self.node(value)? {
            Node::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }
}
