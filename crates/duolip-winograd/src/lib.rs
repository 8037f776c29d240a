//! The mouth generator on the CPU.
//!
//! Layers, in a chain → [`MouthGenerator`] → mouths. Convolutions of 3 x 3, three quarters of a
//! lip-sync network, are made by Winograd's algorithm with a quarter of the products; a few mouths at
//! a time go through as many layers as the processor's cache allows. Results differ from those of
//! ONNX Runtime by the last bits of a float.
//!
//! It knows nothing of ONNX, of files or of faces: numbers only.

#![allow(
    clippy::inline_always,
    reason = "vector instructions are only made in functions that are inlined to where they are chosen"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "closures are not inlined there, and iterators are made of them"
)]

mod crew;
mod direct;
mod generator;
mod lanes;
mod layer;
mod map;
mod memory;
mod sigmoid;
mod store;
mod winograd;

pub use crew::{Crew, CrewError};
pub use generator::{Features, MouthGenerator, OutOfMemory, is_vectorised};
pub use layer::{Layer, Plus, Sums};
