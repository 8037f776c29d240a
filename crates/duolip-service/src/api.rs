//! The HTTP contract: what a request body may hold, and what answers look like.
//!
//! One body for JSON and multipart: a multipart form becomes the same JSON object, so both are
//! checked by the same rules.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::multipart::Multipart;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use duolip_pipeline::chunk::WORKERS;
use duolip_pipeline::deliver::ArtifactStore;
use duolip_pipeline::error::Classify;
use duolip_pipeline::job::{JobId, JobRequest};
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::{ErrorKind, JobError, Stage};
use futures::StreamExt as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::errors::outside;

/// What base64 and the other fields may add to the bytes of audio.
const BODY_SLACK_BYTES: usize = 1 << 20;

/// How long a body may take to arrive; it holds a place meanwhile.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a refused body is still read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes that a body may have: the audio in base64, and the other fields.
#[must_use]
pub fn body_limit_bytes(config: &Config) -> usize {
    config.job_limits().audio_bytes / 3 * 4 + BODY_SLACK_BYTES
}

/// The body of both endpoints.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// What to say; or `audio`.
    pub text: Option<String>,
    /// WAV, MP3, OGG, FLAC or M4A, in base64; or `text`.
    #[serde(default, deserialize_with = "audio")]
    pub audio: Option<Vec<u8>>,
    /// BCP-47 or ISO 639-1.
    pub language: Option<String>,
    /// A voice of the synthesizer.
    pub voice: Option<String>,
    /// A name from the avatar registry.
    pub avatar: Option<String>,
    /// The number of chunks.
    #[serde(default, deserialize_with = "workers")]
    pub num_workers: Option<i64>,
    /// `/api/generate`: the model.
    pub model: Option<Look>,
    /// `/api/generate_parallel`: the models, in the order in which chunks are dealt out.
    pub models: Option<Vec<Look>>,
    /// How the video is handed over.
    #[serde(default)]
    pub delivery: Delivery,
}

/// How the video is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// As the answer's body.
    #[default]
    Bytes,
    /// As a URL; needs an artifact store.
    Url,
}

/// The two rendering endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `POST /api/generate`: one model.
    Generate,
    /// `POST /api/generate_parallel`: the pair.
    #[default]
    GenerateParallel,
}

/// A job of any trigger: what is asked of which endpoint.
#[derive(Debug)]
pub struct JobSpec {
    /// The endpoint called.
    pub endpoint: Endpoint,
    /// What is asked of it.
    pub body: Body,
    /// A store of the job's own, in place of the configured one.
    pub store: Option<Arc<dyn ArtifactStore>>,
    /// The video's name in the store; that of the job when absent.
    pub name: Option<String>,
}

impl JobSpec {
    /// Reads a job from a JSON object: the body, with an optional `endpoint` beside its fields
    /// (`generate` or `generate_parallel`, the default).
    ///
    /// # Errors
    /// [`BodyError::Field`].
    pub fn read(mut object: Map<String, Value>) -> Result<Self, BodyError> {
        let endpoint = match object.remove("endpoint") {
            None | Some(Value::Null) => Endpoint::default(),
            Some(value) => Endpoint::deserialize(&value).map_err(|_| {
                let value = quoted(&value.to_string());
                BodyError::Field(format!(
                    "endpoint: {value} is neither \"generate\" nor \"generate_parallel\""
                ))
            })?,
        };
        Ok(Self { endpoint, body: from_object(object)?, store: None, name: None })
    }
}

impl Endpoint {
    /// The file name of the answer.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Generate => "avatar.mp4",
            Self::GenerateParallel => "avatar_parallel.mp4",
        }
    }
}

