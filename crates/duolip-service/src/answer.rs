//! The answer to a job: its video or where the video lies, and what rendering it cost. Every trigger
//! sends this one answer in its own wrapping.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use duolip_pipeline::deliver::Stored;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::job::JobId;
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::statistics::Statistics;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::Endpoint;

/// A job that is done.
#[derive(Debug)]
pub struct Answer {
    /// Its name.
    pub job_id: JobId,
    /// The endpoint that was called.
    pub endpoint: Endpoint,
    /// What it cost.
    pub statistics: Statistics,
    /// The size of the video.
    pub size_bytes: u64,
    /// What storing the video took.
    pub deliver: Duration,
    /// Whether the job asked for a URL; one that did not can have its video in a store all the
    /// same, because it was too large for the runtime's answer.
    pub asked_for_url: bool,
    /// The video, or where it lies.
    pub handed: Handed,
}

/// How the video is handed over.
#[derive(Debug)]
pub enum Handed {
    /// As a file, which goes with the last clone of its folder.
    Video {
        /// The MP4 file.
        path: PathBuf,
        /// Keeps the file.
        folder: JobFolder,
    },
    /// By an artifact store.
    Stored(Stored),
}

/// An answer without the video itself, as JSON: the body of a "url" answer.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The job's name.
    pub job_id: JobId,
    /// Where the video can be fetched; absent where it is sent itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When the URL stops working, in RFC 3339; absent for one that lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The size of the video.
    pub size_bytes: u64,
    /// Seconds of speech.
    pub duration_seconds: f64,
    /// Video frames.
    pub frames: usize,
    /// Measured: the chunks' work over their wall time.
    pub speedup: f64,
    /// The chunks, in order.
    pub chunks: Vec<ChunkSummary>,
    /// Every stage, in milliseconds.
    pub timings_ms: BTreeMap<&'static str, f64>,
}

/// One chunk of a [`Summary`].
#[derive(Debug, Serialize)]
pub struct ChunkSummary {
    /// Its place in the video.
    pub index: usize,
    /// The model that painted it.
    pub model: Look,
    /// Where it begins, in seconds.
    pub start_seconds: f64,
    /// Where it ends, in seconds.
    pub end_seconds: f64,
    /// From its first to its last work, in milliseconds.
    pub render_ms: f64,
}

impl Answer {
    /// The answer as JSON, without the video itself.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let Statistics { speech_seconds, frames, frame_rate, .. } = self.statistics;
        let stored = match &self.handed {
            Handed::Stored(stored) => Some(stored),
            Handed::Video { .. } => None,
        };
        let chunks = self.statistics.chunks.iter().map(|chunk| ChunkSummary {
            index: chunk.index,
            model: chunk.look,
            start_seconds: rounded(frame_rate.seconds_at(chunk.frames.start)),
            end_seconds: rounded(frame_rate.seconds_at(chunk.frames.end).min(speech_seconds)),
            render_ms: ms(chunk.render),
        });
        Summary {
            job_id: self.job_id,
            url: stored.map(|stored| stored.url.clone()),
            expires_at: stored.and_then(|stored| stored.expires_at).and_then(|time| {
                // Fails only for years of five digits.
                OffsetDateTime::from(time).format(&Rfc3339).ok()
            }),
            size_bytes: self.size_bytes,
            duration_seconds: rounded(speech_seconds),
            frames,
            speedup: rounded(self.statistics.speedup()),
            chunks: chunks.collect(),
            timings_ms: self.timings().map(|(stage, time)| (stage, ms(time))).collect(),
        }
    }

    /// The answer as a Server-Timing header: every stage and chunk, in milliseconds.
    #[must_use]
    pub fn server_timing(&self) -> String {
        let stages = self.timings().map(|(stage, time)| format!("{stage};dur={:.1}", ms(time)));
        let chunks = self.statistics.chunks.iter().map(|chunk| {
            format!("chunk{};desc=\"{}\";dur={:.1}", chunk.index, chunk.look, ms(chunk.render))
        });
        stages.chain(chunks).collect::<Vec<_>>().join(", ")
    }

    /// Every stage, in the order in which they run.
    fn timings(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let statistics = &self.statistics;
        let stored = matches!(self.handed, Handed::Stored(_));
        [
            ("speak", statistics.speak),
            ("mel", statistics.mel),
            ("plan", statistics.plan),
            ("render", statistics.render),
            ("encode_speech", statistics.encode_speech),
            ("concat", statistics.concat),
        ]
        .into_iter()
        .chain(stored.then_some(("deliver", self.deliver)))
        .chain([("total", statistics.total + self.deliver)])
    }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// To the millisecond.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
