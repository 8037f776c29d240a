//! A job's turn in the worker: it is run, its result is posted, or kept where that fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::error::chain;
use duolip_service::service::Service;
use serde_json::{Value, json};

use super::Event;
use crate::job::{Job, Listener};
use crate::outbox::keep;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::report::{Identity, json as to_json};

/// What the worker's tasks share.
pub(super) struct Shared {
    pub(super) service: Service,
    pub(super) platform: Platform,
    pub(super) identity: Identity,
    /// Time between two reports of progress.
    pub(super) every: Duration,
    /// Where results are kept that the platform does not take.
    pub(super) kept: PathBuf,
    /// Cancelled when time is up: renders end, and results are no longer posted but kept.
    pub(super) hurry: CancellationToken,
}

/// Runs one job and posts its result, unless the platform stops it.
pub(super) async fn take_turn(shared: Arc<Shared>, job: Job, stopped: CancellationToken) -> Event {
    let id = job.id.clone();
    let refresh = tokio::select! {
        biased;
        () = stopped.cancelled() => {
            tracing::info!(requestId = id, "cancelled: nothing is posted");
            false
        }
        refresh = run_and_post(&shared, job) => refresh,
    };
    Event::Ended { id, refresh }
}

/// Whether the worker should be replaced.
async fn run_and_post(shared: &Shared, job: Job) -> bool {
    let id = job.id.clone();
    tracing::info!(requestId = id, "job begins");
    let voice = Voice { platform: &shared.platform, id: &id };
    let report = tokio::select! {
        biased;
        () = shared.hurry.cancelled() => {
            tracing::warn!(requestId = id, "time is up: the job is left to another worker");
            return false;
        }
        report = job.run(&shared.service, shared.every, &voice) => report,
    };
    if let Err(failure) = &report.result {
        failure.log();
    }
    let (body, refresh) = (report.body(&shared.identity), report.refreshes_worker());
    let streamed = report.streamed;
    // It holds the video a second time.
    drop(report);
    let posted = shared.platform.post_result(&id, &body, streamed, &shared.hurry).await;
    match posted {
        Ok(()) => tracing::info!(requestId = id, size_bytes = body.len(), "result posted"),
        Err(error) => {
            let cause = chain(&error);
            match keep(&shared.kept, &id, &body) {
                Ok(kept) => {
                    let kept = kept.display();
                    tracing::error!(requestId = id, cause, %kept, "result not posted, and kept");
                }
                Err(reason) => {
                    tracing::error!(requestId = id, cause, %reason, "result not posted, and lost");
                }
            }
        }
    }
    refresh
}

/// Tells the platform how a job gets on.
struct Voice<'a> {
    platform: &'a Platform,
    id: &'a str,
}

impl Listener for Voice<'_> {
    async fn progress(&self, progress: &Progress) {
        let body = to_json(&json!({"status": "IN_PROGRESS", "output": progress}));
        if let Err(error) = self.platform.post_progress(self.id, body.into()).await {
            tracing::debug!(requestId = self.id, cause = chain(&error), "progress not posted");
        }
    }

    async fn part(&self, part: &Value) {
        let body = to_json(&json!({"output": part}));
        if let Err(error) = self.platform.post_part(self.id, body.into()).await {
            tracing::warn!(requestId = self.id, cause = chain(&error), "a part was not posted");
        }
    }
}
