//! The network as two graphs that paint only what is asked for.
//!
//! `face_encoder` runs once per avatar frame, `mouth_generator` once per batch of mel windows.
//! `BatchNorm` and residual connections are folded into the weights ([`crate::fold`]); each decoder
//! block's first convolution is split in two, conv(concat(x, skip)) = conv(x) + conv(skip), of
//! which the second half does not depend on the speech and moves to the face encoder; and every
//! layer computes only the places that the painted pixels depend on ([`crate::area`]). All of this
//! is exact.

use duolip_pipeline::face::FaceBox;
use thiserror::Error;

use crate::area::Span;
use crate::builder::Precision;
use crate::network::Network;
use crate::onnx::OnnxGraph;

mod emit;
mod face;
mod mouth;
mod plan;

use plan::Plan;

/// The two graphs.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitGraphs {
    /// In: `face` (M, 6, S, S), f32. Out: `feature_0`, `feature_1`, … (M, C, h, w), in the graphs'
    /// precision. M is open.
    pub face_encoder: OnnxGraph,
    /// In: `mel` (N, 1, 80, 16), f32, and the features of one face, each (1, C, h, w). Out:
    /// `mouths` (N, 3, h, w), f32, 0..=1, BGR: the painted rectangle. N is open.
    pub mouth_generator: OnnxGraph,
    /// How many features there are.
    pub feature_count: usize,
    /// Their size for one avatar frame.
    pub feature_bytes: usize,
    /// What the graphs compute.
    pub work: MultiplyAdds,
}

/// Multiply-adds of convolutions for one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultiplyAdds {
    /// Of the network as it is.
    pub plain: u64,
    /// Of the face encoder, once per avatar frame.
    pub face_encoder: u64,
    /// Of the mouth generator, once per video frame.
    pub mouth_generator: u64,
}

/// A rectangle that cannot be painted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PaintedError {
    /// It is empty or leaves the picture.
    #[error(
        "rows {}..{} and columns {}..{} cannot be painted: they are to be a part of a picture of {size} x {size} pixels",
        painted.top, painted.bottom, painted.left, painted.right
    )]
    Outside {
        /// The rectangle.
        painted: FaceBox,
        /// The network's input size.
        size: usize,
    },
}

impl Network {
    /// Graphs that paint the pixels `painted` of the mouth, and no others.
    ///
    /// # Errors
    /// [`PaintedError`] when `painted` is empty or leaves the picture.
    ///
    /// # Performance
    /// Time and memory go into folding and copying the weights: once their size.
    pub fn compile(
        &self,
        painted: FaceBox,
        precision: Precision,
    ) -> Result<SplitGraphs, PaintedError> {
        let size = self.input_size;
        let inside = |start: usize, end: usize| start < end && end <= size;
        if !inside(painted.top, painted.bottom) || !inside(painted.left, painted.right) {
            return Err(PaintedError::Outside { painted, size });
        }
        let area = [
            Span { start: painted.top, end: painted.bottom },
            Span { start: painted.left, end: painted.right },
        ];
        let plan = Plan::new(self, area);
        let (face_encoder, face_work) = face::face_encoder(self, &plan, precision);
        let (mouth_generator, mouth_work) = mouth::mouth_generator(self, &plan, precision);
        let work = MultiplyAdds {
            plain: self.multiply_adds(),
            face_encoder: face_work,
            mouth_generator: mouth_work,
        };
        let numbers: usize =
            plan.blocks.iter().map(|block| block.feature_shape().iter().product::<usize>()).sum();
        Ok(SplitGraphs {
            face_encoder,
            mouth_generator,
            feature_count: plan.blocks.len(),
            feature_bytes: numbers * precision.bytes(),
            work,
        })
    }
}
