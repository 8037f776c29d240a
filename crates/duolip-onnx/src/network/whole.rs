//! A whole graph: mel windows and faces in, mouths out, everything computed for every mouth.

use std::path::Path;
use std::sync::Arc;

use duolip_pipeline::face::{FaceBox, FaceCrop};
use duolip_pipeline::mel::WINDOW_VALUES;
use ort::session::Session;
use ort::value::TensorRef;

use super::{RunError, check_shape};
use crate::device::{Device, Runs, load};
use crate::interface::{LipSyncGraph, MEL_SHAPE, Ports};
use crate::library::OnnxRuntime;
use crate::session::{SessionError, SessionSettings};
use crate::tensors::{FACE_CHANNELS, MOUTH_CHANNELS, append_mouths, face_planes};

/// A loaded graph and its face tensor.
#[derive(Debug)]
pub(super) struct WholeNetwork {
    session: Session,
    graph: LipSyncGraph,
    /// The face that `faces` shows.
    face: Option<Arc<FaceCrop>>,
    /// `[n, 6, size, size]`: the same face in every place.
    faces: Vec<f32>,
}

impl WholeNetwork {
    pub(super) fn load(
        file: &Path,
        settings: &SessionSettings,
        device: Device,
        runtime: &OnnxRuntime,
    ) -> Result<Self, SessionError> {
        let session = load(file, device, Runs::Often, settings.intra_threads, runtime)?;
        let graph = LipSyncGraph::recognise(file, &Ports::of(&session))?;
        Ok(Self { session, graph, face: None, faces: Vec::new() })
    }

    /// The only batch size it takes, if it takes but one.
    pub(super) fn fixed_batch(&self) -> Option<usize> {
        self.graph.fixed_batch
    }

    pub(super) fn input_size(&self) -> usize {
        self.graph.input_size
    }

    /// All pixels.
    pub(super) fn painted(&self) -> FaceBox {
        let size = self.graph.input_size;
        FaceBox { left: 0, top: 0, right: size, bottom: size }
    }

    /// Runs the graph on `windows` and appends the first `count` mouths.
    pub(super) fn paint(
        &mut self,
        face: &Arc<FaceCrop>,
        windows: &[f32],
        count: usize,
        bgr: &mut Vec<u8>,
    ) -> Result<(), RunError> {
        let (rows, size) = (windows.len() / WINDOW_VALUES, self.graph.input_size);
        self.show(face, rows);
        let [channels, bands, steps] = MEL_SHAPE;
        let mel = TensorRef::from_array_view(([rows, channels, bands, steps], windows))?;
        let faces = &self.faces[..rows * FACE_CHANNELS * size * size];
        let faces = TensorRef::from_array_view(([rows, FACE_CHANNELS, size, size], faces))?;
        let painted = self.painted();
        let outputs = if self.graph.mel_first {
            self.session.run(ort::inputs![mel, faces])?
        } else {
            self.session.run(ort::inputs![faces, mel])?
        };
        let (shape, planes) = outputs[0].try_extract_tensor::<f32>()?;
        check_shape(shape, [rows, MOUTH_CHANNELS, size, size])?;
        append_mouths(&planes[..count * MOUTH_CHANNELS * size * size], face, painted, bgr);
        Ok(())
    }

    /// Makes `self.faces` show `face` in at least `rows` places.
    fn show(&mut self, face: &Arc<FaceCrop>, rows: usize) {
        if !self.face.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, face)) {
            self.face = None;
            face_planes(face, &mut self.faces);
            self.face = Some(Arc::clone(face));
        }
        let one = FACE_CHANNELS * face.size * face.size;
        let missing = (rows * one).saturating_sub(self.faces.len());
        self.faces.reserve_exact(missing);
        for _ in 0..missing / one {
            self.faces.extend_from_within(..one);
        }
    }
}
