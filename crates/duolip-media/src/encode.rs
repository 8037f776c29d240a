//! Starts encoders: one x264 process for each segment, one AAC process for the whole speech.
//!
//! What makes segments joinable without re-encoding is decided here: identical settings, no frame
//! that refers outside its segment, one time base.

use std::path::Path;
use std::process::{Command, Stdio};

use duolip_child::ChildError;
use duolip_pipeline::CancellationToken;
use duolip_pipeline::encode::{EncodeError, SegmentSettings, SegmentWriter, VideoEncoder};
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::speech::Speech;
use duolip_pipeline::units::FrameRate;

use crate::program::{AS_SAID, Ffmpeg, file_url};
use crate::segment::{FfmpegSegment, SegmentError};
use crate::speech_track;

/// The time base of a segment has at least this many ticks a second.
const LEAST_TICKS: u32 = 10_000;

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
const STILL_OPTIONS: [&str; 4] = [
    "-preset",
    "superfast",
    "-x264-params",
    "subme=0:weightp=0:aq-mode=0:qcomp=1:chroma-qp-offset=-6",
];

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
    /// ffmpeg's options for the preset.
    fn options(&self) -> Vec<&str> {
        match self.preset.as_str() {
            STILL => STILL_OPTIONS.to_vec(),
            preset => vec!["-preset", preset],
        }
    }
}

/// Encodes segments as H.264 and the speech as AAC-LC, both in MP4.
#[derive(Debug, Clone, Default)]
pub struct FfmpegEncoder {
    ffmpeg: Ffmpeg,
    x264: X264Settings,
}

impl FfmpegEncoder {
    /// An encoder that runs `ffmpeg` with `x264`.
    #[must_use]
    pub fn new(ffmpeg: Ffmpeg, x264: X264Settings) -> Self {
        Self { ffmpeg, x264 }
    }

    fn segment_command(&self, path: &Path, base: &YuvFrame, settings: SegmentSettings) -> Command {
        let rate = settings.frame_rate;
        let fraction = format!("{}/{}", rate.numerator(), rate.denominator());
        let ticks = timescale(rate).to_string();
        let mut command = self.ffmpeg.command();
        command
            .args(AS_SAID)
            .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-framerate", &fraction])
            .args(["-s", &format!("{}x{}", base.width, base.height)])
            .args(COLOURS)
            .args(["-i", "pipe:0", "-an", "-c:v", "libx264", "-pix_fmt", "yuv420p"])
            .args(self.x264.options())
            .args(["-crf", &self.x264.crf.to_string()])
            .args(["-threads", &settings.threads.to_string()])
            .args(["-bf", "0", "-sc_threshold", "0", "-g", &keyframe_interval(rate).to_string()])
            .args(COLOURS)
            // Said again for the output: ffmpeg approximates unusual rates that it only read.
            .args(["-r", &fraction, "-video_track_timescale", &ticks, "-movie_timescale", &ticks])
            .args(["-flags", "+cgop+bitexact", "-fflags", "+bitexact", "-f", "mp4"])
            .arg(file_url(path))
            .stdin(Stdio::piped());
        command
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
        let mut command = self.segment_command(path, base, settings);
        let segment = FfmpegSegment::start(&mut command, index, path, base, cancel)?;
        Ok(Box::new(segment))
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

/// Ticks per second, such that every frame lasts a whole number of ticks: a multiple of the frame
/// rate's numerator.
fn timescale(rate: FrameRate) -> u32 {
    rate.numerator() * LEAST_TICKS.div_ceil(rate.numerator())
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
