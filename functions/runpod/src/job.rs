//! One job: what the platform hands out → its report. The same for the queue and for the local
//! modes, which differ in who listens.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use duolip_pipeline::error::Classify;
use duolip_pipeline::{CancellationToken, ErrorKind, JobError, Stage};
use duolip_service::answer::{Answer, Handed};
use duolip_service::api::JobSpec;
use duolip_service::engine::Failure;
use duolip_service::service::Service;
use futures::FutureExt as _;
use serde_json::{Map, Value, json};

use crate::progress::{Heard, Painted, Progress, Watcher, watch_job};
use crate::report::Report;
use crate::s3_config::store_for;

/// A job of the platform.
#[derive(Debug)]
pub(crate) struct Job {
    /// The platform's name for it.
    pub(crate) id: String,
    input: Result<Map<String, Value>, BadInput>,
    /// Whether its parts are wanted as they are done.
    pub(crate) streamed: bool,
    s3_config: Option<Value>,
}

/// A job whose failure cannot even be reported, because it has no name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadJob {
    #[error("a job is no JSON object")]
    NotAnObject,
    #[error("a job has no id: a text that is not empty")]
    NoId,
}

/// A job that cannot be run.
#[derive(Debug, thiserror::Error)]
enum BadInput {
    #[error("the job has no input; it is the HTTP body, with endpoint beside its fields")]
    Missing,
    #[error("input is not an object; it is the HTTP body, with endpoint beside its fields")]
    NotAnObject,
    #[error("stream is neither true nor false")]
    Stream,
}

impl Classify for BadInput {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

/// Running the job, or a part of it, panicked.
#[derive(Debug, thiserror::Error)]
#[error("the job panicked")]
struct Panicked;

/// Is told how a job gets on.
pub(crate) trait Listener: Sync {
    /// How far the job is.
    fn progress(&self, progress: &Progress) -> impl Future<Output = ()> + Send;

    /// A part of the output.
    fn part(&self, part: &Value) -> impl Future<Output = ()> + Send;
}

impl Job {
    /// Reads what the platform hands out. Keys that are not ours are left alone; a wrong input is
    /// kept, to be reported.
    ///
    /// # Errors
    /// [`BadJob`].
    pub(crate) fn read(job: Value) -> Result<Self, BadJob> {
        let Value::Object(mut job) = job else { return Err(BadJob::NotAnObject) };
        let Some(Value::String(id)) = job.remove("id") else { return Err(BadJob::NoId) };
        if id.trim().is_empty() {
            return Err(BadJob::NoId);
        }
        let mut input = match job.remove("input") {
            Some(Value::Object(input)) => Ok(input),
            None | Some(Value::Null) => Err(BadInput::Missing),
            Some(_) => Err(BadInput::NotAnObject),
        };
        let stream = input.as_mut().ok().and_then(|input| input.remove("stream"));
        let streamed = match stream {
            None | Some(Value::Null) => false,
            Some(Value::Bool(streamed)) => streamed,
            Some(_) => {
                input = Err(BadInput::Stream);
                false
            }
        };
        let s3_config = job.remove("s3Config").filter(|config| !config.is_null());
        Ok(Self { id, input, streamed, s3_config })
    }

    /// Runs the job, and tells `listener` how far it is at most once in `every`; never when `every`
    /// is zero.
    ///
    /// # Cancellation
    /// Dropping the future stops the job and removes its files.
    pub(crate) async fn run(
        self,
        service: &Service,
        every: Duration,
        listener: &impl Listener,
    ) -> Report {
        let streamed = self.streamed;
        let (watcher, heard) = watch_job();
        let (done, latest) = (CancellationToken::new(), heard.progress.clone());
        let rendering = async {
            let rendered = AssertUnwindSafe(self.output(service, watcher)).catch_unwind().await;
            done.cancel();
            rendered.unwrap_or_else(|_| Err(internal(latest.borrow().stage, Panicked).into()))
        };
        // Nothing is told any more when this comes back: a late word of progress must not follow
        // the result.
        let telling = tell(heard, listener, every, streamed, &done);
        let (result, parts) = futures::join!(rendering, telling);
        let Some(mut parts) = parts else { return Report { result, streamed } };
        let result = match result {
            Ok(answer) => {
                listener.part(&answer).await;
                parts.push(answer);
                Ok(Value::Array(parts))
            }
            Err(failure) => Err(failure),
        };
        Report { result, streamed }
    }

    async fn output(self, service: &Service, watcher: Watcher) -> Result<Value, Failure> {
        let input = self.input.map_err(JobError::at(Stage::Validate))?;
        let delivery = &service.config().delivery;
        let store =
            self.s3_config.as_ref().map(|config| store_for(config, delivery)).transpose()?;
        let place = service.place()?;
        // Megabytes of base64 are no work for the threads that talk to the platform.
        let read = tokio::task::spawn_blocking(move || JobSpec::read(input));
        let read = read.await.map_err(|panic| internal(Stage::Validate, panic))?;
        let mut spec = read.map_err(JobError::at(Stage::Validate))?;
        spec.store = store;
        let answer = service.run(spec, place, Arc::new(watcher)).await?;
        let job_id = Some(answer.job_id);
        output(answer).await.map_err(|error| Failure { job_id, error })
    }
}

/// The output of a job: the JSON of the "url" answer, with the video itself where it has no URL.
async fn output(answer: Answer) -> Result<Value, JobError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| internal(Stage::Deliver, error);
    let mut output =
        serde_json::to_value(answer.summary()).map_err(|error| failed(error.into()))?;
    let Handed::Video { path, folder } = answer.handed else { return Ok(output) };
    let encoding = tokio::task::spawn_blocking(move || {
        let video = std::fs::read(&path);
        drop(folder);
        video.map(|video| BASE64_STANDARD.encode(video))
    });
    let video = encoding.await.map_err(|panic| failed(panic.into()))?;
    output["video_base64"] = video.map_err(|error| failed(error.into()))?.into();
    Ok(output)
}

fn internal(stage: Stage, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> JobError {
    JobError::with_kind(stage, ErrorKind::Internal, cause)
}

/// Tells `listener` how the job gets on until it is `done`; gives the parts that were told, for a job
/// that is streamed.
async fn tell(
    heard: Heard,
    listener: &impl Listener,
    every: Duration,
    streamed: bool,
    done: &CancellationToken,
) -> Option<Vec<Value>> {
    let Heard { mut progress, mut painted } = heard;
    let mut parts = Vec::new();
    let mut next = tokio::time::Instant::now();
    loop {
        let due = async {
            tokio::time::sleep_until(next).await;
            progress.changed().await
        };
        tokio::select! {
            biased;
            Some(chunk) = painted.recv(), if streamed => {
                let part = part(&chunk);
                listener.part(&part).await;
                parts.push(part);
            }
            () = done.cancelled() => break,
            Ok(()) = due, if !every.is_zero() => {
                let now = progress.borrow_and_update().clone();
                listener.progress(&now).await;
                next = tokio::time::Instant::now() + every;
            }
        }
    }
    streamed.then_some(parts)
}

fn part(chunk: &Painted) -> Value {
    json!({"painted": chunk})
}

#[cfg(test)]
mod tests;
