//! Configuration: one clap `Args` struct per concern; the environment and `.env` are read here and
//! nowhere else, and checked before a port opens or a model loads.

mod batch;
mod delivery;
mod lambda;
mod runpod;
mod secret;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use duolip_onnx::ExecutionProvider;
use duolip_pipeline::compose::Paste;
use duolip_pipeline::job::Limits;
use duolip_pipeline::lipsync::{Look, OnOutOfMemory};
use etcetera::BaseStrategy as _;

pub use batch::BatchArgs;
pub use delivery::DeliveryArgs;
pub use lambda::{LambdaArgs, LambdaResponseMode, LambdaRuntimeArgs};
pub use runpod::{RunpodArgs, RunpodConfigError};
pub use secret::Secret;

/// All that the engine is built from.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The lip-sync models.
    #[command(flatten, next_help_heading = "Models")]
    pub models: ModelArgs,
    /// Speech synthesis.
    #[command(flatten, next_help_heading = "Speech")]
    pub speech: SpeechArgs,
    /// Avatars.
    #[command(flatten, next_help_heading = "Avatars")]
    pub avatars: AvatarArgs,
    /// ffmpeg.
    #[command(flatten, next_help_heading = "Video")]
    pub video: VideoArgs,
    /// Delivery.
    #[command(flatten, next_help_heading = "Delivery")]
    pub delivery: DeliveryArgs,
    /// Limits.
    #[command(flatten, next_help_heading = "Limits")]
    pub limits: LimitArgs,
    /// The processor.
    #[command(flatten, next_help_heading = "Processor")]
    pub processor: ProcessorArgs,
    /// Folders.
    #[command(flatten, next_help_heading = "Folders")]
    pub folders: FolderArgs,
}

/// The lip-sync models and what they run on.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// GAN model: a checkpoint, a model folder or an .onnx file [default: the demo pair's]
    #[arg(long, env = "CHECKPOINT_PATH_GAN", value_name = "PATH")]
    pub checkpoint_gan: Option<PathBuf>,
    /// NOGAN model: a checkpoint, a model folder or an .onnx file [default: the demo pair's]
    #[arg(long, env = "CHECKPOINT_PATH_NOGAN", value_name = "PATH")]
    pub checkpoint_nogan: Option<PathBuf>,
    /// Accept the terms of the published Wav2Lip weights: research and personal use only
    #[arg(long, env = "DUOLIP_ACCEPT_LICENSE",
          value_parser = clap::builder::FalseyValueParser::new())]
    pub accept_license: bool,
    /// What the models run on: auto (CUDA where it works, else the CPU), cpu or cuda
    #[arg(long, env = "DUOLIP_EXECUTION_PROVIDER", default_value_t, value_name = "NAME")]
    pub execution_provider: ExecutionProvider,
    /// Mouths painted at once
    #[arg(long, env = "DUOLIP_BATCH_SIZE", default_value = "16", value_name = "MOUTHS")]
    pub batch_size: NonZeroUsize,
    /// What a job does when a model has no memory left for even one mouth: fail, or other-model, to
    /// go on with the other model if the request names both
    #[arg(long, env = "DUOLIP_ON_OUT_OF_MEMORY", default_value = "fail", value_name = "WHAT",
          value_parser = parse_on_out_of_memory)]
    pub on_out_of_memory: OnOutOfMemory,
    /// CPU threads of one model [default: the cores, shared by the models that paint]
    #[arg(long, env = "DUOLIP_INTRA_OP_THREADS", value_name = "THREADS")]
    pub intra_op_threads: Option<NonZeroUsize>,
    /// Mebibytes of features of avatars that each model keeps ready on its device
    #[arg(long, env = "DUOLIP_FEATURE_CACHE_MIB", default_value_t = 512, value_name = "MIB",
          value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub feature_cache_mib: u16,
    /// ONNX Runtime's library [default: looked for; `duolip doctor` says where]
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
}