/// What is wrong with a body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is no JSON object.
    #[error("the body is not a JSON object: {0}")]
    NotJson(String),
    /// It is no multipart form.
    #[error("the body is not a multipart form: {0}")]
    NotMultipart(String),
    /// The runtime says that it is base64, and it is not.
    #[error("the body is marked as base64 and is not: {0}")]
    NotBase64(#[source] base64::DecodeError),
    /// It came in pieces that do not fit together, or not to its end.
    #[error("the body did not arrive whole")]
    Broken(#[source] axum::Error),
    /// It took too long to arrive.
    #[error("the body did not arrive within {} s", BODY_TIMEOUT.as_secs())]
    Slow,
    /// It is too large.
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// Reading it panicked.
    #[error("the body could not be parsed")]
    Panicked(#[source] tokio::task::JoinError),
    /// A field is wrong.
    #[error("{0}")]
    Field(String),
    /// A field belongs to the other endpoint.
    #[error("{field} is not a field of {endpoint}; use {instead}")]
    OtherEndpoint {
        /// The field.
        field: &'static str,
        /// The endpoint called.
        endpoint: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// There is no artifact store.
    #[error(
        "delivery is \"url\", but no artifact store is configured; use \"bytes\", or set DUOLIP_STORE"
    )]
    NoStore,
}

impl Classify for BodyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotJson(_) | Self::NotMultipart(_) | Self::NotBase64(_) | Self::Broken(_) => {
                ErrorKind::Unparsable
            }
            Self::Slow => ErrorKind::DeadlineExceeded,
            Self::Panicked(_) => ErrorKind::Internal,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Field(_) | Self::OtherEndpoint { .. } | Self::NoStore => ErrorKind::InvalidInput,
        }
    }
}

fn audio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    // A data URL is what browsers make of a file.
    let text = text.split_once(";base64,").map_or(text.as_str(), |(_, data)| data);
    let bytes = BASE64_STANDARD.decode(text.trim());
    bytes.map(Some).map_err(|error| serde::de::Error::custom(format!("it is not base64: {error}")))
}

fn workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => value.as_i64().map(Some).ok_or_else(|| {
            let (from, to) = (WORKERS.start(), WORKERS.end());
            let value = quoted(&value.to_string());
            serde::de::Error::custom(format!("{value} is not a whole number from {from} to {to}"))
        }),
    }
}

impl Body {
    /// Reads the body of `request`, JSON or multipart by its content type.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn read(request: Request, config: &Config) -> Result<Self, BodyError> {
        let limit_bytes = body_limit_bytes(config);
        let read = read(request, limit_bytes);
        tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(BodyError::Slow))
    }

    /// The job that the body asks of `endpoint`; what it leaves out is the configuration's default.
    /// `loaded` are the models that are there, `has_store` says whether there is an artifact store.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn into_request(
        self,
        endpoint: Endpoint,
        config: &Config,
        loaded: &[Look],
        has_store: bool,
    ) -> Result<JobRequest, BodyError> {
        if self.delivery == Delivery::Url && !has_store {
            return Err(BodyError::NoStore);
        }
        let models = match (endpoint, self.model, self.models) {
            (Endpoint::Generate, _, Some(_)) => {
                return Err(BodyError::OtherEndpoint {
                    field: "models",
                    endpoint: "/api/generate",
                    instead: "model, or /api/generate_parallel",
                });
            }
            (Endpoint::GenerateParallel, Some(_), _) => {
                return Err(BodyError::OtherEndpoint {
                    field: "model",
                    endpoint: "/api/generate_parallel",
                    instead: "models, or /api/generate",
                });
            }
            (Endpoint::Generate, Some(look), None) => vec![look],
            // GAN unless it alone is missing: one model is enough for this endpoint.
            (Endpoint::Generate, None, None) if loaded == [Look::Nogan] => vec![Look::Nogan],
            (Endpoint::Generate, None, None) => vec![Look::Gan],
            (Endpoint::GenerateParallel, None, models) => {
                models.unwrap_or_else(|| Look::PAIR.to_vec())
            }
        };
        Ok(JobRequest {
            text: self.text,
            audio: self.audio,
            language: self.language.unwrap_or_else(|| config.speech.default_language.clone()),
            voice: self.voice,
            avatar: self.avatar.unwrap_or_else(|| config.avatars.default_avatar.clone()),
            num_workers: self.num_workers,
            models,
        })
    }
}

