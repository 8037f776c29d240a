//! The whole program, top to bottom: one job from text to video.
//!
//! speak → (mel → plan → every chunk: mouths → frames → segment) beside the encoding of the whole
//! speech → concat. Delivery is the caller's: bytes for HTTP, a file for the command line.
//!
//! Knows the stages' traits only; duolip-service decides what is behind them.

mod render;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use crate::chunk::ChunkPlan;
use crate::encode::{Segment, SegmentSettings};
use crate::error::{Classify, ErrorKind, JobError, Stage};
use crate::face::Avatar;
use crate::folder::JobFolder;
use crate::job::{Job, Limits, SpeechSource};
use crate::lipsync::{LipSync, OnOutOfMemory};
use crate::mel::{MelSpectrogram, mel_from_speech};
use crate::observe::Observer;
use crate::speech::{Speech, SpeechDecoder, SpeechSynthesizer};
use crate::statistics::{ChunkStatistics, Statistics};
use crate::units::SampleRate;
use render::{ChunkRender, Painters};

/// What is behind the stages.
#[derive(Clone)]
pub struct Stages {
    /// Text to speech.
    pub synthesizer: Arc<dyn SpeechSynthesizer>,
    /// Audio to speech.
    pub decoder: Arc<dyn SpeechDecoder>,
    /// Frames to segments.
    pub encoder: Arc<dyn crate::encode::VideoEncoder>,
    /// Segments to video.
    pub muxer: Arc<dyn crate::concat::Muxer>,
    /// Where job folders are made.
    pub work_dir: PathBuf,
    /// Threads that the encoders of one job share.
    pub encoder_threads: usize,
    /// What a job does when a model has no memory left.
    pub on_out_of_memory: OnOutOfMemory,
}

/// The people of one job: who is seen, who paints, who watches.
#[derive(Clone)]
pub struct Cast {
    /// Who is seen.
    pub avatar: Arc<Avatar>,
    /// The models the job names, in its order.
    pub models: Vec<Arc<dyn LipSync>>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
}

/// A finished video. Its file disappears with the last clone of its job folder.
#[derive(Debug)]
pub struct Video {
    /// The MP4 file.
    pub path: PathBuf,
    /// Keeps the file.
    pub folder: JobFolder,
    /// What it cost.
    pub statistics: Statistics,
}

