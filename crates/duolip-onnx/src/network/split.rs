//! Split graphs: the features of a face computed once and kept, and for every batch only what its mel
//! windows need.
//!
//! ONNX Runtime runs the face encoder ([`encoder`]). On the CPU the mouth generator is a [`Chain`],
//! where it can be; else ONNX Runtime's too ([`bound`]).

mod bound;
mod encoder;

use std::path::Path;
use std::sync::Arc;

use duolip_pipeline::face::{FaceBox, FaceCrop};
use ort::value::DynValue;

use super::RunError;
use crate::chain::{self, Chain, Crew};
use crate::device::{Device, Runs, load};
use crate::features::{FeatureCache, FeatureCounters};
use crate::interface::{Ports, SplitInterface};
use crate::library::OnnxRuntime;
use crate::model::SplitFiles;
use crate::session::{SessionError, SessionSettings};
use crate::tensors::append_mouths;
use bound::BoundGenerator;
use encoder::FaceEncoder;
pub(super) use encoder::FileChanged;

/// Loaded split graphs and what they have been given.
#[derive(Debug)]
pub(super) struct SplitNetwork {
    interface: SplitInterface,
    encoder: FaceEncoder,
    generator: Generator,
    features: FeatureCache<Features>,
    counters: Arc<FeatureCounters>,
}

/// What makes mouths of mel windows and features.
#[derive(Debug)]
enum Generator {
    Bound(Box<BoundGenerator>),
    Chain(Box<Chain>),
}

/// The features of one face, as its generator takes them.
#[derive(Debug)]
enum Features {
    Bound(Vec<DynValue>),
    Chain(chain::Features),
}

impl SplitNetwork {
    pub(super) fn load(
        files: &SplitFiles,
        painted: FaceBox,
        settings: &SessionSettings,
        device: Device,
        runtime: &'static OnnxRuntime,
        counters: Arc<FeatureCounters>,
    ) -> Result<Self, SessionError> {
        let threads = settings.intra_threads;
        let (encoder, encoded) = FaceEncoder::load(&files.face_encoder, device, threads, runtime)?;
        let chain = match device {
            Device::Cpu => chain(&files.mouth_generator, &settings.crew),
            Device::Cuda => None,
        };
        let (interface, generator) = if let Some(chain) = chain {
            let interface = SplitInterface::recognise(files, &encoded, chain.ports(), painted)?;
            (interface, Generator::Chain(Box::new(chain)))
        } else {
            let file = &files.mouth_generator;
            let session = load(file, device, Runs::Often, threads, runtime)?;
            let generated = Ports::of(&session);
            let interface = SplitInterface::recognise(files, &encoded, &generated, painted)?;
            let bound = BoundGenerator::new(session, settings.batch_size.get(), device)
                .map_err(|source| SessionError::Load { file: file.clone(), source })?;
            (interface, Generator::Bound(Box::new(bound)))
        };
        let features =
            FeatureCache::new(interface.feature_bytes(), settings.feature_limit_bytes).map_err(
                |source| SessionError::Features { file: files.face_encoder.clone(), source },
            )?;
        Ok(Self { interface, encoder, generator, features, counters })
    }

    pub(super) fn interface(&self) -> &SplitInterface {
        &self.interface
    }

    /// Gives up the features of all faces, as if none had been seen.
    pub(super) fn forget_faces(&mut self) {
        if let Generator::Bound(bound) = &mut self.generator {
            bound.unbind_face();
        }
        self.features.clear();
        self.counters.reset();
    }

    /// Paints at most `batch_size` at once from now on, and gives back what memory it can: the
    /// tensors of larger batches, and the features of all faces, which are computed again when they
    /// are next seen.
    pub(super) fn shrink(&mut self, batch_size: usize) {
        match &mut self.generator {
            Generator::Bound(bound) => bound.shrink(batch_size),
            Generator::Chain(chain) => chain.shrink(),
        }
        self.features.clear();
        self.counters.keep(0);
    }

    /// Runs the generator on `windows` and appends the first `count` mouths.
    pub(super) fn paint(
        &mut self,
        face: &Arc<FaceCrop>,
        windows: &[f32],
        count: usize,
        bgr: &mut Vec<u8>,
    ) -> Result<(), RunError> {
        if self.features.get(face).is_none() {
            if let Generator::Bound(bound) = &mut self.generator {
                // What is bound lives on, and would count towards the limit no more.
                bound.unbind_face();
            }
            self.features.make_room();
            let encoded = self.encoder.encode(face, &self.interface)?;
            self.counters.count_run();
            let features = match &self.generator {
                Generator::Bound(_) => Features::Bound(encoded),
                Generator::Chain(chain) => Features::Chain(self.chained(chain, &encoded)?),
            };
            // Beside a chain it would be a third of the model's memory, for a moment of each new face.
            if matches!(self.generator, Generator::Chain(_)) {
                self.encoder.let_go();
            }
            self.features.keep(Arc::clone(face), features);
            self.counters.keep(self.features.bytes());
        }
        let kept = self.features.get(face).map(|kept| (&kept.face, &kept.features));
        match (&mut self.generator, kept) {
            (Generator::Bound(bound), Some((kept, Features::Bound(features)))) => {
                bound.show(&self.interface, kept, features)?;
                bound.paint(&self.interface, face, windows, count, bgr)
            }
            (Generator::Chain(chain), Some((_, Features::Chain(features)))) => {
                append_mouths(chain.paint(features, windows)?, face, self.interface.painted, bgr);
                Ok(())
            }
            _ => unreachable!("features were kept just now, for the generator that takes them"),
        }
    }

    /// What the face encoder gave, as `chain` takes it.
    fn chained(&self, chain: &Chain, encoded: &[DynValue]) -> Result<chain::Features, RunError> {
        let features = self.interface.features.iter().zip(encoded).map(|(feature, value)| {
            Ok((feature.name.as_str(), value.try_extract_tensor::<f32>()?.1))
        });
        let features = features.collect::<Result<Vec<_>, ort::Error>>()?;
        let named = |name: &str| {
            features.iter().find(|(found, _)| *found == name).map(|&(_, planes)| planes)
        };
        Ok(chain.features(named)?)
    }
}

/// The mouth generator in `file` as a chain, unless ONNX Runtime is to run it.
fn chain(file: &Path, crew: &Arc<Crew>) -> Option<Chain> {
    match Chain::from_file(file, Arc::clone(crew)) {
        Ok(chain) => Some(chain),
        Err(reason) if reason.is_for_onnx_runtime() => {
            tracing::debug!(file = %file.display(), %reason, "run by ONNX Runtime");
            None
        }
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "run by ONNX Runtime, more slowly");
            None
        }
    }
}
