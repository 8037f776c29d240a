//! Split graphs: the features of a face computed once and kept on the device, and for every batch
//! only what its mel windows need.
//!
//! Everything is bound and nothing copied per batch but mel windows in and mouths out. Not from and
//! to pinned memory: ONNX Runtime 1.31 refuses pinned outputs on CUDA, and pinned inputs gain nothing.
//! What is bound as an input must be bound anew after each change: a device has its own copy.

use std::sync::Arc;

use duolip_pipeline::face::{FaceBox, FaceCrop};
use duolip_pipeline::mel::WINDOW_VALUES;
use ort::memory::{Allocator, MemoryInfo};
use ort::session::{IoBinding, RunOptions, Session};
use ort::value::{DynValue, Tensor};

use super::{RunError, check_shape};
use crate::device::{Device, load};
use crate::features::{FeatureCache, FeatureCounters};
use crate::interface::{MEL_SHAPE, Ports, SplitInterface};
use crate::library::OnnxRuntime;
use crate::model::SplitFiles;
use crate::session::{SessionError, SessionSettings};
use crate::tensors::{FACE_CHANNELS, MOUTH_CHANNELS, append_mouths, face_planes};

/// Loaded split graphs and what they have been given.
#[derive(Debug)]
pub(super) struct SplitNetwork {
    interface: SplitInterface,
    encoder: Session,
    generator: Session,
    binding: IoBinding,
    /// The face whose features are bound.
    bound_face: Option<Arc<FaceCrop>>,
    /// The batch whose mouths are bound; 0 for none.
    bound_rows: usize,
    batch_size: usize,
    /// For `batch_size`.
    full: Option<BatchBuffers>,
    /// For the last other batch size.
    short: Option<BatchBuffers>,
    features: FeatureCache<Vec<DynValue>>,
    memory: MemoryInfo<'static>,
    counters: Arc<FeatureCounters>,
    device: Device,
    /// Whether the next run gives memory back that it does not need.
    tidies_up: bool,
}

/// The tensors of one batch size, in the host's memory.
#[derive(Debug)]
struct BatchBuffers {
    rows: usize,
    mel: Tensor<f32>,
    mouths: Tensor<f32>,
}

impl BatchBuffers {
    fn new(rows: usize, painted: FaceBox) -> Result<Self, ort::Error> {
        let [channels, bands, steps] = MEL_SHAPE;
        let mouths = [rows, MOUTH_CHANNELS, painted.height(), painted.width()];
        let host = Allocator::default();
        Ok(Self {
            rows,
            mel: Tensor::new(&host, [rows, channels, bands, steps])?,
            mouths: Tensor::new(&host, mouths)?,
        })
    }
}

impl SplitNetwork {
    pub(super) fn load(
        files: &SplitFiles,
        painted: FaceBox,
        settings: &SessionSettings,
        device: Device,
        runtime: &OnnxRuntime,
        counters: Arc<FeatureCounters>,
    ) -> Result<Self, SessionError> {
        let encoder = load(&files.face_encoder, device, settings.intra_threads, runtime)?;
        let generator = load(&files.mouth_generator, device, settings.intra_threads, runtime)?;
        let (encoded, generated) = (Ports::of(&encoder), Ports::of(&generator));
        let interface = SplitInterface::recognise(files, &encoded, &generated, painted)?;
        let features =
            FeatureCache::new(interface.feature_bytes(), settings.feature_limit_bytes).map_err(
                |source| SessionError::Features { file: files.face_encoder.clone(), source },
            )?;
        let unusable = |source| SessionError::Load { file: files.mouth_generator.clone(), source };
        Ok(Self {
            binding: generator.create_binding().map_err(unusable)?,
            bound_face: None,
            bound_rows: 0,
            batch_size: settings.batch_size.get(),
            full: None,
            short: None,
            features,
            memory: device.memory().map_err(unusable)?,
            counters,
            device,
            tidies_up: false,
            interface,
            encoder,
            generator,
        })
    }

    pub(super) fn interface(&self) -> &SplitInterface {
        &self.interface
    }

    /// Gives up the features of all faces, as if none had been seen.
    pub(super) fn forget_faces(&mut self) {
        self.unbind_face();
        self.features.clear();
        self.counters.reset();
    }

    /// Paints at most `batch_size` at once from now on, and gives back what memory it can: the
    /// tensors of larger batches, and the features of all faces, which are computed again when they
    /// are next seen.
    pub(super) fn shrink(&mut self, batch_size: usize) {
        self.unbind_face();
        self.features.clear();
        self.counters.keep(0);
        self.batch_size = batch_size;
        self.bound_rows = 0;
        (self.full, self.short) = (None, None);
        self.tidies_up = true;
    }

