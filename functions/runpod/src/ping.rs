//! Tells the platform that the worker lives, and which jobs it has. On a thread of its own with a
//! runtime of its own: nothing that a job does can keep it from that.
//!
//! Knows nothing of jobs but their names.

use std::collections::BTreeSet;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use duolip_pipeline::error::chain;
use duolip_service::config::RunpodArgs;
use reqwest::Client;

use crate::platform::address::ping;
use crate::platform::client;

/// What stands where the platform expects the version of its own kit.
const VERSION: &str = concat!("duolip-", env!("CARGO_PKG_VERSION"));

/// How often a ping is tried when the platform is busy or in trouble.
const ATTEMPTS: u32 = 3;

/// How long the last words of an unfit worker may take.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(5);

/// Characters of the reason that an unfit worker gives.
const REASON_CHARS: usize = 256;

/// The names of the jobs that a worker has. A clone is the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct InProgress(Arc<Mutex<BTreeSet<String>>>);

impl InProgress {
    /// Takes `job` into the list; false when it is in it already.
    pub(crate) fn insert(&self, job: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(job.to_owned())
    }

    /// Takes `job` off the list.
    pub(crate) fn remove(&self, job: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
    }

    /// The names, with commas between them; `None` when there is none.
    fn names(&self) -> Option<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!names.is_empty()).then(|| names.iter().cloned().collect::<Vec<_>>().join(","))
    }
}

/// Where and as whom to ping.
#[derive(Debug, Clone)]
pub(crate) struct Pinger {
    http: Client,
    template: String,
    worker_id: String,
    interval: Duration,
}

/// Pings go on until this is dropped.
#[derive(Debug)]
pub(crate) struct Pinging(#[expect(dead_code, reason = "held, not read")] SyncSender<()>);

impl Pinger {
    /// What `args` says; `None` unless the address, the key and the worker's name are all there.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(args: &RunpodArgs) -> anyhow::Result<Option<Self>> {
        let (Some(template), Some(worker_id), Some(_)) =
            (&args.ping_url, &args.pod_id, &args.api_key)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            http: client(args)?,
            template: template.clone(),
            worker_id: worker_id.clone(),
            interval: Duration::from_millis(args.ping_interval_ms.into()),
        }))
    }

    /// Starts to ping.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be made.
    pub(crate) fn start(self, jobs: InProgress) -> std::io::Result<Pinging> {
        let (sender, dropped) = sync_channel(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("ping".to_owned()).spawn(move || {
            loop {
                runtime.block_on(self.ping(jobs.names()));
                // Nothing is ever sent: the wait is the interval, or ends with the worker.
                if dropped.recv_timeout(self.interval) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        })?;
        Ok(Pinging(sender))
    }

    /// Says that this worker cannot work, and why.
    pub(crate) async fn unhealthy(&self, check: &str, reason: &str) {
        let reason: String = reason.chars().take(REASON_CHARS).collect();
        let query = [("status", "unhealthy"), ("check", check), ("reason", &reason)];
        self.call(&query, LAST_WORDS_TIMEOUT).await;
    }

    async fn ping(&self, jobs: Option<String>) {
        let query: Vec<_> = jobs.iter().map(|jobs| ("job_id", jobs.as_str())).collect();
        for attempt in 1..=ATTEMPTS {
            if self.call(&query, self.interval * 2).await {
                break;
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(self.interval / 10).await;
            }
        }
    }

    /// One call; false when another try may do better.
    async fn call(&self, query: &[(&str, &str)], timeout: Duration) -> bool {
        let query = [query, &[("runpod_version", VERSION)]].concat();
        let url = match ping(&self.template, &self.worker_id, &query) {
            Ok(url) => url,
            Err(error) => {
                tracing::warn!(cause = chain(&error), "no ping");
                return true;
            }
        };
        match self.http.get(url).timeout(timeout).send().await {
            Ok(response) => {
                let status = response.status();
                if !status.is_success() {
                    tracing::warn!(status = status.as_u16(), "the ping was not taken");
                }
                !(status.as_u16() == 429 || status.is_server_error())
            }
            Err(error) => {
                tracing::warn!(cause = chain(&error.without_url()), "the ping did not arrive");
                true
            }
        }
    }
}
