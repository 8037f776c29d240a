//! The interface of a lip-sync graph, recognised by the shapes of its inputs and outputs.
//!
//! Exporters name and order inputs as they like; shapes cannot lie. The split graphs, which are our
//! own, are in [`split`]. Pure: it sees [`Port`]s, not sessions.

mod split;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use duolip_pipeline::mel::{BANDS, WINDOW_STEPS};
use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use crate::model::{GraphKind, ModelError};
use crate::tensors::{FACE_CHANNELS, MOUTH_CHANNELS};

pub(crate) use split::SplitInterface;

/// The mel tensor without its batch axis.
pub(crate) const MEL_SHAPE: [usize; 3] = [1, BANDS, WINDOW_STEPS];

/// Width and height that faces may have, in pixels: the paste enlarges mouths by a kernel of four
/// pixels, and what is larger takes gigabytes for a batch.
pub(crate) const FACE_SIZES: RangeInclusive<usize> = 4..=1024;

/// The largest batch that a graph may be fixed to: memory for all of it is taken at the start.
pub(crate) const LARGEST_BATCH: usize = 256;

/// The element types that inputs and outputs may have here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
}

impl Element {
    /// Bytes of one value.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    fn of(kind: TensorElementType) -> Option<Self> {
        match kind {
            TensorElementType::Float32 => Some(Self::F32),
            TensorElementType::Float16 => Some(Self::F16),
            _ => None,
        }
    }
}

/// An input or output of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// Its element type and shape, as ONNX Runtime writes them: `Tensor<f32>(n, 1, 80, 16)`.
    pub kind: String,
    /// Its element type; `None` for one that no lip-sync graph has.
    pub element: Option<Element>,
    /// Its axes; `None` where the graph leaves the size open.
    pub shape: Vec<Option<usize>>,
}

impl From<&Outlet> for Port {
    fn from(outlet: &Outlet) -> Self {
        let kind = outlet.dtype();
        let axes = kind.tensor_shape().map(|shape| shape.iter().copied()).into_iter().flatten();
        Self {
            name: outlet.name().to_owned(),
            kind: kind.to_string(),
            element: kind.tensor_type().and_then(Element::of),
            // Open axes are negative.
            shape: axes.map(|axis| usize::try_from(axis).ok()).collect(),
        }
    }
}

impl Port {
    /// Whether it is a tensor of f32.
    pub(crate) fn is_f32(&self) -> bool {
        self.element == Some(Element::F32)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.kind)
    }
}

/// The inputs and outputs of one graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

impl Ports {
    /// Those of a loaded graph.
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            inputs: session.inputs().iter().map(Port::from).collect(),
            outputs: session.outputs().iter().map(Port::from).collect(),
        }
    }

    /// The error that says that this is not a `kind`, because of `what`.
    fn wrong(&self, file: &Path, kind: GraphKind, what: impl Into<String>) -> ModelError {
        ModelError::WrongInterface {
            file: file.to_path_buf(),
            kind,
            what: what.into(),
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
        }
    }
}

/// How a graph takes mel windows and faces and gives mouths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LipSyncGraph {
    /// Whether the mel input comes before the faces.
    pub(crate) mel_first: bool,
    /// Width and height of faces and mouths, in pixels.
    pub(crate) input_size: usize,
    /// The only batch size the graph takes, if it takes but one.
    pub(crate) fixed_batch: Option<usize>,
}

impl LipSyncGraph {
    /// Recognises mel windows `(N, 1, 80, 16)` and faces `(N, 6, S, S)` in, mouths `(N, 3, S, S)`
    /// out, all f32. N may be fixed or open. The output's shape is not always written in the graph;
    /// what is missing there shows at the first run.
    ///
    /// # Errors
    /// [`ModelError::WrongInterface`], which lists what the graph has; [`ModelError::FaceSize`];
    /// [`ModelError::Batch`].
    pub(crate) fn recognise(file: &Path, ports: &Ports) -> Result<Self, ModelError> {
        let wrong = |what| ports.wrong(file, GraphKind::LipSync, what);
        let ([first, second], [mouths]) = (&ports.inputs[..], &ports.outputs[..]) else {
            return Err(wrong("it does not have two inputs and one output"));
        };
        let (mel, faces, mel_first) = match (takes_mel(first), takes_mel(second)) {
            (true, false) => (first, second, true),
            (false, true) => (second, first, false),
            _ => return Err(wrong("not exactly one input takes mel windows")),
        };
        let input_size =
            faces_size(faces).ok_or_else(|| wrong("no input takes faces of one size"))?;
        check_size(file, input_size)?;
        if !gives_mouths(mouths, input_size) {
            return Err(wrong("its output is not mouths of the faces' size"));
        }
        let mut fixed = [mel, faces, mouths].into_iter().filter_map(|port| port.shape[0]);
        let fixed_batch = fixed.next();
        if fixed_batch == Some(0) || fixed.any(|other| Some(other) != fixed_batch) {
            return Err(wrong("its inputs and output differ in their batch size"));
        }
        if let Some(batch) = fixed_batch.filter(|&batch| batch > LARGEST_BATCH) {
            return Err(ModelError::Batch { file: file.to_path_buf(), batch });
        }
        Ok(Self { mel_first, input_size, fixed_batch })
    }
}

fn takes_mel(port: &Port) -> bool {
    port.is_f32() && port.shape.len() == 4 && port.shape[1..] == MEL_SHAPE.map(Some)
}

/// The size of the faces that `port` takes, if it takes faces.
fn faces_size(port: &Port) -> Option<usize> {
    match port.shape[..] {
        [_, Some(FACE_CHANNELS), height, width] if port.is_f32() && height == width => height,
        _ => None,
    }
}

