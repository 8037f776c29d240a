//! A simulator of the platform: its routes, with answers that a test can make odd, and a memory of
//! every call. It can die and come back at the same address.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How long a test waits for something to happen: a machine that is busy elsewhere needs minutes.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);

/// How long a call for jobs is held open.
const POLL: Duration = Duration::from_secs(20);

/// What the platform says in place of what was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Odd {
    /// A status and nothing else.
    Status(u16),
    /// 200 and a page, as a proxy sends it.
    Page(&'static str),
    /// 200 and a text of this media type.
    Text(&'static str, &'static str),
    /// Nothing, for longer than anybody waits.
    Stall,
}

/// One call that was made.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) channel: String,
    /// What follows the channel: the worker, and the job where there is one.
    pub(crate) names: Vec<String>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    fn job(&self) -> Option<&str> {
        self.names.get(1).map(String::as_str)
    }

    fn is_progress(&self) -> bool {
        self.body["status"] == "IN_PROGRESS"
    }
}

#[derive(Default)]
struct Memory {
    /// Jobs to be handed out.
    jobs: Mutex<VecDeque<Value>>,
    /// Jobs to be stopped.
    stops: Mutex<Vec<String>>,
    /// What is said first, by channel.
    odd: Mutex<HashMap<&'static str, VecDeque<Odd>>>,
    calls: Mutex<Vec<Call>>,
}

/// The simulator.
pub(crate) struct Platform {
    memory: Arc<Memory>,
    address: SocketAddr,
    life: Option<Runtime>,
}

impl Platform {
    /// A platform that hands out `jobs`.
    pub(crate) fn with_jobs(jobs: impl IntoIterator<Item = Value>) -> Self {
        let memory = Arc::<Memory>::default();
        memory.jobs.lock().unwrap().extend(jobs);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut platform = Self { memory, address, life: None };
        platform.revive();
        platform
    }

    /// Serves, with all it remembers.
    pub(crate) fn revive(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (runtime, address, routes) = (runtime.unwrap(), self.address, routes(&self.memory));
        let (ready, served) = std::sync::mpsc::sync_channel(1);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            ready.send(()).unwrap();
            axum::serve(listener, routes).await.unwrap();
        });
        served.recv().unwrap();
        self.life = Some(runtime);
    }

    /// Ends at once: no connection is finished, no new one taken.
    pub(crate) fn die(&mut self) {
        self.life.take().unwrap().shutdown_background();
    }

    /// The environment that the platform gives its workers.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let url = |channel: &str, names: &str| {
            format!("http://{}/v2/ep/{channel}/{names}?gpu=A40", self.address)
        };
        vec![
            ("RUNPOD_WEBHOOK_GET_JOB", url("job-take", "$ID")),
            ("RUNPOD_WEBHOOK_POST_OUTPUT", url("job-done", "$RUNPOD_POD_ID/$ID")),
            ("RUNPOD_WEBHOOK_POST_STREAM", url("job-stream", "$RUNPOD_POD_ID/$ID")),
            ("RUNPOD_WEBHOOK_PING", url("ping", "$RUNPOD_POD_ID")),
            ("RUNPOD_PING_INTERVAL", "200".to_owned()),
            ("RUNPOD_AI_API_KEY", "rpa_SECRET".to_owned()),
            ("RUNPOD_POD_ID", "pod1".to_owned()),
            ("RUNPOD_POD_HOSTNAME", "machine1".to_owned()),
        ]
    }

    /// Hands out one more job.
    pub(crate) fn hand_out(&self, job: Value) {
        self.memory.jobs.lock().unwrap().push_back(job);
    }

    /// Wants the job `id` stopped.
    pub(crate) fn stop(&self, id: &str) {
        self.memory.stops.lock().unwrap().push(id.to_owned());
    }

    /// Says `odd` on `channel` before anything sensible.
    pub(crate) fn say(&self, channel: &'static str, odd: &[Odd]) {
        self.memory.odd.lock().unwrap().entry(channel).or_default().extend(odd);
    }

    /// Every call on `channel` so far.
    pub(crate) fn calls(&self, channel: &str) -> Vec<Call> {
        let calls = self.memory.calls.lock().unwrap();
        calls.iter().filter(|call| call.channel == channel).cloned().collect()
    }

    /// Waits for a call on `channel` that is `wanted`.
    pub(crate) async fn call(&self, channel: &str, wanted: impl Fn(&Call) -> bool) -> Call {
        let look = async {
            loop {
                if let Some(call) = self.calls(channel).into_iter().find(&wanted) {
                    return call;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, look).await;
        found.unwrap_or_else(|_| panic!("no such call on {channel}: {:?}", self.calls(channel)))
    }

    /// Waits for the result of the job `id`.
    pub(crate) async fn result(&self, id: &str) -> Call {
        self.call("job-done", |call| call.job() == Some(id) && !call.is_progress()).await
    }

    /// The results of the job `id` so far.
    pub(crate) fn results(&self, id: &str) -> Vec<Call> {
        let mut calls = self.calls("job-done");
        calls.retain(|call| call.job() == Some(id) && !call.is_progress());
        calls
    }

    /// The words of progress on the job `id` so far.
    pub(crate) fn progress(&self, id: &str) -> Vec<Value> {
        let calls = self.calls("job-done").into_iter();
        let progress = calls.filter(|call| call.job() == Some(id) && call.is_progress());
        progress.map(|call| call.body["output"].clone()).collect()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // A runtime must not be dropped, which waits, inside another one.
        if let Some(runtime) = self.life.take() {
            runtime.shutdown_background();
        }
    }
}

/// The error in a result, parsed.
pub(crate) fn error(result: &Call) -> Value {
    error_of(&result.body)
}

/// The error in a report, parsed: it is JSON in a text.
pub(crate) fn error_of(report: &Value) -> Value {
    let text = report["error"].as_str().unwrap_or_else(|| panic!("no error: {report}"));
    serde_json::from_str(text).unwrap()
}

/// A job with an input.
pub(crate) fn job(id: &str, input: impl Into<Value>) -> Value {
    let input = input.into();
    json!({"id": id, "input": input, "webhook": "http://caller/", "something": {"new": 1}})
}

fn routes(memory: &Arc<Memory>) -> Router {
    Router::new()
        .route("/v2/ep/job-take/{worker}", get(take))
        .route("/v2/ep/job-take-batch/{worker}", get(take_batch))
        .route("/v2/ep/job-stop/{worker}", get(stops))
        .route("/v2/ep/job-done/{worker}/{job}", post(done))
        .route("/v2/ep/job-stream/{worker}/{job}", post(stream))
        .route("/v2/ep/ping/{worker}", get(ping))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(memory))
}

