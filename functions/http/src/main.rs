//! The HTTP function: a plain server on :3000. `POST /api/generate`, `POST /api/generate_parallel`,
//! `GET /api/health`, `GET /ping`. No rules of the business here: see duolip-service.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use duolip_service::config::{Config, ConfigError, ServerArgs, read_dotenv};
use duolip_service::router::router;
use duolip_service::serve::{listen, serve};
use duolip_service::service::Service;

/// Serves talking avatars over HTTP.
#[derive(Parser)]
#[command(name = "duolip-http", version)]
struct Args {
    #[command(flatten, next_help_heading = "Server")]
    server: ServerArgs,
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let (server, config) = match Args::read() {
        Ok(args) => args,
        Err(error) => return error.report("duolip-http"),
    };
    duolip_service::logging::init(None);
    match run(&server, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Args {
    fn read() -> Result<(ServerArgs, Config), ConfigError> {
        read_dotenv()?;
        let Self { server, config } = Self::try_parse()?;
        Ok((server, config.checked()?))
    }
}

fn run(server: &ServerArgs, config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let listener = listen(server).await?;
        tracing::info!(address = %listener.local_addr()?, "listening; the models are being loaded");
        let service = Service::new(config);
        let warming = service.clone();
        tokio::task::spawn_blocking(move || warming.warm_up());
        let grace = Duration::from_secs(server.grace_seconds.into());
        let served = serve(listener, router(service.clone()), grace).await;
        service.stop();
        served?;
        anyhow::Ok(())
    });
    // Jobs that outlived the grace period stop at their next batch of mouths.
    runtime.shutdown_timeout(Duration::from_secs(5));
    served
}
