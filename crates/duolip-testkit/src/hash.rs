//! Frames told apart by a number.

use std::hash::{DefaultHasher, Hasher};

/// The hash of a frame's planes. Equal for equal bytes within one build; not to be stored.
#[must_use]
pub fn frame_hash(planes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(planes);
    hasher.finish()
}
