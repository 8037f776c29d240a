//! One line of a manifest → its result.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use duolip_pipeline::job::JobId;
use duolip_pipeline::observe::NoObserver;
use duolip_pipeline::{JobError, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Output;
use super::manifest::BadLine;
use crate::answer::{Answer, Handed, Summary};
use crate::api::{Delivery, ErrorBody, JobSpec};
use crate::engine::Failure;
use crate::errors::outside;
use crate::service::Service;

/// How long a job waits before its second attempt; twice as long before each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A line of a manifest: a job, or why it is none.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from 1; `None` for a job that comes alone.
    pub(super) number: Option<usize>,
    pub(super) content: Result<JobLine, BadLine>,
}

/// A job of a manifest: its name, and the HTTP body.
#[derive(Debug)]
pub(super) struct JobLine {
    pub(super) id: String,
    pub(super) object: Map<String, Value>,
}

/// Whether a job has its video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has.
    Ok,
    /// It failed.
    Error,
}

/// What became of one line of a manifest.
#[derive(Debug, Clone)]
pub struct JobResult {
    /// The job's name; `None` for a line that names no job.
    pub id: Option<String>,
    /// Whether it has its video.
    pub status: Status,
    /// Whether another try may go better.
    pub retryable: bool,
    /// Whether the fault is ours and not the job's.
    pub ours: bool,
    /// The result as one line of JSON, its end included.
    pub line: Arc<str>,
}

/// How a result is written.
#[derive(Serialize)]
struct ResultLine<'a, T> {
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(flatten)]
    rest: T,
}

impl JobResult {
    fn ok(id: &str, number: Option<usize>, answer: &Answer, folder: Option<&Path>) -> Self {
        let mut summary = answer.summary();
        let path = folder.and_then(|folder| match &answer.handed {
            Handed::Stored(stored) => Some(folder.join(&stored.key)),
            Handed::Video { .. } => None,
        });
        if path.is_some() {
            summary = Summary { url: None, ..summary };
        }
        let line = text(&ResultLine {
            id: Some(id),
            line: number,
            status: Status::Ok,
            path,
            rest: summary,
        });
        Self { id: Some(id.to_owned()), status: Status::Ok, retryable: false, ours: false, line }
    }

    pub(super) fn failed(line: &Line, error: &JobError, job_id: Option<JobId>) -> Self {
        let outside = outside(error.kind());
        let id = line.content.as_ref().ok().map(|job| job.id.as_str());
        let body = ErrorBody::new(error, job_id);
        let text = text(&ResultLine {
            id,
            line: line.number,
            status: Status::Error,
            path: None,
            rest: body,
        });
        Self {
            id: id.map(str::to_owned),
            status: Status::Error,
            retryable: outside.retryable,
            ours: outside.status >= 500,
            line: text,
        }
    }
}

fn text(line: &impl Serialize) -> Arc<str> {
    // Nothing in a result is a map with other keys than texts, so this does not fail.
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text.into()
}

/// Renders the job of `line`; tries again while its error may pass and attempts are left. A failure is
/// logged here.
pub(super) async fn render(
    service: &Service,
    line: Line,
    output: Option<&Output>,
    attempts: u32,
) -> JobResult {
    let job = match &line.content {
        Ok(job) => job,
        Err(bad) => {
            let error = JobError::new(Stage::Validate, bad.clone());
            let failure = Failure::from(error);
            failure.log();
            return JobResult::failed(&line, &failure.error, None);
        }
    };
    let mut wait = FIRST_WAIT;
    let mut left = attempts;
    loop {
        left = left.saturating_sub(1);
        let failure = match attempt(service, job, output).await {
            Ok((answer, folder)) => {
                return JobResult::ok(&job.id, line.number, &answer, folder);
            }
            Err(failure) => failure,
        };
        failure.log();
        if left == 0 || !outside(failure.error.kind()).retryable {
            return JobResult::failed(&line, &failure.error, failure.job_id);
        }
        tracing::info!(id = job.id, wait_ms = wait.as_millis(), "the job is tried again");
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

/// The answer, and the folder that its video went to, if it is not in the store.
async fn attempt<'a>(
    service: &Service,
    job: &JobLine,
    output: Option<&'a Output>,
) -> Result<(Answer, Option<&'a Path>), Failure> {
    let mut spec = JobSpec::read(job.object.clone()).map_err(JobError::at(Stage::Validate))?;
    spec.name = Some(format!("{}.mp4", job.id));
    let output = output.filter(|_| spec.body.delivery == Delivery::Bytes);
    // There is nobody here to send bytes to.
    spec.body.delivery = Delivery::Url;
    if let Some(output) = output {
        spec.store = Some(Arc::clone(&output.store));
    }
    let place = service.place()?;
    let answer = service.run(spec, place, Arc::new(NoObserver)).await?;
    Ok((answer, output.map(|output| output.folder.as_path())))
}
