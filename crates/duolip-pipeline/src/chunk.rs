//! Plan: number of frames → chunks, seams and the cross-fades between models. Pure.
//!
//! The plan alone decides which model paints which frame, so the result does not depend on who
//! finishes first. Knows nothing of sessions and encoders.

use std::ops::RangeInclusive;

use crate::lipsync::Look;
use crate::mel::MelSpectrogram;
use crate::units::{FrameRange, FrameRate};

/// How many chunks a request may ask for.
pub const WORKERS: RangeInclusive<usize> = 1..=16;

/// Frames around a seam between two models that both paint, so that the mouths cross-fade.
pub const OVERLAP_FRAMES: usize = 5;

/// The least length of a chunk, in seconds.
const LEAST_CHUNK_SECONDS: f64 = 1.0;

/// How far a seam may be moved from the even split, in seconds.
const SEAM_REACH_SECONDS: f64 = 0.5;

/// A range of video frames that one model paints and one encoder encodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Its place in the video.
    pub index: usize,
    /// Its frames, counted over the whole job.
    pub frames: FrameRange,
    /// The model that paints it.
    pub look: Look,
    /// Where a neighbour's model joins in.
    pub fades: Vec<Fade>,
}

/// Frames of a chunk in which another model is mixed in.
#[derive(Debug, Clone, PartialEq)]
pub struct Fade {
    /// Frames, counted over the whole job, all inside the chunk.
    pub frames: FrameRange,
    /// The other model.
    pub look: Look,
    /// The other model's share in each of the frames, 0..1.
    pub shares: Vec<f32>,
}

/// The chunks of a job, in order; together they are all its frames, each once.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkPlan {
    /// The number of video frames.
    pub frames: usize,
    /// Frames per second.
    pub frame_rate: FrameRate,
    /// At least one.
    pub chunks: Vec<Chunk>,
}

/// The number of chunks when the request does not fix it.
///
/// | seconds | chunks |
/// |---|---|
/// | < 10 | 1 |
/// | 10 ≤ s < 30 | min(2, models) |
/// | ≥ 30 | max(2, min(floor(s / 15), 2 · models)) |
#[must_use]
pub fn chunks_for(seconds: f64, models: usize) -> usize {
    if seconds < 10.0 {
        1
    } else if seconds < 30.0 {
        models.min(2)
    } else {
        ((seconds / 15.0) as usize).min(2 * models).max(2)
    }
}

impl ChunkPlan {
    /// Plans `frames` video frames for `models`.
    ///
    /// `workers` fixes the number of chunks, lowered so that a chunk lasts at least one second;
    /// `seconds` is the speech's length and decides where `workers` does not. Chunk i goes to model
    /// i mod M. A seam lies on the quietest frame of `mel` within half a second of the even split.
    ///
    /// # Panics
    /// Without models or frames.
    #[must_use]
    pub fn new(
        frames: usize,
        seconds: f64,
        frame_rate: FrameRate,
        models: &[Look],
        workers: Option<usize>,
        mel: &MelSpectrogram,
    ) -> Self {
        assert!(!models.is_empty() && frames > 0, "a plan needs models and frames");
        let least = (LEAST_CHUNK_SECONDS * frame_rate.per_second()).ceil() as usize;
        let wanted = workers.unwrap_or_else(|| chunks_for(seconds, models.len()));
        let count = wanted.min(frames / least).max(1);
        let seams =
            seams(frames, count, least, frame_rate, |frame| mel.loudness(frame, frame_rate));

        let starts = std::iter::once(0).chain(seams.iter().copied());
        let ends = seams.iter().copied().chain(std::iter::once(frames));
        let mut chunks: Vec<Chunk> = starts
            .zip(ends)
            .enumerate()
            .map(|(index, (start, end))| Chunk {
                index,
                frames: start..end,
                look: models[index % models.len()],
                fades: Vec::new(),
            })
            .collect();
        for right in 1..chunks.len() {
            let (before, after) = (chunks[right - 1].look, chunks[right].look);
            if before != after {
                let seam = chunks[right].frames.start;
                fade(&mut chunks[right - 1], seam, after, |place| place);
                fade(&mut chunks[right], seam, before, |place| OVERLAP_FRAMES - 1 - place);
            }
        }
        Self { frames, frame_rate, chunks }
    }
}

/// Mixes `other` into the part of the overlap around `seam` that lies in `chunk`. `rank` turns a
/// frame's place in the overlap into how far the other model has come.
fn fade(chunk: &mut Chunk, seam: usize, other: Look, rank: impl Fn(usize) -> usize) {
    let first = seam.saturating_sub(OVERLAP_FRAMES / 2);
    let start = first.max(chunk.frames.start);
    let end = (first + OVERLAP_FRAMES).min(chunk.frames.end);
    if start < end {
        let share = |frame| (rank(frame - first) + 1) as f32 / (OVERLAP_FRAMES + 1) as f32;
        chunk.fades.push(Fade {
            frames: start..end,
            look: other,
            shares: (start..end).map(share).collect(),
        });
    }
}

/// The first frames of chunks 1, 2, …: the quietest within reach of the even split that leave every
/// chunk at least `least` frames. Of equally quiet frames the one nearest to the even split wins.
fn seams(
    frames: usize,
    count: usize,
    least: usize,
    frame_rate: FrameRate,
    loudness: impl Fn(usize) -> f32,
) -> Vec<usize> {
    let reach = (SEAM_REACH_SECONDS * frame_rate.per_second()) as usize;
    let mut seams = Vec::with_capacity(count - 1);
    let mut previous = 0;
    for index in 1..count {
        let even = index * frames / count;
        let from = even.saturating_sub(reach).max(previous + least);
        let to = (even + reach).min(frames - (count - index) * least);
        let seam = (from..=to)
            .min_by(|&a, &b| {
                loudness(a).total_cmp(&loudness(b)).then(a.abs_diff(even).cmp(&b.abs_diff(even)))
            })
            .unwrap_or(even);
        seams.push(seam);
        previous = seam;
    }
    seams
}

#[cfg(test)]
mod tests;
