//! Segments and the encoded speech → video, by stream copy: nothing is decoded or encoded again.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use duolip_child::{Child, ChildError};
use duolip_pipeline::CancellationToken;
use duolip_pipeline::concat::{ConcatError, Muxer};
use duolip_pipeline::encode::Segment;
use duolip_pipeline::units::FrameRate;

use crate::program::{Ffmpeg, MOVIE_TIMESCALE, file_url};

/// The time base of a video has at least this many ticks a second.
const LEAST_TICKS: u32 = 10_000;

/// Before each input: packets that ffmpeg reads ahead of the other. With its own choice of eight it
/// sleeps for hundredths of a second whenever one of two inputs is behind.
const READ_AHEAD: [&str; 2] = ["-thread_queue_size", "1024"];

/// Nothing to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are 0 segments; at least 1 is needed")]
pub struct NoSegments;

/// Joins segments with ffmpeg.
#[derive(Debug, Clone, Default)]
pub struct FfmpegMuxer {
    ffmpeg: Ffmpeg,
}

impl FfmpegMuxer {
    /// A muxer that runs `ffmpeg`.
    #[must_use]
    pub fn new(ffmpeg: Ffmpeg) -> Self {
        Self { ffmpeg }
    }

    /// Takes H.264 from its stdin.
    fn mux_command(&self, rate: FrameRate, speech: &Path, video: &Path) -> Command {
        let ticks = timescale(rate);
        // When each frame is shown: counted, for ffmpeg adds lengths up in units of its own.
        let ticks_of_a_frame = ticks / rate.numerator() * rate.denominator();
        let times = format!("setts=ts=N*{ticks_of_a_frame}:duration={ticks_of_a_frame}");
        let times = format!("{times}:time_base=1/{ticks}");
        let mut command = self.ffmpeg.command();
        command
            .args(READ_AHEAD)
            .args(["-f", "h264", "-framerate", &rate.to_string(), "-i", "pipe:0"])
            .args(READ_AHEAD)
            .args(["-protocol_whitelist", "file", "-f", "mov", "-i"])
            .arg(file_url(speech))
            .args(["-map", "0:v:0", "-map", "1:a:0", "-map_metadata", "-1", "-c", "copy"])
            .args(["-bsf:v", &times, "-video_track_timescale", &ticks.to_string()])
            .args(["-movie_timescale", MOVIE_TIMESCALE, "-movflags", "+faststart"])
            .args(["-flags", "+bitexact", "-fflags", "+bitexact", "-f", "mp4"])
            .arg(file_url(video))
            .stdin(Stdio::piped());
        command
    }
}

impl Muxer for FfmpegMuxer {
    fn concat(
        &self,
        segments: &[Segment],
        frame_rate: FrameRate,
        speech: &Path,
        video: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), ConcatError> {
        if segments.is_empty() {
            return Err(ConcatError::Muxer(Box::new(NoSegments)));
        }
        let mut command = self.mux_command(frame_rate, speech, video);
        let mut child = Child::start(&mut command).map_err(concat_error)?;
        let pipe = child.take_stdin();
        std::thread::scope(|scope| {
            let feeder = scope.spawn(|| feed(pipe, segments));
            // Kills ffmpeg when cancelled, which breaks the feeder's pipe.
            let muxed = child.finish(cancel).map_err(concat_error);
            let fed = feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match fed {
                // ffmpeg may have ended because of it.
                Err(error @ ConcatError::Segment { .. }) => Err(error),
                fed => muxed.and(fed),
            }
        })
    }
}

fn concat_error(error: ChildError) -> ConcatError {
    match error {
        ChildError::Cancelled { .. } => ConcatError::Cancelled,
        other => ConcatError::Muxer(Box::new(other)),
    }
}

/// Writes the segments to ffmpeg, one behind the other.
fn feed(pipe: Option<ChildStdin>, segments: &[Segment]) -> Result<(), ConcatError> {
    let broken = |source| concat_error(ChildError::Pipe { program: "ffmpeg".to_owned(), source });
    let mut pipe = pipe.ok_or_else(|| broken(io::ErrorKind::BrokenPipe.into()))?;
    for segment in segments {
        let unreadable = |source| ConcatError::Segment { path: segment.path.clone(), source };
        let mut file = File::open(&segment.path).map_err(unreadable)?;
        io::copy(&mut file, &mut pipe).map_err(broken)?;
    }
    Ok(())
}

/// Ticks per second, such that every frame lasts a whole number of ticks: a multiple of the frame
/// rate's numerator.
fn timescale(rate: FrameRate) -> u32 {
    rate.numerator() * LEAST_TICKS.div_ceil(rate.numerator())
}

#[cfg(test)]
mod tests;
