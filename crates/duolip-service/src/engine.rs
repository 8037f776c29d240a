//! The engine: the composition root. The only place that names concrete adapters.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use duolip_avatar::{AvatarCache, AvatarPreparer, AvatarRegistry, RustfaceDetector};
use duolip_media::{Ffmpeg, FfmpegDecoder, Mp4Muxer, ProbeError, X264, X264Encoder, X264Settings};
use duolip_pipeline::chunk::Chunk;
use duolip_pipeline::deliver::ArtifactStore;
use duolip_pipeline::error::{Classify, chain};
use duolip_pipeline::face::FaceError;
use duolip_pipeline::folder::{JobFolder, sweep};
use duolip_pipeline::job::{Job, JobId, JobRequest, SpeechSource};
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::observe::Observer;
use duolip_pipeline::run::{Cast, Stages, Video, run};
use duolip_pipeline::speech::{Speech, SpeechError, SpeechSynthesizer, Utterance};
use duolip_pipeline::{CancellationToken, ErrorKind, JobError, Stage};
use duolip_speech::{EspeakError, EspeakSettings, EspeakSynthesizer};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{Instrument, info_span};

use crate::config::Config;
use crate::errors::outside;
use crate::models::SessionPair;
use crate::store::{self, StoreError};
use crate::threads::ThreadBudget;

/// Everything warm, ready to render jobs.
pub struct Engine {
    config: Config,
    models: SessionPair,
    avatars: Arc<AvatarRegistry>,
    stages: Stages,
    store: Option<Arc<dyn ArtifactStore>>,
    /// The synthesizer's version, or why there is none.
    synthesizer: Result<String, String>,
    /// ffmpeg's version, or why there is none.
    ffmpeg: Result<String, String>,
    /// duolip-x264's version, or why there is none.
    x264: Result<String, String>,
    places: Semaphore,
}

/// Why there is no engine at all. A missing model or voice is none of these: the engine is built
/// without it and says so.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The face detector could not be made.
    #[error("the face detector could not be made")]
    Detector(#[source] FaceError),
    /// Building it panicked.
    #[error("building the engine panicked: {0}")]
    Panicked(String),
    /// The artifact store cannot be used as it is named.
    #[error("the artifact store cannot be used; see DUOLIP_STORE")]
    Store(#[source] StoreError),
    /// The folder of avatars cannot be read.
    #[error("the folder of avatars cannot be used; set DUOLIP_AVATARS_DIR")]
    Avatars(#[source] FaceError),
}

/// All places are taken.
#[derive(Debug, thiserror::Error)]
#[error("all {jobs} places for jobs are taken; try again soon")]
struct Overloaded {
    jobs: u16,
}

impl Classify for Overloaded {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Overloaded
    }
}

/// The job took too long.
#[derive(Debug, thiserror::Error)]
#[error("the job took longer than {limit_seconds} s")]
struct DeadlineExceeded {
    limit_seconds: u32,
}

impl Classify for DeadlineExceeded {
    fn kind(&self) -> ErrorKind {
        ErrorKind::DeadlineExceeded
    }
}

/// A finished job.
#[derive(Debug)]
pub struct Outcome {
    /// Its name.
    pub job_id: JobId,
    /// Its video.
    pub video: Video,
}

/// A job that failed, with its name when it had one already.
#[derive(Debug)]
pub struct Failure {
    /// Its name; a request that is no job has none.
    pub job_id: Option<JobId>,
    /// Why.
    pub error: JobError,
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        Self { job_id: None, error }
    }
}

