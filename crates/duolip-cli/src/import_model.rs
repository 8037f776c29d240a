//! `duolip import-model`: a Wav2Lip checkpoint becomes a folder of models.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use duolip_onnx::OnnxRuntime;
use duolip_pipeline::ErrorKind;
use duolip_pipeline::error::Classify;
use duolip_pipeline::lipsync::Look;
use duolip_service::config::Config;
use duolip_service::errors::outside;
use duolip_service::import::{self, ImportError, ImportOptions, Imported, Terms};

use crate::render::parse_look;
use crate::say;
use crate::stop::on_signal;

/// What to import, and where to.
#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The checkpoint: .pth, .pt or .onnx, told by its content
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder to make
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Which of the pair it is, gan or nogan [default: fits both]
    #[arg(long, value_name = "NAME", value_parser = parse_look)]
    look: Option<Look>,
    /// The licence of weights of your own
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    licence: Option<String>,
}

/// Imports one checkpoint and says what it was.
pub(crate) fn import_model(args: ImportArgs, config: &Config) -> ExitCode {
    duolip_service::logging::init(Some("off"));
    let output = args.output.clone();
    match imported(args, config) {
        Ok(imported) => {
            say(format_args!("{}\n{imported}", output.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("duolip: {error:#}");
            exit_code(&error)
        }
    }
}

/// The exit code of an error that may be an import's.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    let kind = error.downcast_ref::<ImportError>().map(Classify::kind);
    ExitCode::from(outside(kind.unwrap_or(ErrorKind::Internal)).exit)
}

fn imported(args: ImportArgs, config: &Config) -> anyhow::Result<Imported> {
    let ImportArgs { file, output, look, licence } = args;
    let terms = Terms::of(config.models.accept_license, licence)?;
    if terms == Terms::Accepted {
        eprintln!("{}\n", import::TERMS);
    }
    let options = ImportOptions { look, paste: config.avatars.paste, terms };
    let runtime = OnnxRuntime::load(&config.onnxruntime_candidates())?;
    Ok(import::import(&file, &output, &options, runtime, &on_signal()?)?)
}
