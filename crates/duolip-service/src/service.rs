//! What every trigger calls: one job in, its answer out. Holds the engine, which may still be loading
//! when the first job arrives.
//!
//! HTTP, Lambda, RunPod and batch differ in how a job arrives and how its answer is sent; what a job
//! means is decided here, once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use duolip_pipeline::deliver::{Artifact, ArtifactStore, DeliverError, Stored};
use duolip_pipeline::error::{Classify, chain};
use duolip_pipeline::job::JobId;
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::observe::Observer;
use duolip_pipeline::run::Video;
use duolip_pipeline::{CancellationToken, ErrorKind, JobError, Stage};

use crate::answer::{Answer, Handed};
use crate::api::{Delivery, Endpoint, JobSpec};
use crate::config::Config;
use crate::engine::{Engine, EngineError, Failure, Outcome, Place};
use crate::health::Health;

/// The engine and what the runtime around it allows. A clone is the same service.
#[derive(Clone)]
pub struct Service {
    config: Arc<Config>,
    engine: Arc<OnceLock<Result<Engine, EngineError>>>,
    limit: Option<AnswerLimit>,
    stopped: CancellationToken,
}

/// The most bytes of video that a runtime can carry in an answer. A larger video goes to the artifact
/// store, whatever the request asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimit {
    /// Bytes of video, before any base64.
    pub bytes: u64,
    /// Whose limit it is: "a buffered answer of AWS Lambda".
    pub carrier: &'static str,
}

/// A job came before the engine was warm, or there will be none.
#[derive(Debug, thiserror::Error)]
enum NotServing {
    #[error("the models are still loading; try again soon")]
    Warming,
    #[error("the engine could not be built; GET /api/health says why")]
    Failed,
}

impl Classify for NotServing {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Warming => ErrorKind::NotReady,
            Self::Failed => ErrorKind::Internal,
        }
    }
}

/// The video is larger than the runtime can carry, and there is nowhere else to put it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the video has {size_bytes} bytes; {carrier} carries {limit_bytes}, and no artifact store is configured to put it in; set DUOLIP_STORE"
)]
struct AnswerTooLarge {
    size_bytes: u64,
    limit_bytes: u64,
    carrier: &'static str,
}

impl Classify for AnswerTooLarge {
    fn kind(&self) -> ErrorKind {
        ErrorKind::TooLarge
    }
}

/// The video was rendered and not delivered.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error("{source}; the video is kept at {kept}", kept = kept.display())]
    Kept { source: DeliverError, kept: PathBuf },
    #[error("{source}; the video could not be kept either: {reason}")]
    Lost { source: DeliverError, reason: std::io::Error },
}

impl Classify for Undelivered {
    fn kind(&self) -> ErrorKind {
        let (Self::Kept { source, .. } | Self::Lost { source, .. }) = self;
        source.kind()
    }
}

