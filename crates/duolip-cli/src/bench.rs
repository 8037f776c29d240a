//! `duolip bench`: one part measured against another, side by side in one run.

mod lipsync;

use std::process::ExitCode;

use clap::Subcommand;
use duolip_service::config::ConfigError;

use crate::import_model::exit_code;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// A whole lip-sync network against what an import makes of it, on the CPU
    Lipsync(Box<lipsync::LipsyncArgs>),
}

impl Bench {
    pub(crate) fn checked(self) -> Result<Self, ConfigError> {
        let Self::Lipsync(mut args) = self;
        args.config = args.config.checked()?;
        Ok(Self::Lipsync(args))
    }
}

/// Measures, and prints a table for people and lines for scripts.
pub(crate) fn bench(bench: Bench) -> ExitCode {
    duolip_service::logging::init(Some("off"));
    let Bench::Lipsync(args) = bench;
    match lipsync::measure(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("duolip: {error:#}");
            exit_code(&error)
        }
    }
}
