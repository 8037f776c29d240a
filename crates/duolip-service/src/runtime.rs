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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        config: Config,
    }

    /// More than tokio has threads for by itself: 512.
    #[test]
    fn jobs_of_as_many_chunks_as_there_may_be_leave_a_thread_for_health() {
        let args = Args::try_parse_from(["test", "--max-jobs", "40"]).unwrap();
        let runtime = runtime(&args.config).unwrap();
        let (ends, jobs): (Vec<_>, Vec<_>) = (0..40 * WORKERS.end())
            .map(|_| {
                let (end, ended) = sync_channel::<()>(1);
                (end, runtime.spawn_blocking(move || ended.recv().is_err()))
            })
            .unzip();
        assert!(runtime.block_on(runtime.spawn_blocking(|| true)).unwrap());
        drop(ends);
        for job in jobs {
            assert!(runtime.block_on(job).unwrap());
        }
    }
}
