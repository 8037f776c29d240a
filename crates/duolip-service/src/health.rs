//! Health: what is loaded, and what that means for requests.

use duolip_pipeline::error::chain;
use duolip_pipeline::lipsync::Look;
use serde::Serialize;

use crate::engine::Engine;

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything is warm.
    Ready,
    /// Still loading.
    Warming,
    /// One model is missing: `/api/generate` works.
    Degraded,
    /// No request can be rendered.
    Failed,
}

impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ready => "ready",
            Self::Warming => "warming",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        })
    }
}

impl Status {
    /// Whether requests should be sent here.
    #[must_use]
    pub const fn is_serving(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

/// The answer of `GET /api/health`.
#[derive(Debug, Serialize)]
pub struct Health {
    /// In one word.
    pub status: Status,
    /// What is missing, and how to get it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Whether the GAN model is warm.
    pub gan_model_loaded: bool,
    /// Whether the NOGAN model is warm.
    pub nogan_model_loaded: bool,
    /// Whether the default avatar can be used.
    pub avatar_loaded: bool,
    /// What the models run on; null for one that is not loaded.
    pub execution_provider: PerModel<Option<ProviderHealth>>,
    /// The versions of what is used.
    pub versions: Versions,
}

/// Something for each of the pair.
#[derive(Debug, Serialize)]
pub struct PerModel<T> {
    /// The GAN model's.
    pub gan: T,
    /// The NOGAN model's.
    pub nogan: T,
}

/// What a model runs on.
#[derive(Debug, Serialize)]
pub struct ProviderHealth {
    /// "cpu" or "cuda".
    pub name: &'static str,
    /// Why it is not CUDA, when the CPU was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The versions of what is used; absent where it is not there.
#[derive(Debug, Serialize)]
pub struct Versions {
    /// Our own.
    pub duolip: &'static str,
    /// ONNX Runtime's.
    pub onnxruntime: Option<String>,
    /// ffmpeg's.
    pub ffmpeg: Option<String>,
    /// duolip-x264's, with x264's.
    pub x264: Option<String>,
    /// The speech synthesizer's.
    pub espeak_ng: Option<String>,
}

impl Health {
    /// The health of a process that is still loading, or that has no engine for `problem`.
    #[must_use]
    pub fn without_engine(problem: Option<String>) -> Self {
        Self {
            status: if problem.is_some() { Status::Failed } else { Status::Warming },
            problems: problem.into_iter().collect(),
            gan_model_loaded: false,
            nogan_model_loaded: false,
            avatar_loaded: false,
            execution_provider: PerModel { gan: None, nogan: None },
            versions: versions(None),
        }
    }

    /// The health of `engine`. Blocks where the default avatar is looked for again.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        let mut problems = Vec::new();
        let slots = engine.models().slots();
        for slot in slots {
            if let Err(error) = &slot.session {
                let (path, reason) = (slot.path.display(), chain(error));
                problems
                    .push(format!("the {} model is not loaded from {path}: {reason}", slot.look));
            }
        }
        let default_avatar = &engine.config().avatars.default_avatar;
        let avatar_problem = engine.avatars().problem(default_avatar);
        let avatar_loaded = avatar_problem.is_none();
        problems.extend(
            avatar_problem.map(|reason| {
                format!("the default avatar {default_avatar} cannot be used: {reason}")
            }),
        );
        problems.extend(engine.synthesizer().as_ref().err().cloned());
        let encoders = [engine.ffmpeg(), engine.x264()];
        problems.extend(encoders.iter().filter_map(|version| version.as_ref().err().cloned()));
        let can_encode = encoders.iter().all(|version| version.is_ok());
        let status = match engine.models().loaded().len() {
            _ if !can_encode || !avatar_loaded => Status::Failed,
            0 => Status::Failed,
            2 if problems.is_empty() => Status::Ready,
            _ => Status::Degraded,
        };
        let provider = |look: Look| {
            let slot = slots.iter().find(|slot| slot.look == look)?;
            let provider = &slot.session.as_ref().ok()?.facts().provider;
            let reason = provider.reason().map(str::to_owned);
            Some(ProviderHealth { name: provider.name(), reason })
        };
        let loaded = |look| provider(look).is_some();
        Self {
            status,
            gan_model_loaded: loaded(Look::Gan),
            nogan_model_loaded: loaded(Look::Nogan),
            avatar_loaded,
            execution_provider: PerModel { gan: provider(Look::Gan), nogan: provider(Look::Nogan) },
            versions: versions(Some(engine)),
            problems,
        }
    }
}

fn versions(engine: Option<&Engine>) -> Versions {
    Versions {
        duolip: env!("CARGO_PKG_VERSION"),
        onnxruntime: duolip_onnx::OnnxRuntime::loaded().map(|runtime| runtime.version().to_owned()),
        ffmpeg: engine.and_then(|engine| engine.ffmpeg().as_ref().ok().cloned()),
        x264: engine.and_then(|engine| engine.x264().as_ref().ok().cloned()),
        espeak_ng: engine.and_then(|engine| engine.synthesizer().as_ref().ok().cloned()),
    }
}
