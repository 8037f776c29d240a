//! What a job cost, stage by stage; printed as a block at its end.

use std::fmt;
use std::time::Duration;

use crate::lipsync::Look;
use crate::units::{FrameRange, FrameRate};

/// The cost of one chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkStatistics {
    /// Its place in the video.
    pub index: usize,
    /// The model that was planned to paint it.
    pub look: Look,
    /// The model that painted its last part, and the first frame of that, if the planned one ran out
    /// of memory.
    pub moved: Option<(Look, usize)>,
    /// Its frames.
    pub frames: FrameRange,
    /// From its first to its last work.
    pub render: Duration,
    /// The models' work on its mouths, which goes on beside composing and encoding.
    pub lip_sync: Duration,
    /// Composing frames.
    pub compose: Duration,
    /// Waiting for the encoder.
    pub encode: Duration,
}

impl ChunkStatistics {
    /// What the chunk would take with every step after the other and nobody else there.
    #[must_use]
    pub fn work(&self) -> Duration {
        self.lip_sync + self.compose + self.encode
    }
}

/// The cost of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The length of the speech, in seconds.
    pub speech_seconds: f64,
    /// Video frames.
    pub frames: usize,
    /// Frames per second.
    pub frame_rate: FrameRate,
    /// Synthesising or decoding the speech.
    pub speak: Duration,
    /// Resampling and the mel spectrogram.
    pub mel: Duration,
    /// The chunk plan.
    pub plan: Duration,
    /// All chunks at the same time, beside the encoding of the speech: wall time.
    pub render: Duration,
    /// Encoding the speech, beside the chunks.
    pub encode_speech: Duration,
    /// The chunks one by one.
    pub chunks: Vec<ChunkStatistics>,
    /// Joining the segments and muxing the speech.
    pub concat: Duration,
    /// From the first to the last stage.
    pub total: Duration,
}

impl Statistics {
    /// Measured: the chunks' work, added up, over their wall time. Waiting for a session that
    /// works for another chunk is no work.
    #[must_use]
    pub fn speedup(&self) -> f64 {
        let sum: Duration = self.chunks.iter().map(ChunkStatistics::work).sum();
        ratio(sum, self.render)
    }

    /// Wall time for one second of speech, in seconds; below 1 is faster than real time.
    #[must_use]
    pub fn real_time_factor(&self) -> f64 {
        self.total.as_secs_f64() / self.speech_seconds
    }
}

fn ratio(sum: Duration, wall: Duration) -> f64 {
    if wall.is_zero() { 1.0 } else { sum.as_secs_f64() / wall.as_secs_f64() }
}

impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let mut line = |name: &str, duration: Duration, note: &str| {
            let line = format!("  {name:<14}{:>9.1} ms  {note}", ms(duration));
            writeln!(formatter, "{}", line.trim_end())
        };
        line("speech", self.speak, &format!("{:.3} s of speech", self.speech_seconds))?;
        line("mel", self.mel, "")?;
        let plan = format!("{} frames at {} fps", self.frames, self.frame_rate);
        line("plan", self.plan, &plan)?;
        for chunk in &self.chunks {
            let note = format!(
                "{:<5} frames {}..{} ({:.2}..{:.2} s): lip-sync {:.0}, compose {:.0}, encode {:.0} ms",
                chunk.look.name(),
                chunk.frames.start,
                chunk.frames.end,
                self.frame_rate.seconds_at(chunk.frames.start),
                self.frame_rate.seconds_at(chunk.frames.end),
                ms(chunk.lip_sync),
                ms(chunk.compose),
                ms(chunk.encode),
            );
            let moved = chunk.moved.map_or_else(String::new, |(look, frame)| {
                format!("; {look} from frame {frame}: {} had no memory left", chunk.look)
            });
            line(&format!("chunk {}", chunk.index), chunk.render, &(note + &moved))?;
        }
        line("render", self.render, "all chunks, wall time")?;
        line("encode speech", self.encode_speech, "beside the chunks")?;
        line("concat", self.concat, "")?;
        line("total", self.total, "")?;
        write!(
            formatter,
            "  real-time factor {:.3}, measured speed-up {:.2}",
            self.real_time_factor(),
            self.speedup()
        )
    }
}
