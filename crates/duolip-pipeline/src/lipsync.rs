//! Lip-sync: mel windows + face crop → mouths. The trait; ONNX Runtime is behind it.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{Either, select};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::error::{Classify, ErrorKind};
use crate::face::FaceCrop;
use crate::mel::WINDOW_VALUES;

/// The two lip-sync models of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// Trained with an adversarial loss: the crisper picture.
    Gan,
    /// Trained without: the truer motion.
    Nogan,
}

impl Look {
    /// Both, in the order in which chunks are dealt out.
    pub const PAIR: [Self; 2] = [Self::Gan, Self::Nogan];

    /// "gan" or "nogan".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gan => "gan",
            Self::Nogan => "nogan",
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What tells one job from another at a model that several share. Every ticket is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobTicket(u64);

impl JobTicket {
    /// The ticket of a job that begins.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are equal, and a default would be")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a job asks of a model at once.
///
/// # Shape
/// `mel_windows` is `[count, 80, 16]`, row-major, f32 in -4..=4; all windows share one face.
#[derive(Debug, Clone)]
pub struct MouthBatch {
    /// Whose it is: a model is fair between jobs.
    pub job: JobTicket,
    /// The mel windows of the frames, one after the other.
    pub mel_windows: Vec<f32>,
    /// The face to paint the mouths on.
    pub face: Arc<FaceCrop>,
}

impl MouthBatch {
    /// How many mouths are asked for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.mel_windows.len() / WINDOW_VALUES
    }
}

/// Painted face crops, in the order of the mel windows asked for.
///
/// # Shape
/// `[count, size, size, 3]`, row-major, u8, channels B, G, R; truncated, not rounded, from the
/// network's 0..=1 as Wav2Lip does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mouths {
    /// Width and height of each, in pixels.
    pub size: usize,
    /// All of them, one after the other.
    pub bgr: Vec<u8>,
    /// How long the model worked on them: their share of the runs they were painted in, the time in
    /// its queue not counted.
    pub work: Duration,
}

impl Mouths {
    /// The mouths one by one, each `[size, size, 3]`.
    pub fn each(&self) -> std::slice::ChunksExact<'_, u8> {
        self.bgr.chunks_exact(self.size * self.size * 3)
    }
}

/// What a job does when a model has no memory left for even one mouth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnOutOfMemory {
    /// It fails with kind `gpu_out_of_memory`: a video is the one that was planned, or there is none.
    #[default]
    Fail,
    /// The chunk goes on with the job's other model, if it has one. From there on its mouths are not
    /// those that were planned; the log and the statistics say so.
    OtherModel,
}

/// Why no mouths were painted.
#[derive(Debug, thiserror::Error)]
pub enum LipSyncError {
    /// The execution provider has no memory left for this batch.
    #[error("the {look} model has no memory left for a batch of {batch_size}")]
    OutOfMemory {
        /// The model.
        look: Look,
        /// The number of mouths asked for at once.
        batch_size: usize,
        /// What the runtime said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The network could not be run.
    #[error("the {look} model failed")]
    Inference {
        /// The model.
        look: Look,
        /// What the runtime said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The session's owner thread is gone.
    #[error("the session of the {look} model has ended")]
    SessionEnded {
        /// The model.
        look: Look,
    },
    /// The face crop has another size than the network takes.
    #[error(
        "the {look} model takes faces of {expected} px; the avatar was prepared for {actual} px"
    )]
    WrongFaceSize {
        /// The model.
        look: Look,
        /// What the network takes.
        expected: usize,
        /// What it was given.
        actual: usize,
    },
    /// The job was cancelled.
    #[error("lip-sync was cancelled")]
    Cancelled,
}

impl Classify for LipSyncError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfMemory { .. } => ErrorKind::GpuOutOfMemory,
            Self::Inference { .. } | Self::SessionEnded { .. } | Self::WrongFaceSize { .. } => {
                ErrorKind::Internal
            }
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}

/// A warm lip-sync model.
pub trait LipSync: Send + Sync {
    /// Which of the pair it is.
    fn look(&self) -> Look;

    /// Width and height of the face crops it takes, in pixels: 96 for Wav2Lip.
    fn input_size(&self) -> usize;

    /// How many mouths it paints at once; fewer after it ran out of memory.
    fn batch_size(&self) -> usize;

    /// Queues `batch`; blocks while the queue is full. The answer comes through [`PendingMouths`],
    /// so that the caller can compose one batch while the next is painted. What several jobs ask
    /// for at the same time may be painted together: no mouth depends on what it is painted with.
    ///
    /// # Errors
    /// [`LipSyncError::SessionEnded`], [`LipSyncError::WrongFaceSize`].
    fn submit(&self, batch: MouthBatch) -> Result<PendingMouths, LipSyncError>;
}

/// Mouths that are being painted.
#[derive(Debug)]
pub struct PendingMouths {
    look: Look,
    answer: oneshot::Receiver<Result<Mouths, LipSyncError>>,
}

impl PendingMouths {
    /// Waits for the answer of `look`'s session.
    #[must_use]
    pub fn new(look: Look, answer: oneshot::Receiver<Result<Mouths, LipSyncError>>) -> Self {
        Self { look, answer }
    }

    /// Blocks until the mouths are painted.
    ///
    /// # Errors
    /// Any [`LipSyncError`].
    ///
    /// # Panics
    /// Inside an async task: call it from a blocking one.
    pub fn wait(self) -> Result<Mouths, LipSyncError> {
        self.answer.blocking_recv().unwrap_or(Err(LipSyncError::SessionEnded { look: self.look }))
    }

    /// As [`PendingMouths::wait`], but no longer than until `cancel` is cancelled: nobody waits for
    /// the mouths then, and the model leaves out those that it has not begun.
    ///
    /// # Errors
    /// Any [`LipSyncError`].
    pub fn wait_unless(self, cancel: &CancellationToken) -> Result<Mouths, LipSyncError> {
        match block_on(select(self.answer, pin!(cancel.cancelled()))) {
            Either::Left((answer, _)) => {
                answer.unwrap_or(Err(LipSyncError::SessionEnded { look: self.look }))
            }
            Either::Right(_) => Err(LipSyncError::Cancelled),
        }
    }
}
