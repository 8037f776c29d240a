//! A batch as a command: `duolip batch` and the batch function outside Lambda.

use std::path::Path;
use std::process::ExitCode;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::error::{Classify, chain};

use super::{BatchError, BatchSettings, JobResult, Manifest, Results, Tally, run, warm};
use crate::config::{BatchArgs, Config, EXIT_CONFIG};
use crate::errors::outside;
use crate::serve::asked_to_stop;

/// Renders the manifest at `location` and gives the exit code ([`Tally::exit_code`], or that of the
/// error table). The first SIGTERM or Ctrl-C lets the jobs under way finish; the second ends them.
pub async fn command(
    program: &str,
    location: &str,
    args: &BatchArgs,
    config: Config,
    told: impl Fn(&JobResult),
) -> ExitCode {
    let say = |text: &str| eprintln!("{program}: {text}");
    let wrong = |text: &str| {
        say(text);
        ExitCode::from(EXIT_CONFIG)
    };
    let Some(results) = &args.results else {
        return wrong("--results is missing: name the file that results are written to");
    };
    let settings = match args.settings(&config) {
        Ok(settings) => settings,
        Err(text) => return wrong(&text),
    };
    let stop = CancellationToken::new();
    // Boxed: the whole of a job lies in it.
    let batch = Box::pin(batch(location, results, settings, config, &stop, told));
    let ended = tokio::select! {
        ended = batch => ended,
        () = twice(&stop) => {
            say("ended by the second signal; the jobs under way were given up");
            return ExitCode::from(outside(duolip_pipeline::ErrorKind::Cancelled).exit);
        }
    };
    match ended {
        Ok(tally) => {
            let Tally { ok, failed, before, left } = tally;
            say(&format!("{ok} ok, {failed} failed, {left} left; {before} of them done before"));
            ExitCode::from(tally.exit_code())
        }
        Err(error) => {
            say(&chain(&error));
            ExitCode::from(outside(error.kind()).exit)
        }
    }
}

async fn batch(
    location: &str,
    results: &str,
    mut settings: BatchSettings,
    config: Config,
    stop: &CancellationToken,
    told: impl Fn(&JobResult),
) -> Result<Tally, BatchError> {
    // What can be refused is refused before a model is loaded.
    let manifest = Manifest::open(location, &config.delivery).await?;
    let results = Results::open(results, settings.shard, &config.delivery).await?;
    if settings.output.is_none() {
        settings.output = results.folder().map(Path::to_owned);
    }
    let service = warm(config).await?;
    run(&service, manifest, results, &settings, stop, told).await
}

/// Cancels `stop` at the first signal and comes back at the second.
async fn twice(stop: &CancellationToken) {
    asked_to_stop().await;
    tracing::info!("stopping: jobs under way are finished, no more are begun");
    stop.cancel();
    asked_to_stop().await;
}
