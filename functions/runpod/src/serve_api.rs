//! The platform's API on this machine, for trying clients: jobs are queued, run and answered for as
//! the platform does it, behind the same addresses.
//!
//! The routes; what happens to a job is in [`jobs`].

mod jobs;

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use duolip_pipeline::{ErrorKind, JobError, Stage};
use duolip_service::api::{ErrorBody, body_limit_bytes};
use duolip_service::config::{RunpodArgs, ServerArgs};
use duolip_service::errors::outside;
use duolip_service::serve::{listen, serve};
use duolip_service::service::Service;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::report::Identity;
use jobs::{Jobs, View};

/// How long `/runsync` waits when the caller does not say, as on the platform.
const DEFAULT_WAIT_MS: u64 = 90_000;

/// The bounds of what the caller may say.
const WAIT_MS: std::ops::RangeInclusive<u64> = 1_000..=300_000;

/// Serves the API until SIGTERM or Ctrl-C; jobs that run then are cancelled.
///
/// # Errors
/// When the port cannot be had.
pub(crate) async fn serve_api(
    service: Service,
    args: &RunpodArgs,
    identity: Identity,
) -> anyhow::Result<()> {
    let grace_seconds = args.grace_seconds.unwrap_or(0);
    let address = ServerArgs { host: args.api_host, port: args.api_port, grace_seconds };
    let listener = listen(&address).await?;
    tracing::info!(address = %listener.local_addr()?, "listening; jobs wait for the models");
    let limit = DefaultBodyLimit::max(body_limit_bytes(service.config()));
    let every = Duration::from_secs(args.progress_seconds.into());
    let jobs = Jobs::new(service.clone(), identity, every);
    let (warming, concurrency) = (jobs.clone(), args.concurrency.get().into());
    tokio::task::spawn_blocking(move || warming.warm_up(concurrency));
    let grace = Duration::from_secs(grace_seconds.into());
    let served = serve(listener, router(jobs.clone(), limit), grace).await;
    jobs.cancel_all();
    service.stop();
    Ok(served?)
}

/// The platform has its routes below `/v2/ENDPOINT`; its own simulator has them at the root.
fn router(jobs: Jobs, limit: DefaultBodyLimit) -> Router {
    let routes = Router::new()
        .route("/run", post(run))
        .route("/runsync", post(runsync))
        .route("/status/{id}", get(status).post(status))
        .route("/stream/{id}", get(stream).post(stream))
        .route("/cancel/{id}", post(cancel))
        .route("/health", get(health));
    Router::new()
        .nest("/v2/{endpoint}", routes.clone())
        .merge(routes)
        .fallback(|| async { refused(ErrorKind::NotFound, "there is no such route here") })
        .layer(limit)
        .with_state(jobs)
}

/// The job in an address; the endpoint before it can have any name.
#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Wait {
    wait: Option<u64>,
}

async fn run(State(jobs): State<Jobs>, body: Result<Bytes, BytesRejection>) -> Response {
    submitted(&jobs, body).map_or_else(
        |refusal| answered(&refusal),
        |id| Json(json!({"id": id, "status": "IN_QUEUE"})).into_response(),
    )
}

async fn runsync(
    State(jobs): State<Jobs>,
    Query(Wait { wait }): Query<Wait>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let id = match submitted(&jobs, body) {
        Ok(id) => id,
        Err(refusal) => return answered(&refusal),
    };
    let wait = wait.unwrap_or(DEFAULT_WAIT_MS).clamp(*WAIT_MS.start(), *WAIT_MS.end());
    // A job that takes longer goes on; the caller asks for its status.
    let _ = tokio::time::timeout(Duration::from_millis(wait), jobs.ended(&id)).await;
    shown(jobs.view(&id))
}

async fn status(State(jobs): State<Jobs>, Path(Named { id }): Path<Named>) -> Response {
    shown(jobs.view(&id))
}

async fn stream(State(jobs): State<Jobs>, Path(Named { id }): Path<Named>) -> Response {
    match jobs.take_parts(&id) {
        Some((status, parts)) => {
            let parts: Vec<_> = parts.into_iter().map(|part| json!({"output": part})).collect();
            Json(json!({"status": status, "stream": parts})).into_response()
        }
        None => unknown(),
    }
}

async fn cancel(State(jobs): State<Jobs>, Path(Named { id }): Path<Named>) -> Response {
    jobs.cancel(&id);
    jobs.ended(&id).await;
    shown(jobs.view(&id))
}

async fn health(State(jobs): State<Jobs>) -> Response {
    let health = tokio::task::spawn_blocking(move || jobs.health()).await;
    health.map_or_else(
        |_| refused(ErrorKind::Internal, "health panicked"),
        |health| Json(health).into_response(),
    )
}

fn submitted(jobs: &Jobs, body: Result<Bytes, BytesRejection>) -> Result<String, JobError> {
    let refused = |kind, text: String| JobError::with_kind(Stage::Validate, kind, text);
    let body = body.map_err(|error| {
        let too_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let kind = if too_large { ErrorKind::TooLarge } else { ErrorKind::Unparsable };
        refused(kind, error.body_text())
    })?;
    let job: Value = serde_json::from_slice(&body).map_err(|error| {
        refused(ErrorKind::Unparsable, format!("the body is not JSON: {error}"))
    })?;
    if job.get("input").is_none_or(Value::is_null) {
        return Err(refused(ErrorKind::InvalidInput, "the body has no input".to_owned()));
    }
    jobs.submit(job).map_err(|full| refused(ErrorKind::Overloaded, full.to_string()))
}

fn shown(view: Option<View>) -> Response {
    view.map_or_else(unknown, |view| Json(view).into_response())
}

fn unknown() -> Response {
    refused(ErrorKind::NotFound, "there is no such job, or not any more")
}

fn refused(kind: ErrorKind, text: &str) -> Response {
    answered(&JobError::with_kind(Stage::Validate, kind, text.to_owned()))
}

fn answered(error: &JobError) -> Response {
    let status = StatusCode::from_u16(outside(error.kind()).status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(ErrorBody::new(error, None))).into_response()
}
