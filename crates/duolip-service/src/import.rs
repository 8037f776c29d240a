//! Import: a Wav2Lip checkpoint → a folder of models that the engine runs.
//!
//! file → tensors (duolip-checkpoint) → network → split graphs (duolip-compiler) → compared with
//! the network as it was (ONNX Runtime) → installed as one folder, whole or not at all.

mod error;
mod facts;
mod install;
mod verify;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use duolip_checkpoint::Checkpoint;
use duolip_compiler::{MultiplyAdds, Network, OnnxGraph, Precision};
use duolip_onnx::{LipSyncModel, ModelManifest, OnnxRuntime, split_file_names};
use duolip_pipeline::CancellationToken;
use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::lipsync::Look;

pub use error::ImportError;
pub use facts::{Facts, Imported};
use install::Staging;
use verify::Reference;

/// Under which terms the published weights may be used.
pub const TERMS: &str = "The weights published with Wav2Lip were trained on the LRS2 data set and \
     may be used for research and personal purposes only, not commercially. Whoever imports them \
     is bound by these terms: https://github.com/Rudrabha/Wav2Lip";

/// To be raised whenever the graphs of a checkpoint come out otherwise than before, so that models
/// in cache folders are imported anew.
const FORMAT: u32 = 1;

/// The largest difference from the network as it was, of one value of 0 to 1.
const LIMIT: f32 = 1e-4;

/// The same for half precision: five steps of a byte.
const LIMIT_F16: f32 = 0.02;

/// By what right a checkpoint is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terms {
    /// The terms of the published weights, which were accepted.
    Accepted,
    /// The checkpoint's own licence.
    Licence(String),
}

impl Terms {
    /// What was said of the licence.
    ///
    /// # Errors
    /// [`ImportError::TermsNotAccepted`] when nothing was.
    pub fn of(accepted: bool, licence: Option<String>) -> Result<Self, ImportError> {
        match licence {
            Some(licence) => Ok(Self::Licence(licence)),
            None if accepted => Ok(Self::Accepted),
            None => Err(ImportError::TermsNotAccepted),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Accepted => "research and personal use only, as published with Wav2Lip",
            Self::Licence(text) => text,
        }
    }
}

/// How a checkpoint is imported.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Which of the pair it is; `None` fits either place.
    pub look: Option<Look>,
    /// How its mouths will be pasted: what need not be painted is left out.
    pub paste: Paste,
    /// By what right.
    pub terms: Terms,
}

/// Whether `file` must be imported before it can be run; an ONNX graph runs as it is.
///
/// # Errors
/// [`ImportError::Checkpoint`] when it is neither.
pub fn is_checkpoint(file: &Path) -> Result<bool, ImportError> {
    duolip_checkpoint::is_onnx(file).map(|onnx| !onnx).map_err(ImportError::no_checkpoint(file))
}

/// The model in `cache` that `file` is imported to, to be the pair's `look`; imports it if it is not
/// there, or if what is there cannot be used.
///
/// # Errors
/// [`ImportError`].
pub fn cached(
    file: &Path,
    cache: &Path,
    look: Look,
    options: &ImportOptions,
    runtime: &'static OnnxRuntime,
    cancelled: &CancellationToken,
) -> Result<LipSyncModel, ImportError> {
    let hash = sha256_of(file)?;
    let folder = cache.join(format!("{}-{}-{FORMAT}", &hash[..32], options.paste.name()));
    let found = || import_of(&folder, look, &hash, options);
    if let Some(model) = found() {
        return Ok(model);
    }
    tracing::info!(file = %file.display(), folder = %folder.display(), "importing a checkpoint");
    let unwritable = ImportError::unwritable(&folder);
    let staging = Staging::begin(&folder, cancelled)?;
    // Another process may have been faster.
    if let Some(model) = found() {
        return Ok(model);
    }
    if folder.exists() {
        tracing::warn!(folder = %folder.display(), "it is damaged, or of another kind");
        std::fs::remove_dir_all(&folder).map_err(&unwritable)?;
    }
    make(file, hash, staging, options, runtime, cancelled)?;
    LipSyncModel::open(&folder, look)
        .map_err(|source| ImportError::Unusable { folder, source: Box::new(source) })
}

