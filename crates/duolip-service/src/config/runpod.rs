//! RunPod: the queue that jobs are taken from, and the local modes of its worker.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use axum::http::Uri;
use clap::Args;

use super::{Config, ConfigError, Secret};

/// What base64 and the fields beside the video may take of a result, in bytes.
const RESULT_SLACK_BYTES: u64 = 1 << 16;

/// The RunPod queue worker. The platform sets the variables that begin with RUNPOD.
#[derive(Debug, Clone, Args)]
pub struct RunpodArgs {
    /// Where jobs are taken [default: none: one job is run from `--test-input`]
    #[arg(long, env = "RUNPOD_WEBHOOK_GET_JOB", value_name = "URL")]
    pub get_job_url: Option<String>,
    /// Where results are posted
    #[arg(long, env = "RUNPOD_WEBHOOK_POST_OUTPUT", value_name = "URL")]
    pub post_output_url: Option<String>,
    /// Where the partial outputs of a job that is streamed are posted
    #[arg(long, env = "RUNPOD_WEBHOOK_POST_STREAM", value_name = "URL")]
    pub post_stream_url: Option<String>,
    /// Where the worker says that it lives [default: nowhere]
    #[arg(long, env = "RUNPOD_WEBHOOK_PING", value_name = "URL")]
    pub ping_url: Option<String>,
    /// Milliseconds between two pings
    #[arg(long, env = "RUNPOD_PING_INTERVAL", default_value_t = 10_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(100..=600_000))]
    pub ping_interval_ms: u32,
    /// The key that the platform wants to see
    #[arg(long, env = "RUNPOD_AI_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub api_key: Option<Secret>,
    /// The worker's name [default: a random one]
    #[arg(long, env = "RUNPOD_POD_ID", value_name = "ID")]
    pub pod_id: Option<String>,
    /// The worker's machine, for error reports
    #[arg(long, env = "RUNPOD_POD_HOSTNAME", value_name = "NAME")]
    pub pod_hostname: Option<String>,
    /// Jobs taken and rendered at the same time; no more than `DUOLIP_MAX_JOBS`
    #[arg(long, env = "DUOLIP_RUNPOD_CONCURRENCY", default_value = "1", value_name = "JOBS")]
    pub concurrency: NonZeroU16,
    /// Seconds that running jobs have left when the worker is told to stop [default: as long as a
    /// job may take, `DUOLIP_DEADLINE_SECONDS`]
    #[arg(long, env = "DUOLIP_GRACE_SECONDS", value_name = "SECONDS")]
    pub grace_seconds: Option<u32>,
    /// Seconds that the platform may hold a call for jobs open
    #[arg(long, env = "DUOLIP_RUNPOD_POLL_SECONDS", default_value_t = 90, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=600))]
    pub poll_seconds: u32,
    /// Seconds for which a result that the platform does not take is posted again
    #[arg(long, env = "DUOLIP_RUNPOD_POST_SECONDS", default_value_t = 600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub post_seconds: u32,
    /// Seconds between two reports of a job's progress; 0: none
    #[arg(long, env = "DUOLIP_RUNPOD_PROGRESS_SECONDS", default_value_t = 5, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub progress_seconds: u32,
    /// Bytes of JSON that the platform takes as a result; a video that does not fit goes to the store
    #[arg(long, env = "DUOLIP_RUNPOD_MAX_RESULT_BYTES", default_value_t = 20_000_000,
          value_name = "BYTES", value_parser = clap::value_parser!(u64).range(100_000..))]
    pub max_result_bytes: u64,
    /// Mebibytes that must be free in the folder for job folders when the worker starts
    #[arg(long, env = "DUOLIP_RUNPOD_MIN_DISK_MIB", default_value_t = 256, value_name = "MIB")]
    pub min_disk_mib: u64,
    /// Run this one job and print its result: JSON, or a file of it [default: `test_input.json`]
    #[arg(long, alias = "test_input", value_name = "JSON|FILE", conflicts_with = "serve_api")]
    pub test_input: Option<String>,
    /// Serve the platform's API on this machine, for trying clients
    #[arg(long, alias = "rp_serve_api")]
    pub serve_api: bool,
    /// Address of the API
    #[arg(long, alias = "rp_api_host", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub api_host: IpAddr,
    /// Port of the API
    #[arg(long, alias = "rp_api_port", default_value_t = 8000, value_name = "PORT")]
    pub api_port: u16,
}

/// What is wrong with the settings of the RunPod worker.
#[derive(Debug, thiserror::Error)]
pub enum RunpodConfigError {
    /// Jobs can be taken, but their results cannot be posted.
    #[error("RUNPOD_WEBHOOK_GET_JOB is set and RUNPOD_WEBHOOK_POST_OUTPUT is not; both are needed")]
    NoPostOutput,
    /// An address of the platform is none.
    #[error("{variable} is {url:?}, which is no http:// or https:// URL")]
    NotAUrl {
        /// What sets it.
        variable: &'static str,
        /// What it is.
        url: String,
    },
    /// The key cannot be sent. It is not quoted.
    #[error("RUNPOD_AI_API_KEY holds a character that an HTTP header cannot carry")]
    Key,
    /// More jobs are to be taken than can be rendered.
    #[error(
        "DUOLIP_RUNPOD_CONCURRENCY is {concurrency}; DUOLIP_MAX_JOBS allows {max_jobs} jobs at the same time"
    )]
    Concurrency {
        /// What is asked for.
        concurrency: u16,
        /// The limit.
        max_jobs: u16,
    },
}

