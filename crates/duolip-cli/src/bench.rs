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
    /// Write the published network with random weights, to measure other programs with
    RandomNetwork(random::NetworkArgs),
}

impl Bench {
    pub(crate) fn checked(mut self) -> Result<Self, ConfigError> {
        let config = match &mut self {
            Self::Lipsync(args) => &mut args.config,
            Self::Sessions(args) => &mut args.config,
            Self::Renders(args) => &mut args.config,
            Self::RandomNetwork(_) => return Ok(self),
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
        Bench::RandomNetwork(args) => args.write(),
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

/// When jobs that begin together end: mean, median and the slowest twentieth.
fn ends(mut seconds: Vec<f64>) -> String {
    seconds.sort_by(f64::total_cmp);
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share).round() as usize];
    let (p50, p95) = (at(0.5), at(0.95));
    let times = p95 / mean;
    format!(
        "a job ends after: mean {mean:.2} s, p50 {p50:.2} s, p95 {p95:.2} s ({times:.2} times the mean)"
    )
}

/// What the machine calls its processor.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name).to_owned()
}
