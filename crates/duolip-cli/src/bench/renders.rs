//! `duolip bench renders`: whole renders of given speech by a warm engine, from the request to the
//! file: one model, both, more chunks than models, and several jobs at once.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use duolip_pipeline::CancellationToken;
use duolip_pipeline::job::JobRequest;
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::observe::NoObserver;
use duolip_pipeline::statistics::{ChunkStatistics, Statistics};
use duolip_service::config::Config;
use duolip_service::engine::Engine;
use tokio::runtime::Runtime;

use super::random::RandomWeights;
use super::{ends, processor, spread};
use crate::say;

/// What to measure.
#[derive(Args)]
pub(crate) struct RendersArgs {
    /// Speech: WAV, MP3, OGG, FLAC or M4A; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    audio: Vec<PathBuf>,
    #[command(flatten)]
    weights: RandomWeights,
    /// How often each case runs, after once to warm up
    #[arg(long, default_value = "5", value_name = "TIMES")]
    rounds: NonZeroUsize,
    /// Numbers of chunks to try with both models, besides the number by length
    #[arg(long, value_delimiter = ',', value_name = "CHUNKS")]
    num_workers: Vec<i64>,
    /// Numbers of jobs of the first speech to run at the same time
    #[arg(long, value_delimiter = ',', value_name = "JOBS")]
    jobs: Vec<u16>,
    #[command(flatten)]
    pub(crate) config: Config,
}

/// A way of rendering.
struct Case {
    name: String,
    models: Vec<Look>,
    num_workers: Option<i64>,
    measured: Vec<Statistics>,
}

/// Measures and prints.
pub(crate) fn measure(args: &RendersArgs) -> anyhow::Result<()> {
    let mut config = args.weights.applied(&args.config)?;
    let most = args.jobs.iter().copied().max().unwrap_or(1);
    config.limits.max_jobs = config.limits.max_jobs.max(most);
    let engine = Engine::build(config, &Look::PAIR, &CancellationToken::new())?;
    let runtime = Runtime::new()?;
    say(heading(&engine));
    let speeches = args.audio.iter().map(|path| {
        fs::read(path).with_context(|| format!("{} could not be read", path.display()))
    });
    let speeches: Vec<Vec<u8>> = speeches.collect::<anyhow::Result<_>>()?;

    say(format_args!(
        "{:<24} {:>7} {:>15} {:>8} {:>9} {:>9} {:>8} {:>7} {:>8}",
        "", "total", "range", "frames/s", "lip-sync", "compose", "encode", "concat", "speed-up"
    ));
    let mut figures = Vec::new();
    for speech in &speeches {
        let mut cases = cases(&args.num_workers);
        for round in 0..=args.rounds.get() {
            for case in &mut cases {
                let request = request(&engine, speech, case.models.clone(), case.num_workers);
                let statistics = runtime.block_on(rendered(&engine, request))?;
                if round > 0 {
                    case.measured.push(statistics);
                }
            }
        }
        cases.iter().for_each(Case::row);
        figures.extend(cases.iter().map(Case::figure));
        figures.push(Case::ratio(&cases[0], &cases[1]));
    }
    for &jobs in &args.jobs {
        figures.push(at_once(&engine, &runtime, &speeches[0], jobs, args.rounds.get())?);
    }
    figures.into_iter().for_each(say);
    Ok(())
}

/// One model, both, and both with as many chunks as are to be tried.
fn cases(num_workers: &[i64]) -> Vec<Case> {
    let case = |name: String, models: &[Look], num_workers| Case {
        name,
        models: models.to_vec(),
        num_workers,
        measured: Vec::new(),
    };
    let mut cases = vec![
        case("one model".to_owned(), &[Look::Gan], None),
        case("both models".to_owned(), &Look::PAIR, None),
    ];
    cases.extend(
        num_workers
            .iter()
            .map(|&count| case(format!("both models, {count} chunks"), &Look::PAIR, Some(count))),
    );
    cases
}

fn request(
    engine: &Engine,
    speech: &[u8],
    models: Vec<Look>,
    num_workers: Option<i64>,
) -> JobRequest {
    JobRequest {
        text: None,
        audio: Some(speech.to_vec()),
        language: engine.config().speech.default_language.clone(),
        voice: None,
        avatar: engine.config().avatars.default_avatar.clone(),
        num_workers,
        models,
    }
}

