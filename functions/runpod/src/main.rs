//! The RunPod function: takes jobs from the platform's queue; without a platform, runs one job or
//! serves the platform's API locally. No rules of the business here: see duolip-service.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use duolip_service::config::{Config, ConfigError, RunpodArgs, complete_environment};
use duolip_service::runtime::runtime;

/// Renders talking avatars for RunPod's queue.
#[derive(Parser)]
#[command(name = "duolip-runpod", version)]
struct Args {
    #[command(flatten, next_help_heading = "RunPod")]
    runpod: RunpodArgs,
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let (runpod, config) = match Args::read() {
        Ok(args) => args,
        Err(error) => return error.report("duolip-runpod"),
    };
    duolip_service::logging::init(None);
    match run(runpod, config) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Args {
    fn read() -> Result<(RunpodArgs, Config), ConfigError> {
        complete_environment()?;
        let Self { runpod, config } = Self::try_parse()?;
        let config = config.checked()?;
        Ok((runpod.checked(&config)?, config))
    }
}

fn run(runpod: RunpodArgs, config: Config) -> anyhow::Result<ExitCode> {
    let runtime = runtime(&config)?;
    let ran = runtime.block_on(duolip_runpod::run(runpod, config));
    // Jobs that were cancelled stop at their next batch of mouths.
    runtime.shutdown_timeout(Duration::from_secs(5));
    ran
}
