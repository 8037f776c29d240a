//! The batch function: a manifest of jobs, or jobs of a queue, behind AWS Lambda; elsewhere a command,
//! as `duolip batch`. No rules of the business here: see `duolip_service::batch`.

mod event;
mod lambda;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use duolip_service::batch::{JobResult, command};
use duolip_service::config::{
    BatchArgs, Config, ConfigError, LambdaRuntimeArgs, complete_environment,
};
use duolip_service::runtime::runtime;

/// Renders batches of talking avatars.
#[derive(Parser)]
#[command(name = "duolip-batch", version)]
struct Args {
    /// The manifest: a file, - for the standard input, or `s3://BUCKET/KEY`; Lambda names it in its
    /// event
    #[arg(value_name = "MANIFEST", required_unless_present = "lambda_runtime_api")]
    manifest: Option<String>,
    #[command(flatten, next_help_heading = "Batch")]
    batch: BatchArgs,
    #[command(flatten, next_help_heading = "AWS Lambda")]
    lambda: LambdaRuntimeArgs,
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(error) => return error.report("duolip-batch"),
    };
    duolip_service::logging::init(None);
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Args {
    fn read() -> Result<Self, ConfigError> {
        complete_environment()?;
        let args = Self::try_parse()?;
        Ok(Self { config: args.config.checked()?, ..args })
    }
}

fn run(Args { manifest, batch, lambda, config }: Args) -> anyhow::Result<ExitCode> {
    let runtime = runtime(&config)?;
    // A job that Lambda's function lets go of stops at its next batch of mouths. A command has none
    // under way, but may be reading what nobody types.
    let patience = if lambda.is_lambda() { Duration::from_secs(5) } else { Duration::ZERO };
    let code = runtime.block_on(async {
        match manifest {
            Some(manifest) if !lambda.is_lambda() => {
                Ok(command("duolip-batch", &manifest, &batch, config, told).await)
            }
            _ => lambda::run(&batch, config).await.map(|()| ExitCode::SUCCESS),
        }
    });
    runtime.shutdown_timeout(patience);
    code
}

fn told(result: &JobResult) {
    tracing::info!(id = result.id, status = ?result.status, "job of the batch done");
}
