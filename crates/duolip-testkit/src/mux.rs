//! A muxer that puts files one behind the other, and a reader of what comes out.

use std::path::Path;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::concat::{ConcatError, Muxer};
use duolip_pipeline::encode::Segment;
use duolip_pipeline::units::FrameRate;

use crate::ordered::OrderedFailure;

/// Writes the segments in the order given, then the speech.
#[derive(Debug, Default)]
pub struct FakeMuxer {
    fails: bool,
}

impl FakeMuxer {
    /// A muxer that fails with [`ConcatError::Muxer`].
    #[must_use]
    pub fn failing() -> Self {
        Self { fails: true }
    }
}

impl Muxer for FakeMuxer {
    fn concat(
        &self,
        segments: &[Segment],
        _: FrameRate,
        speech: &Path,
        video: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), ConcatError> {
        let failure = |message| ConcatError::Muxer(Box::new(OrderedFailure::new(message)));
        if cancel.is_cancelled() {
            return Err(ConcatError::Cancelled);
        }
        if self.fails {
            return Err(failure("the segments do not match"));
        }
        if segments.is_empty() {
            return Err(failure("there are 0 segments"));
        }
        let join = || -> std::io::Result<()> {
            let mut bytes = Vec::new();
            let segments = segments.iter().map(|segment| segment.path.as_path());
            for path in segments.chain([speech]) {
                bytes.extend(std::fs::read(path)?);
            }
            std::fs::write(video, bytes)
        };
        join().map_err(|source| ConcatError::Muxer(Box::new(source)))
    }
}

/// What a video of the fakes shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeVideo {
    /// [`frame_hash`](crate::frame_hash) of its frames, in order.
    pub frames: Vec<u64>,
    /// Samples and rate of its speech.
    pub speech: String,
}

impl FakeVideo {
    /// Reads a video made by [`FakeEncoder`](crate::FakeEncoder) and [`FakeMuxer`].
    ///
    /// # Panics
    /// When the file cannot be read or is something else.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        let speech = lines.pop().and_then(|line| line.strip_prefix("speech "));
        let frame = |line: &&str| u64::from_str_radix(line.strip_prefix("frame ").unwrap(), 16);
        Self {
            frames: lines.iter().map(|line| frame(line).unwrap()).collect(),
            speech: speech.unwrap().to_owned(),
        }
    }
}