/// Speech synthesis.
#[derive(Debug, Clone, Args)]
pub struct SpeechArgs {
    /// Language of requests that name none: BCP-47 or ISO 639-1
    #[arg(long, env = "DUOLIP_DEFAULT_LANGUAGE", default_value = "ru", value_name = "TAG")]
    pub default_language: String,
    /// Voice of requests that name none
    #[arg(long, env = "DUOLIP_DEFAULT_VOICE", default_value = "f2", value_name = "NAME")]
    pub default_voice: String,
    /// The espeak-ng program
    #[arg(long, env = "DUOLIP_ESPEAK", default_value = "espeak-ng", value_name = "PROGRAM")]
    pub espeak: PathBuf,
}

/// Avatars.
#[derive(Debug, Clone, Args)]
pub struct AvatarArgs {
    /// Avatar of requests that name none
    #[arg(long, env = "DUOLIP_DEFAULT_AVATAR", default_value = "anna", value_name = "NAME")]
    pub default_avatar: String,
    /// Folder of avatars [default: `avatars` in the data folder]
    #[arg(long, env = "DUOLIP_AVATARS_DIR", value_name = "FOLDER")]
    pub avatars_dir: Option<PathBuf>,
    /// How mouths are pasted: feathered (soft edges) or parity (Wav2Lip's hard rectangle)
    #[arg(long, env = "DUOLIP_PASTE", default_value = "feathered", value_name = "MODE",
          value_parser = parse_paste)]
    pub paste: Paste,
}

fn parse_paste(text: &str) -> Result<Paste, String> {
    match text {
        "feathered" => Ok(Paste::Feathered),
        "parity" => Ok(Paste::Parity),
        _ => Err("it is neither feathered nor parity".to_owned()),
    }
}

fn parse_on_out_of_memory(text: &str) -> Result<OnOutOfMemory, String> {
    match text {
        "fail" => Ok(OnOutOfMemory::Fail),
        "other-model" => Ok(OnOutOfMemory::OtherModel),
        _ => Err("it is neither fail nor other-model".to_owned()),
    }
}

/// ffmpeg and its encoder.
#[derive(Debug, Clone, Args)]
pub struct VideoArgs {
    /// The ffmpeg program
    #[arg(long, env = "DUOLIP_FFMPEG", default_value = "ffmpeg", value_name = "PROGRAM")]
    pub ffmpeg: PathBuf,
    /// x264's preset, or still: quick, for a moving mouth on a still picture
    #[arg(long, env = "DUOLIP_X264_PRESET", default_value = "still", value_name = "PRESET",
          value_parser = ["still", "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow",
                          "slower", "veryslow"])]
    pub x264_preset: String,
    /// x264's constant rate factor, 0 to 51; with the preset still its quantiser; lower is better and
    /// larger
    #[arg(long, env = "DUOLIP_X264_CRF", default_value_t = 16, value_name = "CRF",
          value_parser = clap::value_parser!(u8).range(0..=51))]
    pub x264_crf: u8,
}

/// What requests may ask for.
#[derive(Debug, Clone, Args)]
pub struct LimitArgs {
    /// Characters of text in a request
    #[arg(long, env = "DUOLIP_MAX_TEXT_CHARS", default_value_t = 10_000, value_name = "CHARS")]
    pub max_text_chars: usize,
    /// Mebibytes of audio in a request
    #[arg(long, env = "DUOLIP_MAX_AUDIO_MIB", default_value_t = 64, value_name = "MIB",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub max_audio_mib: u16,
    /// Seconds of speech in a video
    #[arg(long, env = "DUOLIP_MAX_SPEECH_SECONDS", default_value_t = 1800, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=7200))]
    pub max_speech_seconds: u32,
    /// Jobs at the same time; a request over it is answered 429 at once
    #[arg(long, env = "DUOLIP_MAX_JOBS", default_value_t = 4, value_name = "JOBS",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub max_jobs: u16,
    /// Seconds a job may take
    #[arg(long, env = "DUOLIP_DEADLINE_SECONDS", default_value_t = 1800, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub deadline_seconds: u32,
}

/// The processor.
#[derive(Debug, Clone, Args)]
pub struct ProcessorArgs {
    /// CPU threads that models and encoders share [default: the cores]
    #[arg(long, env = "DUOLIP_THREADS", value_name = "THREADS")]
    pub threads: Option<NonZeroUsize>,
}

