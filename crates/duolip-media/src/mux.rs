//! Segments and the encoded speech → video: nothing is decoded or encoded again.
//!
//! The segments are read twice, first for the index, which comes before all else in the file, and
//! then for the pictures, a second of them at a time beside a second of sound. The index is put
//! together by `mp4-atom`; the sound keeps the one that ffmpeg gave it, with its edit list.

mod index;
mod pictures;
mod sound;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use duolip_pipeline::CancellationToken;
use duolip_pipeline::concat::{ConcatError, Muxer};
use duolip_pipeline::encode::Segment;
use duolip_pipeline::units::FrameRate;

use crate::h264::H264Error;
use index::PictureTable;
use pictures::{Picture, Pictures};
use sound::Sound;

/// The time base of a video has at least this many ticks a second.
const LEAST_TICKS: u32 = 10_000;

/// Why segments and speech make no video.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MuxError {
    /// Nothing to join.
    #[error("there are 0 segments; at least 1 is needed")]
    NoSegments,
    /// A segment is not as long as it was said to be.
    #[error("segment {index} has {got} pictures of {wanted}")]
    Pictures {
        /// Which segment.
        index: usize,
        /// Its frames.
        wanted: usize,
        /// What its file holds.
        got: usize,
    },
    /// One index cannot describe them all.
    #[error("segment {index} was encoded with other parameters than the first")]
    Unlike {
        /// Which segment.
        index: usize,
    },
    /// A segment's file is not what it was when the index was made.
    #[error("segment {index} changed while it was joined")]
    Changed {
        /// Which segment.
        index: usize,
    },
    /// No parameter sets.
    #[error("the segments have no sequence parameter set")]
    NoParameters,
    /// They are not what x264 writes.
    #[error("the segments' parameters could not be read")]
    Parameters(#[source] H264Error),
    /// The speech is not there or no MP4 with one track.
    #[error("the encoded speech {} could not be read", path.display())]
    Speech {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: mp4_atom::Error,
    },
    /// The index was not made.
    #[error("the index of the video could not be made")]
    Index(#[source] mp4_atom::Error),
    /// The video was not written.
    #[error("the video {} could not be written", path.display())]
    Video {
        /// Its file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Writes MP4 files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mp4Muxer;

impl Muxer for Mp4Muxer {
    fn concat(
        &self,
        segments: &[Segment],
        frame_rate: FrameRate,
        speech: &Path,
        video: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), ConcatError> {
        if segments.is_empty() {
            return Err(mux_error(MuxError::NoSegments));
        }
        let pictures = picture_table(segments, cancel)?;
        let sound = Sound::open(speech).map_err(mux_error)?;
        let seconds = index::seconds(pictures.sizes.len(), frame_rate, &sound);
        let head = index::head(&pictures, frame_rate, &sound, &seconds).map_err(mux_error)?;

        let unwritten = |source| mux_error(MuxError::Video { path: video.to_owned(), source });
        let mut file = BufWriter::new(File::create(video).map_err(unwritten)?);
        file.write_all(&head).map_err(unwritten)?;
        let mut of_segments = OfSegments::new(segments);
        let (mut shown, mut heard) = (0, 0);
        for [count, samples] in seconds {
            check_cancelled(cancel)?;
            for &size in &pictures.sizes[shown..shown + count] {
                file.write_all(&of_segments.next_of(size)?.bytes).map_err(unwritten)?;
            }
            shown += count;
            for at in heard..heard + samples {
                let sample = sound.sample(at).map_err(|source| {
                    mux_error(MuxError::Speech { path: speech.to_owned(), source: source.into() })
                })?;
                file.write_all(&sample).map_err(unwritten)?;
            }
            heard += samples;
        }
        file.flush().map_err(unwritten)
    }
}

fn mux_error(error: MuxError) -> ConcatError {
    ConcatError::Muxer(Box::new(error))
}

fn check_cancelled(cancel: &CancellationToken) -> Result<(), ConcatError> {
    if cancel.is_cancelled() { Err(ConcatError::Cancelled) } else { Ok(()) }
}

/// What the index tells of the pictures of all segments.
fn picture_table(
    segments: &[Segment],
    cancel: &CancellationToken,
) -> Result<PictureTable, ConcatError> {
    let mut table = PictureTable::default();
    for segment in segments {
        let mut pictures = pictures_of(segment)?;
        let before = table.sizes.len();
        while let Some(picture) = pictures.next().map_err(|source| unreadable(segment, source))? {
            check_cancelled(cancel)?;
            table.sizes.push(picture.size());
            if picture.is_keyframe {
                table.keyframes.push(table.sizes.len() as u32);
            }
        }
        let (index, wanted, got) = (segment.index, segment.frames, table.sizes.len() - before);
        if got != wanted {
            return Err(mux_error(MuxError::Pictures { index, wanted, got }));
        }
        if before == 0 {
            table.parameters = pictures.parameters;
        } else if table.parameters != pictures.parameters {
            return Err(mux_error(MuxError::Unlike { index }));
        }
    }
    Ok(table)
}

fn pictures_of(segment: &Segment) -> Result<Pictures<File>, ConcatError> {
    File::open(&segment.path).map(Pictures::new).map_err(|source| unreadable(segment, source))
}

fn unreadable(segment: &Segment, source: io::Error) -> ConcatError {
    ConcatError::Segment { path: segment.path.clone(), source }
}

/// The pictures of all segments, whose sizes are known by now.
struct OfSegments<'a> {
    segments: &'a [Segment],
    /// The one that is read, and how many of its pictures are left.
    open: Option<(&'a Segment, Pictures<File>, usize)>,
}

impl<'a> OfSegments<'a> {
    fn new(segments: &'a [Segment]) -> Self {
        Self { segments, open: None }
    }

    /// The next one, which had `size` bytes.
    fn next_of(&mut self, size: u32) -> Result<Picture, ConcatError> {
        loop {
            if let Some((segment, pictures, left)) = &mut self.open
                && *left > 0
            {
                *left -= 1;
                let picture = pictures.next().map_err(|source| unreadable(segment, source))?;
                let index = segment.index;
                return picture
                    .filter(|picture| picture.size() == size)
                    .ok_or_else(|| mux_error(MuxError::Changed { index }));
            }
            // There is one: the index counts as many pictures as the segments do.
            let next = self.segments.split_first();
            let (segment, rest) = next.ok_or_else(|| mux_error(MuxError::NoSegments))?;
            self.open = Some((segment, pictures_of(segment)?, segment.frames));
            self.segments = rest;
        }
    }
}

/// Ticks per second, such that every frame lasts a whole number of ticks: a multiple of the frame
/// rate's numerator.
fn timescale(rate: FrameRate) -> u32 {
    rate.numerator() * LEAST_TICKS.div_ceil(rate.numerator())
}

#[cfg(test)]
mod tests;
