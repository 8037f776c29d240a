//! Threads that several generators share.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Threads that several generators share: one that paints alone may have them all, and those that
/// paint at the same time have an equal part each.
#[derive(Debug)]
pub struct Crew {
    threads: NonZeroUsize,
    /// The most that one generator has.
    most: NonZeroUsize,
    /// `None` where one thread does it all: the caller's.
    pool: Option<ThreadPool>,
    /// Generators that paint now.
    painting: AtomicUsize,
}

/// A generator that paints now, until it is dropped.
pub(crate) struct Shift<'a> {
    crew: &'a Crew,
    painting: usize,
}

/// Threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("threads could not be started")]
pub struct CrewError(#[from] ThreadPoolBuildError);

impl Crew {
    /// A crew of `threads`, of which one generator has `most`: the caller's thread where it has but
    /// one, else threads of the crew.
    ///
    /// # Errors
    /// [`CrewError`].
    pub fn new(threads: NonZeroUsize, most: NonZeroUsize) -> Result<Self, CrewError> {
        let pool = (most.get() > 1)
            .then(|| {
                let names = |number| format!("paint-{number}");
                ThreadPoolBuilder::new().num_threads(threads.get()).thread_name(names).build()
            })
            .transpose()?;
        Ok(Self { threads, most, pool, painting: AtomicUsize::new(0) })
    }

    /// The thread of whoever calls.
    #[must_use]
    pub const fn of_one() -> Self {
        let one = NonZeroUsize::MIN;
        Self { threads: one, most: one, pool: None, painting: AtomicUsize::new(0) }
    }

    /// The most threads that one generator has.
    pub(crate) fn most(&self) -> usize {
        self.most.get()
    }

    pub(crate) fn begin(&self) -> Shift<'_> {
        Shift { crew: self, painting: self.painting.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Shift<'_> {
    /// How many threads are this generator's.
    pub(crate) fn threads(&self) -> usize {
        (self.crew.threads.get() / self.painting).clamp(1, self.crew.most.get())
    }

    /// Where `threads` of them are found: for one, the caller's does.
    pub(crate) fn pool(&self, threads: usize) -> Option<&ThreadPool> {
        self.crew.pool.as_ref().filter(|_| threads > 1)
    }
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        self.crew.painting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crew(threads: usize, most: usize) -> Crew {
        let [threads, most] = [threads, most].map(|count| NonZeroUsize::new(count).unwrap());
        Crew::new(threads, most).unwrap()
    }

    #[test]
    fn whoever_paints_alone_has_all_threads_and_others_their_part() {
        let crew = crew(5, 5);
        let alone = crew.begin();
        let second = crew.begin();
        let third = crew.begin();
        assert_eq!([alone.threads(), second.threads(), third.threads()], [5, 2, 1]);
        drop(alone);
        drop(third);
        assert_eq!(crew.begin().threads(), 2);
        drop(second);
        assert_eq!(crew.begin().threads(), 5);
        let crowd: Vec<_> = (0..7).map(|_| crew.begin()).collect();
        assert_eq!(crowd[6].threads(), 1);
        assert!(crowd[6].pool(1).is_none() && crowd[0].pool(5).is_some());
    }

    #[test]
    fn one_thread_is_the_callers() {
        for crew in [crew(1, 1), Crew::of_one()] {
            assert!(crew.begin().threads() == 1 && crew.begin().pool(1).is_none());
        }
    }

    #[test]
    fn nobody_has_more_than_was_said() {
        let crew = crew(6, 3);
        let shifts = [crew.begin(), crew.begin(), crew.begin()];
        assert_eq!(shifts.each_ref().map(Shift::threads), [3, 3, 2]);
    }
}
