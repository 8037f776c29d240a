//! Batch renders: a manifest of jobs in, one result line per job out.
//!
//! The manifest is JSON Lines: each line is the HTTP body, plus `id` and an optional `endpoint`. A line
//! that is wrong fails alone. A run that was stopped or killed goes on where it was: what has its
//! result is not rendered again. Shared by the command line and the batch function.

mod command;
mod job;
mod manifest;
mod results;

use std::path::PathBuf;
use std::sync::Arc;

use duolip_delivery::{FolderArtifactStore, FolderSettings};
use duolip_pipeline::deliver::ArtifactStore;
use duolip_pipeline::error::Classify;
use duolip_pipeline::{CancellationToken, ErrorKind, JobError, Stage};
use futures::StreamExt as _;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::service::Service;
use crate::store::StoreError;
pub use command::command;
pub use job::{JobResult, Status};
pub use manifest::{BadLine, Manifest, ManifestError, Shard};
pub use results::{Results, ResultsError};

use job::{Line, render};
use manifest::Lines;

/// Lines that may be read ahead of the jobs that run.
const READ_AHEAD: usize = 2;

/// How a batch is run.
#[derive(Debug, Clone)]
pub struct BatchSettings {
    /// Where videos go that are not delivered as a URL; `None`: to the store, like the others.
    pub output: Option<PathBuf>,
    /// Jobs at the same time.
    pub jobs: usize,
    /// The part of the manifest that is this process's.
    pub shard: Shard,
    /// How often a job is tried whose error may pass.
    pub attempts: u32,
}

/// What became of the lines of a manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Jobs whose video is there.
    pub ok: usize,
    /// Jobs that failed, and lines that are no job.
    pub failed: usize,
    /// Of both together: what an earlier run had done.
    pub before: usize,
    /// Jobs that were not begun because the run was stopped.
    pub left: usize,
}

impl Tally {
    /// The exit code of a run: 0 all, 3 some, 4 none of the jobs are ok, 75 stopped with jobs left,
    /// which the next run does.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self { left: 1.., .. } => 75,
            Self { failed: 0, .. } => 0,
            Self { ok: 0, .. } => 4,
            _ => 3,
        }
    }
}

/// Why a batch could not be run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The results cannot be kept.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// No job could be rendered here.
    #[error("nothing can be rendered: {0}")]
    Unfit(String),
    /// Videos cannot be kept.
    #[error("the folder for videos cannot be used")]
    Output(#[source] StoreError),
    /// A part of the run panicked.
    #[error("the batch panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

impl Classify for BatchError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Manifest(error) => error.kind(),
            Self::Results(error) => error.kind(),
            Self::Unfit(_) => ErrorKind::PairRequired,
            Self::Output(_) => ErrorKind::InvalidInput,
            Self::Panicked(_) => ErrorKind::Internal,
        }
    }
}

/// Renders the jobs of `manifest` that have no result yet, and appends their results, in the order in
/// which they are done. `told` hears of each.
///
/// After `stop` no job is begun; those under way are finished, and the rest is counted.
///
/// # Errors
/// [`BatchError`]. What was done until then has its result.
///
/// # Cancellation
/// Dropping the future stops the jobs under way; the next run does them.
pub async fn run(
    service: &Service,
    manifest: Manifest,
    results: Results,
    settings: &BatchSettings,
    stop: &CancellationToken,
    told: impl Fn(&JobResult),
) -> Result<Tally, BatchError> {
    let output = Output::new(settings).map_err(BatchError::Output)?;
    let (shard, limit_bytes) = (settings.shard, crate::api::body_limit_bytes(service.config()));
    let done = results.done().clone();
    let mut tally = Tally { ok: done.ok, failed: done.failed, ..Tally::default() };
    let may_wait = manifest.may_wait;
    let (lines, received) = tokio::sync::mpsc::channel(READ_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        for line in Lines::new(manifest, limit_bytes, shard) {
            // Nobody listens any more: the run was cancelled.
            if lines.blocking_send(line?).is_err() {
                break;
            }
        }
        Ok(())
    });
    let lines = futures::stream::unfold(received, |mut received| async move {
        tokio::select! {
            line = received.recv() => Some((line?, received)),
            () = stop.cancelled(), if may_wait => None,
        }
    });
    let rendered = lines.map(|line| async {
        if done.has(&line) {
            return Outcome::Before;
        }
        if stop.is_cancelled() {
            return Outcome::Left;
        }
        Outcome::Done(Box::new(render(service, line, output.as_ref(), settings.attempts).await))
    });
    let mut outcomes = std::pin::pin!(rendered.buffer_unordered(settings.jobs.max(1)));
    let mut results = results;
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Outcome::Before => tally.before += 1,
            Outcome::Left => tally.left += 1,
            Outcome::Done(result) => {
                match result.status {
                    Status::Ok => tally.ok += 1,
                    Status::Error => tally.failed += 1,
                }
                let line = Arc::clone(&result.line);
                let appended =
                    tokio::task::spawn_blocking(move || results.append(&line).map(|()| results));
                results = appended.await.map_err(BatchError::Panicked)??;
                results.keep_up().await?;
                told(&result);
            }
        }
    }
    results.finish().await?;
    // A reader that waits for somebody to type is left to itself.
    if !(may_wait && stop.is_cancelled()) {
        reading.await.map_err(BatchError::Panicked)?.map_err(BatchError::Manifest)?;
    }
    Ok(tally)
}

/// A warm service for the jobs of batches. Where nothing could be rendered no job is begun, for each
/// would be told that it failed.
///
/// # Errors
/// [`BatchError::Unfit`].
pub async fn warm(config: Config) -> Result<Service, BatchError> {
    let service = Service::new(config);
    let warming = service.clone();
    let warmed = tokio::task::spawn_blocking(move || {
        warming.warm_up();
        warming.health()
    });
    let health = warmed.await.map_err(BatchError::Panicked)?;
    if health.status.is_serving() {
        Ok(service)
    } else {
        Err(BatchError::Unfit(health.problems.join("; ")))
    }
}

/// What became of one line.
enum Outcome {
    Before,
    Left,
    Done(Box<JobResult>),
}

/// Renders one job, whose object is a line of a manifest, outside any manifest: of a queue or of a
/// map over a manifest.
pub async fn run_one(
    service: &Service,
    object: Map<String, Value>,
    settings: &BatchSettings,
) -> JobResult {
    let line = Line { number: None, content: manifest::job_of(object) };
    match Output::new(settings) {
        Ok(output) => render(service, line, output.as_ref(), settings.attempts).await,
        Err(error) => JobResult::failed(&line, &JobError::new(Stage::Deliver, error), None),
    }
}

/// The folder for videos that are not delivered as a URL.
struct Output {
    folder: PathBuf,
    store: Arc<dyn ArtifactStore>,
}

impl Output {
    fn new(settings: &BatchSettings) -> Result<Option<Self>, StoreError> {
        let Some(folder) = settings.output.clone() else { return Ok(None) };
        let (prefix, public_url) = (String::new(), None);
        let place = FolderSettings { folder: folder.clone(), prefix, public_url };
        Ok(Some(Self { folder, store: Arc::new(FolderArtifactStore::new(place)?) }))
    }
}
