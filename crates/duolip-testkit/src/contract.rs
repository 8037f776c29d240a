//! Contract suites: what every implementation of a trait must do, the fake and the real one alike.
//!
//! Each suite is a function that panics at the first thing that does not hold.

mod artifact_store;
mod lip_sync;
mod speech_decoder;
mod speech_synthesizer;
mod video_encoder;

pub use artifact_store::artifact_store;
pub use lip_sync::lip_sync;
pub use speech_decoder::speech_decoder;
pub use speech_synthesizer::speech_synthesizer;
pub use video_encoder::video_encoder;
