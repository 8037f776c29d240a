//! The session pair: which lip-sync models are loaded, and why the others are not.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duolip_onnx::chain::{Crew, CrewError};
use duolip_onnx::{
    GraphFiles, LibraryError, LipSyncModel, LipSyncSession, OnnxRuntime, ProviderInUse,
    SessionError, SessionSettings,
};
use duolip_pipeline::error::{Classify, chain};
use duolip_pipeline::lipsync::{LipSync, Look};
use duolip_pipeline::{CancellationToken, ErrorKind, JobError, Stage};

use crate::config::Config;
use crate::import::{self, ImportError, ImportOptions, Terms};
use crate::threads::ThreadBudget;

/// Why a model is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Neither can be without the library.
    #[error(transparent)]
    Library(#[from] Arc<LibraryError>),
    /// The threads that both would paint with could not be started.
    #[error(transparent)]
    Threads(#[from] Arc<CrewError>),
    /// The checkpoint could not be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The model itself.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Nobody asked for it.
    #[error("it was not asked for")]
    NotWanted,
}

/// One of the pair: loaded and warm, or the reason why not.
#[derive(Debug)]
pub struct ModelSlot {
    /// Which of the pair.
    pub look: Look,
    /// Where it lies, or should.
    pub path: PathBuf,
    /// The name it gives itself.
    pub name: Option<String>,
    /// The session.
    pub session: Result<Arc<LipSyncSession>, LoadError>,
}

/// A model that a job needs is not loaded.
#[derive(Debug, thiserror::Error)]
#[error("the {look} model is not loaded from {path}: {reason}", path = path.display())]
pub struct ModelMissing {
    look: Look,
    path: PathBuf,
    reason: String,
}

impl Classify for ModelMissing {
    fn kind(&self) -> ErrorKind {
        ErrorKind::PairRequired
    }
}

/// The pair.
#[derive(Debug)]
pub struct SessionPair {
    slots: [ModelSlot; 2],
}

impl SessionPair {
    /// Loads the `wanted` models at the same time and warms them up; a checkpoint is imported first,
    /// until `stopped`. Blocks; never fails as a whole: each model has its own reason.
    #[must_use]
    pub fn load(config: &Config, wanted: &[Look], stopped: &CancellationToken) -> Self {
        duolip_heap::give_back_large_blocks();
        let runtime = OnnxRuntime::load(&config.onnxruntime_candidates()).map_err(Arc::new);
        let crew = crew(config, wanted.len()).map(Arc::new).map_err(Arc::new);
        let settings = |crew| SessionSettings {
            provider: config.models.execution_provider,
            batch_size: config.models.batch_size,
            intra_threads: config
                .models
                .intra_op_threads
                .unwrap_or(ThreadBudget::new(config.threads(), wanted.len(), false).each_model),
            crew,
            paste: config.avatars.paste,
            feature_limit_bytes: usize::from(config.models.feature_cache_mib) << 20,
        };
        let load = |look| {
            let path = config.model_path(look);
            let mut name = None;
            let session = (|| {
                if !wanted.contains(&look) {
                    return Err(LoadError::NotWanted);
                }
                let runtime = runtime.clone()?;
                let settings = settings(crew.clone()?);
                let model = model_at(&path, look, config, runtime, stopped)?;
                name = Some(model.name());
                Ok(Arc::new(LipSyncSession::new(model, settings, runtime)?))
            })();
            if let Err(error) = &session
                && !matches!(error, LoadError::NotWanted)
            {
                let (path, reason) = (path.display(), chain(error));
                tracing::error!(%look, %path, reason, "lip-sync model is not loaded");
            }
            ModelSlot { look, path, name, session }
        };
        let load = &load;
        let [gan, nogan] = Look::PAIR;
        let slots = std::thread::scope(|scope| {
            let gan = scope.spawn(move || load(gan));
            let nogan = load(nogan);
            let gan = gan.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            [gan, nogan]
        });
        duolip_heap::give_back_freed();
        Self { slots }
    }

    /// Both slots, GAN first.
    #[must_use]
    pub fn slots(&self) -> &[ModelSlot; 2] {
        &self.slots
    }

    /// The models that are loaded.
    #[must_use]
    pub fn loaded(&self) -> Vec<Look> {
        self.slots.iter().filter(|slot| slot.session.is_ok()).map(|slot| slot.look).collect()
    }

    /// Whether a loaded model runs on a GPU.
    #[must_use]
    pub fn on_gpu(&self) -> bool {
        let mut sessions = self.slots.iter().filter_map(|slot| slot.session.as_ref().ok());
        sessions.any(|session| session.facts().provider == ProviderInUse::Cuda)
    }

    /// The input sizes of the loaded models.
    #[must_use]
    pub fn input_sizes(&self) -> Vec<usize> {
        self.slots
            .iter()
            .filter_map(|slot| Some(slot.session.as_ref().ok()?.input_size()))
            .collect()
    }

    /// The sessions of `looks`, in that order.
    ///
    /// # Errors
    /// Kind `pair_required`, naming the first model that is not loaded, its path and the reason.
    pub fn cast(&self, looks: &[Look]) -> Result<Vec<Arc<dyn LipSync>>, JobError> {
        let sessions = looks.iter().map(|&look| {
            let slot = &self.slots[usize::from(look == Look::Nogan)];
            match &slot.session {
                Ok(session) => Ok(Arc::clone(session) as Arc<dyn LipSync>),
                Err(error) => Err(JobError::new(
                    Stage::LipSync,
                    ModelMissing { look, path: slot.path.clone(), reason: chain(error) },
                )),
            }
        });
        sessions.collect()
    }
}

/// The threads that paint on the CPU: a model that paints alone has them all, unless a number is set
/// for each.
fn crew(config: &Config, models: usize) -> Result<Crew, CrewError> {
    match config.models.intra_op_threads {
        Some(each) => {
            let models = NonZeroUsize::new(models).unwrap_or(NonZeroUsize::MIN);
            Crew::new(each.saturating_mul(models), each)
        }
        None => Crew::new(config.threads(), config.threads()),
    }
}

/// The model at `path`: a folder, a graph, or what the checkpoint or the whole Wav2Lip graph there is
/// imported to.
fn model_at(
    path: &Path,
    look: Look,
    config: &Config,
    runtime: &'static OnnxRuntime,
    stopped: &CancellationToken,
) -> Result<LipSyncModel, LoadError> {
    let cache = config.cache_dir().join("models");
    let imported = |file: &Path, terms| {
        let options = ImportOptions { look: None, paste: config.avatars.paste, terms };
        import::cached(file, &cache, look, &options, runtime, stopped)
    };
    if path.is_file() && import::is_checkpoint(path)? {
        return Ok(imported(path, Terms::of(config.models.accept_license, None)?)?);
    }
    let model = LipSyncModel::open(path, look).map_err(SessionError::from)?;
    let GraphFiles::Whole(file) = &model.graphs else { return Ok(model) };
    let licence = model.manifest.as_ref().map_or("not stated", |manifest| &manifest.licence);
    match imported(file, Terms::Licence(licence.to_owned())) {
        Ok(quicker) => Ok(quicker.named(model.name())),
        Err(error @ ImportError::Cancelled) => Err(error.into()),
        // It runs all the same, with everything computed anew for every mouth.
        Err(error) => {
            let reason = chain(&error);
            tracing::info!(%look, file = %file.display(), reason, "the graph is run as it is");
            Ok(model)
        }
    }
}