async fn read(request: Request, limit_bytes: usize) -> Result<Body, BodyError> {
    if announced_bytes(request.headers()).is_some_and(|length| length > limit_bytes) {
        discard(request).await;
        return Err(BodyError::TooLarge { limit_bytes });
    }
    if is_form(request.headers()) {
        return from_form(request, limit_bytes).await;
    }
    let bytes = collect(request.into_body(), limit_bytes).await?;
    // Megabytes of base64 are no work for the threads that answer /ping.
    let parsed = tokio::task::spawn_blocking(move || {
        let object: Map<String, Value> = serde_json::from_slice(&bytes)
            .map_err(|error| BodyError::NotJson(error.to_string()))?;
        from_object(object)
    });
    parsed.await.map_err(BodyError::Panicked)?
}

async fn collect(body: axum::body::Body, limit_bytes: usize) -> Result<Vec<u8>, BodyError> {
    let mut pieces = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(BodyError::Broken)?;
        if bytes.len() + piece.len() > limit_bytes {
            drop(bytes);
            discard_rest(pieces).await;
            return Err(BodyError::TooLarge { limit_bytes });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads a body that nobody wants to its end, for a while: a client that is still sending when its
/// connection closes never sees the answer. One that waits to be asked is left waiting.
pub(crate) async fn discard(request: Request) {
    if !request.headers().contains_key(header::EXPECT) {
        discard_rest(request.into_body().into_data_stream()).await;
    }
}

async fn discard_rest(mut pieces: BodyDataStream) {
    let rest = async { while let Some(Ok(_)) = pieces.next().await {} };
    // Whoever sends longer has had their chance.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, rest).await;
}

fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type
        .unwrap_or_default()
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("multipart/form-data")
}

/// Values of the request in messages are cut off here: a message is for people.
const QUOTED_CHARS: usize = 80;

fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn from_object(object: Map<String, Value>) -> Result<Body, BodyError> {
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        let reason = reason.to_string();
        // A wrong value stands at the beginning of the reason, what is known at its end.
        let reason =
            if reason.chars().count() > 4 * QUOTED_CHARS { quoted(&reason) } else { reason };
        BodyError::Field(if path == "." { reason } else { format!("{}: {reason}", quoted(&path)) })
    })
}

/// Reads a form: its file part is `audio`, the other parts are the fields of the JSON body.
async fn from_form(request: Request, limit_bytes: usize) -> Result<Body, BodyError> {
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| BodyError::NotMultipart(error.body_text()))?;
    let unreadable = |error: axum::extract::multipart::MultipartError| {
        if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            BodyError::TooLarge { limit_bytes }
        } else {
            BodyError::NotMultipart(error.body_text())
        }
    };
    let mut seen = BTreeSet::new();
    let mut object = Map::new();
    let mut file = None;
    while let Some(part) = form.next_field().await.map_err(unreadable)? {
        let name = part.name().unwrap_or_default().to_owned();
        if !seen.insert(name.clone()) {
            return Err(BodyError::Field(format!("{} is given twice", quoted(&name))));
        }
        let bytes = part.bytes().await.map_err(unreadable)?;
        if bytes.is_empty() {
            // What a browser sends for a field that was left empty.
            continue;
        }
        if name == "audio" {
            file = Some(bytes.to_vec());
            continue;
        }
        let text = String::from_utf8(bytes.into())
            .map_err(|_| BodyError::Field(format!("{}: it is not UTF-8", quoted(&name))))?;
        let value = match name.as_str() {
            "num_workers" => text.trim().parse::<i64>().map_or(Value::String(text), Value::from),
            "models" => text.split(',').map(str::trim).map(Value::from).collect(),
            _ => Value::String(text),
        };
        object.insert(name, value);
    }
    Ok(Body { audio: file, ..from_object(object)? })
}

/// The body of every error answer.
#[derive(Debug, Serialize)]
pub struct ErrorBody {
    error: ErrorDetails,
}

#[derive(Debug, Serialize)]
struct ErrorDetails {
    code: &'static str,
    message: String,
    stage: Stage,
    job_id: Option<JobId>,
    retryable: bool,
}

impl ErrorBody {
    /// The answer to a job that failed with `error`.
    #[must_use]
    pub fn new(error: &JobError, job_id: Option<JobId>) -> Self {
        let outside = outside(error.kind());
        let details = ErrorDetails {
            code: outside.code,
            message: error.to_string(),
            stage: error.stage(),
            job_id,
            retryable: outside.retryable,
        };
        Self { error: details }
    }
}