/// Where files lie.
#[derive(Debug, Clone, Args)]
pub struct FolderArgs {
    /// Folder with `models/demo` and `avatars` [default: looked for from here and the program upwards]
    #[arg(long, env = "DUOLIP_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Folder for prepared avatars and imported models [default: the user's cache folder]
    #[arg(long, env = "DUOLIP_CACHE_DIR", value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
    /// Folder for job folders [default: the system's temporary folder]
    #[arg(long, env = "DUOLIP_WORK_DIR", value_name = "FOLDER")]
    pub work_dir: Option<PathBuf>,
}

/// The HTTP server.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Address to listen on
    #[arg(long, env = "DUOLIP_HOST", default_value = "0.0.0.0", value_name = "ADDRESS")]
    pub host: IpAddr,
    /// Port to listen on
    #[arg(long, env = "PORT", default_value_t = 3000, value_name = "PORT")]
    pub port: u16,
    /// Seconds that running jobs have left when the server is told to stop
    #[arg(long, env = "DUOLIP_GRACE_SECONDS", default_value_t = 30, value_name = "SECONDS")]
    pub grace_seconds: u32,
}

/// The exit code of a wrong configuration.
pub(crate) const EXIT_CONFIG: u8 = 64;

/// What is wrong with the configuration, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A folder that must exist does not.
    #[error("{what} {path} is not a folder; set {variable}")]
    NotAFolder {
        /// Which folder.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What sets it.
        variable: &'static str,
    },
    /// A limit of zero.
    #[error("{variable} is 0; it must be at least 1")]
    Zero {
        /// What sets it.
        variable: &'static str,
    },
    /// `.env` exists and cannot be read.
    #[error(".env could not be read: {0}")]
    DotEnv(std::io::Error),
    /// A line of `.env` is none of NAME=value. The line is not quoted: it may hold a secret.
    #[error(".env has a line that is not NAME=value; values with blanks need quotes")]
    DotEnvLine,
    /// The settings of the RunPod worker do not fit together.
    #[error(transparent)]
    Runpod(#[from] RunpodConfigError),
    /// A wrong option or variable.
    #[error(transparent)]
    Arguments(#[from] clap::Error),
}

impl ConfigError {
    /// Says what is wrong in one line on stderr, and gives the exit code. Help and version, which
    /// clap reports the same way, go to stdout and are a success.
    #[must_use]
    pub fn report(&self, program: &str) -> ExitCode {
        let line = match self {
            Self::Arguments(error) if !error.use_stderr() => {
                // Fails only when nobody reads it.
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            Self::Arguments(error) => {
                let text = error.to_string();
                let first = text.lines().map(str::trim).take_while(|line| !line.is_empty());
                first.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
            }
            other => other.to_string(),
        };
        eprintln!("{program}: {line}");
        ExitCode::from(EXIT_CONFIG)
    }
}

/// What the libraries in the process find in the environment where nobody set it. ONNX Runtime keeps
/// notes on whoever loads it otherwise, before it can be told not to.
const ENVIRONMENT: &str = "ORT_DISABLE_TELEMETRY=1";

/// Completes the environment, before the program has threads: with `.env` from the current folder or
/// one above it, if there is one, and then with what libraries are to find. Variables that are set
/// already win.
///
/// # Errors
/// [`ConfigError::DotEnv`] when the file is there and cannot be read, [`ConfigError::DotEnvLine`]
/// when it cannot be parsed.
pub fn complete_environment() -> Result<(), ConfigError> {
    let read = match dotenvy::dotenv() {
        Err(error) if error.not_found() => Ok(()),
        read => read.map(drop),
    };
    read.and_then(|()| dotenvy::from_read(ENVIRONMENT.as_bytes())).map_err(|error| match error {
        dotenvy::Error::Io(error) => ConfigError::DotEnv(error),
        _ => ConfigError::DotEnvLine,
    })
}

impl Config {
    /// Checks what clap cannot: folders that must exist, limits that must not be zero. An empty
    /// path counts as not set, as in `CHECKPOINT_PATH_GAN=`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn checked(mut self) -> Result<Self, ConfigError> {
        for path in [
            &mut self.models.checkpoint_gan,
            &mut self.models.checkpoint_nogan,
            &mut self.models.onnxruntime,
            &mut self.avatars.avatars_dir,
            &mut self.folders.data_dir,
            &mut self.folders.cache_dir,
            &mut self.folders.work_dir,
        ] {
            path.take_if(|path| path.as_os_str().is_empty());
        }
        self.delivery.checked();
        if self.limits.max_text_chars == 0 {
            return Err(ConfigError::Zero { variable: "DUOLIP_MAX_TEXT_CHARS" });
        }
        let folders = [
            ("the data folder", &self.folders.data_dir, "DUOLIP_DATA_DIR"),
            ("the folder of avatars", &self.avatars.avatars_dir, "DUOLIP_AVATARS_DIR"),
            ("the folder for job folders", &self.folders.work_dir, "DUOLIP_WORK_DIR"),
        ];
        for (what, path, variable) in folders {
            if let Some(path) = path.as_ref().filter(|path| !path.is_dir()) {
                return Err(ConfigError::NotAFolder { what, path: path.clone(), variable });
            }
        }
        Ok(self)
    }

    /// The limits of a job.
    #[must_use]
    pub fn job_limits(&self) -> Limits {
        Limits {
            text_chars: self.limits.max_text_chars,
            audio_bytes: usize::from(self.limits.max_audio_mib) << 20,
            speech_seconds: self.limits.max_speech_seconds,
        }
    }

    /// The CPU threads that models and encoders share.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.processor.threads.unwrap_or_else(cores)
    }

    /// How long a job may take.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.limits.deadline_seconds.into())
    }

    /// Where the model of `look` lies.
    #[must_use]
    pub fn model_path(&self, look: Look) -> PathBuf {
        let given = match look {
            Look::Gan => &self.models.checkpoint_gan,
            Look::Nogan => &self.models.checkpoint_nogan,
        };
        given.clone().unwrap_or_else(|| self.data_dir().join("models/demo").join(look.name()))
    }

    /// Where the avatars lie.
    #[must_use]
    pub fn avatars_dir(&self) -> PathBuf {
        self.avatars.avatars_dir.clone().unwrap_or_else(|| self.data_dir().join("avatars"))
    }

    /// Where job folders are made.
    #[must_use]
    pub fn work_dir(&self) -> PathBuf {
        self.folders.work_dir.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// Where videos lie that no store would take.
    #[must_use]
    pub fn undelivered_dir(&self) -> PathBuf {
        self.work_dir().join("duolip-undelivered")
    }

    /// Where prepared avatars and imported models are kept.
    #[must_use]
    pub fn cache_dir(&self) -> PathBuf {
        let users = || etcetera::choose_base_strategy().ok().map(|base| base.cache_dir());
        self.folders
            .cache_dir
            .clone()
            .or_else(|| users().map(|cache| cache.join("duolip")))
            .unwrap_or_else(|| self.work_dir().join("duolip-cache"))
    }

    /// Where ONNX Runtime may lie, in the order in which it is tried: the set-up script puts it
    /// beside the folder of the built programs.
    #[must_use]
    pub fn onnxruntime_candidates(&self) -> Vec<PathBuf> {
        let explicit = self.models.onnxruntime.as_deref();
        let mut candidates =
            duolip_onnx::library::default_candidates(explicit, Some(&self.cache_dir()));
        let program = std::env::current_exe().ok();
        let built = program.as_deref().into_iter().flat_map(Path::ancestors).skip(2).take(2);
        candidates.extend(built.map(|folder| folder.join("onnxruntime")));
        candidates
    }

    /// The folder with the demo pair: the one given, else the nearest from the current folder or
    /// the program upwards, or `../share/duolip` beside the program.
    fn data_dir(&self) -> PathBuf {
        if let Some(folder) = &self.folders.data_dir {
            return folder.clone();
        }
        let here = std::env::current_dir().ok();
        let program = std::env::current_exe().ok();
        let installed = program
            .as_deref()
            .and_then(|path| path.ancestors().nth(2))
            .map(|prefix| prefix.join("share/duolip"));
        let upwards = |path: &Option<PathBuf>| -> Vec<PathBuf> {
            path.iter().flat_map(|path| path.ancestors()).map(Path::to_owned).collect()
        };
        upwards(&here)
            .into_iter()
            .chain(installed)
            .chain(upwards(&program))
            .find(|folder| folder.join("models/demo").is_dir())
            .unwrap_or_else(|| PathBuf::from("."))
    }
}
