//! The command line: `duolip render` and `duolip doctor`.

mod doctor;
mod progress;
mod render;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use duolip_service::config::{Config, EXIT_CONFIG, read_dotenv};

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
    if let Err(error) = read_dotenv() {
        return misconfigured(&error);
    }
    // clap's own exit code for a wrong argument is 2; ours is that of a wrong configuration.
    let Args { command } = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Fails only when nobody reads it.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(EXIT_CONFIG)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match command {
        Command::Render { render, config } => match config.checked() {
            Ok(config) => render::render(render, config),
            Err(error) => misconfigured(&error),
        },
        Command::Doctor { config } => match config.checked() {
            Ok(config) => doctor::doctor(config),
            Err(error) => misconfigured(&error),
        },
    }
}

fn misconfigured(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("duolip: {error}");
    ExitCode::from(EXIT_CONFIG)
}
