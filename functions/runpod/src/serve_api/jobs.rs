//! The jobs of the local API and their states: queued, run as many at a time as configured, kept for
//! a while when they have ended. Knows nothing of HTTP.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use duolip_pipeline::CancellationToken;
use duolip_service::health::Status as Serving;
use duolip_service::service::Service;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::job::{Job, Listener};
use crate::progress::Progress;
use crate::report::{Identity, Report};

/// Jobs that may wait.
const WAITING: usize = 100;

/// Jobs that are kept when they have ended, each with its result; the oldest go first.
const ENDED: usize = 100;

/// All jobs. A clone is the same ones.
#[derive(Clone)]
pub(super) struct Jobs(Arc<Inner>);

struct Inner {
    service: Service,
    identity: Identity,
    every: Duration,
    /// None until the models are warm: jobs wait for that in the queue.
    slots: Semaphore,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    jobs: HashMap<String, Record>,
    /// Names of jobs that have ended, the oldest first.
    ended: VecDeque<String>,
    failed: usize,
    completed: usize,
}

struct Record {
    status: Status,
    /// The output, the error's text, or the latest progress.
    output: Option<Value>,
    error: Option<String>,
    /// Parts of the output that nobody has asked for yet.
    parts: Vec<Value>,
    /// Ends the job.
    stopped: CancellationToken,
    /// Cancelled when the job has come to its end.
    ended: CancellationToken,
    queued_at: Instant,
    began_at: Option<Instant>,
    ended_at: Option<Instant>,
}

/// Where a job is, in the platform's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    InQueue,
    InProgress,
    Completed,
    Failed,
    Cancelled,
}

/// What is said of a job.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    id: String,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Milliseconds in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_time: Option<u64>,
    /// Milliseconds of work.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_time: Option<u64>,
}

/// Too many jobs wait.
#[derive(Debug, thiserror::Error)]
#[error("{WAITING} jobs wait already; try again soon")]
pub(super) struct Full;

impl Jobs {
    pub(super) fn new(service: Service, identity: Identity, every: Duration) -> Self {
        let table = Mutex::default();
        Self(Arc::new(Inner { service, identity, every, slots: Semaphore::new(0), table }))
    }

    /// Loads the models, and then runs `concurrency` jobs at the same time. Blocks.
    pub(super) fn warm_up(&self, concurrency: usize) {
        self.0.service.warm_up();
        self.0.slots.add_permits(concurrency);
    }

    /// Queues `job`, whatever its own `id` is, and gives its name.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn submit(&self, mut job: Value) -> Result<String, Full> {
        let id = Uuid::now_v7().to_string();
        let mut table = self.table();
        if table.count(Status::InQueue) >= WAITING {
            return Err(Full);
        }
        job["id"] = id.clone().into();
        let record = Record::new();
        let (stopped, ended) = (record.stopped.clone(), record.ended.clone());
        table.jobs.insert(id.clone(), record);
        drop(table);
        let (jobs, name) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let report = tokio::select! {
                biased;
                () = stopped.cancelled() => None,
                report = jobs.run(&name, job) => report,
            };
            jobs.end(&name, report);
            ended.cancel();
        });
        Ok(id)
    }

    /// Comes back when the job `id` has ended; at once when there is none.
    pub(super) async fn ended(&self, id: &str) {
        let ended = self.table().jobs.get(id).map(|record| record.ended.clone());
        if let Some(ended) = ended {
            ended.cancelled().await;
        }
    }

    /// Cancels the job `id`; one that has ended stays as it is.
    pub(super) fn cancel(&self, id: &str) {
        if let Some(record) = self.table().jobs.get(id) {
            record.stopped.cancel();
        }
    }

    pub(super) fn cancel_all(&self) {
        self.table().jobs.values().for_each(|record| record.stopped.cancel());
    }

    /// What there is to say of the job `id`.
    pub(super) fn view(&self, id: &str) -> Option<View> {
        self.table().jobs.get(id).map(|record| record.view(id))
    }

    /// The parts of the output of `id` that were not taken yet, with its status.
    pub(super) fn take_parts(&self, id: &str) -> Option<(Status, Vec<Value>)> {
        let mut table = self.table();
        let record = table.jobs.get_mut(id)?;
        Some((record.status, std::mem::take(&mut record.parts)))
    }

    /// The platform's counts, and the health of the service. Blocks.
    pub(super) fn health(&self) -> Value {
        let service = self.0.service.health();
        let table = self.table();
        let running = table.count(Status::InProgress);
        let warming = usize::from(service.status == Serving::Warming);
        let busy = usize::from(running > 0);
        let idle = usize::from(service.status.is_serving() && running == 0);
        json!({
            "jobs": {
                "completed": table.completed,
                "failed": table.failed,
                "inProgress": running,
                "inQueue": table.count(Status::InQueue),
                "retried": 0,
            },
            "workers": {"idle": idle, "initializing": warming, "running": busy, "throttled": 0},
            "service": service,
        })
    }

    async fn run(&self, id: &str, job: Value) -> Option<Report> {
        // The semaphore is never closed.
        let _slot = self.0.slots.acquire().await.ok()?;
        self.change(id, |record| {
            record.status = Status::InProgress;
            record.began_at = Some(Instant::now());
        });
        // It is an object with a name: `submit` gave it one.
        let job = Job::read(job).ok()?;
        Some(job.run(&self.0.service, self.0.every, &Ear { jobs: self, id }).await)
    }

    fn end(&self, id: &str, report: Option<Report>) {
        let mut table = self.table();
        let Some(record) = table.jobs.get_mut(id) else { return };
        record.ended_at = Some(Instant::now());
        record.output = None;
        record.error = report.as_ref().and_then(|report| report.error(&self.0.identity));
        record.status = match report.map(|report| report.result) {
            None => Status::Cancelled,
            Some(Ok(output)) => {
                record.output = Some(output);
                Status::Completed
            }
            Some(Err(failure)) => {
                failure.log();
                Status::Failed
            }
        };
        match record.status {
            Status::Completed => table.completed += 1,
            Status::Failed => table.failed += 1,
            _ => {}
        }
        table.ended.push_back(id.to_owned());
        if table.ended.len() > ENDED
            && let Some(oldest) = table.ended.pop_front()
        {
            table.jobs.remove(&oldest);
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.table().jobs.get_mut(id) {
            change(record);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&self, status: Status) -> usize {
        self.jobs.values().filter(|record| record.status == status).count()
    }
}

impl Record {
    fn new() -> Self {
        Self {
            status: Status::InQueue,
            output: None,
            error: None,
            parts: Vec::new(),
            stopped: CancellationToken::new(),
            ended: CancellationToken::new(),
            queued_at: Instant::now(),
            began_at: None,
            ended_at: None,
        }
    }

    fn view(&self, id: &str) -> View {
        let ms = |from: Instant, to: Instant| (to - from).as_millis() as u64;
        View {
            id: id.to_owned(),
            status: self.status,
            output: self.output.clone(),
            error: self.error.clone(),
            delay_time: self.began_at.map(|began| ms(self.queued_at, began)),
            execution_time: self.began_at.zip(self.ended_at).map(|(began, end)| ms(began, end)),
        }
    }
}

/// Hears how a job gets on.
struct Ear<'a> {
    jobs: &'a Jobs,
    id: &'a str,
}

impl Listener for Ear<'_> {
    async fn progress(&self, progress: &Progress) {
        self.jobs.change(self.id, |record| record.output = serde_json::to_value(progress).ok());
    }

    async fn part(&self, part: &Value) {
        self.jobs.change(self.id, |record| record.parts.push(part.clone()));
    }
}
