//! The mouth generator run by ONNX Runtime.
//!
//! Everything is bound and nothing copied per batch but mel windows in and mouths out. Not from and
//! to pinned memory: ONNX Runtime 1.31 refuses pinned outputs on CUDA, and pinned inputs gain nothing.
//! What is bound as an input must be bound anew after each change: a device has its own copy.

use std::sync::Arc;

use duolip_pipeline::face::{FaceBox, FaceCrop};
use duolip_pipeline::mel::WINDOW_VALUES;
use ort::memory::Allocator;
use ort::session::{IoBinding, RunOptions, Session};
use ort::value::{DynValue, Tensor};

use crate::device::Device;
use crate::interface::{MEL_SHAPE, SplitInterface};
use crate::network::{RunError, check_shape};
use crate::tensors::{MOUTH_CHANNELS, append_mouths};

/// A session and what is bound to it.
#[derive(Debug)]
pub(super) struct BoundGenerator {
    session: Session,
    binding: IoBinding,
    /// The face whose features are bound.
    face: Option<Arc<FaceCrop>>,
    /// The batch whose mouths are bound; 0 for none.
    rows: usize,
    batch_size: usize,
    /// For `batch_size`.
    full: Option<BatchBuffers>,
    /// For the last other batch size.
    short: Option<BatchBuffers>,
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

impl BoundGenerator {
    pub(super) fn new(
        session: Session,
        batch_size: usize,
        device: Device,
    ) -> Result<Self, ort::Error> {
        Ok(Self {
            binding: session.create_binding()?,
            session,
            face: None,
            rows: 0,
            batch_size,
            full: None,
            short: None,
            device,
            tidies_up: false,
        })
    }

    pub(super) fn unbind_face(&mut self) {
        self.face = None;
        self.binding.clear_inputs();
    }

    /// Gives back the memory of larger batches.
    pub(super) fn shrink(&mut self, batch_size: usize) {
        self.unbind_face();
        self.batch_size = batch_size;
        self.rows = 0;
        (self.full, self.short) = (None, None);
        self.tidies_up = true;
    }

    /// Binds the `features` of `face`.
    pub(super) fn show(
        &mut self,
        interface: &SplitInterface,
        face: &Arc<FaceCrop>,
        features: &[DynValue],
    ) -> Result<(), RunError> {
        if self.face.as_ref().is_some_and(|bound| Arc::ptr_eq(bound, face)) {
            return Ok(());
        }
        self.face = None;
        for (feature, value) in interface.features.iter().zip(features) {
            self.binding.bind_input(feature.name.as_str(), value)?;
        }
        self.face = Some(Arc::clone(face));
        Ok(())
    }

    /// Runs the generator on `windows` and appends the first `count` mouths.
    pub(super) fn paint(
        &mut self,
        interface: &SplitInterface,
        face: &FaceCrop,
        windows: &[f32],
        count: usize,
        bgr: &mut Vec<u8>,
    ) -> Result<(), RunError> {
        let (rows, painted) = (windows.len() / WINDOW_VALUES, interface.painted);
        let place = if rows == self.batch_size { &mut self.full } else { &mut self.short };
        let buffers = match place.take().filter(|buffers| buffers.rows == rows) {
            Some(fitting) => place.insert(fitting),
            None => place.insert(BatchBuffers::new(rows, painted)?),
        };
        if self.rows != rows {
            self.rows = 0;
            self.binding.bind_output(interface.mouths.as_str(), &mut buffers.mouths)?;
            self.rows = rows;
        }
        buffers.mel.try_extract_tensor_mut::<f32>()?.1.copy_from_slice(windows);
        self.binding.bind_input(interface.mel.as_str(), &buffers.mel)?;
        self.binding.synchronize_inputs()?;
        let tidying_up = self.tidies_up.then(|| self.tidying_up()).transpose()?;
        self.tidies_up = false;
        let outputs = match &tidying_up {
            Some(options) => self.session.run_binding_with_options(&self.binding, options)?,
            None => self.session.run_binding(&self.binding)?,
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
}
