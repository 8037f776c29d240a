//! ONNX Runtime behind the domain's [`LipSync`](duolip_pipeline::lipsync::LipSync) trait.
//!
//! library found and loaded ([`library`]) → model opened and checked ([`model`]) → session started
//! and warmed up on the execution provider ([`provider`]) → mouths painted on the session's own
//! thread ([`session`]).
//!
//! Nothing outside this crate names `ort`. It knows nothing of speech, video, HTTP or the
//! environment: paths, threads, batch size and provider are handed in.

mod graph;
pub mod library;
mod manifest;
pub mod model;
mod network;
mod owner;
pub mod provider;
pub mod session;
mod start;
mod tensors;

pub use graph::Port;
pub use library::{LibraryError, OnnxRuntime};
pub use manifest::ModelManifest;
pub use model::{LipSyncModel, ModelError};
pub use owner::Panicked;
pub use provider::{ExecutionProvider, ProviderInUse};
pub use session::{LipSyncSession, SessionError, SessionFacts, SessionSettings};