async fn rendered(engine: &Engine, request: JobRequest) -> anyhow::Result<Statistics> {
    let place = engine.place()?;
    let outcome = engine.render(request, &place, Arc::new(NoObserver)).await;
    Ok(outcome.map_err(|failure| failure.error)?.video.statistics)
}

/// `jobs` jobs at the same time, both models: a row for people and a line for scripts.
fn at_once(
    engine: &Engine,
    runtime: &Runtime,
    speech: &[u8],
    jobs: u16,
    rounds: usize,
) -> anyhow::Result<String> {
    let (mut rates, mut waits) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let begin = Instant::now();
        let running = (0..jobs).map(|_| async {
            let request = request(engine, speech, Look::PAIR.to_vec(), None);
            rendered(engine, request).await.map(|statistics| (statistics.frames, begin.elapsed()))
        });
        let ended = runtime.block_on(futures::future::try_join_all(running))?;
        if round == 0 {
            continue;
        }
        let frames: usize = ended.iter().map(|(frames, _)| frames).sum();
        rates.push(frames as f64 / begin.elapsed().as_secs_f64());
        waits.extend(ended.iter().map(|(_, ended)| ended.as_secs_f64()));
    }
    let (rate, least, most) = spread(rates);
    say(format_args!(
        "{jobs:>2} jobs at once: {rate:.1} frames/s ({least:.1} to {most:.1}); {}",
        ends(waits)
    ));
    Ok(format!("figure frames_per_second {jobs}_at_once {rate:.1} {least:.1} {most:.1}"))
}

impl Case {
    fn spread(&self, of: impl Fn(&Statistics) -> f64) -> (f64, f64, f64) {
        spread(self.measured.iter().map(of).collect())
    }

    /// The length of the speech and the way of rendering, for scripts.
    fn slug(&self) -> String {
        let seconds = self.measured[0].speech_seconds;
        format!("{}_{seconds:.0}s", self.name.replace(", ", "_").replace(' ', "_"))
    }

    fn row(&self) {
        let (total, least, most) = self.spread(|statistics| statistics.total.as_secs_f64());
        let (rate, ..) = self.spread(frames_per_second);
        let all = |of: fn(&ChunkStatistics) -> Duration| {
            let sum = |statistics: &Statistics| {
                statistics.chunks.iter().map(of).sum::<Duration>().as_secs_f64()
            };
            self.spread(sum).0
        };
        say(format_args!(
            "{:<24} {total:>5.2} s {:>15} {rate:>8.0} {:>7.2} s {:>7.2} s {:>6.2} s {:>5.2} s {:>8.2}",
            format!("{:.0} s, {}", self.measured[0].speech_seconds, self.name),
            format!("{least:.2} to {most:.2}"),
            all(|chunk| chunk.lip_sync),
            all(|chunk| chunk.compose),
            all(|chunk| chunk.encode),
            self.spread(|statistics| statistics.concat.as_secs_f64()).0,
            self.spread(Statistics::speedup).0,
        ));
    }

    fn figure(&self) -> String {
        let (rate, least, most) = self.spread(frames_per_second);
        format!("figure frames_per_second {} {rate:.1} {least:.1} {most:.1}", self.slug())
    }

    /// How many times as fast `both` is as `one`, round by round.
    fn ratio(one: &Self, both: &Self) -> String {
        let pairs = one.measured.iter().zip(&both.measured);
        let ratios = pairs.map(|(one, both)| one.total.as_secs_f64() / both.total.as_secs_f64());
        let (ratio, least, most) = spread(ratios.collect());
        format!("ratio wall_time {} {ratio:.3} {least:.3} {most:.3}", both.slug())
    }
}

fn frames_per_second(statistics: &Statistics) -> f64 {
    statistics.frames as f64 / statistics.total.as_secs_f64()
}

/// What is measured, and on what.
fn heading(engine: &Engine) -> String {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let models = engine.models().slots().iter().map(|slot| {
        let name = slot.name.as_deref().unwrap_or_default();
        match &slot.session {
            Ok(session) => {
                let facts = session.facts();
                format!("{name} on {}, batches of {}", facts.provider, facts.batch_size)
            }
            Err(error) => format!("{name}: {error}"),
        }
    });
    let models: Vec<_> = models.collect();
    format!("{}, {cores} cores; {}", processor(), models.join("; "))
}
