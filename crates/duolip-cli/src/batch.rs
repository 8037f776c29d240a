//! `duolip batch`: a manifest of jobs from the command line.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use duolip_pipeline::ErrorKind;
use duolip_service::batch::{JobResult, Status, command};
use duolip_service::config::{BatchArgs, Config};
use duolip_service::errors::outside;
use duolip_service::runtime::runtime;
use indicatif::{ProgressBar, ProgressStyle};

/// Renders the manifest, with a count of jobs on a terminal and a log line for each elsewhere.
pub(crate) fn batch(manifest: &str, args: &BatchArgs, config: Config) -> ExitCode {
    let terminal = std::io::stderr().is_terminal();
    duolip_service::logging::init(terminal.then_some("off"));
    let runtime = match runtime(&config) {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("duolip: {error}");
            return ExitCode::from(outside(ErrorKind::Internal).exit);
        }
    };
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{spinner} {pos} jobs done, {per_sec}  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let told = |result: &JobResult| {
        let id = result.id.as_deref().unwrap_or("a line without an id");
        if result.status == Status::Error {
            bar.suspend(|| eprintln!("{id} failed: {}", result.line.trim_end()));
        }
        bar.set_message(id.to_owned());
        bar.inc(1);
    };
    let code = runtime.block_on(command("duolip", manifest, args, config, told));
    bar.finish_and_clear();
    // A manifest that comes from a terminal may still be waited for.
    runtime.shutdown_background();
    code
}
