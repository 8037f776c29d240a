//! Counting what is alive at once: the proof that memory stays bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many of something there are, and the most there ever were. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    /// `count` have come.
    pub fn add(&self, count: usize) {
        let now = self.0.now.fetch_add(count, Ordering::SeqCst) + count;
        self.0.most.fetch_max(now, Ordering::SeqCst);
    }

    /// `count` have gone.
    pub fn take(&self, count: usize) {
        self.0.now.fetch_sub(count, Ordering::SeqCst);
    }

    /// How many there are.
    #[must_use]
    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::SeqCst)
    }

    /// The most there ever were at once.
    #[must_use]
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }
}