impl Engine {
    /// Loads the `wanted` models, the avatars and the adapters. Blocks until all is warm. Of that
    /// only the import of a checkpoint takes long; it ends early when `stopped`.
    ///
    /// # Errors
    /// [`EngineError`]. What is merely missing is kept and shown by health.
    pub fn build(
        config: Config,
        wanted: &[Look],
        stopped: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let store = store::configured(&config.delivery).map_err(EngineError::Store)?;
        match sweep(&config.work_dir()) {
            Ok(0) => {}
            Ok(folders) => tracing::info!(folders, "job folders of killed processes were removed"),
            Err(reason) => tracing::warn!(%reason, "the work folder cannot be swept"),
        }
        // None of the programs needs the models, and each takes a while to start.
        let (models, programs) = std::thread::scope(|scope| {
            let programs = scope.spawn(|| Programs::find(&config));
            let models = SessionPair::load(&config, wanted, stopped);
            (models, programs.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let detector = RustfaceDetector::new().map_err(EngineError::Detector)?;
        let cache = AvatarCache::new(config.cache_dir().join("avatars"));
        let paste = config.avatars.paste;
        let preparer =
            AvatarPreparer::new(Arc::new(detector), Some(cache), paste, models.input_sizes());
        let avatars = AvatarRegistry::open(config.avatars_dir(), preparer)
            .map(Arc::new)
            .map_err(EngineError::Avatars)?;
        let Programs { synthesizer, spoken, ffmpeg, ffmpeg_version, x264, x264_version } = programs;
        let settings =
            X264Settings { preset: config.video.x264_preset.clone(), crf: config.video.x264_crf };
        let stages = Stages {
            synthesizer,
            decoder: Arc::new(FfmpegDecoder::new(ffmpeg.clone())),
            encoder: Arc::new(X264Encoder::new(ffmpeg, x264, settings)),
            muxer: Arc::new(Mp4Muxer),
            work_dir: config.work_dir(),
            encoder_threads: encoder_threads(&config, &models).get(),
            on_out_of_memory: config.models.on_out_of_memory,
        };
        let places = Semaphore::new(config.limits.max_jobs.into());
        Ok(Self {
            config,
            models,
            avatars,
            stages,
            store,
            synthesizer: spoken,
            ffmpeg: ffmpeg_version,
            x264: x264_version,
            places,
        })
    }

    /// What it was built from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The lip-sync models.
    #[must_use]
    pub fn models(&self) -> &SessionPair {
        &self.models
    }

    /// The avatars.
    #[must_use]
    pub fn avatars(&self) -> &AvatarRegistry {
        &self.avatars
    }

    /// Where videos go whose readers want a URL, if there is such a place.
    #[must_use]
    pub fn store(&self) -> Option<&Arc<dyn ArtifactStore>> {
        self.store.as_ref()
    }

    /// The synthesizer's version, or why there is none.
    pub fn synthesizer(&self) -> &Result<String, String> {
        &self.synthesizer
    }

    /// ffmpeg's version, or why there is none.
    pub fn ffmpeg(&self) -> &Result<String, String> {
        &self.ffmpeg
    }

    /// duolip-x264's version, or why there is none.
    pub fn x264(&self) -> &Result<String, String> {
        &self.x264
    }

    /// Takes a place for one job; it is free again when the place is dropped.
    ///
    /// # Errors
    /// Kind `overloaded` at once when all are taken.
    pub fn place(&self) -> Result<Place<'_>, JobError> {
        let jobs = self.config.limits.max_jobs;
        self.places
            .try_acquire()
            .map(Place)
            .map_err(|_| JobError::new(Stage::Validate, Overloaded { jobs }))
    }

    /// Renders `request` in `place`.
    ///
    /// # Errors
    /// Of any stage; kind `deadline_exceeded` when the job takes too long. Not logged here: that is
    /// for the boundary, [`Failure::log`].
    ///
    /// # Cancellation
    /// Dropping the future stops the job and removes its files.
    pub async fn render(
        &self,
        request: JobRequest,
        _place: &Place<'_>,
        observer: Arc<dyn Observer>,
    ) -> Result<Outcome, Failure> {
        let job =
            request.validate(self.config.job_limits()).map_err(JobError::at(Stage::Validate))?;
        let job_id = job.id;
        let span = info_span!("job", id = %job_id);
        let mark = Arc::new(StageMark { stage: Mutex::new(Stage::Face), observer });
        let rendered = async {
            let cast = self.cast(&job, Arc::clone(&mark) as Arc<dyn Observer>).await?;
            run(job, cast, &self.stages).await
        };
        let limit_seconds = self.config.limits.deadline_seconds;
        let result =
            tokio::time::timeout(self.config.deadline(), rendered.instrument(span.clone()))
                .await
                .unwrap_or_else(|_| {
                    Err(JobError::new(mark.stage(), DeadlineExceeded { limit_seconds }))
                });
        match result {
            Ok(video) => {
                span.in_scope(|| tracing::info!("job done\n{}", video.statistics));
                Ok(Outcome { job_id, video })
            }
            Err(error) => Err(Failure { job_id: Some(job_id), error }),
        }
    }

    /// All that can fail without work: models, language, voice, avatar.
    async fn cast(&self, job: &Job, observer: Arc<dyn Observer>) -> Result<Cast, JobError> {
        let models = self.models.cast(&job.models)?;
        if let SpeechSource::Text(utterance) = &job.speech {
            self.stages
                .synthesizer
                .check(&utterance.language, utterance.voice.as_deref())
                .map_err(JobError::at(Stage::Speak))?;
        }
        // An avatar that is new on the disk is prepared now.
        let (avatars, name) = (Arc::clone(&self.avatars), job.avatar.clone());
        let avatar = tokio::task::spawn_blocking(move || avatars.get(&name))
            .await
            .map_err(|panic| JobError::with_kind(Stage::Face, ErrorKind::Internal, panic))?
            .map_err(JobError::at(Stage::Face))?;
        Ok(Cast { avatar, models, observer })
    }
}

/// The programs that stages run, and what each said of itself or why it cannot be used.
struct Programs {
    synthesizer: Arc<dyn SpeechSynthesizer>,
    spoken: Result<String, String>,
    ffmpeg: Ffmpeg,
    ffmpeg_version: Result<String, String>,
    x264: X264,
    x264_version: Result<String, String>,
}

impl Programs {
    /// Starts each of them. Blocks.
    fn find(config: &Config) -> Self {
        let (synthesizer, spoken) = synthesizer(config);
        let ffmpeg = Ffmpeg::at(&config.video.ffmpeg);
        let x264 = X264::default();
        let ffmpeg_version = found("ffmpeg", ffmpeg.version(&CancellationToken::new()));
        let x264_version = found("duolip-x264", x264.version(&CancellationToken::new()));
        Self { synthesizer, spoken, ffmpeg, ffmpeg_version, x264, x264_version }
    }
}

/// Remembers the stage that a job is in, for the error of one that took too long.
struct StageMark {
    stage: Mutex<Stage>,
    observer: Arc<dyn Observer>,
}

impl StageMark {
    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for StageMark {
    fn entered(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        self.observer.entered(stage);
    }

    fn planned(&self, chunks: &[Chunk]) {
        self.observer.planned(chunks);
    }

    fn composed(&self, chunk: usize, frame: usize, planes: &[u8]) {
        self.observer.composed(chunk, frame, planes);
    }
}

/// A place for one job.
#[derive(Debug)]
pub struct Place<'a>(#[expect(dead_code, reason = "held, not read")] SemaphorePermit<'a>);

impl Failure {
    /// Logs the failure, once, at the boundary. A fault of ours with the chain of its causes; a
    /// refusal without them, because they quote the request.
    pub fn log(&self) {
        let (kind, stage) = (self.error.kind(), self.error.stage());
        let code = outside(kind).code;
        let job = self.job_id.map(|id| id.to_string());
        match kind {
            ErrorKind::Unparsable
            | ErrorKind::InvalidInput
            | ErrorKind::TooLarge
            | ErrorKind::LimitExceeded
            | ErrorKind::NotFound => tracing::warn!(code, %stage, job, "request refused"),
            ErrorKind::Internal | ErrorKind::Upstream | ErrorKind::GpuOutOfMemory => {
                tracing::error!(code, %stage, job, cause = self.error.chain(), "job failed");
            }
            _ => tracing::warn!(code, %stage, job, cause = self.error.chain(), "job not done"),
        }
    }
}

/// The encoders' part of the thread budget, which is logged as a whole.
fn encoder_threads(config: &Config, models: &SessionPair) -> NonZeroUsize {
    let (threads, on_gpu) = (config.threads(), models.on_gpu());
    let budget = ThreadBudget::new(threads, models.loaded().len(), on_gpu);
    let each_model = config.models.intra_op_threads.unwrap_or(budget.each_model);
    tracing::info!(threads, on_gpu, each_model, encoders = budget.encoders, "thread budget");
    budget.encoders
}

/// The version of a program, or why there is none, which is logged.
fn found(program: &str, version: Result<String, ProbeError>) -> Result<String, String> {
    version
        .map_err(|error| chain(&error))
        .inspect_err(|reason| tracing::error!(reason, "{program} cannot be used"))
}

fn synthesizer(config: &Config) -> (Arc<dyn SpeechSynthesizer>, Result<String, String>) {
    let settings = EspeakSettings {
        program: config.speech.espeak.clone(),
        default_voice: Some(config.speech.default_voice.clone()),
    };
    match EspeakSynthesizer::new(settings) {
        Ok(espeak) => {
            let version = espeak.version().to_owned();
            (Arc::new(espeak), Ok(version))
        }
        Err(error) => {
            let reason = chain(&error);
            tracing::error!(reason, "no speech synthesis: only requests with audio are rendered");
            (Arc::new(NoSynthesizer(Arc::new(error))), Err(reason))
        }
    }
}

/// Stands in for a synthesizer that could not be started.
struct NoSynthesizer(Arc<EspeakError>);

impl NoSynthesizer {
    fn error(&self) -> SpeechError {
        SpeechError::Engine { program: "espeak-ng", source: Box::new(Arc::clone(&self.0)) }
    }
}

impl SpeechSynthesizer for NoSynthesizer {
    fn check(&self, _language: &str, _voice: Option<&str>) -> Result<(), SpeechError> {
        Err(self.error())
    }

    fn synthesize(
        &self,
        _utterance: &Utterance,
        _limit_seconds: u32,
        _folder: &JobFolder,
        _cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError> {
        Err(self.error())
    }
}