/// Imports `file` to the new folder `output`. A folder that holds this very import already is left
/// as it is. Another import to the same folder is waited for.
///
/// # Errors
/// [`ImportError`]; nothing stays of a failed or cancelled import.
pub fn import(
    file: &Path,
    output: &Path,
    options: &ImportOptions,
    runtime: &'static OnnxRuntime,
    cancelled: &CancellationToken,
) -> Result<Imported, ImportError> {
    let hash = sha256_of(file)?;
    let look = options.look.unwrap_or(Look::Gan);
    let found = || import_of(output, look, &hash, options).is_some();
    if found() {
        return Ok(Imported::AlreadyThere);
    }
    let staging = Staging::begin(output, cancelled)?;
    // Another process may have been faster.
    if found() {
        return Ok(Imported::AlreadyThere);
    }
    let is_empty = || output.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if output.exists() && !is_empty() {
        return Err(ImportError::Occupied { folder: output.to_path_buf() });
    }
    make(file, hash, staging, options, runtime, cancelled).map(Imported::New)
}

/// Imports `file`, whose SHA-256 is `hash`, to where `staging` leads.
fn make(
    file: &Path,
    hash: String,
    staging: Staging,
    options: &ImportOptions,
    runtime: &'static OnnxRuntime,
    cancelled: &CancellationToken,
) -> Result<Facts, ImportError> {
    let source = Source::read(file)?;
    let import = Import { staging: staging.folder(), paste: options.paste, runtime };
    let facts = import.make(source, cancelled)?;
    let manifest = ModelManifest {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        look: options.look,
        input_size: facts.input_size,
        painted: Some(facts.painted),
        licence: options.terms.text().to_owned(),
        source: format!("imported from {}", facts.form),
        source_sha256: Some(hash),
    };
    let unwritable = ImportError::unwritable(staging.target());
    manifest.write(staging.folder()).map_err(&unwritable)?;
    staging.install().map_err(&unwritable)?;
    Ok(facts)
}

/// The network in the checkpoint or graph `file`.
///
/// # Errors
/// [`ImportError`].
pub fn network(file: &Path) -> Result<Network, ImportError> {
    Source::read(file).map(|source| source.network)
}

/// A checkpoint that was read.
struct Source {
    form: String,
    network: Network,
    /// The file, where it is a graph that can be run itself.
    graph: Option<PathBuf>,
}

impl Source {
    fn read(file: &Path) -> Result<Self, ImportError> {
        let recognise = |source| ImportError::Recognition { file: file.to_path_buf(), source };
        Ok(match duolip_checkpoint::read(file).map_err(ImportError::no_checkpoint(file))? {
            Checkpoint::Torch { form, state } => {
                let network = Network::from_state_dict(&state).map_err(recognise)?;
                Self { form: form.to_string(), network, graph: None }
            }
            Checkpoint::Onnx => {
                let bytes = std::fs::read(file).map_err(ImportError::unreadable(file))?;
                let network = Network::from_onnx(&bytes).map_err(recognise)?;
                Self { form: "an ONNX graph".to_owned(), network, graph: Some(file.to_path_buf()) }
            }
        })
    }
}

/// What an import writes, and where.
struct Import<'a> {
    staging: &'a Path,
    paste: Paste,
    runtime: &'static OnnxRuntime,
}