impl RunpodArgs {
    /// Checks what clap cannot. Empty values count as not set.
    ///
    /// # Errors
    /// [`RunpodConfigError`], as a [`ConfigError`].
    pub fn checked(mut self, config: &Config) -> Result<Self, ConfigError> {
        for text in [
            &mut self.get_job_url,
            &mut self.post_output_url,
            &mut self.post_stream_url,
            &mut self.ping_url,
            &mut self.pod_id,
            &mut self.pod_hostname,
        ] {
            text.take_if(|text| text.trim().is_empty());
        }
        self.api_key.take_if(|key| key.expose().is_empty());
        for (variable, url) in [
            ("RUNPOD_WEBHOOK_GET_JOB", &self.get_job_url),
            ("RUNPOD_WEBHOOK_POST_OUTPUT", &self.post_output_url),
            ("RUNPOD_WEBHOOK_POST_STREAM", &self.post_stream_url),
            ("RUNPOD_WEBHOOK_PING", &self.ping_url),
        ] {
            if let Some(url) = url.as_ref().filter(|url| !is_http(url)) {
                return Err(RunpodConfigError::NotAUrl { variable, url: url.clone() }.into());
            }
        }
        if self.get_job_url.is_some() && self.post_output_url.is_none() {
            return Err(RunpodConfigError::NoPostOutput.into());
        }
        let visible = |key: &Secret| key.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if self.api_key.as_ref().is_some_and(|key| !visible(key)) {
            return Err(RunpodConfigError::Key.into());
        }
        let (concurrency, max_jobs) = (self.concurrency.get(), config.limits.max_jobs);
        if concurrency > max_jobs {
            return Err(RunpodConfigError::Concurrency { concurrency, max_jobs }.into());
        }
        Ok(self)
    }

    /// How long running jobs have left when the worker is told to stop.
    #[must_use]
    pub fn grace(&self, config: &Config) -> Duration {
        self.grace_seconds.map_or(config.deadline(), |seconds| Duration::from_secs(seconds.into()))
    }

    /// The largest video, in bytes, whose base64 fits into a result.
    #[must_use]
    pub fn max_video_bytes(&self) -> u64 {
        (self.max_result_bytes - RESULT_SLACK_BYTES) / 4 * 3
    }
}

fn is_http(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Both {
        #[command(flatten)]
        runpod: RunpodArgs,
        #[command(flatten)]
        config: Config,
    }

    const TAKE: &str = "https://api.runpod.ai/v2/ep/job-take/$ID?gpu=A40";
    const DONE: &str = "https://api.runpod.ai/v2/ep/job-done/$RUNPOD_POD_ID/$ID?gpu=A40";

    fn checked(arguments: &[&str]) -> Result<RunpodArgs, ConfigError> {
        let Both { runpod, config } =
            Both::try_parse_from([&["test"], arguments].concat()).unwrap();
        runpod.checked(&config)
    }

    #[test]
    fn the_platforms_templates_are_taken() {
        let args = checked(&["--get-job-url", TAKE, "--post-output-url", DONE]).unwrap();
        assert_eq!(args.get_job_url.as_deref(), Some(TAKE));
        assert_eq!(args.concurrency.get(), 1);
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        for (arguments, words) in [
            (&["--get-job-url", TAKE][..], "RUNPOD_WEBHOOK_POST_OUTPUT"),
            (&["--get-job-url", "api.runpod.ai/v2"], "RUNPOD_WEBHOOK_GET_JOB"),
            (&["--ping-url", "ftp://host/ping"], "RUNPOD_WEBHOOK_PING"),
            (&["--api-key", "hunter 2\n"], "RUNPOD_AI_API_KEY"),
            (&["--concurrency", "5"], "DUOLIP_MAX_JOBS allows 4"),
        ] {
            let said = checked(arguments).unwrap_err().to_string();
            assert!(said.contains(words) && !said.contains("hunter"), "{arguments:?}: {said}");
        }
    }

    #[test]
    fn empty_values_count_as_not_set() {
        let args = checked(&["--get-job-url", "", "--api-key", "", "--pod-id", " "]).unwrap();
        assert!(args.get_job_url.is_none() && args.api_key.is_none() && args.pod_id.is_none());
    }

    #[test]
    fn the_largest_video_fits_into_the_largest_result() {
        let args = checked(&[]).unwrap();
        let base64 = args.max_video_bytes().div_ceil(3) * 4;
        assert!(base64 + RESULT_SLACK_BYTES <= args.max_result_bytes + 4);
        assert!(args.max_video_bytes() > 14_900_000);
    }

    #[test]
    fn a_worker_without_a_grace_period_of_its_own_finishes_what_it_has() {
        let both = Both::try_parse_from(["test"]).unwrap();
        assert_eq!(both.runpod.grace(&both.config), both.config.deadline());
    }
}
