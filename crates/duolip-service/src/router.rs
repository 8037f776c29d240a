//! The HTTP routes, the same behind a plain server and behind Lambda.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use duolip_pipeline::observe::NoObserver;
use duolip_pipeline::{ErrorKind, JobError, Stage};
use tokio_util::io::ReaderStream;

use crate::answer::{Answer, Handed};
use crate::api::{Body, Endpoint, ErrorBody, JobSpec, body_limit_bytes, discard};
use crate::engine::Failure;
use crate::errors::{outside, retry_after_seconds};
use crate::health::{Health, Status};
use crate::service::Service;

/// Bytes of video read from disk at once.
const READ_BYTES: usize = 1 << 16;

/// The routes of the contract.
pub fn router(service: Service) -> Router {
    let limit = DefaultBodyLimit::max(body_limit_bytes(service.config()));
    Router::new()
        .route("/api/generate", post(generate))
        .route("/api/generate_parallel", post(generate_parallel))
        .route("/api/health", get(health))
        .route("/ping", get(ping))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(limit)
        .with_state(service)
}

async fn generate(State(service): State<Service>, request: Request) -> Response {
    respond(&service, Endpoint::Generate, request).await
}

async fn generate_parallel(State(service): State<Service>, request: Request) -> Response {
    respond(&service, Endpoint::GenerateParallel, request).await
}

async fn health(State(service): State<Service>) -> Response {
    // Health may look for new avatars on the disk.
    let health = tokio::task::spawn_blocking(move || service.health())
        .await
        .unwrap_or_else(|panic| Health::without_engine(Some(panic.to_string())));
    let status =
        if health.status.is_serving() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

async fn ping(State(service): State<Service>) -> StatusCode {
    let health = tokio::task::spawn_blocking(move || service.health().status).await;
    match health {
        Ok(Status::Warming) => StatusCode::NO_CONTENT,
        Ok(status) if status.is_serving() => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn unknown_route(request: Request) -> Response {
    let text = format!("there is no {} here", request.uri().path());
    failed(&JobError::with_kind(Stage::Validate, ErrorKind::NotFound, text).into())
}

async fn wrong_method(request: Request) -> Response {
    let text = format!("{} does not take {}", request.uri().path(), request.method());
    let error = JobError::with_kind(Stage::Validate, ErrorKind::InvalidInput, text);
    let mut response = failed(&error.into());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

async fn respond(service: &Service, endpoint: Endpoint, request: Request) -> Response {
    let answered = async {
        let answer = rendered(service, endpoint, request).await?;
        let job_id = answer.job_id;
        response(answer).await.map_err(|error| Failure { job_id: Some(job_id), error })
    };
    answered.await.unwrap_or_else(|failure| failed(&failure))
}

async fn rendered(
    service: &Service,
    endpoint: Endpoint,
    request: Request,
) -> Result<Answer, Failure> {
    // The place comes first: it bounds the memory of bodies as well as of jobs.
    let place = match service.place() {
        Ok(place) => place,
        Err(refusal) => {
            discard(request).await;
            return Err(refusal.into());
        }
    };
    let body = Body::read(request, service.config()).await;
    let body = body.map_err(JobError::at(Stage::Validate))?;
    let spec = JobSpec { endpoint, body, store: None, name: None };
    service.run(spec, place, Arc::new(NoObserver)).await
}

/// The answer to a request that failed: the error as JSON with its status. Logs it.
#[must_use]
pub fn failed(failure: &Failure) -> Response {
    failure.log();
    let kind = failure.error.kind();
    let status =
        StatusCode::from_u16(outside(kind).status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Json(ErrorBody::new(&failure.error, failure.job_id));
    let mut response = (status, body).into_response();
    if let Some(seconds) = retry_after_seconds(kind) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The video, streamed; or, where a store has it, the answer as JSON. A client that asked for bytes
/// and whose video was too large for this runtime is sent on to the URL.
async fn response(answer: Answer) -> Result<Response, JobError> {
    let mut headers = measured(&answer);
    match &answer.handed {
        Handed::Video { path, .. } => {
            let body = streamed(path, &mut headers, answer.endpoint).await.map_err(|source| {
                JobError::with_kind(Stage::Deliver, ErrorKind::Internal, source)
            })?;
            Ok((headers, body).into_response())
        }
        Handed::Stored(stored) => {
            let mut status = StatusCode::OK;
            if !answer.asked_for_url {
                status = StatusCode::SEE_OTHER;
                set(&mut headers, header::LOCATION, &stored.url);
            }
            Ok((status, headers, Json(answer.summary())).into_response())
        }
    }
}

/// Streams the video from disk. Its job folder goes at once: an open file can be read to its end,
/// and a slow reader keeps no segments.
async fn streamed(
    path: &Path,
    headers: &mut HeaderMap,
    endpoint: Endpoint,
) -> std::io::Result<HttpBody> {
    let file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    set(headers, header::CONTENT_TYPE, "video/mp4");
    set(headers, header::CONTENT_LENGTH, &length.to_string());
    let file_name = endpoint.file_name();
    set(headers, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{file_name}\""));
    Ok(HttpBody::from_stream(ReaderStream::with_capacity(file, READ_BYTES)))
}

/// What every finished job says in its headers.
fn measured(answer: &Answer) -> HeaderMap {
    let statistics = &answer.statistics;
    let mut headers = HeaderMap::new();
    let custom = HeaderName::from_static;
    let values = [
        ("x-duolip-job-id", answer.job_id.to_string()),
        ("x-duolip-frames", statistics.frames.to_string()),
        ("x-duolip-chunks", statistics.chunks.len().to_string()),
        ("x-duolip-duration", format!("{:.3}", statistics.speech_seconds)),
        ("x-duolip-speedup", format!("{:.2}", statistics.speedup())),
        ("server-timing", answer.server_timing()),
    ];
    for (name, value) in values {
        set(&mut headers, custom(name), &value);
    }
    headers
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
