//! What became of a job, in the platform's words. Knows nothing of how it is posted.

use bytes::Bytes;
use duolip_pipeline::Stage;
use duolip_pipeline::job::JobId;
use duolip_service::engine::Failure;
use duolip_service::errors::{outside, refreshes_worker};
use serde::Serialize;
use serde_json::Value;

/// What became of a job.
#[derive(Debug)]
pub(crate) struct Report {
    /// Its output, or why there is none.
    pub(crate) result: Result<Value, Failure>,
    /// Whether parts of the output went ahead.
    pub(crate) streamed: bool,
}

/// Who reports.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The worker's name.
    pub(crate) worker_id: String,
    /// The machine's name.
    pub(crate) hostname: String,
}

/// The body of a report.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Value>,
    /// An error, as JSON in a text: the platform shows texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(rename = "stopPod", skip_serializing_if = "std::ops::Not::not")]
    stop_pod: bool,
}

/// An error in the fields that the platform's own workers use, and in ours.
#[derive(Serialize)]
struct ErrorReport<'a> {
    error_type: &'static str,
    error_message: String,
    code: &'static str,
    stage: Stage,
    retryable: bool,
    job_id: Option<JobId>,
    hostname: &'a str,
    worker_id: &'a str,
    version: &'static str,
}

impl Report {
    /// Whether this worker should be replaced by a fresh one: the error table decides.
    pub(crate) fn refreshes_worker(&self) -> bool {
        self.result.as_ref().is_err_and(|failure| refreshes_worker(failure.error.kind()))
    }

    /// The error as JSON in a text; `None` for a job that is done.
    pub(crate) fn error(&self, identity: &Identity) -> Option<String> {
        let Failure { job_id, error } = self.result.as_ref().err()?;
        let outside = outside(error.kind());
        let report = ErrorReport {
            error_type: outside.code,
            error_message: error.to_string(),
            code: outside.code,
            stage: error.stage(),
            retryable: outside.retryable,
            job_id: *job_id,
            hostname: &identity.hostname,
            worker_id: &identity.worker_id,
            version: env!("CARGO_PKG_VERSION"),
        };
        Some(json(&report))
    }

    /// What is posted.
    pub(crate) fn body(&self, identity: &Identity) -> Bytes {
        let body = Body {
            output: self.result.as_ref().ok(),
            error: self.error(identity),
            stop_pod: self.refreshes_worker(),
        };
        json(&body).into()
    }
}

/// Texts, numbers and maps with text keys always make JSON; if they did not, the platform would still
/// get an answer.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| format!(r#"{{"error":"{}"}}"#, error.to_string().escape_default()))
}

#[cfg(test)]
mod tests {
    use duolip_pipeline::{ErrorKind, JobError};
    use serde_json::json;

    use super::*;

    fn identity() -> Identity {
        Identity { worker_id: "pod1".into(), hostname: "machine1".into() }
    }

    fn failed(kind: ErrorKind) -> Report {
        let error = JobError::with_kind(Stage::Encode, kind, "no \"codec\" today");
        Report { result: Err(error.into()), streamed: false }
    }

    fn body(report: &Report) -> Value {
        serde_json::from_slice(&report.body(&identity())).unwrap()
    }

    #[test]
    fn a_job_that_is_done_is_its_output_alone() {
        let report = Report { result: Ok(json!({"frames": 25})), streamed: false };
        assert_eq!(body(&report), json!({"output": {"frames": 25}}));
    }

    #[test]
    fn an_error_is_json_in_a_text_with_our_fields_and_the_platforms() {
        let body = body(&failed(ErrorKind::Upstream));
        let error: Value = serde_json::from_str(body["error"].as_str().unwrap()).unwrap();
        assert_eq!(
            error,
            json!({
                "error_type": "upstream", "error_message": "no \"codec\" today", "code": "upstream",
                "stage": "encode", "retryable": true, "job_id": null, "hostname": "machine1",
                "worker_id": "pod1", "version": env!("CARGO_PKG_VERSION"),
            })
        );
        assert!(body.get("stopPod").is_none() && body.get("output").is_none());
    }

    #[test]
    fn a_fresh_worker_is_asked_for_after_faults_of_ours_and_a_gpu_without_memory() {
        for kind in ErrorKind::ALL {
            let wanted = matches!(kind, ErrorKind::Internal | ErrorKind::GpuOutOfMemory);
            assert_eq!(
                body(&failed(kind)).get("stopPod"),
                wanted.then_some(&json!(true)),
                "{kind:?}"
            );
        }
    }
}
