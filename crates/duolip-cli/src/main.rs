//! The command line: `duolip render`, `duolip batch`, `duolip import-model`, `duolip bench` and
//! `duolip doctor`.

mod batch;
mod bench;
mod doctor;
mod import_model;
mod progress;
mod render;
mod stop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use duolip_service::config::{BatchArgs, Config, ConfigError, complete_environment};

/// Talking avatars: text or speech and a picture in, an MP4 out.
#[derive(Parser)]
#[command(name = "duolip", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Render one video
    Render {
        #[command(flatten)]
        render: render::RenderArgs,
        #[command(flatten)]
        config: Config,
    },
    /// Render the jobs of a manifest, one line of JSON each
    Batch {
        /// The manifest: a file, - for the standard input, or `s3://BUCKET/KEY`
        #[arg(value_name = "MANIFEST")]
        manifest: String,
        #[command(flatten, next_help_heading = "Batch")]
        batch: BatchArgs,
        #[command(flatten)]
        config: Config,
    },
    /// Import a Wav2Lip checkpoint, so that it runs faster and needs no Python
    ImportModel {
        #[command(flatten)]
        import: import_model::ImportArgs,
        #[command(flatten)]
        config: Config,
    },
    /// Measure one part against another, side by side
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Say what is installed, what is missing, and what to do about it
    Doctor {
        #[command(flatten)]
        config: Config,
    },
}

fn main() -> ExitCode {
    match Args::read() {
        Ok(Command::Render { render, config }) => render::render(render, config),
        Ok(Command::Batch { manifest, batch, config }) => batch::batch(&manifest, &batch, config),
        Ok(Command::ImportModel { import, config }) => import_model::import_model(import, &config),
        Ok(Command::Bench { bench }) => bench::bench(bench),
        Ok(Command::Doctor { config }) => doctor::doctor(config),
        Err(error) => error.report("duolip"),
    }
}

/// Writes a line of the command's answer. Whoever reads only its beginning, as `head` does, closes
/// the pipe: that is no error.
pub(crate) fn say(line: impl std::fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

impl Args {
    fn read() -> Result<Command, ConfigError> {
        complete_environment()?;
        Ok(match Self::try_parse()?.command {
            Command::Render { render, config } => {
                Command::Render { render, config: config.checked()? }
            }
            Command::Batch { manifest, batch, config } => {
                Command::Batch { manifest, batch, config: config.checked()? }
            }
            Command::ImportModel { import, config } => {
                Command::ImportModel { import, config: config.checked()? }
            }
            Command::Bench { bench } => Command::Bench { bench: bench.checked()? },
            Command::Doctor { config } => Command::Doctor { config: config.checked()? },
        })
    }
}
