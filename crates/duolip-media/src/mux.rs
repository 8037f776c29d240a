//! Segments and the encoded speech → video, by stream copy: nothing is decoded or encoded again.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use duolip_child::{Child, ChildError};
use duolip_pipeline::CancellationToken;
use duolip_pipeline::concat::{ConcatError, Muxer};
use duolip_pipeline::encode::Segment;

use crate::program::{Ffmpeg, MOVIE_TIMESCALE, file_url};

/// The list of segments, beside the first of them.
const LIST_NAME: &str = "segments.ffconcat";

/// Nothing to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are 0 segments; at least 1 is needed")]
pub struct NoSegments;

/// Joins segments with ffmpeg's concat demuxer.
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

    fn mux_command(&self, list: &Path, speech: &Path, video: &Path) -> Command {
        let mut command = self.ffmpeg.command();
        command
            // The list is ours and names its files by absolute paths, hence not "safe".
            .args(["-protocol_whitelist", "file", "-f", "concat", "-safe", "0", "-i"])
            .arg(file_url(list))
            .args(["-protocol_whitelist", "file", "-f", "mov", "-i"])
            .arg(file_url(speech))
            .args(["-map", "0:v:0", "-map", "1:a:0", "-map_metadata", "-1", "-c", "copy"])
            // The concat demuxer adds lengths up in whole microseconds: at 120000/1001 frames a
            // second, sixteen segments drift by a tick. Without B-frames, counting is exact.
            .args(["-bsf:v", "setts=ts=N*DURATION", "-movie_timescale", MOVIE_TIMESCALE])
            .args(["-movflags", "+faststart"])
            .args(["-flags", "+bitexact", "-fflags", "+bitexact", "-f", "mp4"])
            .arg(file_url(video));
        command
    }
}

impl Muxer for FfmpegMuxer {
    fn concat(
        &self,
        segments: &[Segment],
        speech: &Path,
        video: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), ConcatError> {
        let first = segments.first().ok_or_else(|| ConcatError::Muxer(Box::new(NoSegments)))?;
        let list = first.path.with_file_name(LIST_NAME);
        let content = list_of(segments).map_err(ConcatError::List)?;
        std::fs::write(&list, content).map_err(ConcatError::List)?;
        Child::start(&mut self.mux_command(&list, speech, video))
            .and_then(|child| child.finish(cancel))
            .map_err(|error| match error {
                ChildError::Cancelled { .. } => ConcatError::Cancelled,
                other => ConcatError::Muxer(Box::new(other)),
            })
    }
}

/// The list as the concat demuxer reads it.
///
/// # Errors
/// A path with a line break, which the format cannot hold, or no current folder.
fn list_of(segments: &[Segment]) -> io::Result<Vec<u8>> {
    let mut list = b"ffconcat version 1.0\n".to_vec();
    for segment in segments {
        let path: PathBuf = std::path::absolute(&segment.path)?;
        list.extend_from_slice(b"file ");
        list.extend(quoted(&file_url(&path))?);
        list.push(b'\n');
    }
    Ok(list)
}

/// In single quotes; a quote itself stands escaped between two quoted pieces.
fn quoted(url: &OsStr) -> io::Result<Vec<u8>> {
    let bytes = url.as_encoded_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the path {} has a line break", Path::new(url).display()),
        ));
    }
    let pieces: Vec<_> = bytes.split(|&byte| byte == b'\'').collect();
    Ok([b"'", pieces.join(&b"'\\''"[..]).as_slice(), b"'"].concat())
}

#[cfg(test)]
mod tests;
