//! The asynchronous runtime of a program.

use std::io;

use duolip_pipeline::chunk::WORKERS;
use tokio::runtime::{Builder, Runtime};

use crate::config::Config;

/// Blocking threads of a job at most: one for each chunk, one for its sound, one for what it does with
/// files meanwhile.
const OF_A_JOB: usize = *WORKERS.end() + 2;

/// Blocking threads for all others: health, requests that are read, answers that are sent.
const OF_OTHERS: usize = 64;

/// A runtime in which as many jobs as `config` lets in at the same time leave threads for health.
///
/// # Errors
/// When the operating system gives no thread.
pub fn runtime(config: &Config) -> io::Result<Runtime> {
    let jobs = usize::from(config.limits.max_jobs);
    Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(jobs * OF_A_JOB + OF_OTHERS)
        .build()
}
