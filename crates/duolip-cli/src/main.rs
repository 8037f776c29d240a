//! The command line: `duolip render` and `duolip doctor`.

mod doctor;
mod progress;
mod render;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use duolip_service::config::{Config, ConfigError, read_dotenv};

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
    /// Say what is installed, what is missing, and what to do about it
    Doctor {
        #[command(flatten)]
        config: Config,
    },
}

fn main() -> ExitCode {
    match Args::read() {
        Ok(Command::Render { render, config }) => render::render(render, config),
        Ok(Command::Doctor { config }) => doctor::doctor(config),
        Err(error) => error.report("duolip"),
    }
}

impl Args {
    fn read() -> Result<Command, ConfigError> {
        read_dotenv()?;
        Ok(match Self::try_parse()?.command {
            Command::Render { render, config } => {
                Command::Render { render, config: config.checked()? }
            }
            Command::Doctor { config } => Command::Doctor { config: config.checked()? },
        })
    }
}
