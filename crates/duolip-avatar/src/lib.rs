//! Avatars: photo and avatar.toml → [`Avatar`](duolip_pipeline::face::Avatar), ready to speak.
//!
//! Done once for each avatar, before its first job: [`registry`] finds it by name, [`photo`] reads
//! its photo, [`detector`] finds the face, the pipeline prepares it, [`cache`] keeps it on disk.
//! Nothing here knows of speech, networks or video.

pub mod cache;
pub mod detector;
pub mod photo;
pub mod preparer;
pub mod registry;
pub mod settings;
mod source;

pub use cache::AvatarCache;
pub use detector::RustfaceDetector;
pub use preparer::AvatarPreparer;
pub use registry::AvatarRegistry;
