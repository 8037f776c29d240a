//! A warm lip-sync session: the crate's implementation of the domain's [`LipSync`].
//!
//! Starts the owner thread, waits until the network is loaded and warm, and queues batches to it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::lipsync::{LipSync, LipSyncError, Look, MouthBatch, PendingMouths};
use duolip_pipeline::mel::WINDOW_VALUES;
use tokio::sync::oneshot;

use crate::chain::Crew;
use crate::features::{FaceTooLarge, FeatureCounters, FeatureUse};
use crate::library::OnnxRuntime;
use crate::model::{LipSyncModel, ModelError};
use crate::owner::{Panicked, QUEUE_LENGTH};
use crate::provider::{ExecutionProvider, ProviderInUse};
use crate::start::own;
use crate::tensors::MOUTH_CHANNELS;
use crate::waiting::Request;

/// How a session is run.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// What to run on.
    pub provider: ExecutionProvider,
    /// Threads of ONNX Runtime that work on one batch on the CPU, the session's own among them.
    pub intra_threads: NonZeroUsize,
    /// Who paints on the CPU where ONNX Runtime does not; several sessions may share them.
    pub crew: Arc<Crew>,
    /// Mouths painted at once, as long as memory allows; a graph with a fixed batch size has its own.
    pub batch_size: NonZeroUsize,
    /// What is done with the mouths: a split model must paint all that it takes of them.
    pub paste: Paste,
    /// Bytes of features that a split model may keep on the device, of all faces together.
    pub feature_limit_bytes: usize,
}

/// What became of a session's start, for logs and health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// What it runs on.
    pub provider: ProviderInUse,
    /// Width and height of the faces it takes, in pixels.
    pub input_size: usize,
    /// Mouths painted at once, after the warm-up; [`LipSync::batch_size`] tells how many by now.
    pub batch_size: usize,
    /// The pixels of a mouth that are painted; around them it shows the face as it was given.
    pub painted: FaceBox,
    /// Bytes of features that are kept on the device for each avatar frame; `None` for a whole
    /// graph, which computes everything anew for every mouth.
    pub feature_bytes: Option<usize>,
    /// How long loading the graph took.
    pub load: Duration,
    /// How long the first runs took.
    pub warm_up: Duration,
}

/// A warm lip-sync model.
///
/// Dropping it waits until what is queued is painted and the owner thread has ended; do that in a
/// blocking task.
#[derive(Debug)]
pub struct LipSyncSession {
    look: Look,
    facts: SessionFacts,
    counters: Arc<FeatureCounters>,
    /// Mouths painted at once by now.
    batch_size: Arc<AtomicUsize>,
    /// `None` only while dropping.
    queue: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl LipSyncSession {
    /// Loads `model` and warms it up; blocks until both are done. Two sessions may be started at
    /// the same time from two threads.
    ///
    /// # Errors
    /// [`SessionError`]. With [`ExecutionProvider::Auto`] a failure of CUDA is none: it is logged,
    /// and kept in the [`SessionFacts`].
    pub fn new(
        model: LipSyncModel,
        settings: SessionSettings,
        runtime: &'static OnnxRuntime,
    ) -> Result<Self, SessionError> {
        let look = model.look;
        let (queue, requests) = sync_channel(QUEUE_LENGTH);
        let (started, start) = sync_channel(1);
        let counters = Arc::new(FeatureCounters::default());
        let counted = Arc::clone(&counters);
        let batch_size = Arc::new(AtomicUsize::new(0));
        let by_now = Arc::clone(&batch_size);
        let thread = std::thread::Builder::new()
            .name(format!("lipsync-{look}"))
            .spawn(move || {
                own(&model, &settings, runtime, &counted, &started, &requests, &by_now);
            })
            .map_err(SessionError::Thread)?;
        match start.recv() {
            Ok(Ok(facts)) => {
                let (queue, thread) = (Some(queue), Some(thread));
                Ok(Self { look, facts, counters, batch_size, queue, thread })
            }
            Ok(Err(error)) => {
                join(thread);
                Err(error)
            }
            // The thread ended without a word: it panicked.
            Err(_) => Err(SessionError::Panicked(join(thread).unwrap_or_default())),
        }
    }

    /// How the session was started.
    #[must_use]
    pub fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// What has been done for faces so far.
    #[must_use]
    pub fn feature_use(&self) -> FeatureUse {
        self.counters.read()
    }

    fn checked(&self, batch: &MouthBatch) -> Result<(), LipSyncError> {
        let (expected, actual) = (self.facts.input_size, batch.face.size);
        if expected != actual {
            return Err(LipSyncError::WrongFaceSize { look: self.look, expected, actual });
        }
        let malformed = if !batch.mel_windows.len().is_multiple_of(WINDOW_VALUES) {
            Malformed::MelWindows { values: batch.mel_windows.len() }
        } else if batch.face.bgr.len() != expected * expected * MOUTH_CHANNELS {
            Malformed::Face { bytes: batch.face.bgr.len(), size: expected }
        } else {
            return Ok(());
        };
        Err(LipSyncError::Inference { look: self.look, source: Box::new(malformed) })
    }
}

impl LipSync for LipSyncSession {
    fn look(&self) -> Look {
        self.look
    }