impl Service {
    /// A service whose engine is still to be loaded by [`Service::warm_up`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config: Arc::new(config),
            engine: Arc::default(),
            limit: None,
            stopped: CancellationToken::new(),
        }
    }

    /// The same service behind a runtime whose answers are limited.
    #[must_use]
    pub fn with_answer_limit(self, limit: AnswerLimit) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// What it is built from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Builds the engine. Blocks; a second call waits for the first.
    pub fn warm_up(&self) {
        let built = self.engine.get_or_init(|| {
            let build = || Engine::build(Config::clone(&self.config), &Look::PAIR, &self.stopped);
            catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(EngineError::Panicked(text.unwrap_or("without a message").to_owned()))
            })
        });
        if let Err(error) = built {
            tracing::error!(reason = chain(error), "the engine could not be built");
        }
    }

    /// Lets go of an engine that is still being built.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    /// What the service can do now. Blocks: it may look for new avatars on the disk.
    #[must_use]
    pub fn health(&self) -> Health {
        match self.engine.get() {
            None => Health::without_engine(None),
            Some(Ok(engine)) => Health::of(engine),
            Some(Err(error)) => Health::without_engine(Some(chain(error))),
        }
    }

    /// Takes a place for one job; it is free again when the place is dropped. To be taken before
    /// anything large is read: it bounds the memory of requests as well as of jobs.
    ///
    /// # Errors
    /// Kind `not_ready` while the engine loads, `internal` when there is none, `overloaded` when
    /// all places are taken.
    pub fn place(&self) -> Result<Place<'_>, JobError> {
        self.engine()?.place()
    }

    /// Renders the job `spec` in `place` and hands its video over as the job asks; the place is free
    /// again only then, so that a slow store bounds what is rendered for it.
    ///
    /// # Errors
    /// Of any stage. Not logged here: that is for the boundary, [`Failure::log`]. A video that the
    /// store does not take is kept in the work folder, and the error says where.
    ///
    /// # Cancellation
    /// Dropping the future stops the job, ends its upload and removes its files.
    pub async fn run(
        &self,
        spec: JobSpec,
        place: Place<'_>,
        observer: Arc<dyn Observer>,
    ) -> Result<Answer, Failure> {
        let engine = self.engine()?;
        let JobSpec { endpoint, body, store, name } = spec;
        let at = JobError::at(Stage::Validate);
        let store = store.or_else(|| engine.store().cloned());
        let delivery = body.delivery;
        let request = body
            .into_request(endpoint, &self.config, &engine.models().loaded(), store.is_some())
            .map_err(&at)?;
        let outcome = engine.render(request, &place, observer).await?;
        let name = name.unwrap_or_else(|| format!("{}.mp4", outcome.job_id));
        self.hand_over(outcome, endpoint, delivery, store.as_deref(), name).await
    }

    async fn hand_over(
        &self,
        Outcome { job_id, video }: Outcome,
        endpoint: Endpoint,
        delivery: Delivery,
        store: Option<&dyn ArtifactStore>,
        name: String,
    ) -> Result<Answer, Failure> {
        let failed = |error| Failure { job_id: Some(job_id), error };
        let Video { path, folder, statistics } = video;
        let size_bytes = tokio::fs::metadata(&path)
            .await
            .map_err(|source| JobError::with_kind(Stage::Deliver, ErrorKind::Internal, source))
            .map_err(failed)?
            .len();
        let over = self.limit.filter(|limit| size_bytes > limit.bytes);
        let started = Instant::now();
        let handed = match (delivery, over, store) {
            (Delivery::Bytes, None, _) => Handed::Video { path, folder },
            (_, _, Some(store)) => {
                let artifact = Artifact {
                    name,
                    file: path,
                    media_type: "video/mp4",
                    download_name: endpoint.file_name().to_owned(),
                };
                let stored = self.store(job_id, &artifact, store).await;
                Handed::Stored(stored.map_err(failed)?)
            }
            (Delivery::Bytes, Some(AnswerLimit { bytes, carrier }), None) => {
                let error = AnswerTooLarge { size_bytes, limit_bytes: bytes, carrier };
                return Err(failed(JobError::new(Stage::Deliver, error)));
            }
            // Refused before anything was rendered: see `Body::into_request`.
            (Delivery::Url, _, None) => {
                let error = crate::api::BodyError::NoStore;
                return Err(failed(JobError::new(Stage::Deliver, error)));
            }
        };
        Ok(Answer {
            job_id,
            endpoint,
            statistics,
            size_bytes,
            deliver: started.elapsed(),
            asked_for_url: delivery == Delivery::Url,
            handed,
        })
    }

    async fn store(
        &self,
        job_id: JobId,
        artifact: &Artifact,
        store: &dyn ArtifactStore,
    ) -> Result<Stored, JobError> {
        let source = match store.put(artifact).await {
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        let undelivered = match self.keep(job_id, &artifact.file).await {
            Ok(kept) => Undelivered::Kept { source, kept },
            Err(reason) => Undelivered::Lost { source, reason },
        };
        Err(JobError::new(Stage::Deliver, undelivered))
    }

    /// Moves a video that nobody took out of its job folder, which goes with the job.
    async fn keep(&self, job_id: JobId, path: &Path) -> std::io::Result<PathBuf> {
        let folder = self.config.undelivered_dir();
        tokio::fs::create_dir_all(&folder).await?;
        let kept = folder.join(format!("{job_id}.mp4"));
        tokio::fs::rename(path, &kept).await?;
        Ok(kept)
    }

    fn engine(&self) -> Result<&Engine, JobError> {
        let not_serving = |reason| JobError::new(Stage::Validate, reason);
        match self.engine.get() {
            None => Err(not_serving(NotServing::Warming)),
            Some(Ok(engine)) => Ok(engine),
            Some(Err(_)) => Err(not_serving(NotServing::Failed)),
        }
    }
}
