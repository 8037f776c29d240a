//! Watching a job: progress bars and tests look through this.

use crate::chunk::Chunk;
use crate::error::Stage;

/// Is told how a job gets on. Called from several threads.
pub trait Observer: Send + Sync {
    /// The job enters `stage`.
    fn entered(&self, stage: Stage) {
        let _ = stage;
    }

    /// The plan is made; nothing is rendered yet.
    fn planned(&self, chunks: &[Chunk]) {
        let _ = chunks;
    }

    /// Frame number `frame` of chunk `chunk` is composed. `planes` is what the encoder is given.
    fn composed(&self, chunk: usize, frame: usize, planes: &[u8]) {
        let _ = (chunk, frame, planes);
    }
}

/// Looks away.
#[derive(Debug, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {}
