//! Lambda: events of API Gateway (v1 and v2), function URLs and load balancers, answered by the same
//! router as plain HTTP.
//!
//! What is done here is what differs: a stage's name before the path, bodies in base64, and how large
//! an answer may be.

use std::convert::Infallible;

use axum::Router;
use axum::response::Response;
use base64::prelude::BASE64_STANDARD;
use base64::{DecodeError, Engine as _};
use duolip_pipeline::{JobError, Stage};
use duolip_service::api::BodyError;
use duolip_service::config::LambdaResponseMode;
use duolip_service::router::{failed, router};
use duolip_service::service::{AnswerLimit, Service};
use lambda_http::http::Uri;
use lambda_http::http::uri::PathAndQuery;
use lambda_http::lambda_runtime::{self, LambdaEvent};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::tower::{self, ServiceExt as _};
use lambda_http::{Adapter, Error, Request, RequestExt as _, StreamAdapter, service_fn};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Lambda takes 6 MB of JSON; the video in it is in base64, beside its headers.
const BUFFERED: AnswerLimit = AnswerLimit {
    bytes: (6 * 1024 - 64) * 1024 / 4 * 3,
    carrier: "a buffered answer of AWS Lambda",
};

/// What Lambda streams.
const STREAMED: AnswerLimit =
    AnswerLimit { bytes: 200 * 1024 * 1024, carrier: "a streamed answer of AWS Lambda" };

/// A load balancer takes 1 MB of JSON.
const BALANCED: AnswerLimit = AnswerLimit {
    bytes: (1024 - 64) * 1024 / 4 * 3,
    carrier: "an answer through an application load balancer",
};

/// Answers Lambda's events until the process ends.
///
/// # Errors
/// When Lambda's runtime API does not answer.
pub(crate) async fn run(service: Service, mode: LambdaResponseMode) -> Result<(), Error> {
    let routers = Routers::new(service, mode);
    match mode {
        LambdaResponseMode::Buffered => {
            lambda_runtime::run(service_fn(move |event| {
                let routers = routers.clone();
                async move {
                    let (event, broken) = read(event)?;
                    Ok::<_, Error>(Adapter::from(routers.handler(broken)).oneshot(event).await?)
                }
            }))
            .await
        }
        LambdaResponseMode::Streaming => {
            lambda_runtime::run(service_fn(move |event| {
                let routers = routers.clone();
                async move {
                    let (event, broken) = read(event)?;
                    let adapter = StreamAdapter::from(routers.handler(broken));
                    Ok::<_, Error>(adapter.oneshot(event).await?)
                }
            }))
            .await
        }
    }
}

/// The contract's routes, once for each limit of an answer.
#[derive(Clone)]
struct Routers {
    direct: Router,
    balanced: Router,
}

impl Routers {
    fn new(service: Service, mode: LambdaResponseMode) -> Self {
        let limit = match mode {
            LambdaResponseMode::Buffered => BUFFERED,
            LambdaResponseMode::Streaming => STREAMED,
        };
        Self {
            direct: router(service.clone().with_answer_limit(limit)),
            balanced: router(service.with_answer_limit(BALANCED)),
        }
    }

    /// What answers the request in one event, whose body may be `broken`.
    fn handler(
        self,
        broken: Option<DecodeError>,
    ) -> impl tower::Service<Request, Response = Response, Error = Infallible, Future: Send> {
        service_fn(move |request| self.clone().answer(request, broken.clone()))
    }

    async fn answer(
        self,
        mut request: Request,
        broken: Option<DecodeError>,
    ) -> Result<Response, Infallible> {
        if let Some(error) = broken {
            let error = JobError::new(Stage::Validate, BodyError::NotBase64(error));
            return Ok(failed(&error.into()));
        }
        let context = request.request_context_ref();
        let stage = match context {
            Some(RequestContext::ApiGatewayV1(context)) => context.stage.as_deref(),
            Some(RequestContext::ApiGatewayV2(context)) => context.stage.as_deref(),
            _ => None,
        };
        let router = if matches!(context, Some(RequestContext::Alb(_))) {
            self.balanced
        } else {
            self.direct
        };
        if let Some(uri) = stage.and_then(|stage| without_stage(request.uri(), stage)) {
            *request.uri_mut() = uri;
        }
        router.oneshot(request).await
    }
}

/// `uri` without the `stage` at the beginning of its path, where there is one.
fn without_stage(uri: &Uri, stage: &str) -> Option<Uri> {
    let whole = uri.path_and_query()?.as_str();
    let rest = whole.strip_prefix('/')?.strip_prefix(stage)?;
    if !rest.starts_with('/') {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}

/// What must be known of an event before it is read: `lambda_http` panics at base64 that is none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encoded {
    #[serde(default)]
    is_base64_encoded: bool,
    body: Option<String>,
}

/// The request in `event`; without its body where that is marked as base64 and is not.
///
/// # Errors
/// When it is no event of an HTTP front: the message says what was seen instead.
fn read(
    event: LambdaEvent<Box<RawValue>>,
) -> Result<(LambdaEvent<LambdaRequest>, Option<DecodeError>), Error> {
    let LambdaEvent { payload, context } = event;
    let mut text = payload.get().to_owned();
    let mut broken = None;
    if let Ok(Encoded { is_base64_encoded: true, body: Some(body) }) = serde_json::from_str(&text) {
        broken = BASE64_STANDARD.decode(body).err();
    }
    if broken.is_some() {
        let mut event: Map<String, Value> = serde_json::from_str(&text)?;
        event.insert("body".to_owned(), Value::Null);
        event.insert("isBase64Encoded".to_owned(), Value::Bool(false));
        text = Value::Object(event).to_string();
    }
    let request = serde_json::from_str(&text).map_err(|_| UnknownEvent::in_text(&text))?;
    Ok((LambdaEvent::new(request, context), broken))
}

/// An event that is no HTTP request.
#[derive(Debug, thiserror::Error)]
#[error(
    "this function answers events of API Gateway, function URLs and application load balancers; this event is {seen}"
)]
struct UnknownEvent {
    seen: String,
}

/// How many names of an unknown event are told.
const NAMES_TOLD: usize = 12;

impl UnknownEvent {
    fn in_text(text: &str) -> Self {
        let seen = match serde_json::from_str(text) {
            Ok(Value::Object(event)) => {
                let names: Vec<_> = event.keys().take(NAMES_TOLD).map(String::as_str).collect();
                format!("an object with {}", names.join(", "))
            }
            Ok(Value::Array(_)) => "a list".to_owned(),
            _ => "a single value".to_owned(),
        };
        Self { seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_stage_is_taken_off_the_path() {
        let stripped = |uri: &str, stage| {
            without_stage(&uri.parse().unwrap(), stage).map(|uri| uri.to_string())
        };
        let url = "https://x.test/prod/api/health?a=1";
        assert_eq!(stripped(url, "prod").unwrap(), "https://x.test/api/health?a=1");
        assert_eq!(stripped("/prod/ping", "prod").unwrap(), "/ping");
        assert_eq!(stripped("/production/ping", "prod"), None);
        assert_eq!(stripped("/api/health", "$default"), None);
    }

    #[test]
    fn an_unknown_event_is_told_by_what_it_holds() {
        let said = |text| UnknownEvent::in_text(text).to_string();
        assert!(
            said(r#"{"Records": [], "x": 1}"#).ends_with("this event is an object with Records, x")
        );
        assert!(said("[1]").ends_with("this event is a list"));
        assert!(said("3").ends_with("this event is a single value"));
    }
}
