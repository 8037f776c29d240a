//! The queue worker: is it fit, then take jobs, run them, post their results, until told to stop.
//!
//! One loop owns all of its state and waits for what comes next ([`Event`]); taking, listening for
//! stops and running are tasks that it starts. What a job is, and how the platform is spoken to, it
//! does not know.

mod turn;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::error::chain;
use duolip_service::api::body_limit_bytes;
use duolip_service::config::RunpodArgs;
use duolip_service::service::Service;
use serde_json::Value;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;

use crate::backoff::Backoff;
use crate::fitness::{Unfit, examine};
use crate::job::Job;
use crate::ping::{InProgress, Pinger, Pinging};
use crate::platform::{Asked, Platform, PlatformError};
use crate::report::Identity;
use turn::{Shared, take_turn};

/// How long to wait after the platform said that it is asked too often.
const TOO_OFTEN: Duration = Duration::from_secs(5);

/// The least time from one call to the next when the last one brought nothing: the platform holds calls
/// open, but a proxy in between may not.
const LEAST_TURN: Duration = Duration::from_secs(1);

/// What the loop waits for.
enum Event {
    /// A call for jobs came back.
    Taken { since: Instant, asked: Result<Asked<Vec<Value>>, PlatformError> },
    /// The platform wants jobs stopped.
    Stops(Vec<String>),
    /// A job came to its end.
    Ended { id: String, refresh: bool },
}

/// The worker.
struct Worker {
    shared: Arc<Shared>,
    concurrency: usize,
    tasks: JoinSet<Event>,
    /// The call for jobs that is open.
    call: Option<AbortHandle>,
    backoff: Backoff,
    /// Jobs that were handed out and wait for one of the others to end.
    waiting: VecDeque<Job>,
    /// What ends each job that runs.
    running: HashMap<String, CancellationToken>,
    in_progress: InProgress,
    /// No more jobs are taken.
    leaving: bool,
}

/// Works until `stopping` is cancelled, or until a job leaves the worker in need of a fresh start.
///
/// # Errors
/// [`Unfit`] when it cannot work at all; when the platform's client cannot be made.
pub(crate) async fn work(
    service: Service,
    args: &RunpodArgs,
    identity: Identity,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let job_bytes = body_limit_bytes(service.config());
    let Some(platform) = Platform::new(args, &identity.worker_id, job_bytes)? else {
        anyhow::bail!("there is no platform to take jobs from");
    };
    let pinger = Pinger::new(args)?;
    let warming = service.clone();
    let min_disk_mib = args.min_disk_mib;
    let fit = tokio::task::spawn_blocking(move || {
        warming.warm_up();
        examine(&warming, min_disk_mib)
    });
    tokio::select! {
        fit = fit => {
            if let Err(unfit) = fit? {
                return Err(give_up(pinger.as_ref(), unfit).await.into());
            }
        }
        () = stopping.cancelled() => {
            service.stop();
            return Ok(());
        }
    }
    let in_progress = InProgress::default();
    let _pinging = pinging(pinger, &in_progress)?;
    let grace = args.grace(service.config());
    let shared = Shared {
        kept: service.config().undelivered_dir(),
        every: Duration::from_secs(args.progress_seconds.into()),
        hurry: CancellationToken::new(),
        service,
        platform,
        identity,
    };
    Worker::new(shared, args.concurrency.get().into(), in_progress).run(&stopping, grace).await;
    Ok(())
}

async fn give_up(pinger: Option<&Pinger>, unfit: Unfit) -> Unfit {
    if let Some(pinger) = pinger {
        pinger.unhealthy(unfit.check, &unfit.reason).await;
    }
    unfit
}

fn pinging(pinger: Option<Pinger>, jobs: &InProgress) -> std::io::Result<Option<Pinging>> {
    if pinger.is_none() {
        tracing::info!(
            "no pings: RUNPOD_WEBHOOK_PING, RUNPOD_POD_ID and RUNPOD_AI_API_KEY are not all set"
        );
    }
    pinger.map(|pinger| pinger.start(jobs.clone())).transpose()
}

impl Worker {
    fn new(shared: Shared, concurrency: usize, in_progress: InProgress) -> Self {
        Self {
            shared: Arc::new(shared),
            concurrency,
            tasks: JoinSet::new(),
            call: None,
            backoff: Backoff::default(),
            waiting: VecDeque::new(),
            running: HashMap::new(),
            in_progress,
            leaving: false,
        }
    }

    async fn run(mut self, stopping: &CancellationToken, grace: Duration) {
        tracing::info!(
            worker = self.shared.identity.worker_id,
            concurrency = self.concurrency,
            "ready to take jobs"
        );
        self.listen_for_stops(Duration::ZERO);
        self.call(Duration::ZERO);
        let mut time_is_up = None;
        while !(self.leaving && self.running.is_empty() && self.waiting.is_empty()) {
            let patience = async {
                match time_is_up {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok(event) => self.react(event),
                    // A fault of the worker itself, not of a job: better no worker than a deaf one.
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    // The call that was broken off.
                    Err(_) => {}
                },
                () = stopping.cancelled(), if time_is_up.is_none() => {
                    let (running, waiting) = (self.running.len(), self.waiting.len());
                    tracing::info!(running, waiting, "stopping: no more jobs are taken");
                    self.leave();
                    time_is_up = Some(Instant::now() + grace);
                }
                () = patience, if !self.shared.hurry.is_cancelled() => {
                    let (running, waiting) = (self.running.len(), self.waiting.len());
                    tracing::warn!(running, waiting, "jobs still there are left to other workers");
                    self.shared.hurry.cancel();
                    self.waiting.clear();
                }
            }
        }
    }

