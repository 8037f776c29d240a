//! `duolip render`: one job from the command line.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use duolip_pipeline::job::JobRequest;
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::run::Video;
use duolip_pipeline::{ErrorKind, JobError, Stage};
use duolip_service::config::Config;
use duolip_service::engine::Engine;
use duolip_service::errors::outside;
use duolip_service::runtime::runtime;

use crate::progress::ChunkBars;
use crate::stop::on_signal;

/// What to render, and where to.
#[derive(Args)]
pub(crate) struct RenderArgs {
    /// What to say
    #[arg(long, conflicts_with = "audio", required_unless_present = "audio")]
    text: Option<String>,
    /// The speech itself: WAV, MP3, OGG, FLAC or M4A
    #[arg(long, value_name = "FILE")]
    audio: Option<PathBuf>,
    /// Language of the text [default: the configured one]
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Voice [default: the configured one]
    #[arg(long, value_name = "NAME")]
    voice: Option<String>,
    /// Avatar: a name, or the path of a photo or of an avatar's folder [default: the configured one]
    #[arg(long, value_name = "NAME|FILE")]
    avatar: Option<String>,
    /// Models, in the order in which chunks are dealt out
    #[arg(long, value_delimiter = ',', default_value = "gan,nogan", value_parser = parse_look)]
    models: Vec<Look>,
    /// Number of chunks, 1 to 16 [default: by the length of the speech]
    #[arg(long, value_name = "CHUNKS", allow_negative_numbers = true)]
    num_workers: Option<i64>,
    /// The MP4 file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn parse_look(text: &str) -> Result<Look, String> {
    Look::PAIR
        .into_iter()
        .find(|look| look.name() == text)
        .ok_or_else(|| "it is neither gan nor nogan".to_owned())
}

/// Renders one video and says what it cost.
pub(crate) fn render(args: RenderArgs, config: Config) -> ExitCode {
    duolip_service::logging::init(Some("off"));
    match rendered(args, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("duolip: {error:#}");
            let job = error.downcast_ref::<JobError>().map(|error| outside(error.kind()).exit);
            ExitCode::from(job.unwrap_or(outside(ErrorKind::Internal).exit))
        }
    }
}

fn rendered(args: RenderArgs, config: Config) -> anyhow::Result<()> {
    let RenderArgs { text, audio, language, voice, avatar, models, num_workers, output } = args;
    let audio_limit = config.job_limits().audio_bytes;
    let mut request = JobRequest {
        text,
        audio: audio.map(|path| read_audio(&path, audio_limit)).transpose()?,
        language: language.unwrap_or_else(|| config.speech.default_language.clone()),
        voice,
        avatar: avatar.unwrap_or_else(|| config.avatars.default_avatar.clone()),
        num_workers,
        models,
    };
    // What can be refused is refused before a model is loaded.
    request.check(config.job_limits()).map_err(JobError::at(Stage::Validate))?;
    let whole = Output::beside(&output)?;
    let stopped = on_signal()?;
    let engine = Engine::build(config, &request.models, &stopped)?;
    let path = Path::new(&request.avatar);
    if !engine.avatars().names().contains(&request.avatar) && path.exists() {
        let avatar = engine.avatars().add(path).map_err(JobError::at(Stage::Face))?;
        request.avatar.clone_from(&avatar.name);
    }
    let runtime = runtime(engine.config())?;
    let video = runtime.block_on(async {
        tokio::select! {
            video = job(&engine, request) => video,
            () = stopped.cancelled() => {
                Err(JobError::with_kind(Stage::Deliver, ErrorKind::Cancelled, "stopped by a signal"))
            }
        }
    })?;
    whole.deliver(&video.path)?;
    eprintln!("{}\n{}", output.display(), video.statistics);
    Ok(())
}

async fn job(engine: &Engine, request: JobRequest) -> Result<Video, JobError> {
    let place = engine.place()?;
    let outcome = engine.render(request, &place, Arc::new(ChunkBars::default())).await;
    outcome.map(|outcome| outcome.video).map_err(|failure| failure.error)
}

/// Reads at most one byte more than may be given, so that the limit can be named.
fn read_audio(path: &Path, limit_bytes: usize) -> Result<Vec<u8>, JobError> {
    let read = || {
        let mut audio = Vec::new();
        std::fs::File::open(path)?.take(limit_bytes as u64 + 1).read_to_end(&mut audio)?;
        std::io::Result::Ok(audio)
    };
    read().map_err(|error| unusable(path, "read", &error))
}

/// A file that the user named and that cannot be used.
fn unusable(path: &Path, what: &str, error: &std::io::Error) -> JobError {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::InvalidInput,
    };
    let text = format!("{} could not be {what}: {error}", path.display());
    JobError::with_kind(Stage::Validate, kind, text)
}

/// The video's place, tried before any work is done; the file appears whole or not at all.
struct Output<'a> {
    path: &'a Path,
    beside: tempfile::NamedTempFile,
}

impl<'a> Output<'a> {
    fn beside(path: &'a Path) -> Result<Self, JobError> {
        let open = || {
            if path.is_dir() {
                return Err(std::io::ErrorKind::IsADirectory.into());
            }
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            tempfile::Builder::new().prefix(".duolip-").tempfile_in(folder)
        };
        let beside = open().map_err(|error| unusable(path, "written", &error))?;
        Ok(Self { path, beside })
    }

    fn deliver(mut self, video: &Path) -> Result<(), JobError> {
        let path = self.path;
        let mut write = || {
            std::io::copy(&mut std::fs::File::open(video)?, self.beside.as_file_mut())?;
            // A temporary file is its owner's alone; a video is for everybody.
            let for_everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            self.beside.as_file().set_permissions(for_everybody)
        };
        write()
            .and_then(|()| self.beside.persist(path).map(drop).map_err(|failed| failed.error))
            .map_err(|error| unusable(path, "written", &error))
    }
}
