//! Wav2Lip networks, recognised and written as fast graphs.
//!
//! tensors by name, or an ONNX file → [`Network`] → [`Network::plain_graph`], the network as it is,
//! and [`Network::compile`], the split graphs that paint only what is asked for.
//!
//! It knows nothing of ONNX Runtime, of model folders or of where checkpoints come from.

mod area;
mod builder;
mod compile;
mod fold;
mod layer;
mod mouth_layers;
mod network;
mod onnx;
mod plain;
mod recognise;
mod topology;

pub use builder::Precision;
pub use compile::{MultiplyAdds, PaintedError, SplitGraphs};
pub use mouth_layers::{MouthLayers, OtherGraph};
pub use network::{Network, Widths};
pub use onnx::OnnxGraph;
pub use recognise::{RecognitionError, ShapePattern};
