//! Encoding: frames → segment, speech → audio track. The traits; ffmpeg is behind them.

use std::path::{Path, PathBuf};

use crate::CancellationToken;
use crate::error::{Classify, ErrorKind};
use crate::face::FaceBox;
use crate::picture::YuvFrame;
use crate::speech::Speech;
use crate::units::FrameRate;

/// What all segments of one job have in common. Identical settings are what lets them be joined
/// without re-encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSettings {
    /// Constant.
    pub frame_rate: FrameRate,
    /// The rectangle that may change from frame to frame: everything outside of it is the base
    /// frame's.
    pub painted: FaceBox,
    /// Threads for one encoder.
    pub threads: usize,
}

/// Encoded video of one chunk, without audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The chunk it shows.
    pub index: usize,
    /// Where it lies.
    pub path: PathBuf,
    /// How many frames it has.
    pub frames: usize,
}

/// Why nothing was encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The encoder could not be started, failed, or its pipe broke.
    #[error("the encoder failed")]
    Encoder(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A temporary file could not be written.
    #[error("a temporary file could not be written")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The job was cancelled.
    #[error("encoding was cancelled")]
    Cancelled,
}

impl Classify for EncodeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Encoder(_) | Self::File { .. } => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}

/// Encodes video segments and the speech.
pub trait VideoEncoder: Send + Sync {
    /// Starts the encoder of chunk `index`, which will write to `path`. Its frames are as large as
    /// `base`, and its buffers are copies of it.
    ///
    /// # Errors
    /// [`EncodeError::Encoder`] when it cannot be started.
    fn begin_segment(
        &self,
        index: usize,
        path: &Path,
        base: &YuvFrame,
        settings: SegmentSettings,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn SegmentWriter>, EncodeError>;

    /// Encodes the whole speech as AAC into the MP4 file `path`. Blocks.
    ///
    /// # Errors
    /// [`EncodeError`].
    ///
    /// # Cancellation
    /// Stops within milliseconds.
    fn encode_speech(
        &self,
        speech: &Speech,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), EncodeError>;
}

/// Takes the frames of one segment, in order.
///
/// Dropping it unfinished ends the encoder at once.
pub trait SegmentWriter: Send {
    /// A frame buffer to compose the next frame in: the segment's base frame, with whatever has
    /// been composed into it before. So what never changes need not be written again.
    /// Blocks until the encoder has given one back: this bounds the memory of a segment.
    ///
    /// # Errors
    /// [`EncodeError::Encoder`] when the encoder has died, [`EncodeError::Cancelled`].
    fn buffer(&mut self) -> Result<YuvFrame, EncodeError>;

    /// Hands one composed frame to the encoder.
    ///
    /// # Errors
    /// [`EncodeError::Encoder`] when the encoder has died.
    fn write(&mut self, frame: YuvFrame) -> Result<(), EncodeError>;

    /// Ends the segment and waits until it is whole.
    ///
    /// # Errors
    /// [`EncodeError::Encoder`] with the encoder's exit status and last words.
    fn finish(self: Box<Self>) -> Result<Segment, EncodeError>;
}
