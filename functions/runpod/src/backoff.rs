//! How long to wait before the platform is asked again. Knows nothing of what was asked.

use std::time::Duration;

/// The first pause, before jitter.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause: a platform that is back is noticed within half a minute.
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses that double, each shortened at random by up to a half: workers that lost the platform at the
/// same moment do not come back at the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let whole = whole(self.failures);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// The platform answered.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The pause after `failures` earlier ones, before jitter.
fn whole(failures: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_an_answer() {
        let mut backoff = Backoff::default();
        let wholes = [1, 2, 4, 8, 16, 30, 30, 30].map(Duration::from_secs);
        for whole in wholes {
            let pause = backoff.next();
            assert!(whole / 2 <= pause && pause <= whole, "{pause:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn any_number_of_failures_is_counted() {
        assert_eq!(whole(u32::MAX), LONGEST);
    }
}
