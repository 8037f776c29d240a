//! `duolip bench sessions`: mouths a second through warm sessions, as the service runs them: queue,
//! owner thread, features on the device; one model, both at once, and short jobs alone and together.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use duolip_pipeline::CancellationToken;
use duolip_pipeline::face::FaceCrop;
use duolip_pipeline::lipsync::{JobTicket, LipSync, Look, MouthBatch, PendingMouths};
use duolip_pipeline::mel::WINDOW_VALUES;
use duolip_service::config::Config;
use duolip_service::models::SessionPair;

use super::random::RandomWeights;
use super::{ends, processor, spread, wave};
use crate::say;

/// Batches that a chunk has under way.
const BATCHES_AHEAD: usize = 2;

/// What to measure.
#[derive(Args)]
pub(crate) struct SessionsArgs {
    #[command(flatten)]
    weights: RandomWeights,
    /// How often each case runs
    #[arg(long, default_value = "5", value_name = "TIMES")]
    rounds: NonZeroUsize,
    /// Mouths of a long job
    #[arg(long, default_value = "250", value_name = "MOUTHS")]
    long: NonZeroUsize,
    /// Mouths of a short job
    #[arg(long, default_value = "25", value_name = "MOUTHS")]
    short: NonZeroUsize,
    /// Short jobs at the same time
    #[arg(long, default_value = "16", value_name = "JOBS")]
    jobs: NonZeroUsize,
    #[command(flatten)]
    pub(crate) config: Config,
}

/// Measures and prints.
pub(crate) fn measure(args: &SessionsArgs) -> anyhow::Result<()> {
    let config = args.weights.applied(&args.config)?;
    let (long, rounds) = (args.long.get(), args.rounds.get());

    let (single, short) = {
        let pair = SessionPair::load(&config, &[Look::Gan], &CancellationToken::new());
        let models = pair.cast(&[Look::Gan])?;
        say(heading(&pair, &config));
        say(format_args!("{:<28} {:>9}  (range)", "", "mouths/s"));
        let single = rates(rounds, long, || together(&models, |model| job(model, long)))?;
        row("one model", &single);
        (single, short_jobs(models[0].as_ref(), args)?)
    };
    let pair = SessionPair::load(&config, &Look::PAIR, &CancellationToken::new());
    let models = pair.cast(&Look::PAIR)?;
    let double = rates(rounds, 2 * long, || together(&models, |model| job(model, long)))?;
    row("both models at once", &double);
    say(short);
    let (one, ..) = spread(single);
    let ratios = double.iter().map(|both| both / one);
    let (ratio, least, most) = spread(ratios.collect());
    say(format_args!("ratio mouths_per_second both_models {ratio:.3} {least:.3} {most:.3}"));
    Ok(())
}

/// Short jobs one after the other and all at once, in turns: rows, and a line for scripts.
fn short_jobs(model: &dyn LipSync, args: &SessionsArgs) -> anyhow::Result<String> {
    let (jobs, short) = (args.jobs.get(), args.short.get());
    let (mut ratios, mut waits) = (Vec::new(), Vec::new());
    let (mut in_turn, mut at_once) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds.get() {
        let begin = Instant::now();
        for _ in 0..jobs {
            job(model, short)?;
        }
        let alone = begin.elapsed();
        let begin = Instant::now();
        let models = vec![model; jobs];
        let ended = std::thread::scope(|scope| {
            let running: Vec<_> = models
                .into_iter()
                .map(|model| scope.spawn(move || job(model, short).map(|()| begin.elapsed())))
                .collect();
            let ended = running.into_iter().map(|job| job.join().map_err(|_| panicked())?);
            ended.collect::<anyhow::Result<Vec<Duration>>>()
        })?;
        let company = begin.elapsed();
        let mouths = (jobs * short) as f64;
        in_turn.push(mouths / alone.as_secs_f64());
        at_once.push(mouths / company.as_secs_f64());
        ratios.push(alone.as_secs_f64() / company.as_secs_f64());
        waits.extend(ended.iter().map(Duration::as_secs_f64));
    }
    row(&format!("{jobs} jobs of {short}, in turn"), &in_turn);
    row(&format!("{jobs} jobs of {short}, at once"), &at_once);
    let (ratio, least, most) = spread(ratios);
    Ok(format!(
        "at once, {}\nratio throughput short_jobs_at_once {ratio:.3} {least:.3} {most:.3}",
        ends(waits)
    ))
}

/// One job of `count` mouths, with as many batches under way as a chunk has.
fn job(model: &dyn LipSync, count: usize) -> anyhow::Result<()> {
    let (job, size) = (JobTicket::new(), model.input_size());
    let bgr = wave(size * size * 3, 127.0, 128.0).into_iter().map(|value| value as u8).collect();
    let face = Arc::new(FaceCrop { size, bgr });
    let windows = wave(count * WINDOW_VALUES, 4.0, 0.0);
    let mut batches = windows.chunks(model.batch_size() * WINDOW_VALUES);
    let mut asked: std::collections::VecDeque<PendingMouths> = std::collections::VecDeque::new();
    loop {
        while asked.len() < BATCHES_AHEAD
            && let Some(windows) = batches.next()
        {
            let (mel_windows, face) = (windows.to_vec(), Arc::clone(&face));
            asked.push_back(model.submit(MouthBatch { job, mel_windows, face })?);
        }
        match asked.pop_front() {
            Some(mouths) => drop(mouths.wait()?),
            None => return Ok(()),
        }
    }
}

/// Does `work` with every model at the same time.
fn together(
    models: &[Arc<dyn LipSync>],
    work: impl Fn(&dyn LipSync) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            models.iter().map(|model| scope.spawn(move || work(model.as_ref()))).collect();
        running.into_iter().try_for_each(|running| running.join().map_err(|_| panicked())?)
    })
}

fn panicked() -> anyhow::Error {
    anyhow::anyhow!("a job panicked")
}

/// Mouths a second of `work` on `mouths`; its first run does not count.
fn rates(
    rounds: usize,
    mouths: usize,
    work: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<f64>> {
    work()?;
    let rounds = (0..rounds).map(|_| {
        let begin = Instant::now();
        work()?;
        Ok(mouths as f64 / begin.elapsed().as_secs_f64())
    });
    rounds.collect()
}

fn row(name: &str, rates: &[f64]) {
    let (median, least, most) = spread(rates.to_vec());
    say(format_args!("{name:<28} {median:>9.1}  ({least:.1} to {most:.1})"));
}

/// What is measured, and on what.
fn heading(pair: &SessionPair, config: &Config) -> String {
    let slot = &pair.slots()[0];
    let facts = slot.session.as_ref().ok().map(|session| {
        let facts = session.facts();
        let reason = facts.provider.reason().map_or_else(String::new, |why| format!(" ({why})"));
        format!("{}{reason}, batches of {}", facts.provider, facts.batch_size)
    });
    let threads = config.models.intra_op_threads;
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    format!(
        "{}, {cores} cores; {}; {}{}",
        processor(),
        facts.unwrap_or_default(),
        slot.name.as_deref().unwrap_or_default(),
        threads.map_or_else(String::new, |threads| format!("; {threads} threads a model"))
    )
}
