//! The face encoder, which ONNX Runtime runs once for each face.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use duolip_pipeline::face::FaceCrop;
use ort::memory::MemoryInfo;
use ort::session::Session;
use ort::value::{DynValue, Tensor};

use crate::device::{Device, Runs, load};
use crate::interface::{Ports, SplitInterface};
use crate::library::OnnxRuntime;
use crate::network::{RunError, check_shape};
use crate::session::SessionError;
use crate::tensors::{FACE_CHANNELS, face_planes};

/// A face encoder, in memory or to be loaded again for the next face.
#[derive(Debug)]
pub(super) struct FaceEncoder {
    file: PathBuf,
    /// What the file was like when its mouth generator was loaded.
    state: Option<FileState>,
    device: Device,
    intra_threads: NonZeroUsize,
    runtime: &'static OnnxRuntime,
    /// Where features are left.
    memory: MemoryInfo<'static>,
    session: Option<Session>,
}

/// The file is another than the one that the mouth generator belongs to.
#[derive(Debug, thiserror::Error)]
#[error("{file} was changed after it was loaded; a restart takes the new one", file = .0.display())]
pub(in crate::network) struct FileChanged(PathBuf);

/// Its bytes, and when they were written.
type FileState = (u64, SystemTime);

fn state_of(file: &Path) -> Option<FileState> {
    let found = fs::metadata(file).ok()?;
    Some((found.len(), found.modified().ok()?))
}

impl FaceEncoder {
    /// Loads the encoder in `file`; its ports beside it.
    pub(super) fn load(
        file: &Path,
        device: Device,
        intra_threads: NonZeroUsize,
        runtime: &'static OnnxRuntime,
    ) -> Result<(Self, Ports), SessionError> {
        let state = state_of(file);
        let session = load(file, device, Runs::Seldom, intra_threads, runtime)?;
        let memory = device.memory();
        let memory =
            memory.map_err(|source| SessionError::Load { file: file.to_path_buf(), source })?;
        let (file, ports) = (file.to_path_buf(), Ports::of(&session));
        let session = Some(session);
        Ok((Self { file, state, device, intra_threads, runtime, memory, session }, ports))
    }

    /// Gives its memory back until the next face.
    pub(super) fn let_go(&mut self) {
        self.session = None;
    }

    /// The features of `face`; they stay in the device's memory.
    pub(super) fn encode(
        &mut self,
        face: &FaceCrop,
        interface: &SplitInterface,
    ) -> Result<Vec<DynValue>, RunError> {
        let mut planes = Vec::new();
        face_planes(face, &mut planes);
        let face = Tensor::from_array(([1, FACE_CHANNELS, face.size, face.size], planes))?;
        let session = match &mut self.session {
            Some(session) => session,
            none => {
                let found = state_of(&self.file);
                // What is not there any more is told by ONNX Runtime.
                if found.is_some() && found != self.state {
                    return Err(FileChanged(self.file.clone()).into());
                }
                let (device, threads) = (self.device, self.intra_threads);
                none.insert(load(&self.file, device, Runs::Seldom, threads, self.runtime)?)
            }
        };
        // A binding gives the same memory at every run: each face needs its own.
        let mut binding = session.create_binding()?;
        binding.bind_input(interface.face.as_str(), &face)?;
        for feature in &interface.features {
            binding.bind_output_to_device(feature.name.as_str(), &self.memory)?;
        }
        binding.synchronize_inputs()?;
        let outputs = session.run_binding(&binding)?;
        binding.synchronize_outputs()?;
        let features: Vec<DynValue> = outputs.into_iter().map(|(_, value)| value).collect();
        for (feature, value) in interface.features.iter().zip(&features) {
            let [channels, rows, columns] = feature.shape;
            let shape = value.dtype().tensor_shape().map_or(&[][..], |shape| shape);
            check_shape(shape, [1, channels, rows, columns])?;
        }
        tracing::debug!(bytes = interface.feature_bytes(), "features of a face computed");
        Ok(features)
    }
}
