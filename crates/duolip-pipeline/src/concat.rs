//! Concat: segments in index order + whole speech → video. The trait; duolip-media is behind it.

use std::path::{Path, PathBuf};

use crate::CancellationToken;
use crate::encode::Segment;
use crate::error::{Classify, ErrorKind};
use crate::units::FrameRate;

/// Why the segments were not joined.
#[derive(Debug, thiserror::Error)]
pub enum ConcatError {
    /// The muxer could not be started or failed.
    #[error("the segments could not be joined")]
    Muxer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A segment could not be read.
    #[error("a segment could not be read")]
    Segment {
        /// The segment.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The job was cancelled.
    #[error("joining the segments was cancelled")]
    Cancelled,
}

impl Classify for ConcatError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Muxer(_) | Self::Segment { .. } => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}

/// Joins segments without re-encoding and muxes the whole speech once.
pub trait Muxer: Send + Sync {
    /// Writes the MP4 file `video` from `segments`, which are in index order, at a constant
    /// `frame_rate`, and the encoded `speech`. The index comes first in the file, so that a player
    /// can start before the end has arrived. Blocks.
    ///
    /// # Errors
    /// [`ConcatError`].
    ///
    /// # Cancellation
    /// Stops within milliseconds.
    fn concat(
        &self,
        segments: &[Segment],
        frame_rate: FrameRate,
        speech: &Path,
        video: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), ConcatError>;
}
