//! How far a job is: what the engine's observer hears → what a client is told.
//! Knows nothing of the platform.

use std::sync::{Mutex, PoisonError};

use duolip_pipeline::Stage;
use duolip_pipeline::chunk::{Chunk, WORKERS};
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::observe::Observer;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Progress {
    /// Where it is.
    pub(crate) stage: Stage,
    /// The share of its frames that are painted. It says nothing of the stages before and after.
    pub(crate) percent: usize,
    /// The frames that are painted.
    pub(crate) frames_done: usize,
    /// All its frames; 0 until the plan is made.
    pub(crate) frames: usize,
}

/// A chunk whose frames are all painted: a part of the output of a job that is streamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Painted {
    /// Its place in the video.
    pub(crate) chunk: usize,
    /// The model that painted it.
    pub(crate) model: Look,
    /// Its first frame, counted over the whole job.
    pub(crate) first_frame: usize,
    /// How many frames it has.
    pub(crate) frames: usize,
}

/// Hears how a job gets on, and passes it on to who listens: see [`watch_job`].
#[derive(Debug)]
pub(crate) struct Watcher {
    progress: watch::Sender<Progress>,
    painted: mpsc::Sender<Painted>,
    /// Every chunk and how many of its frames are still to be painted.
    open: Mutex<Vec<(usize, Painted)>>,
}

/// What a [`Watcher`] passes on.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The latest progress.
    pub(crate) progress: watch::Receiver<Progress>,
    /// Chunks, as they are done.
    pub(crate) painted: mpsc::Receiver<Painted>,
}

/// A watcher for one job, and what it hears.
pub(crate) fn watch_job() -> (Watcher, Heard) {
    let start = Progress { stage: Stage::Validate, percent: 0, frames_done: 0, frames: 0 };
    let (progress_in, progress) = watch::channel(start);
    // A job has no more chunks than that, so none is ever lost.
    let (painted_in, painted) = mpsc::channel(*WORKERS.end());
    let open = Mutex::default();
    (Watcher { progress: progress_in, painted: painted_in, open }, Heard { progress, painted })
}

impl Observer for Watcher {
    fn entered(&self, stage: Stage) {
        self.progress.send_modify(|progress| progress.stage = stage);
    }

    fn planned(&self, chunks: &[Chunk]) {
        let open = chunks.iter().map(|chunk| {
            let frames = chunk.frames.len();
            let first_frame = chunk.frames.start;
            (frames, Painted { chunk: chunk.index, model: chunk.look, first_frame, frames })
        });
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = open.collect();
        let frames = chunks.iter().map(|chunk| chunk.frames.len()).sum();
        self.progress.send_modify(|progress| progress.frames = frames);
    }

    fn composed(&self, chunk: usize, _frame: usize, _planes: &[u8]) {
        self.progress.send_modify(|progress| {
            progress.frames_done += 1;
            progress.percent = progress.frames_done * 100 / progress.frames.max(1);
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((left, painted)) = open.iter_mut().find(|(_, open)| open.chunk == chunk) else {
            return;
        };
        *left = left.saturating_sub(1);
        if *left == 0 {
            // Fails only when nobody listens any more.
            let _ = self.painted.try_send(painted.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(index: usize, frames: std::ops::Range<usize>, look: Look) -> Chunk {
        Chunk { index, frames, look, fades: Vec::new() }
    }

    #[test]
    fn frames_are_counted_over_all_chunks_and_a_chunk_is_told_once_when_its_last_frame_is_painted()
    {
        let (watcher, mut heard) = watch_job();
        watcher.entered(Stage::Speak);
        assert_eq!(heard.progress.borrow().stage, Stage::Speak);
        watcher.planned(&[chunk(0, 0..3, Look::Gan), chunk(1, 3..4, Look::Nogan)]);
        watcher.entered(Stage::LipSync);
        watcher.composed(1, 3, &[]);
        watcher.composed(0, 0, &[]);
        let progress = heard.progress.borrow_and_update().clone();
        let wanted = Progress { stage: Stage::LipSync, percent: 50, frames_done: 2, frames: 4 };
        assert_eq!(progress, wanted);
        let second = Painted { chunk: 1, model: Look::Nogan, first_frame: 3, frames: 1 };
        assert_eq!(heard.painted.try_recv().unwrap(), second);
        assert!(heard.painted.try_recv().is_err(), "chunk 0 has two frames to go");
        watcher.composed(0, 1, &[]);
        watcher.composed(0, 2, &[]);
        assert_eq!(heard.painted.try_recv().unwrap().chunk, 0);
        assert_eq!(heard.progress.borrow().percent, 100);
    }
}
