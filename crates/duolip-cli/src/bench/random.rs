//! Networks of random weights: the arithmetic of the published ones, which may not be shipped.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use duolip_compiler::{Network, Widths};
use duolip_onnx::OnnxRuntime;
use duolip_pipeline::CancellationToken;
use duolip_pipeline::lipsync::Look;
use duolip_service::config::Config;
use duolip_service::import::{self, ImportOptions, Terms};

use crate::render::parse_look;

/// A network to be written.
#[derive(Args)]
pub(crate) struct NetworkArgs {
    /// Which of the pair: each has weights of its own
    #[arg(long, value_name = "NAME", value_parser = parse_look)]
    look: Look,
    /// The ONNX file to make
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

impl NetworkArgs {
    /// Writes the network whole, as one graph.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        write_graph(self.look, &self.output)
    }
}

/// Which models are measured.
#[derive(Args)]
pub(super) struct RandomWeights {
    /// Measure random weights in the published network's layers, which are kept in this folder, and
    /// not the models that are configured
    #[arg(long, value_name = "FOLDER")]
    random_weights: Option<PathBuf>,
}

impl RandomWeights {
    /// `config` with the random pair in it, if that is to be measured.
    pub(super) fn applied(&self, config: &Config) -> anyhow::Result<Config> {
        let mut config = config.clone();
        if let Some(folder) = &self.random_weights {
            let paths = Look::PAIR.map(|look| folder.join(look.name()));
            for (look, path) in Look::PAIR.into_iter().zip(&paths) {
                keep_random(look, path, &config)?;
            }
            let paths = paths.map(Some);
            [config.models.checkpoint_gan, config.models.checkpoint_nogan] = paths;
        }
        Ok(config)
    }
}

/// Makes sure that `folder` has a model of random weights.
fn keep_random(look: Look, folder: &Path, config: &Config) -> anyhow::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let runtime = OnnxRuntime::load(&config.onnxruntime_candidates())?;
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join(format!("random {look}.onnx"));
    write_graph(look, &file)?;
    let (paste, terms) = (config.avatars.paste, Terms::Licence("none: random weights".to_owned()));
    let options = ImportOptions { look: Some(look), paste, terms };
    import::import(&file, folder, &options, runtime, &CancellationToken::new())?;
    Ok(())
}

/// The whole network with the weights of `look`: the same at every call.
fn write_graph(look: Look, file: &Path) -> anyhow::Result<()> {
    let network = Network::random(&Widths::default(), 1 + u64::from(look == Look::Nogan));
    let write = || {
        let mut out = BufWriter::new(File::create_new(file)?);
        network.plain_graph().write_to(&mut out)?;
        out.into_inner()?.sync_all()
    };
    write().with_context(|| format!("{} could not be written", file.display()))
}
