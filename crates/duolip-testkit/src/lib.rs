//! Test equipment: fakes of the domain's traits, contract suites that run on the fake and on the
//! real implementation alike, and comparers that state their tolerance.
//!
//! For `[dev-dependencies]` alone. It knows the domain crate and nothing behind its traits: no
//! ONNX Runtime, no ffmpeg, no speech engine. What it finds wrong, it says by panicking.

#![expect(clippy::unwrap_used, reason = "test equipment fails the test that uses it")]

mod avatar;
pub mod compare;
pub mod contract;
mod encode;
mod gate;
mod gauge;
mod hash;
mod lipsync;
mod mux;
mod observe;
mod ordered;
pub mod s3;
pub mod seam;
mod segment;
mod signal;
mod speech;
pub mod wait;
mod wav;

pub use avatar::avatar;
pub use encode::{FakeEncoder, SegmentTrouble, SpeechTrouble};
pub use gate::Gate;
pub use gauge::Gauge;
pub use hash::frame_hash;
pub use lipsync::{FakeLipSync, LipSyncTrouble, painted_mouth};
pub use mux::{FakeMuxer, FakeVideo};
pub use observe::{ComposedFrame, Event, Recorder};
pub use ordered::OrderedFailure;
pub use segment::BUFFERS;
pub use signal::babble;
pub use speech::{FakeDecoder, FakeSynthesizer};
pub use wav::wav_from_speech;
