//! Starts encoders: one x264 process for each segment, one AAC process for the whole speech.
//!
//! What makes segments joinable without re-encoding is decided here: identical settings, and no
//! frame that refers outside its segment. A segment is H.264 as a byte stream, one picture behind
//! the other; when they are shown, the muxer says.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use duolip_child::ChildError;
use duolip_pipeline::CancellationToken;
use duolip_pipeline::encode::{EncodeError, Segment, SegmentSettings, SegmentWriter, VideoEncoder};
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::speech::Speech;
use duolip_pipeline::units::FrameRate;

use crate::program::{AS_SAID, Ffmpeg, file_url};
use crate::segment::{FfmpegSegment, SegmentError};
use crate::speech_track;
use crate::splice::{Feed, RATE_FACTORS, Splicer, Stills, Strip, slice_for_each_row};

/// The keyframe interval, in seconds. A player seeks to any frame, and decodes from the keyframe
/// before it; of a still picture that is cheap, and a keyframe is most of what its file holds.
const KEYFRAME_SECONDS: f64 = 10.0;

/// The preset for a mouth that moves on a still picture, beside x264's own.
const STILL: &str = "still";

/// What it stands for. Nothing but the mouth moves, and that in its place: so there are no
/// fractions of a pixel to search, no fades to weigh and no flat regions to favour. The quantiser
/// stays what it is (`qcomp=1`): where it follows the mouth, the still picture is coded again and
/// again, and shimmers. Colours are kept finer than brightness: a block of skin that is a step off
/// stays so, and shows where the painted pixels end.
const STILL_PRESET: &str = "superfast";
const STILL_PARAMETERS: &str = "subme=0:weightp=0:aq-mode=0:qcomp=1:chroma-qp-offset=-6";

/// BT.709, limited range: what the pipeline's frames hold.
const COLOURS: [&str; 8] = [
    "-color_range",
    "tv",
    "-colorspace",
    "bt709",
    "-color_primaries",
    "bt709",
    "-color_trc",
    "bt709",
];

/// How x264 trades time against size and quality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X264Settings {
    /// x264's preset, from `ultrafast` to `placebo`, or `still`: quicker than `superfast`, for a
    /// mouth that moves on a still picture.
    pub preset: String,
    /// Constant rate factor, 0..=51; lower is better and larger.
    pub crf: u8,
}

impl Default for X264Settings {
    /// `still` at 16: no visible loss on a face. bench/NOTES.md has the numbers.
    fn default() -> Self {
        Self { preset: STILL.to_owned(), crf: 16 }
    }
}

impl X264Settings {
    /// x264's own preset, and parameters beside it.
    fn preset_and_parameters(&self) -> (&str, &str) {
        match self.preset.as_str() {
            STILL => (STILL_PRESET, STILL_PARAMETERS),
            preset => (preset, ""),
        }
    }
}

/// Encodes segments as H.264, and the speech as AAC-LC in MP4.
#[derive(Debug, Clone, Default)]
pub struct FfmpegEncoder {
    ffmpeg: Ffmpeg,
    x264: X264Settings,
    stills: Arc<Stills>,
}

impl FfmpegEncoder {
    /// An encoder that runs `ffmpeg` with `x264`.
    #[must_use]
    pub fn new(ffmpeg: Ffmpeg, x264: X264Settings) -> Self {
        Self { ffmpeg, x264, stills: Arc::default() }
    }

    /// The strip of `base` that is encoded, where the rest can be spliced around it.
    fn strip(&self, base: &YuvFrame, settings: SegmentSettings) -> Option<Strip> {
        let moving = settings.painted.top..settings.painted.bottom;
        let X264Settings { preset, crf } = &self.x264;
        let can_be_spliced = preset == STILL && RATE_FACTORS.contains(crf);
        if can_be_spliced { Strip::around(moving, base.height) } else { None }
    }

    /// Encodes frames of this size from stdin as H.264, with `more` of x264's parameters.
    fn h264_command(
        &self,
        (width, height): (usize, usize),
        settings: SegmentSettings,
        more: &str,
    ) -> Command {
        let rate = settings.frame_rate;
        let fraction = rate.to_string();
        let (preset, parameters) = self.x264.preset_and_parameters();
        let parameters: Vec<_> = [parameters, more].into_iter().filter(|p| !p.is_empty()).collect();
        let mut command = self.ffmpeg.command();
        command
            .args(AS_SAID)
            .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-framerate", &fraction])
            .args(["-s", &format!("{width}x{height}")])
            .args(COLOURS)
            .args(["-i", "pipe:0", "-an", "-c:v", "libx264", "-pix_fmt", "yuv420p"])
            .args(["-preset", preset]);
        if !parameters.is_empty() {
            command.args(["-x264-params", &parameters.join(":")]);
        }
        command
            .args(["-crf", &self.x264.crf.to_string()])
            .args(["-threads", &settings.threads.to_string()])
            .args(["-bf", "0", "-sc_threshold", "0", "-g", &keyframe_interval(rate).to_string()])
            .args(COLOURS)
            // Said again for the output: ffmpeg approximates unusual rates that it only read.
            .args(["-r", &fraction])
            .args(["-flags", "+cgop+bitexact", "-fflags", "+bitexact", "-f", "h264"])
            .stdin(Stdio::piped());
        command
    }

    /// What makes whole pictures of the strip.
    fn splicer(
        &self,
        strip: Strip,
        base: &YuvFrame,
        settings: SegmentSettings,
        cancel: &CancellationToken,
    ) -> Splicer {
        let one_thread = SegmentSettings { threads: 1, ..settings };
        let rows = slice_for_each_row(base.width);
        let mut still_command = self.h264_command((base.width, base.height), one_thread, &rows);
        still_command.arg("pipe:1");
        let still = self.stills.of(base, settings.frame_rate);
        Splicer { strip, still, still_command, cancel: cancel.clone() }
    }
}

impl VideoEncoder for FfmpegEncoder {
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
        let Some(strip) = self.strip(base, settings) else {
            let mut command = self.h264_command((width, height), settings, "");
            command.arg(file_url(path));
            let feed = Feed::whole(height);
            let begun = FfmpegSegment::start(&mut command, segment, base, feed, None, cancel);
            return Ok(Box::new(begun?));
        };
        let size = (width, strip.coded_height(height));
        let mut command = self.h264_command(size, settings, &strip.parameters(width));
        command.arg("pipe:1").stdout(Stdio::piped());
        let splicer = self.splicer(strip, base, settings, cancel);
        let feed = strip.feed(base);
        let begun = FfmpegSegment::start(&mut command, segment, base, feed, Some(splicer), cancel);
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

fn keyframe_interval(rate: FrameRate) -> u32 {
    (KEYFRAME_SECONDS * rate.per_second()).round() as u32
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
