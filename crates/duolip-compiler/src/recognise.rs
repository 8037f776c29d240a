//! Is it a Wav2Lip network? From tensors by name ([`named`]) or from an ONNX graph ([`graph`]) to a
//! [`Network`], or to the first thing that differs.
//!
//! [`Network`]: crate::Network

use std::fmt;

use prost::DecodeError;
use thiserror::Error;

use crate::onnx::MOST_FIELDS;
use crate::topology::{LARGEST_BATCH, SIZES};

mod graph;
mod named;
mod values;

/// A shape of which some axes are free, such as `(any, 64, 3, 3)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapePattern(pub Vec<Option<usize>>);

impl ShapePattern {
    fn fits(&self, shape: &[usize]) -> bool {
        let axes = || self.0.iter().zip(shape);
        self.0.len() == shape.len() && axes().all(|(want, &found)| want.is_none_or(|w| w == found))
    }
}

impl fmt::Display for ShapePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axis = |axis: &Option<usize>| axis.map_or("any".to_owned(), |axis| axis.to_string());
        write!(formatter, "({})", self.0.iter().map(axis).collect::<Vec<_>>().join(", "))
    }
}

/// A shape, written as `(512, 64, 3, 3)`.
fn shape_text(shape: &[usize]) -> String {
    ShapePattern(shape.iter().copied().map(Some).collect()).to_string()
}

/// Why something is not a network that can be compiled. It names the first part that differs.
#[derive(Debug, Error)]
pub enum RecognitionError {
    /// A tensor is not there.
    #[error("not a Wav2Lip generator: {tensor} is missing; expected shape {expected}")]
    Missing {
        /// Its name.
        tensor: String,
        /// Its shape in Wav2Lip.
        expected: ShapePattern,
    },
    /// A tensor has another shape.
    #[error(
        "not a Wav2Lip generator: {tensor} has shape {}; expected is {expected}",
        shape_text(found)
    )]
    Shape {
        /// Its name.
        tensor: String,
        /// Its shape in Wav2Lip.
        expected: ShapePattern,
        /// Its shape here.
        found: Vec<usize>,
    },
    /// A tensor that Wav2Lip does not have.
    #[error(
        "not a Wav2Lip generator that is supported: {tensor}, shape {}, has no place in its layers \
         (variants with PReLU, attention or a refiner of the speech are other networks)",
        shape_text(found)
    )]
    Unexpected {
        /// Its name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// The layers are for faces that are too small or too large.
    #[error(
        "its layers halve a face {halvings} times down to {bottom} pixels; \
         supported are faces of {} to {} pixels",
        SIZES.start(),
        SIZES.end()
    )]
    Size {
        /// How often the face encoder halves the picture.
        halvings: usize,
        /// The pixels at its bottom.
        bottom: usize,
    },
    /// A weight is not a number.
    #[error("{tensor}[{index}] is {value}: the weights are damaged")]
    NotFinite {
        /// The tensor's name.
        tensor: String,
        /// Where in it, row-major.
        index: usize,
        /// What is there.
        value: f32,
    },
    /// A variance below zero.
    #[error("{tensor}[{index}] is {value}; a variance is not negative: the weights are damaged")]
    NegativeVariance {
        /// The tensor's name.
        tensor: String,
        /// Where in it.
        index: usize,
        /// What is there.
        value: f32,
    },
    /// The bytes are no ONNX file.
    #[error("not an ONNX file, or a damaged one")]
    NotOnnx(#[source] DecodeError),
    /// An ONNX file of more parts than any Wav2Lip network has.
    #[error("the ONNX file has more than {MOST_FIELDS} parts")]
    TooManyParts,
    /// The ONNX graph's inputs or outputs are others.
    #[error("not a Wav2Lip graph: {what}; its inputs are {inputs}")]
    Interface {
        /// What is not as it should be.
        what: &'static str,
        /// The inputs with their shapes.
        inputs: String,
    },
    /// The ONNX graph takes but one batch size, and that is none or too large.
    #[error("the ONNX graph has the fixed batch size {batch}; supported are 1 to {LARGEST_BATCH}")]
    Batch {
        /// Its batch size.
        batch: usize,
    },
    /// A layer of the ONNX graph is another than Wav2Lip's.
    #[error("not a Wav2Lip graph: {at} is {found}; expected is {expected}")]
    Layer {
        /// Which layer.
        at: String,
        /// What Wav2Lip has there.
        expected: String,
        /// What the graph has there.
        found: String,
    },
    /// The values of a tensor of the ONNX file cannot be used.
    #[error("the ONNX file's tensor {tensor}: {what}")]
    Values {
        /// Its name.
        tensor: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Whether all values are finite.
fn finite(tensor: &str, values: &[f32]) -> Result<(), RecognitionError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(RecognitionError::NotFinite {
            tensor: tensor.to_owned(),
            index,
            value: values[index],
        }),
    }
}

/// Whether all values are finite and not negative.
fn variance(tensor: &str, values: &[f32]) -> Result<(), RecognitionError> {
    finite(tensor, values)?;
    match values.iter().position(|&value| value < 0.0) {
        None => Ok(()),
        Some(index) => Err(RecognitionError::NegativeVariance {
            tensor: tensor.to_owned(),
            index,
            value: values[index],
        }),
    }
}