/// Checks that faces of `size`, which the graph in `file` takes, are among [`FACE_SIZES`].
fn check_size(file: &Path, size: usize) -> Result<(), ModelError> {
    if FACE_SIZES.contains(&size) {
        Ok(())
    } else {
        Err(ModelError::FaceSize { file: file.to_path_buf(), size })
    }
}

/// Whether nothing in `port`'s shape says that it does not give mouths of `size` pixels.
fn gives_mouths(port: &Port, size: usize) -> bool {
    let expected = [MOUTH_CHANNELS, size, size];
    port.is_f32()
        && port.shape.len() == 4
        && port.shape[1..]
            .iter()
            .zip(expected)
            .all(|(&axis, wanted)| axis.unwrap_or(wanted) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port with `axes`, of which the negative ones are open.
    fn port(name: &str, axes: &[i64]) -> Port {
        let kind = format!("Tensor<f32>{axes:?}");
        let shape = axes.iter().map(|&axis| usize::try_from(axis).ok()).collect();
        Port { name: name.to_owned(), kind, element: Some(Element::F32), shape }
    }

    fn recognise(inputs: &[&[i64]], output: &[i64]) -> Result<LipSyncGraph, ModelError> {
        let inputs: Vec<Port> = inputs.iter().map(|shape| port("in", shape)).collect();
        let ports = Ports { inputs, outputs: vec![port("out", output)] };
        LipSyncGraph::recognise(Path::new("x.onnx"), &ports)
    }

    #[test]
    fn inputs_are_recognised_by_shape_in_either_order_and_at_any_size() {
        for size in [32, 96, 192, 256] {
            let (mel, faces) = ([-1, 1, 80, 16], [-1, 6, size, size]);
            let input_size = usize::try_from(size).unwrap();
            let graph = recognise(&[&mel, &faces], &[-1, 3, size, size]).unwrap();
            assert_eq!(graph, LipSyncGraph { mel_first: true, input_size, fixed_batch: None });
            let graph = recognise(&[&faces, &mel], &[-1, 3, -1, -1]).unwrap();
            assert_eq!(graph, LipSyncGraph { mel_first: false, input_size, fixed_batch: None });
        }
    }

    #[test]
    fn one_fixed_batch_axis_fixes_the_batch() {
        let graph = recognise(&[&[4, 1, 80, 16], &[-1, 6, 96, 96]], &[-1, 3, 96, 96]).unwrap();
        assert_eq!(graph.fixed_batch, Some(4));
        let graph = recognise(&[&[-1, 1, 80, 16], &[-1, 6, 96, 96]], &[7, 3, 96, 96]).unwrap();
        assert_eq!(graph.fixed_batch, Some(7));
    }

    #[test]
    fn a_fixed_batch_beyond_the_largest_is_refused_by_number() {
        let fixed = |batch| recognise(&[&[batch, 1, 80, 16], &[-1, 6, 96, 96]], &[-1, 3, 96, 96]);
        assert_eq!(fixed(256).unwrap().fixed_batch, Some(256));
        for batch in [257, i64::MAX] {
            assert_eq!(
                fixed(batch).unwrap_err().to_string(),
                format!("x.onnx has the fixed batch size {batch}; the largest supported is 256")
            );
        }
    }

    #[test]
    fn faces_that_are_too_small_to_paste_or_too_large_are_refused_by_size() {
        let sized = |size| recognise(&[&[-1, 1, 80, 16], &[-1, 6, size, size]], &[-1, 3, -1, -1]);
        for size in [4, 1024] {
            assert!(sized(size).is_ok(), "{size}");
        }
        for size in [0, 3, 1025, i64::MAX] {
            assert_eq!(
                sized(size).unwrap_err().to_string(),
                format!("x.onnx takes faces of {size} px; supported are 4 to 1024 px")
            );
        }
    }

    #[test]
    fn every_other_interface_is_refused_with_its_shapes() {
        let (mel, faces, mouths) = ([-1, 1, 80, 16], [-1, 6, 96, 96], [-1, 3, 96, 96]);
        let cases: [(&[&[i64]], &[i64]); 11] = [
            (&[&mel], &mouths),
            (&[&mel, &faces, &mel], &mouths),
            (&[&mel, &mel], &mouths),
            (&[&faces, &faces], &mouths),
            (&[&mel, &[-1, 3, 96, 96]], &mouths),
            (&[&mel, &[-1, 6, 96, 128]], &mouths),
            (&[&mel, &[-1, 6, -1, -1]], &mouths),
            (&[&[-1, 5, 1, 80, 16], &[-1, 6, 5, 96, 96]], &mouths),
            (&[&mel, &faces], &[-1, 3, 48, 48]),
            (&[&[2, 1, 80, 16], &[3, 6, 96, 96]], &mouths),
            (&[&[0, 1, 80, 16], &faces], &mouths),
        ];
        for (inputs, output) in cases {
            let error = recognise(inputs, output).unwrap_err().to_string();
            assert!(error.starts_with("x.onnx is not a lip-sync graph"), "{error}");
            assert!(error.contains(&format!("in Tensor<f32>{:?}", inputs[0])), "{error}");
        }
    }

    #[test]
    fn half_precision_is_refused() {
        let mut mel = port("mel", &[-1, 1, 80, 16]);
        mel.element = Some(Element::F16);
        let inputs = vec![mel, port("faces", &[-1, 6, 96, 96])];
        let ports = Ports { inputs, outputs: vec![port("out", &[-1, 3, 96, 96])] };
        assert!(LipSyncGraph::recognise(Path::new("x.onnx"), &ports).is_err());
    }
}
