//! The result: tensors by name, as plain f32.
//!
//! Must not know which container they came from, nor what their names mean.

use std::collections::{BTreeMap, btree_map};

/// One tensor.
///
/// # Shape
/// `values` is row-major and contiguous: as many as the product of `shape`, whatever the strides
/// were in the file. A scalar has an empty `shape` and one value.
///
/// # Units
/// f16, bf16 and integer storages are widened, f64 is rounded to the nearest f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Lengths of the axes, outermost first.
    pub shape: Vec<usize>,
    /// The elements.
    pub values: Vec<f32>,
}

/// Tensors by name, in the order of their names.
///
/// Every `module.` is gone from the names, wherever it stood: training wraps the network in
/// `DataParallel`, which puts it there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateDict {
    tensors: BTreeMap<String, Tensor>,
}

impl StateDict {
    /// The tensor of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Every name with its tensor, in the order of the names.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Tensor> {
        self.tensors.iter()
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is no tensor at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }
}

impl FromIterator<(String, Tensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> Self {
        Self { tensors: tensors.into_iter().collect() }
    }
}

impl IntoIterator for StateDict {
    type Item = (String, Tensor);
    type IntoIter = btree_map::IntoIter<String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.into_iter()
    }
}

impl<'a> IntoIterator for &'a StateDict {
    type Item = (&'a String, &'a Tensor);
    type IntoIter = btree_map::Iter<'a, String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
