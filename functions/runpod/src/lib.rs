//! The RunPod queue worker. To read it from the top:
//!
//! | module | |
//! |---|---|
//! | `worker` | the loop: take jobs, run them, post their results, until told to stop |
//! | `platform` | the client of the platform's protocol |
//! | `job` | one job, from what was handed out to its report |
//! | `ping`, `fitness` | the signs of life |
//! | `local`, `serve_api` | the same jobs without a platform |
//!
//! What a job means is duolip-service's affair.

mod backoff;
mod fitness;
mod job;
mod local;
mod outbox;
mod ping;
mod platform;
mod progress;
mod report;
mod s3_config;
mod serve_api;
mod worker;

use std::process::ExitCode;

use duolip_pipeline::CancellationToken;
use duolip_service::config::{Config, RunpodArgs};
use duolip_service::serve::asked_to_stop;
use duolip_service::service::{AnswerLimit, Service};
use uuid::Uuid;

use report::Identity;

/// Whose limit it is when a video does not fit into a result.
const CARRIER: &str = "a result of RunPod's queue";

/// Does what `args` say: takes jobs from the queue, runs a single one, or serves the local API.
///
/// # Errors
/// When it cannot begin: a worker that is not fit, a port that cannot be had.
pub async fn run(args: RunpodArgs, config: Config) -> anyhow::Result<ExitCode> {
    let limit = AnswerLimit { bytes: args.max_video_bytes(), carrier: CARRIER };
    let service = Service::new(config).with_answer_limit(limit);
    let identity = Identity {
        worker_id: args.pod_id.clone().unwrap_or_else(|| Uuid::now_v7().to_string()),
        hostname: args.pod_hostname.clone().unwrap_or_else(|| "unknown".to_owned()),
    };
    if args.serve_api {
        serve_api::serve_api(service, &args, identity).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let stopping = CancellationToken::new();
    let asked = stopping.clone();
    tokio::spawn(async move {
        asked_to_stop().await;
        asked.cancel();
    });
    if args.get_job_url.is_none() || args.test_input.is_some() {
        let test_input = args.test_input.as_deref();
        return Ok(local::run_one(service, test_input, &identity, stopping).await);
    }
    worker::work(service, &args, identity, stopping).await?;
    Ok(ExitCode::SUCCESS)
}