    /// Runs the generator on `windows` and appends the first `count` mouths.
    pub(super) fn paint(
        &mut self,
        face: &Arc<FaceCrop>,
        windows: &[f32],
        count: usize,
        bgr: &mut Vec<u8>,
    ) -> Result<(), RunError> {
        self.show(face)?;
        let (rows, painted) = (windows.len() / WINDOW_VALUES, self.interface.painted);
        let place = if rows == self.batch_size { &mut self.full } else { &mut self.short };
        let buffers = match place.take().filter(|buffers| buffers.rows == rows) {
            Some(fitting) => place.insert(fitting),
            None => place.insert(BatchBuffers::new(rows, painted)?),
        };
        if self.bound_rows != rows {
            self.bound_rows = 0;
            self.binding.bind_output(self.interface.mouths.as_str(), &mut buffers.mouths)?;
            self.bound_rows = rows;
        }
        buffers.mel.try_extract_tensor_mut::<f32>()?.1.copy_from_slice(windows);
        self.binding.bind_input(self.interface.mel.as_str(), &buffers.mel)?;
        self.binding.synchronize_inputs()?;
        let tidying_up = self.tidies_up.then(|| self.tidying_up()).transpose()?;
        self.tidies_up = false;
        let outputs = match &tidying_up {
            Some(options) => self.generator.run_binding_with_options(&self.binding, options)?,
            None => self.generator.run_binding(&self.binding)?,
        };
        self.binding.synchronize_outputs()?;
        let (shape, planes) = outputs[0].try_extract_tensor::<f32>()?;
        check_shape(shape, [rows, MOUTH_CHANNELS, painted.height(), painted.width()])?;
        let values = count * MOUTH_CHANNELS * painted.height() * painted.width();
        append_mouths(&planes[..values], face, painted, bgr);
        Ok(())
    }

    /// For a run at whose end ONNX Runtime gives the device the memory back that lies idle: what a
    /// larger batch had taken before it failed, and the other model may need.
    fn tidying_up(&self) -> Result<RunOptions, ort::Error> {
        let mut options = RunOptions::new()?;
        options.set("memory.enable_memory_arena_shrinkage", self.device.arena())?;
        Ok(options)
    }

    /// Binds the features of `face`, computed now or kept.
    fn show(&mut self, face: &Arc<FaceCrop>) -> Result<(), RunError> {
        let is_bound = |bound: &Option<Arc<FaceCrop>>, face| {
            bound.as_ref().is_some_and(|bound| Arc::ptr_eq(bound, face))
        };
        if is_bound(&self.bound_face, face) {
            return Ok(());
        }
        if self.features.get(face).is_none() {
            // What is bound lives on, and would count towards the limit no more.
            self.unbind_face();
            self.features.make_room();
            let features = self.encode(face)?;
            self.features.keep(Arc::clone(face), features);
            self.counters.keep(self.features.bytes());
        }
        if let Some(kept) = self.features.get(face)
            && !is_bound(&self.bound_face, &kept.face)
        {
            self.bound_face = None;
            for (feature, value) in self.interface.features.iter().zip(&kept.features) {
                self.binding.bind_input(feature.name.as_str(), value)?;
            }
            self.bound_face = Some(Arc::clone(&kept.face));
        }
        Ok(())
    }

    fn unbind_face(&mut self) {
        self.bound_face = None;
        self.binding.clear_inputs();
    }

    /// Computes the features of `face`; they stay in the device's memory.
    fn encode(&mut self, face: &FaceCrop) -> Result<Vec<DynValue>, RunError> {
        let mut planes = Vec::new();
        face_planes(face, &mut planes);
        let face = Tensor::from_array(([1, FACE_CHANNELS, face.size, face.size], planes))?;
        // A binding gives the same memory at every run: each face needs its own.
        let mut binding = self.encoder.create_binding()?;
        binding.bind_input(self.interface.face.as_str(), &face)?;
        for feature in &self.interface.features {
            binding.bind_output_to_device(feature.name.as_str(), &self.memory)?;
        }
        binding.synchronize_inputs()?;
        let outputs = self.encoder.run_binding(&binding)?;
        binding.synchronize_outputs()?;
        let features: Vec<DynValue> = outputs.into_iter().map(|(_, value)| value).collect();
        for (feature, value) in self.interface.features.iter().zip(&features) {
            let [channels, rows, columns] = feature.shape;
            let shape = value.dtype().tensor_shape().map_or(&[][..], |shape| shape);
            check_shape(shape, [1, channels, rows, columns])?;
        }
        self.counters.count_run();
        tracing::debug!(bytes = self.interface.feature_bytes(), "features of a face computed");
        Ok(features)
    }
}
