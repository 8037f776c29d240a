//! The HTTP routes, the same behind a plain server and behind Lambda.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use axum::body::Body as HttpBody;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use duolip_pipeline::error::{Classify, chain};
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::observe::NoObserver;
use duolip_pipeline::run::Video;
use duolip_pipeline::statistics::Statistics;
use duolip_pipeline::{CancellationToken, ErrorKind, JobError, Stage};
use tokio_util::io::ReaderStream;

use crate::api::{Body, Endpoint, ErrorBody, body_limit_bytes, discard};
use crate::config::Config;
use crate::engine::{Engine, EngineError, Failure, Outcome};
use crate::errors::{outside, retry_after_seconds};
use crate::health::{Health, Status};

/// Bytes of video read from disk at once.
const READ_BYTES: usize = 1 << 16;

/// The engine, which may still be loading when the first request arrives.
#[derive(Clone)]
pub struct Service {
    config: Arc<Config>,
    engine: Arc<OnceLock<Result<Engine, EngineError>>>,
    stopped: CancellationToken,
}

/// A request came before the engine was warm.
#[derive(Debug, thiserror::Error)]
enum NotServing {
    #[error("the models are still loading; try again soon")]
    Warming,
    #[error("the engine could not be built; GET /api/health says why")]
    Failed,
}

impl Classify for NotServing {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Warming => ErrorKind::NotReady,
            Self::Failed => ErrorKind::Internal,
        }
    }
}

impl Service {
    /// A service whose engine is still to be loaded by [`Service::warm_up`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config: Arc::new(config), engine: Arc::default(), stopped: CancellationToken::new() }
    }

    /// Builds the engine. Blocks; a second call waits for the first.
    pub fn warm_up(&self) {
        let built = self.engine.get_or_init(|| {
            let build = || Engine::build(Config::clone(&self.config), &Look::PAIR, &self.stopped);
            catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(EngineError::Panicked(text.unwrap_or("without a message").to_owned()))
            })
        });
        if let Err(error) = built {
            tracing::error!(reason = chain(error), "the engine could not be built");
        }
    }

    /// Lets go of an engine that is still being built.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    /// What the service can do now.
    #[must_use]
    pub fn health(&self) -> Health {
        match self.engine.get() {
            None => Health::without_engine(None),
            Some(Ok(engine)) => Health::of(engine),
            Some(Err(error)) => Health::without_engine(Some(chain(error))),
        }
    }

    fn engine(&self) -> Result<&Engine, JobError> {
        let not_serving = |reason| JobError::new(Stage::Validate, reason);
        match self.engine.get() {
            None => Err(not_serving(NotServing::Warming)),
            Some(Ok(engine)) => Ok(engine),
            Some(Err(_)) => Err(not_serving(NotServing::Failed)),
        }
    }

    async fn render(&self, endpoint: Endpoint, request: Request) -> Result<Outcome, Failure> {
        // The place comes first: it bounds the memory of bodies as well as of jobs.
        let admitted = self.engine().and_then(|engine| Ok((engine, engine.place()?)));
        let (engine, place) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                discard(request).await;
                return Err(refusal.into());
            }
        };
        let at = JobError::at(Stage::Validate);
        let body = Body::read(request, &self.config).await.map_err(&at)?;
        let request =
            body.into_request(endpoint, &self.config, &engine.models().loaded()).map_err(&at)?;
        engine.render(request, place, Arc::new(NoObserver)).await
    }
}

/// The routes of the contract.
pub fn router(service: Service) -> Router {
    let limit = DefaultBodyLimit::max(body_limit_bytes(&service.config));
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
    match service.render(endpoint, request).await {
        Ok(outcome) => match video(endpoint, outcome).await {
            Ok(response) => response,
            Err(failure) => failed(&failure),
        },
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> Response {
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

/// Streams the video from disk. Its job folder goes at once: an open file can be read to its end,
/// and a slow reader keeps no segments.
async fn video(
    endpoint: Endpoint,
    Outcome { job_id, video }: Outcome,
) -> Result<Response, Failure> {
    let Video { path, folder, statistics } = video;
    let unreadable = |source: std::io::Error| Failure {
        job_id: Some(job_id),
        error: JobError::with_kind(Stage::Deliver, ErrorKind::Internal, source),
    };
    let file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
    let length = file.metadata().await.map_err(unreadable)?.len();
    drop(folder);
    let body = HttpBody::from_stream(ReaderStream::with_capacity(file, READ_BYTES));
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let custom = HeaderName::from_static;
    set(header::CONTENT_TYPE, "video/mp4");
    set(header::CONTENT_LENGTH, &length.to_string());
    let file_name = endpoint.file_name();
    set(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{file_name}\""));
    set(custom("x-duolip-job-id"), &job_id.to_string());
    set(custom("x-duolip-frames"), &statistics.frames.to_string());
    set(custom("x-duolip-chunks"), &statistics.chunks.len().to_string());
    set(custom("x-duolip-duration"), &format!("{:.3}", statistics.speech_seconds));
    set(custom("x-duolip-speedup"), &format!("{:.2}", statistics.speedup()));
    set(custom("server-timing"), &server_timing(&statistics));
    Ok((headers, body).into_response())
}

/// Every stage as a Server-Timing metric, in milliseconds.
fn server_timing(statistics: &Statistics) -> String {
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
    let mut metrics: Vec<String> = [
        ("speak", statistics.speak),
        ("mel", statistics.mel),
        ("plan", statistics.plan),
        ("render", statistics.render),
        ("encode_speech", statistics.encode_speech),
        ("concat", statistics.concat),
        ("total", statistics.total),
    ]
    .map(|(stage, time)| format!("{stage};dur={:.1}", ms(time)))
    .to_vec();
    metrics.extend(statistics.chunks.iter().map(|chunk| {
        format!("chunk{};desc=\"{}\";dur={:.1}", chunk.index, chunk.look, ms(chunk.render))
    }));
    metrics.join(", ")
}