    fn input_size(&self) -> usize {
        self.facts.input_size
    }

    fn batch_size(&self) -> usize {
        self.batch_size.load(Ordering::Relaxed)
    }

    /// A batch of any count is taken; it is split, or painted together with others, as it comes.
    fn submit(&self, batch: MouthBatch) -> Result<PendingMouths, LipSyncError> {
        self.checked(&batch)?;
        let (answer, pending) = oneshot::channel();
        let ended = LipSyncError::SessionEnded { look: self.look };
        match &self.queue {
            Some(queue) if queue.send(Request { batch, answer }).is_ok() => {
                Ok(PendingMouths::new(self.look, pending))
            }
            _ => Err(ended),
        }
    }
}

impl Drop for LipSyncSession {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            join(thread);
        }
    }
}

/// Waits for the owner thread; gives back its panic, if it ended by one.
fn join(thread: JoinHandle<()>) -> Option<Panicked> {
    thread.join().err().map(|payload| Panicked::from_payload(&*payload))
}

/// Why a batch cannot be painted by any model.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    /// A mel window is cut off.
    #[error("{values} mel values are no whole number of windows of {WINDOW_VALUES}")]
    MelWindows { values: usize },
    /// The face crop has too many or too few bytes.
    #[error("a face crop of {size} px has {bytes} bytes")]
    Face { bytes: usize, size: usize },
}

/// Why a session could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The model is unusable.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// CUDA was asked for and is not to be had.
    #[error("the CUDA execution provider cannot be used")]
    Provider(#[source] ort::Error),
    /// ONNX Runtime could not load the graph.
    #[error("{file} could not be loaded", file = file.display())]
    Load {
        /// The graph.
        file: PathBuf,
        /// What ONNX Runtime said.
        source: ort::Error,
    },
    /// Not even one face's features may be kept.
    #[error("{file} cannot be used", file = file.display())]
    Features {
        /// The face encoder.
        file: PathBuf,
        /// By how much.
        source: FaceTooLarge,
    },
    /// The graph was loaded and could not be run.
    #[error("{file} could not be run", file = file.display())]
    WarmUp {
        /// The graph.
        file: PathBuf,
        /// What ONNX Runtime said.
        source: LipSyncError,
    },
    /// The owner thread could not be started.
    #[error("the session's thread could not be started")]
    Thread(#[source] std::io::Error),
    /// The owner thread panicked while it loaded the graph.
    #[error("the model could not be loaded")]
    Panicked(#[source] Panicked),
}