/// A stage's task came to no regular end.
#[derive(Debug, thiserror::Error)]
#[error("the {0} stage panicked")]
struct Panicked(Stage, #[source] tokio::task::JoinError);

impl Classify for Panicked {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Renders `job`.
///
/// # Errors
/// The first error of any stage; the other chunks are stopped then.
///
/// # Cancellation
/// Dropping the future stops every stage within a few batches of mouths, ends every child process and
/// removes every file.
///
/// # Panics
/// When `cast` has no models: [`crate::job::JobRequest::validate`] makes sure of one.
pub async fn run(job: Job, cast: Cast, stages: &Stages) -> Result<Video, JobError> {
    let cancel = CancellationToken::new();
    let _stop_when_dropped = cancel.clone().drop_guard();
    let started = Instant::now();
    let folder = JobFolder::create_in(&stages.work_dir).map_err(JobError::at(Stage::Speak))?;

    cast.observer.entered(Stage::Speak);
    let (speech, speak) = speak(job.speech, job.limits, stages, &folder, &cancel).await?;
    let speech_seconds = speech.seconds();
    let audio = encode_speech(speech.clone(), stages, &folder, &cancel);
    let pictures = render_pictures(job.workers, speech, &cast, stages, &folder, &cancel);
    let (audio, pictures) = match futures::join!(audio, pictures) {
        (Ok(audio), Ok(pictures)) => (audio, pictures),
        (audio, pictures) => return Err(first_real([audio.err(), pictures.err()])),
    };

    let segments = pictures.segments;
    cast.observer.entered(Stage::Concat);
    let path = folder.file("video.mp4");
    let concat = {
        let (muxer, speech, video) =
            (Arc::clone(&stages.muxer), folder.file(SPEECH_FILE), path.clone());
        let (folder, cancel) = (folder.clone(), cancel.clone());
        let frame_rate = pictures.plan.frame_rate;
        blocking(Stage::Concat, move || {
            let _folder = folder;
            timed(|| muxer.concat(&segments, frame_rate, &speech, &video, &cancel))
        })
        .await?
    };
    let ((), concat) = stage_result(Stage::Concat, concat)?;

    let statistics = Statistics {
        speech_seconds,
        frames: pictures.plan.frames,
        frame_rate: pictures.plan.frame_rate,
        speak,
        mel: pictures.mel_time,
        plan: pictures.plan_time,
        render: pictures.render_time,
        encode_speech: audio,
        chunks: pictures.chunks,
        concat,
        total: started.elapsed(),
    };
    Ok(Video { path, folder, statistics })
}

/// The most threads of one encoder: beyond, they wait for each other's rows.
const MOST_THREADS: usize = 8;

/// The encoded speech in the job folder.
const SPEECH_FILE: &str = "speech.m4a";

async fn speak(
    source: SpeechSource,
    limits: Limits,
    stages: &Stages,
    folder: &JobFolder,
    cancel: &CancellationToken,
) -> Result<(Speech, Duration), JobError> {
    let limit_seconds = limits.speech_seconds;
    let stages = stages.clone();
    let (folder, cancel) = (folder.clone(), cancel.clone());
    let spoken = blocking(Stage::Speak, move || {
        timed(|| match source {
            SpeechSource::Text(utterance) => {
                stages.synthesizer.synthesize(&utterance, limit_seconds, &folder, &cancel)
            }
            SpeechSource::Audio(audio) => {
                stages.decoder.decode(&audio, limit_seconds, &folder, &cancel)
            }
        })
    });
    stage_result(Stage::Speak, spoken.await?)
}

/// All segments, and what they cost.
struct Pictures {
    plan: ChunkPlan,
    segments: Vec<Segment>,
    chunks: Vec<ChunkStatistics>,
    mel_time: Duration,
    plan_time: Duration,
    render_time: Duration,
}

/// Everything between the speech and the segments. The samples are let go before the first mouth.
async fn render_pictures(
    workers: Option<usize>,
    speech: Speech,
    cast: &Cast,
    stages: &Stages,
    folder: &JobFolder,
    cancel: &CancellationToken,
) -> Result<Pictures, JobError> {
    // What is encoded beside is of no use without pictures.
    let stop = cancel.clone().drop_guard();
    cast.observer.entered(Stage::Mel);
    let (mel, mel_time) = mel(&speech).await?;
    let (plan, plan_time) = timed(|| plan(workers, &speech, &mel, cast));
    drop(speech);
    cast.observer.planned(&plan.chunks);
    cast.observer.entered(Stage::LipSync);
    let (chunks, render_time) = render_chunks(&plan, mel, cast, stages, folder, cancel).await;
    let (segments, chunks) = all_or_first_real(chunks)?.into_iter().unzip();
    stop.disarm();
    Ok(Pictures { plan, segments, chunks, mel_time, plan_time, render_time })
}

async fn mel(speech: &Speech) -> Result<(Arc<MelSpectrogram>, Duration), JobError> {
    let speech = speech.clone();
    let mel = blocking(Stage::Mel, move || {
        timed(|| {
            let at_16k = speech.resampled(SampleRate::MEL).map_err(JobError::at(Stage::Mel))?;
            mel_from_speech(&at_16k).map(Arc::new).map_err(JobError::at(Stage::Mel))
        })
    });
    let (mel, time) = mel.await?;
    Ok((mel?, time))
}

fn plan(workers: Option<usize>, speech: &Speech, mel: &MelSpectrogram, cast: &Cast) -> ChunkPlan {
    let frame_rate = cast.avatar.frame_rate;
    let frames = frame_rate.frames_for(speech.samples.len(), speech.rate);
    let looks: Vec<_> = cast.models.iter().map(|model| model.look()).collect();
    ChunkPlan::new(frames, speech.seconds(), frame_rate, &looks, workers, mel)
}

async fn encode_speech(
    speech: Speech,
    stages: &Stages,
    folder: &JobFolder,
    cancel: &CancellationToken,
) -> Result<Duration, JobError> {
    let encoder = Arc::clone(&stages.encoder);
    let (folder, task_cancel) = (folder.clone(), cancel.clone());
    let encoded = blocking(Stage::Encode, move || {
        let path = folder.file(SPEECH_FILE);
        timed(|| encoder.encode_speech(&speech, &path, &task_cancel))
    })
    .await
    .and_then(|encoded| stage_result(Stage::Encode, encoded));
    if encoded.is_err() {
        cancel.cancel();
    }
    encoded.map(|((), time)| time)
}

/// All chunks at the same time, each in its own blocking task; and their wall time.
async fn render_chunks(
    plan: &ChunkPlan,
    mel: Arc<MelSpectrogram>,
    cast: &Cast,
    stages: &Stages,
    folder: &JobFolder,
    cancel: &CancellationToken,
) -> (Vec<Result<render::Rendered, JobError>>, Duration) {
    let started = Instant::now();
    let settings = SegmentSettings {
        frame_rate: plan.frame_rate,
        painted: cast.avatar.patch.painted(),
        threads: (stages.encoder_threads / plan.chunks.len()).clamp(1, MOST_THREADS),
    };
    let painters = Painters::new(&cast.models, stages.on_out_of_memory);
    let tasks = plan.chunks.iter().map(|chunk| {
        let render = ChunkRender {
            chunk: chunk.clone(),
            settings,
            mel: Arc::clone(&mel),
            avatar: Arc::clone(&cast.avatar),
            painters: painters.clone(),
            encoder: Arc::clone(&stages.encoder),
            observer: Arc::clone(&cast.observer),
            folder: folder.clone(),
            cancel: cancel.clone(),
        };
        let span = info_span!("chunk", index = chunk.index, model = %chunk.look);
        let cancel = cancel.clone();
        async move {
            let task_span = span.clone();
            let rendered = blocking(Stage::LipSync, move || task_span.in_scope(|| render.run()))
                .instrument(span)
                .await
                .and_then(|rendered| rendered);
            if rendered.is_err() {
                cancel.cancel();
            }
            rendered
        }
    });
    let chunks = join_all(tasks).await;
    (chunks, started.elapsed())
}

/// All results, or the error that made the others stop.
fn all_or_first_real<T>(results: Vec<Result<T, JobError>>) -> Result<Vec<T>, JobError> {
    if results.iter().all(Result::is_ok) {
        return results.into_iter().collect();
    }
    Err(first_real(results.into_iter().map(Result::err)))
}

/// The error that made the others stop: the first that is no cancellation, if there is one.
///
/// # Panics
/// When there is none at all.
fn first_real(errors: impl IntoIterator<Item = Option<JobError>>) -> JobError {
    let mut errors: Vec<_> = errors.into_iter().flatten().collect();
    let real = errors.iter().position(|error| error.kind() != ErrorKind::Cancelled);
    errors.swap_remove(real.unwrap_or(0))
}

/// Runs `work` on a blocking thread; a panic in it becomes the job's error.
async fn blocking<T: Send + 'static>(
    stage: Stage,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| JobError::new(stage, Panicked(stage, panic)))
}

fn stage_result<T, E: Classify>(
    stage: Stage,
    (result, time): (Result<T, E>, Duration),
) -> Result<(T, Duration), JobError> {
    Ok((result.map_err(JobError::at(stage))?, time))
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}