type Names = Path<Vec<(String, String)>>;
type Asked = Query<HashMap<String, String>>;

async fn take(
    State(memory): State<Arc<Memory>>,
    names: Names,
    query: Asked,
    headers: HeaderMap,
) -> Response {
    memory.remember("job-take", names, query, headers, &Bytes::new());
    if let Some(odd) = memory.odd("job-take").await {
        return odd;
    }
    let handed = memory.wait(|memory| memory.jobs.lock().unwrap().pop_front()).await;
    handed.map_or_else(nothing, |job| Json(job).into_response())
}

async fn take_batch(
    State(memory): State<Arc<Memory>>,
    names: Names,
    query: Asked,
    headers: HeaderMap,
) -> Response {
    let size: usize = query["batch_size"].parse().unwrap();
    memory.remember("job-take-batch", names, query, headers, &Bytes::new());
    let handed = memory.wait(|memory| {
        let mut jobs = memory.jobs.lock().unwrap();
        let size = size.min(jobs.len());
        (size > 0).then(|| jobs.drain(..size).collect::<Vec<_>>())
    });
    handed.await.map_or_else(nothing, |jobs| Json(jobs).into_response())
}

async fn stops(
    State(memory): State<Arc<Memory>>,
    names: Names,
    query: Asked,
    headers: HeaderMap,
) -> Response {
    memory.remember("job-stop", names, query, headers, &Bytes::new());
    let named = memory.wait(|memory| {
        let mut stops = memory.stops.lock().unwrap();
        (!stops.is_empty()).then(|| std::mem::take(&mut *stops))
    });
    named.await.map_or_else(nothing, |jobs| Json(json!({"jobsToStop": jobs})).into_response())
}

async fn done(
    State(memory): State<Arc<Memory>>,
    names: Names,
    query: Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    memory.remember("job-done", names, query, headers, &body);
    memory.odd("job-done").await.unwrap_or_else(|| StatusCode::OK.into_response())
}

async fn stream(
    State(memory): State<Arc<Memory>>,
    names: Names,
    query: Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    memory.remember("job-stream", names, query, headers, &body);
    StatusCode::OK.into_response()
}

async fn ping(
    State(memory): State<Arc<Memory>>,
    names: Names,
    query: Asked,
    headers: HeaderMap,
) -> Response {
    memory.remember("ping", names, query, headers, &Bytes::new());
    StatusCode::OK.into_response()
}

fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

impl Memory {
    fn remember(
        &self,
        channel: &str,
        Path(names): Names,
        Query(query): Asked,
        headers: HeaderMap,
        body: &[u8],
    ) {
        let names = names.into_iter().map(|(_, name)| name).collect();
        let body =
            if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
        let channel = channel.to_owned();
        let call = Call { channel, names, query, headers, body };
        self.calls.lock().unwrap().push(call);
    }

    /// The next odd answer of `channel`, if there is one.
    async fn odd(&self, channel: &str) -> Option<Response> {
        let odd = self.odd.lock().unwrap().get_mut(channel).and_then(VecDeque::pop_front)?;
        Some(match odd {
            Odd::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
            Odd::Page(page) => ([(header::CONTENT_TYPE, "text/html")], page).into_response(),
            Odd::Text(media_type, text) => {
                ([(header::CONTENT_TYPE, media_type)], text).into_response()
            }
            Odd::Stall => std::future::pending().await,
        })
    }

    /// Holds a call open until there is something to say.
    async fn wait<T>(&self, found: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let look = async {
            loop {
                if let Some(found) = found(self) {
                    return found;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(POLL, look).await.ok()
    }
}
