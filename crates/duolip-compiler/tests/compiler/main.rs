//! The compiler on the real ONNX Runtime: what its graphs paint, beside what PyTorch painted and
//! what the same network paints uncompiled.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that called them")]

mod corpus;
mod exact;
mod hostile;
mod import;
mod refusals;
mod runtime;
mod scene;
mod torch;
