//! `duolip bench`: one part measured against another, side by side in one run.

mod lipsync;
mod random;
mod renders;
mod sessions;

use std::process::ExitCode;

use clap::Subcommand;
use duolip_service::config::ConfigError;

use crate::import_model::exit_code;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// A whole lip-sync network against what an import makes of it, on the CPU
    Lipsync(Box<lipsync::LipsyncArgs>),
    /// Warm sessions as the service runs them: one model, both at once, short jobs together
    Sessions(Box<sessions::SessionsArgs>),
    /// Whole renders by a warm engine: one model, both, more chunks, several jobs at once
    Renders(Box<renders::RendersArgs>),
}

impl Bench {
    pub(crate) fn checked(mut self) -> Result<Self, ConfigError> {
        let config = match &mut self {
            Self::Lipsync(args) => &mut args.config,
            Self::Sessions(args) => &mut args.config,
            Self::Renders(args) => &mut args.config,
        };
        *config = config.clone().checked()?;
        Ok(self)
    }
}

/// Measures, and prints a table for people and lines for scripts.
pub(crate) fn bench(bench: Bench) -> ExitCode {
    duolip_service::logging::init(Some("off"));
    let measured = match bench {
        Bench::Lipsync(args) => lipsync::measure(&args),
        Bench::Sessions(args) => sessions::measure(&args),
        Bench::Renders(args) => renders::measure(&args),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("duolip: {error:#}");
            exit_code(&error)
        }
    }
}

/// Values that repeat nowhere: their content does not matter, that they are no constants does.
fn wave(count: usize, height: f32, middle: f32) -> Vec<f32> {
    (0..count).map(|at| middle + height * (at as f32 * 0.37).sin()).collect()
}

/// Median, least and most.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

/// What the machine calls its processor.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name).to_owned()
}
