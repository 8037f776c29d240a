//! Batch renders: where videos and results go, and which part of a manifest is this process's.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::Args;

use super::Config;
use crate::batch::{BatchSettings, Shard};

/// Batch renders.
#[derive(Debug, Clone, Args)]
pub struct BatchArgs {
    /// The results, one line of JSON per job: a file or `s3://BUCKET/KEY`; what is there is continued.
    /// Of several processes each puts its number before the ending
    #[arg(long, env = "DUOLIP_BATCH_RESULTS", value_name = "PLACE")]
    pub results: Option<String>,
    /// Folder for videos that are not delivered as a URL [default: that of the results; where they are
    /// in a bucket, all videos go to the store]
    #[arg(long, env = "DUOLIP_BATCH_OUTPUT", value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Jobs at the same time; no more than `DUOLIP_MAX_JOBS`
    #[arg(long, env = "DUOLIP_BATCH_JOBS", default_value = "2", value_name = "JOBS")]
    pub jobs: NonZeroU16,
    /// Attempts at a job whose error may pass
    #[arg(long, env = "DUOLIP_BATCH_ATTEMPTS", default_value = "3", value_name = "ATTEMPTS")]
    pub attempts: NonZeroU32,
    /// Number of processes that share the manifest, each rendering every SHARDS-th line
    #[arg(long, env = "DUOLIP_BATCH_SHARDS", default_value = "1", value_name = "SHARDS")]
    pub shards: NonZeroU16,
    /// Which of them this is, from 0; AWS Batch sets it for array jobs
    #[arg(long, env = "AWS_BATCH_JOB_ARRAY_INDEX", default_value_t = 0, value_name = "INDEX")]
    pub shard: u16,
}

impl BatchArgs {
    /// The settings of a batch.
    ///
    /// # Errors
    /// A message when the numbers do not fit together.
    pub fn settings(&self, config: &Config) -> Result<BatchSettings, String> {
        let (jobs, most) = (self.jobs.get(), config.limits.max_jobs);
        if jobs > most {
            return Err(format!(
                "DUOLIP_BATCH_JOBS is {jobs}; DUOLIP_MAX_JOBS allows {most} jobs at the same time"
            ));
        }
        Ok(BatchSettings {
            output: self.output.clone(),
            jobs: jobs.into(),
            shard: Shard::new(self.shard.into(), self.shards.get().into())?,
            attempts: self.attempts.get(),
        })
    }
}
