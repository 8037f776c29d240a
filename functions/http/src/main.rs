//! The HTTP function: `POST /api/generate`, `POST /api/generate_parallel`, `GET /api/health`,
//! `GET /ping`. Behind AWS Lambda where its runtime API is there, else a plain server on :3000. No
//! rules of the business here: see duolip-service.

mod lambda;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use duolip_service::config::{Config, ConfigError, LambdaArgs, ServerArgs, complete_environment};
use duolip_service::router::router;
use duolip_service::runtime::runtime;
use duolip_service::serve::{asked_to_stop, listen, serve};
use duolip_service::service::Service;

/// Serves talking avatars over HTTP.
#[derive(Parser)]
#[command(name = "duolip-http", version)]
struct Args {
    #[command(flatten, next_help_heading = "Server")]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "AWS Lambda")]
    lambda: LambdaArgs,
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(error) => return error.report("duolip-http"),
    };
    duolip_service::logging::init(None);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
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

fn run(Args { server, lambda, config }: Args) -> anyhow::Result<()> {
    let runtime = runtime(&config)?;
    let service = Service::new(config);
    let served = runtime.block_on(async {
        let warming = service.clone();
        if lambda.runtime.is_lambda() {
            // Within Lambda's initialisation, whose time is not the first request's.
            tokio::task::spawn_blocking(move || warming.warm_up()).await?;
            return tokio::select! {
                answered = lambda::run(service.clone(), lambda.lambda_response) => {
                    answered.map_err(|error| anyhow::anyhow!(error))
                }
                // A job under way ends with its files; Lambda hands its event to another.
                () = asked_to_stop() => Ok(()),
            };
        }
        let listener = listen(&server).await?;
        tracing::info!(address = %listener.local_addr()?, "listening; the models are being loaded");
        tokio::task::spawn_blocking(move || warming.warm_up());
        let grace = Duration::from_secs(server.grace_seconds.into());
        Ok(serve(listener, router(service.clone()), grace).await?)
    });
    service.stop();
    // Jobs that outlived the grace period stop at their next batch of mouths.
    runtime.shutdown_timeout(Duration::from_secs(5));
    served
}
