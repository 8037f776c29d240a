//! Starts encoders: one x264 process for each segment, one AAC process for the whole speech.
//!
//! What makes segments joinable without re-encoding is decided here: identical settings, and no
//! frame that refers outside its segment. A segment is H.264 as a byte stream, one picture behind
//! the other; when they are shown, the muxer says.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use duolip_child::ChildError;
use duolip_pipeline::CancellationToken;
use duolip_pipeline::encode::{EncodeError, Segment, SegmentSettings, SegmentWriter, VideoEncoder};
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::speech::Speech;

use crate::feed::Feed;
use crate::program::Ffmpeg;
use crate::segment::{RunningSegment, SegmentError};
use crate::speech_track;
use crate::splice::{RATE_FACTORS, Splicer, Stills, Strip, slice_for_each_row};
use crate::x264::{X264, X264Settings};

/// Encodes segments as H.264 with x264, and the speech as AAC-LC in MP4 with ffmpeg.
#[derive(Debug, Clone, Default)]
pub struct X264Encoder {
    ffmpeg: Ffmpeg,
    x264: X264,
    settings: X264Settings,
    stills: Arc<Stills>,
}

impl X264Encoder {
    /// An encoder that runs `x264` with `settings`, and `ffmpeg`.
    #[must_use]
    pub fn new(ffmpeg: Ffmpeg, x264: X264, settings: X264Settings) -> Self {
        Self { ffmpeg, x264, settings, stills: Arc::default() }
    }

    /// The strip of `base` that is encoded, where the rest can be spliced around it.
    fn strip(&self, base: &YuvFrame, settings: SegmentSettings) -> Option<Strip> {
        let moving = settings.painted.top..settings.painted.bottom;
        let can_be_spliced =
            self.settings.are_for_a_still() && RATE_FACTORS.contains(&self.settings.crf);
        if can_be_spliced { Strip::around(moving, base.height) } else { None }
    }

    /// Encodes what `feed` gives.
    fn command(&self, feed: &Feed, settings: SegmentSettings, more: &[String]) -> Command {
        let SegmentSettings { frame_rate, threads, .. } = settings;
        let size = (feed.seen.width, feed.seen.height);
        self.x264.encode(size, feed.place, &self.settings, frame_rate, threads, more)
    }

    /// What makes whole pictures of the strip.
    fn splicer(
        &self,
        index: usize,
        strip: Strip,
        base: &YuvFrame,
        settings: SegmentSettings,
        cancel: &CancellationToken,
    ) -> Splicer {
        let still = self.stills.of(base, settings.frame_rate);
        let size = (base.width, base.height);
        let whole = FaceBox { left: 0, top: 0, right: size.0, bottom: size.1 };
        let rows = [slice_for_each_row(base.width)];
        let still_command =
            self.x264.encode(size, whole, &self.settings, settings.frame_rate, 1, &rows);
        Splicer { index, strip, still, still_command, cancel: cancel.clone() }
    }
}

impl VideoEncoder for X264Encoder {
    fn begin_segment(
        &self,
        index: usize,
        path: &Path,
        base: &YuvFrame,
        settings: SegmentSettings,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn SegmentWriter>, EncodeError> {
        let (width, height) = (base.width, base.height);
        if [width, height].iter().any(|&side| side == 0 || !side.is_multiple_of(2)) {
            return Err(encoder_error(SegmentError::OddSize { width, height }));
        }
        let segment = Segment { index, path: path.to_owned(), frames: 0 };
        let (feed, splicer, parameters) = match self.strip(base, settings) {
            Some(strip) => (
                strip.feed(base, settings.painted),
                Some(self.splicer(index, strip, base, settings, cancel)),
                &strip.parameters(width)[..],
            ),
            None => (Feed::whole(base, settings.painted), None, &[][..]),
        };
        let mut command = self.command(&feed, settings, parameters);
        let begun = RunningSegment::start(&mut command, segment, base, feed, splicer, cancel);
        Ok(Box::new(begun?))
    }

    fn encode_speech(
        &self,
        speech: &Speech,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), EncodeError> {
        speech_track::encode(&self.ffmpeg, speech, path, cancel)
    }
}

/// A child's failure as the encoder's.
pub(crate) fn child_error(error: ChildError) -> EncodeError {
    match error {
        ChildError::Cancelled { .. } => EncodeError::Cancelled,
        other => encoder_error(other),
    }
}

pub(crate) fn encoder_error(error: impl std::error::Error + Send + Sync + 'static) -> EncodeError {
    EncodeError::Encoder(Box::new(error))
}

#[cfg(test)]
mod tests;
