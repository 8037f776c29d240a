//! Waiting for another thread, with an end: a test that waits in vain fails instead of hanging.

use std::time::{Duration, Instant};

/// How long anything is waited for: far more than a busy machine needs, less than a test may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How often is looked.
pub(crate) const POLL: Duration = Duration::from_millis(1);

/// Blocks until `condition` holds; `false` when it has not come to hold in 20 s.
pub fn comes_to_hold(condition: impl Fn() -> bool) -> bool {
    comes_to_hold_within(LIMIT, condition)
}

pub(crate) fn comes_to_hold_within(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let until = Instant::now() + limit;
    while !condition() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// Blocks until `condition` holds.
///
/// # Panics
/// When it has not come to hold in 20 s; `what` is named.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    assert!(comes_to_hold(condition), "in vain waited until {what}");
}