impl Import<'_> {
    /// Writes the graphs and compares them with their source.
    fn make(&self, source: Source, cancelled: &CancellationToken) -> Result<Facts, ImportError> {
        let go_on = || if cancelled.is_cancelled() { Err(ImportError::Cancelled) } else { Ok(()) };
        let Source { form, network, graph } = source;
        let (parameters, input_size) = (network.parameters(), network.input_size());
        let painted = self.paste.painted_pixels(input_size);
        go_on()?;
        let (work, feature_bytes) = self.compile(&network, painted, Precision::F32)?;
        self.compile(&network, painted, Precision::F16)?;
        go_on()?;
        // An exported graph is compared with itself, not with what it was taken for.
        let whole = match &graph {
            Some(exported) => exported.clone(),
            None => self.write("whole.onnx", network.plain_graph())?,
        };
        drop(network);
        let reference = Reference::run(&whole, input_size, self.runtime).map_err(|source| {
            ImportError::Unrunnable { form: form.clone(), source: Box::new(source) }
        })?;
        if graph.is_none() {
            std::fs::remove_file(&whole).map_err(ImportError::unwritable(self.staging))?;
        }
        go_on()?;
        let difference = self.difference(&reference, Precision::F32, painted)?;
        if difference > LIMIT {
            return Err(ImportError::Differs { difference, limit: LIMIT });
        }
        go_on()?;
        let half = self.difference(&reference, Precision::F16, painted)?;
        let difference_f16 = (half <= LIMIT_F16).then_some(half);
        if difference_f16.is_none() {
            for file in self.files(Precision::F16) {
                std::fs::remove_file(file).map_err(ImportError::unwritable(self.staging))?;
            }
        }
        go_on()?;
        Ok(Facts {
            form,
            parameters,
            input_size,
            painted,
            work,
            feature_bytes,
            difference,
            difference_f16,
        })
    }

    /// Writes the split graphs in `precision`; gives their work and an avatar frame's bytes.
    fn compile(
        &self,
        network: &Network,
        painted: FaceBox,
        precision: Precision,
    ) -> Result<(MultiplyAdds, usize), ImportError> {
        let graphs = network.compile(painted, precision)?;
        let [face_encoder, mouth_generator] = file_names(precision);
        self.write(face_encoder, graphs.face_encoder)?;
        self.write(mouth_generator, graphs.mouth_generator)?;
        Ok((graphs.work, graphs.feature_bytes))
    }

    fn write(&self, name: &str, graph: OnnxGraph) -> Result<PathBuf, ImportError> {
        let file = self.staging.join(name);
        let write = || {
            let mut out = BufWriter::new(File::create_new(&file)?);
            graph.write_to(&mut out)?;
            out.into_inner()?.sync_all()
        };
        write().map_err(ImportError::unwritable(self.staging))?;
        Ok(file)
    }

    fn difference(
        &self,
        reference: &Reference,
        precision: Precision,
        painted: FaceBox,
    ) -> Result<f32, ImportError> {
        reference
            .difference(&self.files(precision), painted, self.runtime)
            .map_err(|source| ImportError::Comparison(Box::new(source)))
    }

    fn files(&self, precision: Precision) -> [PathBuf; 2] {
        file_names(precision).map(|name| self.staging.join(name))
    }
}

/// Face encoder and mouth generator.
const fn file_names(precision: Precision) -> [&'static str; 2] {
    split_file_names(matches!(precision, Precision::F16))
}

/// What the file of SHA-256 `hash` is imported to, if it lies in `folder`, undamaged.
///
/// # Performance
/// Hashes every file of the folder: whoever goes on with the model takes it from here.
fn import_of(
    folder: &Path,
    look: Look,
    hash: &str,
    options: &ImportOptions,
) -> Option<LipSyncModel> {
    let model = LipSyncModel::open(folder, look).ok()?;
    let found = model.manifest.as_ref()?;
    let same = found.source_sha256.as_deref() == Some(hash)
        && found.look == options.look
        && found.licence == options.terms.text()
        && found.painted == Some(options.paste.painted_pixels(found.input_size));
    same.then_some(model)
}

fn sha256_of(file: &Path) -> Result<String, ImportError> {
    duolip_onnx::sha256_of(file).map_err(ImportError::unreadable(file))
}
