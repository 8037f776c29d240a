//! The domain of Duolip: the stages of a job in the order they run, their traits, and the pure
//! computation between them.
//!
//! text → speech → mel → chunks → mouths → frames → segments → video → delivery
//!
//! Start with [`run`]. This crate knows no ONNX Runtime, no ffmpeg, no HTTP and no cloud: adapters
//! implement its traits ([`speech::SpeechSynthesizer`], [`speech::SpeechDecoder`],
//! [`lipsync::LipSync`], [`encode::VideoEncoder`], [`concat::Muxer`], [`face::FaceDetector`],
//! [`deliver::ArtifactStore`]).

pub mod chunk;
pub mod compose;
pub mod concat;
pub mod deliver;
pub mod encode;
pub mod error;
pub mod face;
pub mod folder;
pub mod job;
pub mod lipsync;
pub mod mel;
pub mod observe;
pub mod picture;
pub mod run;
pub mod speech;
pub mod statistics;
pub mod units;

pub use error::{ErrorKind, JobError, Stage};
pub use tokio_util::sync::CancellationToken;
