//! An encoder whose segments are lists of frame hashes, and which dies, stalls and finishes when it
//! is told to.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::encode::{EncodeError, SegmentSettings, SegmentWriter, VideoEncoder};
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::speech::Speech;

use crate::gauge::Gauge;
use crate::ordered::OrderedFailure;
use crate::segment::FakeSegment;
use crate::wait::comes_to_hold_within;

/// How long a stalled encoder waits to be stopped: longer than a test waits for what follows.
const STALL_LIMIT: Duration = Duration::from_mins(1);

/// What goes wrong with one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentTrouble {
    /// The encoder cannot be started.
    DoesNotStart,
    /// The encoder dies when it is given its frame of this number.
    DiesAtFrame(usize),
    /// No buffer comes back for the frame of this number until the job is cancelled.
    StallsAtFrame(usize),
    /// The encoder fails at the end.
    DiesOnFinish,
}

/// What goes wrong with the speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeechTrouble {
    /// The encoder fails.
    Fails,
    /// The encoder panics.
    Panics,
    /// Nothing happens until the job is cancelled.
    Stalls,
}

/// What an encoder was told to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    segments: HashMap<usize, SegmentTrouble>,
    speech: Option<SpeechTrouble>,
    pub(crate) frame_delay: Duration,
    finish_order: Vec<usize>,
    pub(crate) unwritten: Option<Gauge>,
}

impl Orders {
    pub(crate) fn segment(&self, index: usize) -> Option<SegmentTrouble> {
        self.segments.get(&index).copied()
    }

    /// The segments that must be finished before `index`.
    pub(crate) fn before(&self, index: usize) -> &[usize] {
        let place = self.finish_order.iter().position(|&other| other == index);
        &self.finish_order[..place.unwrap_or(0)]
    }
}

/// What has become of the segments so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    finished: Mutex<Vec<usize>>,
    stalled: AtomicUsize,
    forsaken: AtomicUsize,
    pub(crate) open: Gauge,
    pub(crate) buffers: Gauge,
}

impl Progress {
    pub(crate) fn finished(&self) -> Vec<usize> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn finish(&self, index: usize) {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).push(index);
    }

    /// Waits for cancellation as an encoder does that has stopped reading.
    pub(crate) fn stall(&self, cancel: &CancellationToken) -> EncodeError {
        self.stalled.fetch_add(1, Ordering::SeqCst);
        if comes_to_hold_within(STALL_LIMIT, || cancel.is_cancelled()) {
            EncodeError::Cancelled
        } else {
            self.forsaken.fetch_add(1, Ordering::SeqCst);
            failure(OrderedFailure::new("nobody cancelled the stalled encoder"))
        }
    }
}

/// The fake.
#[derive(Debug, Default)]
pub struct FakeEncoder {
    orders: Orders,
    progress: Arc<Progress>,
}

impl FakeEncoder {
    /// Has `trouble` with segment `index`.
    #[must_use]
    pub fn in_trouble_at(mut self, index: usize, trouble: SegmentTrouble) -> Self {
        self.orders.segments.insert(index, trouble);
        self
    }

    /// Has `trouble` with the speech.
    #[must_use]
    pub fn in_trouble_with_speech(mut self, trouble: SpeechTrouble) -> Self {
        self.orders.speech = Some(trouble);
        self
    }

    /// Takes `delay` for a frame.
    #[must_use]
    pub fn with_frame_delay(mut self, delay: Duration) -> Self {
        self.orders.frame_delay = delay;
        self
    }

    /// Finishes the segments in this order, whoever comes first.
    #[must_use]
    pub fn finishing_in(mut self, order: impl Into<Vec<usize>>) -> Self {
        self.orders.finish_order = order.into();
        self
    }

    /// Takes every frame that it is given from `unwritten`.
    #[must_use]
    pub fn counting(mut self, unwritten: &Gauge) -> Self {
        self.orders.unwritten = Some(unwritten.clone());
        self
    }

    /// The segments that are finished, in the order in which they were.
    #[must_use]
    pub fn finished(&self) -> Vec<usize> {
        self.progress.finished()
    }

    /// How often it has stalled.
    #[must_use]
    pub fn stalled(&self) -> usize {
        self.progress.stalled.load(Ordering::SeqCst)
    }

    /// How often it has stalled and nobody came to stop it.
    #[must_use]
    pub fn forsaken(&self) -> usize {
        self.progress.forsaken.load(Ordering::SeqCst)
    }

    /// Segments under way.
    #[must_use]
    pub fn open_segments(&self) -> &Gauge {
        &self.progress.open
    }

    /// Frame buffers of all segments under way.
    #[must_use]
    pub fn buffers(&self) -> &Gauge {
        &self.progress.buffers
    }
}

impl VideoEncoder for FakeEncoder {
    fn begin_segment(
        &self,
        index: usize,
        path: &Path,
        base: &YuvFrame,
        _settings: SegmentSettings,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn SegmentWriter>, EncodeError> {
        if self.orders.segment(index) == Some(SegmentTrouble::DoesNotStart) {
            return Err(failure(OrderedFailure::new("no such encoder")));
        }
        let segment = FakeSegment::create(
            index,
            path,
            base,
            cancel,
            self.orders.clone(),
            Arc::clone(&self.progress),
        )?;
        Ok(Box::new(segment))
    }

    /// One line: samples and rate.
    fn encode_speech(
        &self,
        speech: &Speech,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), EncodeError> {
        match self.orders.speech {
            Some(SpeechTrouble::Fails) => return Err(dying_words()),
            Some(SpeechTrouble::Stalls) => return Err(self.progress.stall(cancel)),
            Some(SpeechTrouble::Panics) => panic!("the speech encoder panics as ordered"),
            None if cancel.is_cancelled() => return Err(EncodeError::Cancelled),
            None => {}
        }
        let line = format!("speech {} samples at {} Hz\n", speech.samples.len(), speech.rate.hz());
        std::fs::write(path, line)
            .map_err(|source| EncodeError::File { path: path.to_owned(), source })
    }
}

pub(crate) fn failure(cause: OrderedFailure) -> EncodeError {
    EncodeError::Encoder(Box::new(cause))
}

/// What a dead encoder leaves: an exit status and its cause.
pub(crate) fn dying_words() -> EncodeError {
    failure(OrderedFailure::new("exit status: 187").because("no space left on device"))
}
