//! An observer that remembers.

use std::sync::{Mutex, PoisonError};

use duolip_pipeline::chunk::Chunk;
use duolip_pipeline::observe::Observer;

use crate::hash::frame_hash;

/// What an observer is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The plan.
    Planned(Vec<Chunk>),
    /// A frame.
    Composed(ComposedFrame),
}

/// A frame as it went to the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposedFrame {
    /// Its chunk.
    pub chunk: usize,
    /// Its number, counted over the whole job.
    pub frame: usize,
    /// [`frame_hash`] of its planes.
    pub hash: u64,
    /// The planes themselves, when they are kept.
    pub planes: Vec<u8>,
}

/// Remembers everything it is told, in order.
#[derive(Debug, Default)]
pub struct Recorder {
    events: Mutex<Vec<Event>>,
    keeps_planes: bool,
}

impl Recorder {
    /// A recorder that keeps the planes beside their hashes.
    #[must_use]
    pub fn keeping_planes() -> Self {
        Self { keeps_planes: true, ..Self::default() }
    }

    /// All it was told.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The plan.
    ///
    /// # Panics
    /// When it was not told of exactly one.
    #[must_use]
    pub fn plan(&self) -> Vec<Chunk> {
        let plans: Vec<_> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Planned(chunks) => Some(chunks),
                Event::Composed(_) => None,
            })
            .collect();
        let [plan] = &plans[..] else {
            panic!("1 plan is wanted; there are {}", plans.len());
        };
        plan.clone()
    }

    /// The frames by number.
    ///
    /// # Panics
    /// When one of them is missing or was seen twice.
    #[must_use]
    pub fn frames(&self) -> Vec<ComposedFrame> {
        let mut frames: Vec<_> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Planned(_) => None,
                Event::Composed(frame) => Some(frame),
            })
            .collect();
        frames.sort_by_key(|frame| frame.frame);
        for (number, frame) in frames.iter().enumerate() {
            assert_eq!(frame.frame, number, "every frame is seen once");
        }
        frames
    }

    /// The hashes of the frames by number.
    ///
    /// # Panics
    /// As [`Recorder::frames`].
    #[must_use]
    pub fn frame_hashes(&self) -> Vec<u64> {
        self.frames().iter().map(|frame| frame.hash).collect()
    }

    fn push(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl Observer for Recorder {
    fn planned(&self, chunks: &[Chunk]) {
        self.push(Event::Planned(chunks.to_vec()));
    }

    fn composed(&self, chunk: usize, frame: usize, planes: &[u8]) {
        let kept = if self.keeps_planes { planes } else { &[] };
        self.push(Event::Composed(ComposedFrame {
            chunk,
            frame,
            hash: frame_hash(planes),
            planes: kept.to_vec(),
        }));
    }
}
