//! The client of the platform's protocol: takes jobs, hears which to stop, posts what became of them.
//! One call is one request; when to ask again is the worker's affair, but for results, which are
//! posted until they arrive.
//!
//! Knows nothing of what is in a job.

pub(crate) mod address;
mod error;

use std::time::Duration;

use bytes::Bytes;
use duolip_pipeline::CancellationToken;
use duolip_pipeline::error::chain;
use duolip_service::config::RunpodArgs;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::backoff::Backoff;
use address::Addresses;
use error::{media_type, not_json, refused, unreachable};

pub(crate) use error::{PlatformError, Unposted};

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("duolip-runpod/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one attempt to post a result may take: it can have 20 MB.
const RESULT_TIMEOUT: Duration = Duration::from_mins(2);

/// How long any other message may take.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a result is posted that the platform refuses.
const REFUSALS: u32 = 3;

/// What results are sent as: the platform expects this media type, although the body is JSON.
const RESULT_MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The platform, as one worker sees it.
#[derive(Debug)]
pub(crate) struct Platform {
    http: Client,
    addresses: Addresses,
    /// How long a call for jobs may be held open.
    poll: Duration,
    /// How long a result is posted again.
    patience: Duration,
    /// The most bytes that one job may have.
    job_bytes: usize,
}

/// What a call for jobs or stops brought.
#[derive(Debug)]
pub(crate) enum Asked<T> {
    /// What was asked for.
    Got(T),
    /// There is nothing now.
    Nothing,
    /// We ask too often.
    TooOften,
}

/// What the stop channel says.
#[derive(Deserialize)]
struct Stops {
    #[serde(rename = "jobsToStop", default)]
    jobs_to_stop: Vec<String>,
}

impl Platform {
    /// The platform that `args` names; `None` where it names none.
    ///
    /// # Errors
    /// When no HTTP client can be made: no TLS certificates, a key that is no header.
    pub(crate) fn new(
        args: &RunpodArgs,
        worker_id: &str,
        job_bytes: usize,
    ) -> anyhow::Result<Option<Self>> {
        let Some(addresses) = Addresses::new(args, worker_id) else { return Ok(None) };
        Ok(Some(Self {
            http: client(args)?,
            addresses,
            poll: Duration::from_secs(args.poll_seconds.into()),
            patience: Duration::from_secs(args.post_seconds.into()),
            job_bytes,
        }))
    }

    /// Takes up to `wanted` jobs. Waits for them as long as the platform does: 90 s.
    ///
    /// # Cancellation
    /// A job that is on its way when the future is dropped is lost to this worker.
    pub(crate) async fn take(
        &self,
        wanted: usize,
        busy: bool,
    ) -> Result<Asked<Vec<Value>>, PlatformError> {
        let url = self.addresses.take(wanted, busy)?;
        let limit_bytes = self.job_bytes.saturating_mul(wanted);
        Ok(match self.ask(url, limit_bytes).await? {
            Asked::Got(Value::Array(jobs)) => Asked::Got(jobs),
            Asked::Got(job) => Asked::Got(vec![job]),
            Asked::Nothing => Asked::Nothing,
            Asked::TooOften => Asked::TooOften,
        })
    }

    /// Whether the platform says which jobs are to be stopped.
    pub(crate) fn has_stops(&self) -> bool {
        self.addresses.stops().is_some()
    }

    /// Waits for the names of jobs that are to be stopped.
    pub(crate) async fn stops(&self) -> Result<Asked<Vec<String>>, PlatformError> {
        let Some(url) = self.addresses.stops() else { return Ok(Asked::Nothing) };
        Ok(match self.ask(url?, self.job_bytes).await? {
            Asked::Got(value) => {
                let stops = Stops::deserialize(value).map_err(PlatformError::Malformed)?;
                Asked::Got(stops.jobs_to_stop)
            }
            Asked::Nothing => Asked::Nothing,
            Asked::TooOften => Asked::TooOften,
        })
    }

    /// Posts the result of `job` until it arrives: with growing pauses while the platform is away or
    /// has trouble of its own, three times when it refuses, and no more once `hurry` is cancelled.
    pub(crate) async fn post_result(
        &self,
        job: &str,
        result: &Bytes,
        streamed: bool,
        hurry: &CancellationToken,
    ) -> Result<(), Unposted> {
        let until = Instant::now() + self.patience;
        let (mut backoff, mut refusals, mut attempts) = (Backoff::default(), 0, 0);
        loop {
            attempts += 1;
            let posting = async {
                let url = self.addresses.done(job, streamed)?;
                self.post(url, job, result.clone(), RESULT_TIMEOUT).await
            };
            let source = tokio::select! {
                posted = posting => match posted {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                () = hurry.cancelled() => return Err(Unposted::Hurried),
            };
            let pause = backoff.next();
            refusals += u32::from(source.is_refusal());
            if refusals == REFUSALS || Instant::now() + pause > until {
                return Err(Unposted::NotTaken { attempts, source });
            }
            let cause = chain(&source);
            tracing::warn!(requestId = job, attempts, cause, "the result is posted again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = hurry.cancelled() => return Err(Unposted::Hurried),
            }
        }
    }

    /// Posts how far `job` is. Once: the next report makes up for a lost one.
    pub(crate) async fn post_progress(
        &self,
        job: &str,
        progress: Bytes,
    ) -> Result<(), PlatformError> {
        let url = self.addresses.done(job, false)?;
        self.post(url, job, progress, MESSAGE_TIMEOUT).await
    }

    /// Posts a part of the output of `job`, where the platform takes parts. Once: the result holds
    /// all parts.
    pub(crate) async fn post_part(&self, job: &str, part: Bytes) -> Result<(), PlatformError> {
        let Some(url) = self.addresses.stream(job) else { return Ok(()) };
        self.post(url?, job, part, RESULT_TIMEOUT).await
    }

    async fn post(
        &self,
        url: Url,
        job: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<(), PlatformError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(RESULT_MEDIA_TYPE));
        headers.insert("charset", HeaderValue::from_static("utf-8"));
        if let Ok(id) = HeaderValue::from_str(job) {
            headers.insert("x-request-id", id);
        }
        let request = self.http.post(url).headers(headers).timeout(timeout).body(body);
        let response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        // A proxy's page in place of the platform's receipt.
        if media_type(&response).starts_with("text/html") {
            return Err(not_json(response).await);
        }
        Ok(())
    }

    async fn ask(&self, url: Url, limit_bytes: usize) -> Result<Asked<Value>, PlatformError> {
        let response = match self.http.get(url).timeout(self.poll).send().await {
            Ok(response) => response,
            // The platform held the call open, and there is nothing.
            Err(error) if error.is_timeout() && !error.is_connect() => return Ok(Asked::Nothing),
            Err(error) => return Err(unreachable(error)),
        };
        match response.status().as_u16() {
            200 => {}
            // 400 is what a worker is told that was frozen and woken up.
            204 | 400 => return Ok(Asked::Nothing),
            429 => return Ok(Asked::TooOften),
            _ => return Err(refused(response).await),
        }
        if response.content_length() == Some(0) {
            return Ok(Asked::Nothing);
        }
        if !media_type(&response).starts_with("application/json") {
            return Err(not_json(response).await);
        }
        let body = collect(response, limit_bytes).await?;
        if body.is_empty() {
            return Ok(Asked::Nothing);
        }
        serde_json::from_slice(&body).map(Asked::Got).map_err(PlatformError::Malformed)
    }
}

/// The HTTP client of a worker. Redirects are not followed: they would turn a posted result into a
/// request for a page.
///
/// # Errors
/// As [`Platform::new`].
pub(crate) fn client(args: &RunpodArgs) -> anyhow::Result<Client> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = &args.api_key {
        let mut key = HeaderValue::from_str(key.expose())?;
        key.set_sensitive(true);
        headers.insert(AUTHORIZATION, key);
    }
    Ok(Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()?)
}

async fn collect(mut response: Response, limit_bytes: usize) -> Result<Vec<u8>, PlatformError> {
    let broken = |error: reqwest::Error| PlatformError::Broken(error.without_url());
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(broken)? {
        if body.len() + piece.len() > limit_bytes {
            return Err(PlatformError::TooLarge { limit_bytes });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
