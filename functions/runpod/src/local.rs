//! One job without a platform: from `--test-input` or `test_input.json`, its report on stdout.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use duolip_pipeline::{CancellationToken, ErrorKind, JobError, Stage};
use duolip_service::errors::outside;
use duolip_service::service::Service;
use serde_json::Value;

use crate::job::{Job, Listener};
use crate::progress::Progress;
use crate::report::Identity;

/// Where the job lies unless `--test-input` says otherwise.
const DEFAULT_FILE: &str = "test_input.json";

/// The name of a job that has none.
const DEFAULT_ID: &str = "local_test";

/// Nobody listens: the log says how the job gets on.
struct Nobody;

impl Listener for Nobody {
    async fn progress(&self, _progress: &Progress) {}

    async fn part(&self, _part: &Value) {}
}

/// Runs the one job and prints its report. The exit code is the error table's.
pub(crate) async fn run_one(
    service: Service,
    test_input: Option<&str>,
    identity: &Identity,
    stopping: CancellationToken,
) -> ExitCode {
    let ran = tokio::select! {
        ran = run(&service, test_input, identity) => ran,
        () = stopping.cancelled() => {
            service.stop();
            Err(JobError::with_kind(Stage::Deliver, ErrorKind::Cancelled, "stopped by a signal"))
        }
    };
    match ran {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(kind)) => ExitCode::from(outside(kind).exit),
        Err(error) => {
            eprintln!("duolip-runpod: {error}");
            ExitCode::from(outside(error.kind()).exit)
        }
    }
}

/// The kind of error that the job ended with, if any; an error when there is no job to run.
async fn run(
    service: &Service,
    test_input: Option<&str>,
    identity: &Identity,
) -> Result<Option<ErrorKind>, JobError> {
    let job = job(test_input)?;
    let warming = service.clone();
    tokio::task::spawn_blocking(move || warming.warm_up())
        .await
        .map_err(|panic| JobError::with_kind(Stage::Validate, ErrorKind::Internal, panic))?;
    let report = job.run(service, Duration::ZERO, &Nobody).await;
    let mut line = report.body(identity).to_vec();
    line.push(b'\n');
    std::io::stdout()
        .write_all(&line)
        .map_err(|error| JobError::with_kind(Stage::Deliver, ErrorKind::Internal, error))?;
    Ok(report.result.err().map(|failure| {
        failure.log();
        failure.error.kind()
    }))
}

fn job(test_input: Option<&str>) -> Result<Job, JobError> {
    let refused = |kind, text| JobError::with_kind(Stage::Validate, kind, text);
    let text = match test_input {
        Some(text) if text.trim_start().starts_with('{') => text.to_owned(),
        file => {
            let file = Path::new(file.unwrap_or(DEFAULT_FILE));
            std::fs::read_to_string(file).map_err(|error| {
                let text = format!("{} cannot be read: {error}", file.display());
                refused(ErrorKind::NotFound, text)
            })?
        }
    };
    let mut job: Value = serde_json::from_str(&text).map_err(|error| {
        refused(ErrorKind::Unparsable, format!("the test input is not JSON: {error}"))
    })?;
    if let Value::Object(job) = &mut job {
        job.entry("id").or_insert_with(|| DEFAULT_ID.into());
    }
    Job::read(job).map_err(|error| refused(ErrorKind::InvalidInput, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_from_its_text_or_from_a_file_of_it() {
        let text = r#"{"input": {"text": "Hi"}}"#;
        assert_eq!(job(Some(text)).unwrap().id, DEFAULT_ID);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("job.json");
        std::fs::write(&file, r#"{"id": "mine", "input": {"text": "Hi"}}"#).unwrap();
        assert_eq!(job(file.to_str()).unwrap().id, "mine");
    }

    #[test]
    fn what_is_no_job_is_refused_with_the_kind_of_the_error_table() {
        for (input, kind) in [
            ("/nowhere/job.json", ErrorKind::NotFound),
            ("{not json", ErrorKind::Unparsable),
            (r#"{"id": ""}"#, ErrorKind::InvalidInput),
        ] {
            assert_eq!(job(Some(input)).unwrap_err().kind(), kind, "{input}");
        }
    }
}