    fn react(&mut self, event: Event) {
        match event {
            Event::Taken { since, asked } => {
                self.call = None;
                let pause = self.taken(since, asked);
                self.start_waiting();
                self.call(pause);
            }
            Event::Stops(jobs) => self.stop(&jobs),
            Event::Ended { id, refresh } => {
                self.running.remove(&id);
                self.in_progress.remove(&id);
                if refresh && !self.leaving {
                    tracing::warn!("this worker asked to be replaced: no more jobs are taken");
                    self.leave();
                }
                self.start_waiting();
                self.call(Duration::ZERO);
            }
        }
    }

    /// Calls for as many jobs as there is room for, after a pause; one call at a time. A call is not
    /// broken off when more room comes free: a job may be on its way.
    fn call(&mut self, pause: Duration) {
        let room = self.concurrency.saturating_sub(self.running.len() + self.waiting.len());
        if self.leaving || self.call.is_some() || room == 0 {
            return;
        }
        let (shared, busy) = (Arc::clone(&self.shared), !self.running.is_empty());
        self.call = Some(self.tasks.spawn(async move {
            sleep(pause).await;
            let since = Instant::now();
            let asked = shared.platform.take(room, busy).await;
            Event::Taken { since, asked }
        }));
    }

    /// Takes in what a call brought, and gives the pause before the next one.
    fn taken(
        &mut self,
        since: Instant,
        asked: Result<Asked<Vec<Value>>, PlatformError>,
    ) -> Duration {
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => {
                let pause = self.backoff.next();
                let (cause, pause_ms) = (chain(&error), pause.as_millis() as u64);
                tracing::warn!(cause, pause_ms, "no jobs can be taken");
                return pause;
            }
        };
        self.backoff.reset();
        match asked {
            Asked::Got(jobs) => {
                for job in jobs {
                    self.admit(job);
                }
                Duration::ZERO
            }
            Asked::Nothing => LEAST_TURN.saturating_sub(since.elapsed()),
            Asked::TooOften => TOO_OFTEN,
        }
    }

    fn admit(&mut self, job: Value) {
        match Job::read(job) {
            Ok(job) if self.in_progress.insert(&job.id) => self.waiting.push_back(job),
            Ok(job) => tracing::warn!(requestId = job.id, "the job is here already"),
            Err(error) => {
                tracing::error!(
                    cause = chain(&error),
                    "a job cannot be read, nor its failure told"
                );
            }
        }
    }

    fn start_waiting(&mut self) {
        while self.running.len() < self.concurrency {
            let Some(job) = self.waiting.pop_front() else { break };
            let stopped = CancellationToken::new();
            self.running.insert(job.id.clone(), stopped.clone());
            let span = tracing::info_span!("request", requestId = job.id);
            let work = take_turn(Arc::clone(&self.shared), job, stopped);
            self.tasks.spawn(work.instrument(span));
        }
    }

    fn stop(&mut self, jobs: &[String]) {
        for id in jobs {
            if let Some(stopped) = self.running.get(id) {
                stopped.cancel();
            } else if let Some(at) = self.waiting.iter().position(|job| &job.id == id) {
                self.waiting.remove(at);
                self.in_progress.remove(id);
                tracing::info!(requestId = id, "cancelled before it began");
            }
        }
        // The platform may name a job until it has seen it go.
        self.listen_for_stops(LEAST_TURN);
    }

    fn listen_for_stops(&mut self, pause: Duration) {
        if !self.shared.platform.has_stops() {
            tracing::warn!("jobs cannot be cancelled: /job-take/ is not in RUNPOD_WEBHOOK_GET_JOB");
            return;
        }
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            sleep(pause).await;
            stops(&shared.platform).await
        });
    }

    /// Takes no more jobs. A job that the platform is handing out at this very moment is given to
    /// another worker when this one has ended, as those of any worker that ends.
    fn leave(&mut self) {
        self.leaving = true;
        if let Some(call) = self.call.take() {
            call.abort();
        }
    }
}

/// Asks until the platform names jobs to stop.
async fn stops(platform: &Platform) -> Event {
    let mut backoff = Backoff::default();
    loop {
        let pause = match platform.stops().await {
            Ok(Asked::Got(jobs)) if !jobs.is_empty() => return Event::Stops(jobs),
            Ok(Asked::Got(_) | Asked::Nothing) => {
                backoff.reset();
                LEAST_TURN
            }
            Ok(Asked::TooOften) => TOO_OFTEN,
            Err(error) => {
                tracing::debug!(cause = chain(&error), "no word of jobs to stop");
                backoff.next()
            }
        };
        sleep(pause).await;
    }
}
