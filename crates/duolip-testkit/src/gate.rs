//! Holding a fake back until the test lets it go on: an order of events, without clocks.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long is waited at the gate. A test that forgets to open it fails instead of hanging.
const LIMIT: Duration = Duration::from_secs(20);

/// A gate that is shut until some, or all, may pass. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<State>);

#[derive(Debug, Default)]
struct State {
    may_pass: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    /// Lets `count` more pass.
    pub fn allow(&self, count: usize) {
        let mut may_pass = self.may_pass();
        *may_pass = may_pass.saturating_add(count);
        self.0.changed.notify_all();
    }

    /// Lets all pass from now on.
    pub fn open(&self) {
        self.allow(usize::MAX);
    }

    /// Blocks until it may pass; `false` when it was not allowed to in 20 s.
    pub(crate) fn pass(&self) -> bool {
        let shut = |may_pass: &mut usize| *may_pass == 0;
        let waited = self.0.changed.wait_timeout_while(self.may_pass(), LIMIT, shut);
        let (mut may_pass, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let passes = *may_pass > 0;
        if passes && *may_pass < usize::MAX {
            *may_pass -= 1;
        }
        passes
    }

    fn may_pass(&self) -> MutexGuard<'_, usize> {
        self.0.may_pass.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
