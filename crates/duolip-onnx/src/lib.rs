//! ONNX Runtime behind the domain's [`LipSync`](duolip_pipeline::lipsync::LipSync) trait.
//!
//! library found and loaded ([`library`]) → model opened and checked ([`model`]) → session started
//! and warmed up on the execution provider ([`provider`]) → mouths painted on the session's own
//! thread ([`session`]). On the CPU they are painted without ONNX Runtime where
//! that is possible ([`chain`]). Beside it, any graph on the CPU ([`graph`]).
//!
//! Nothing outside this crate names `ort`. It knows nothing of speech, video, HTTP or the
//! environment: paths, threads, batch size, limits and provider are handed in.

pub mod chain;
mod device;
mod features;
pub mod graph;
mod interface;
pub mod library;
mod manifest;
pub mod model;
mod network;
mod owner;
pub mod provider;
pub mod session;
mod start;
mod tensors;
mod waiting;

pub use chain::{Chain, ChainError};
pub use features::{FaceTooLarge, FeatureUse};
pub use graph::{Graph, GraphError, GraphSettings};
pub use interface::{Element, Port};
pub use library::{LibraryError, OnnxRuntime};
pub use manifest::{ModelManifest, sha256_of, split_file_names};
pub use model::{GraphFiles, GraphKind, LipSyncModel, ModelError, SplitFiles};
pub use owner::Panicked;
pub use provider::{ExecutionProvider, ProviderInUse};
pub use session::{LipSyncSession, SessionError, SessionFacts, SessionSettings};
