//! A lip-sync model that paints a known function of mel window and face, at once or on a thread of
//! its own, and has the trouble that it is told to have.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use duolip_pipeline::face::FaceCrop;
use duolip_pipeline::lipsync::{LipSync, LipSyncError, Look, MouthBatch, Mouths, PendingMouths};
use duolip_pipeline::mel::WINDOW_VALUES;
use tokio::sync::oneshot;

use crate::gate::Gate;
use crate::gauge::Gauge;
use crate::ordered::OrderedFailure;

/// Batches that may wait for the owner thread.
const QUEUE_LENGTH: usize = 1024;

/// What goes wrong in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LipSyncTrouble {
    /// The answer is [`LipSyncError::Inference`].
    Fails,
    /// The answer is [`LipSyncError::OutOfMemory`].
    OutOfMemory,
    /// One mouth too few is painted.
    ForgetsOne,
    /// `submit` panics.
    Panics,
    /// No answer ever comes.
    Ends,
}

/// The fake's mouth: the face's bytes, each changed by the hash of look and mel window.
#[must_use]
pub fn painted_mouth(look: Look, window: &[f32], face: &FaceCrop) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    look.hash(&mut hasher);
    for value in window {
        hasher.write_u32(value.to_bits());
    }
    let changes = hasher.finish().to_le_bytes();
    face.bgr.iter().zip(changes.iter().cycle()).map(|(byte, change)| byte ^ change).collect()
}

/// A batch, its answer's way back, and what is to happen to it.
struct Request {
    look: Look,
    batch: MouthBatch,
    trouble: Option<LipSyncTrouble>,
    delay: Duration,
    gate: Option<Gate>,
    answer: oneshot::Sender<Result<Mouths, LipSyncError>>,
}

impl Request {
    fn serve(self) {
        std::thread::sleep(self.delay);
        if self.gate.is_some_and(|gate| !gate.pass()) {
            return;
        }
        let (look, batch_size) = (self.look, self.batch.count());
        let source = || Box::new(OrderedFailure::new("the network is tired"));
        let wanted = match self.trouble {
            Some(LipSyncTrouble::Ends) => return,
            Some(LipSyncTrouble::Fails) => Err(LipSyncError::Inference { look, source: source() }),
            Some(LipSyncTrouble::OutOfMemory) => {
                Err(LipSyncError::OutOfMemory { look, batch_size, source: source() })
            }
            Some(LipSyncTrouble::ForgetsOne) => Ok(batch_size - 1),
            Some(LipSyncTrouble::Panics) | None => Ok(batch_size),
        };
        let face = &self.batch.face;
        let windows = self.batch.mel_windows.chunks_exact(WINDOW_VALUES);
        let mouths = wanted.map(|count| Mouths {
            size: face.size,
            bgr: windows.take(count).flat_map(|window| painted_mouth(look, window, face)).collect(),
            work: self.delay,
        });
        // Nobody waits any more: nothing to tell.
        let _ = self.answer.send(mouths);
    }
}

/// A thread that serves requests until it is dropped.
#[derive(Debug)]
struct Owner {
    /// `None` only while dropping.
    queue: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    fn start() -> Self {
        let (queue, requests) = sync_channel::<Request>(QUEUE_LENGTH);
        let thread = std::thread::spawn(move || requests.into_iter().for_each(Request::serve));
        Self { queue: Some(queue), thread: Some(thread) }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed already.
            let _ = thread.join();
        }
    }
}

/// The fake. As made by [`FakeLipSync::new`] it takes faces of 32 px, paints 4 mouths at once and
/// answers before `submit` returns.
#[derive(Debug)]
pub struct FakeLipSync {
    look: Look,
    input_size: usize,
    batch_size: usize,
    delay: Duration,
    trouble: Option<(Range<usize>, LipSyncTrouble)>,
    numbered: AtomicUsize,
    submitted: AtomicUsize,
    unwritten: Option<Gauge>,
    gate: Option<Gate>,
    owner: Option<Owner>,
}

impl FakeLipSync {
    /// A model that paints as `look`.
    #[must_use]
    pub fn new(look: Look) -> Self {
        Self {
            look,
            input_size: 32,
            batch_size: 4,
            delay: Duration::ZERO,
            trouble: None,
            numbered: AtomicUsize::new(0),
            submitted: AtomicUsize::new(0),
            unwritten: None,
            gate: None,
            owner: None,
        }
    }

    /// Takes faces of `pixels`.
    #[must_use]
    pub fn with_input_size(mut self, pixels: usize) -> Self {
        self.input_size = pixels;
        self
    }

    /// Wants `mouths` at once.
    #[must_use]
    pub fn with_batch_size(mut self, mouths: usize) -> Self {
        self.batch_size = mouths;
        self
    }

    /// Takes `delay` for a batch.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Paints on a thread of its own behind a queue, as a real session does.
    #[must_use]
    pub fn on_its_own_thread(mut self) -> Self {
        self.owner = Some(Owner::start());
        self
    }

    /// Paints each batch when `gate` lets it, on a thread of its own.
    #[must_use]
    pub fn held_by(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self.on_its_own_thread()
    }

    /// Has `trouble` in its batch number `batch`, counted from 0 over all jobs, and in no other.
    #[must_use]
    pub fn in_trouble_at(mut self, batch: usize, trouble: LipSyncTrouble) -> Self {
        self.trouble = Some((batch..batch + 1, trouble));
        self
    }

    /// Has `trouble` in its batch number `batch` and in every later one.
    #[must_use]
    pub fn in_trouble_from(mut self, batch: usize, trouble: LipSyncTrouble) -> Self {
        self.trouble = Some((batch..usize::MAX, trouble));
        self
    }

    /// Adds every mouth asked for to `unwritten`, from which a
    /// [`FakeEncoder`](crate::FakeEncoder) takes the frames that it is given.
    #[must_use]
    pub fn counting(mut self, unwritten: &Gauge) -> Self {
        self.unwritten = Some(unwritten.clone());
        self
    }

    /// How many batches it has in its queue or behind it.
    #[must_use]
    pub fn submitted(&self) -> usize {
        self.submitted.load(Ordering::SeqCst)
    }
}

impl LipSync for FakeLipSync {
    fn look(&self) -> Look {
        self.look
    }

    fn input_size(&self) -> usize {
        self.input_size
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn submit(&self, batch: MouthBatch) -> Result<PendingMouths, LipSyncError> {
        if batch.face.size != self.input_size {
            return Err(LipSyncError::WrongFaceSize {
                look: self.look,
                expected: self.input_size,
                actual: batch.face.size,
            });
        }
        let number = self.numbered.fetch_add(1, Ordering::SeqCst);
        let trouble = match &self.trouble {
            Some((batches, trouble)) if batches.contains(&number) => Some(*trouble),
            _ => None,
        };
        assert!(trouble != Some(LipSyncTrouble::Panics), "the network panics as ordered");
        if let Some(unwritten) = &self.unwritten {
            unwritten.add(batch.count());
        }
        let (answer, pending) = oneshot::channel();
        let (look, delay, gate) = (self.look, self.delay, self.gate.clone());
        let request = Request { look, batch, trouble, delay, gate, answer };
        match &self.owner {
            None => request.serve(),
            Some(owner) => owner
                .queue
                .as_ref()
                .and_then(|queue| queue.send(request).ok())
                .ok_or(LipSyncError::SessionEnded { look: self.look })?,
        }
        self.submitted.fetch_add(1, Ordering::SeqCst);
        Ok(PendingMouths::new(self.look, pending))
    }
}
