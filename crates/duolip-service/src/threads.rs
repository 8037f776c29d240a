//! The thread budget: how sessions and encoders share the processor. Pure.
//!
//! On the CPU the networks are the work, and an encoder keeps up on one thread beside them. With
//! the networks on a GPU their owner threads only hand batches over, and encoding is what the
//! processor is for.

use std::num::NonZeroUsize;

/// How many threads each part may keep busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadBudget {
    /// Of one model's session, for its arithmetic on the CPU while the others paint; alone it may have
    /// more (`duolip_onnx::chain::Crew`).
    pub each_model: NonZeroUsize,
    /// Of all encoders of one job together; each has one at least.
    pub encoders: NonZeroUsize,
}

impl ThreadBudget {
    /// Shares `threads` between `models` that run at the same time, `on_gpu` or on the CPU, and
    /// the encoders of a job.
    #[must_use]
    pub fn new(threads: NonZeroUsize, models: usize, on_gpu: bool) -> Self {
        let at_least_one = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            each_model: at_least_one(threads.get() / models.max(1)),
            encoders: if on_gpu {
                at_least_one(threads.get().saturating_sub(models))
            } else {
                NonZeroUsize::MIN
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(threads: usize, models: usize, on_gpu: bool) -> (usize, usize) {
        let budget = ThreadBudget::new(NonZeroUsize::new(threads).unwrap(), models, on_gpu);
        (budget.each_model.get(), budget.encoders.get())
    }

    #[test]
    fn on_the_cpu_the_models_share_all_threads_and_every_encoder_has_one() {
        assert_eq!(shares(16, 2, false), (8, 1));
        assert_eq!(shares(2, 2, false), (1, 1));
        assert_eq!(shares(2, 1, false), (2, 1));
    }

    #[test]
    fn with_a_gpu_the_encoders_have_what_the_models_owner_threads_leave() {
        assert_eq!(shares(16, 2, true), (8, 14));
        assert_eq!(shares(8, 1, true), (8, 7));
    }

    #[test]
    fn nobody_is_left_without_a_thread() {
        assert_eq!(shares(1, 2, false), (1, 1));
        assert_eq!(shares(1, 2, true), (1, 1));
        // An engine whose models all failed to load.
        assert_eq!(shares(4, 0, false), (4, 1));
    }
}
