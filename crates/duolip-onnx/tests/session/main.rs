//! Sessions on real ONNX Runtime, with the graphs of `fixtures/make_graphs.py`.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

mod graph;
mod memory;
mod split;

use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duolip_onnx::chain::Crew;
use duolip_onnx::{
    ExecutionProvider, LipSyncModel, LipSyncSession, ModelError, OnnxRuntime, ProviderInUse,
    SessionError, SessionSettings,
};
use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::{FaceBox, FaceCrop};
use duolip_pipeline::lipsync::{JobTicket, LipSync, LipSyncError, Look, MouthBatch};
use duolip_pipeline::mel::WINDOW_VALUES;

fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn fixture(name: &str) -> LipSyncModel {
    LipSyncModel::open(&in_crate("tests/fixtures").join(name), Look::Gan).unwrap()
}

fn runtime() -> &'static OnnxRuntime {
    OnnxRuntime::load(&[in_crate("../../target/onnxruntime")]).unwrap()
}

fn settings(batch_size: usize) -> SessionSettings {
    SessionSettings {
        provider: ExecutionProvider::Cpu,
        intra_threads: NonZeroUsize::new(2).unwrap(),
        crew: Crew::of_one().into(),
        batch_size: NonZeroUsize::new(batch_size).unwrap(),
        paste: Paste::Parity,
        feature_limit_bytes: 1 << 20,
    }
}

fn session(name: &str, batch_size: usize) -> LipSyncSession {
    LipSyncSession::new(fixture(name), settings(batch_size), runtime()).unwrap()
}

/// A face in which every channel and pixel differs from its neighbours.
fn face(size: usize) -> Arc<FaceCrop> {
    let bgr = (0..size * size * 3).map(|at| (at * 97 % 251) as u8).collect();
    Arc::new(FaceCrop { size, bgr })
}

/// `count` mel windows that differ from one another and vary from value to value.
fn windows(count: usize) -> Vec<f32> {
    (0..count * WINDOW_VALUES).map(|at| ((at * at / 7) as f32 * 0.37).sin() * 4.0).collect()
}

/// What a job of its own asks for.
fn batch(mel_windows: Vec<f32>, face: &Arc<FaceCrop>) -> MouthBatch {
    MouthBatch { job: JobTicket::new(), mel_windows, face: Arc::clone(face) }
}

fn paint(session: &LipSyncSession, mel_windows: Vec<f32>, face: &Arc<FaceCrop>) -> Vec<u8> {
    session.submit(batch(mel_windows, face)).unwrap().wait().unwrap().bgr
}

/// What the blending fixtures paint, worked out from their definition.
fn blended(mel_windows: &[f32], face: &FaceCrop) -> Vec<u8> {
    let loudness_at = 70 * 16 + 3;
    let masked_from = face.size / 2 * face.size * 3;
    mel_windows
        .chunks(WINDOW_VALUES)
        .flat_map(|window| {
            face.bgr.iter().enumerate().map(move |(at, &byte)| {
                let reference = f32::from(byte) / 255.0;
                let masked = if at < masked_from { reference } else { 0.0 };
                let painted = (masked * 0.5 + reference * 0.5) + window[loudness_at] * 0.125;
                (painted * 255.0).clamp(0.0, 255.0).floor() as u8
            })
        })
        .collect()
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[test]
fn mouths_are_exactly_what_the_graph_says_of_mel_and_face() {
    let session = session("blend.onnx", 4);
    assert_eq!((session.look(), session.input_size(), session.batch_size()), (Look::Gan, 8, 4));
    let (windows, face) = (windows(4), face(8));
    let painted = paint(&session, windows.clone(), &face);
    assert_eq!(painted, blended(&windows, &face));
    // The fixture leaves 0..=1 on both sides: the clamp was needed.
    assert!(painted.contains(&0) && painted.contains(&255));
}

#[test]
fn a_submission_larger_than_the_batch_size_is_split() {
    let session = session("blend.onnx", 3);
    let (windows, face) = (windows(8), face(8));
    assert_eq!(paint(&session, windows.clone(), &face), blended(&windows, &face));
}

#[test]
fn an_empty_submission_gives_no_mouths() {
    assert_eq!(paint(&session("blend.onnx", 3), Vec::new(), &face(8)), Vec::<u8>::new());
}

#[test]
fn another_face_is_seen_at_once() {
    let session = session("blend.onnx", 2);
    let (windows, first) = (windows(2), face(8));
    let second = Arc::new(FaceCrop { size: 8, bgr: first.bgr.iter().map(|byte| !byte).collect() });
    for face in [&first, &second, &first] {
        assert_eq!(paint(&session, windows.clone(), face), blended(&windows, face));
    }
}

#[test]
fn a_graph_with_other_names_other_order_and_a_fixed_batch_runs_the_same() {
    let session = session("blend_fixed_batch.onnx", 8);
    assert_eq!((session.input_size(), session.batch_size()), (32, 2));
    let face = face(32);
    for count in [1, 2, 5] {
        let windows = windows(count);
        assert_eq!(paint(&session, windows.clone(), &face), blended(&windows, &face), "{count}");
    }
}

/// Paints eight frames in batches of every size and checks each against the frame painted alone.
fn assert_mouths_do_not_depend_on_their_batch(open: impl Fn(usize) -> LipSyncSession) {
    let windows = windows(8);
    let alone = open(1);
    let face = face(alone.input_size());
    let mouth_bytes = face.bgr.len();
    let expected: Vec<u8> = windows
        .chunks(WINDOW_VALUES)
        .flat_map(|window| paint(&alone, window.to_vec(), &face))
        .collect();
    let frames = expected.chunks(mouth_bytes);
    assert!(frames.clone().zip(frames.skip(1)).all(|(frame, next)| frame != next));
    for batch_size in [2, 3, 5, 8] {
        let session = open(batch_size);
        assert!(paint(&session, windows.clone(), &face) == expected, "batches of {batch_size}");
        // The same frames at other places of the batch.
        for first in 1..batch_size {
            let painted = paint(&session, windows[first * WINDOW_VALUES..].to_vec(), &face);
            assert!(
                painted == expected[first * mouth_bytes..],
                "batches of {batch_size} from frame {first}"
            );
        }
    }
}

#[test]
fn a_mouth_is_the_same_to_the_bit_in_whatever_batch_it_is_painted() {
    assert_mouths_do_not_depend_on_their_batch(|batch_size| session("layers.onnx", batch_size));
}

#[test]
fn the_demo_pair_paints_the_same_mouth_in_whatever_batch() {
    for look in Look::PAIR {
        let folder = in_crate("../../models/demo").join(look.name());
        let model = LipSyncModel::open(&folder, look).unwrap();
        assert_mouths_do_not_depend_on_their_batch(|batch_size| {
            LipSyncSession::new(model.clone(), settings(batch_size), runtime()).unwrap()
        });
    }
}

#[test]
fn two_sessions_at_the_same_time_paint_what_each_paints_alone() {
    let (windows, face) = (windows(6), face(96));
    let (first, second) = (session("layers.onnx", 4), session("layers.onnx", 4));
    let alone = paint(&first, windows.clone(), &face);
    let pending: Vec<_> = [&first, &second, &first, &second]
        .map(|session| session.submit(batch(windows.clone(), &face)).unwrap())
        .into_iter()
        .collect();
    for mouths in pending {
        assert!(mouths.wait().unwrap().bgr == alone);
    }
}

#[test]
fn a_failed_run_is_an_error_and_the_next_one_succeeds() {
    let session = session("fails_when_loud.onnx", 1);
    let face = face(8);
    let loud = batch(vec![4.0; WINDOW_VALUES], &face);
    let error = session.submit(loud).unwrap().wait().unwrap_err();
    assert!(matches!(error, LipSyncError::Inference { look: Look::Gan, .. }), "{error:?}");
    assert!(chain(&error).contains("Gather"), "{}", chain(&error));
    let painted = paint(&session, vec![-4.0; WINDOW_VALUES], &face);
    assert_eq!(painted[..4 * 8 * 3], face.bgr[..4 * 8 * 3]);
    assert_eq!(painted[4 * 8 * 3..], [0; 4 * 8 * 3]);
}

#[test]
fn a_face_of_another_size_and_a_cut_off_window_are_refused() {
    let session = session("blend.onnx", 2);
    let submit = |values, face: FaceCrop| {
        session.submit(batch(vec![0.0; values], &Arc::new(face))).map(|_| ()).unwrap_err()
    };
    let error = submit(WINDOW_VALUES, (*face(96)).clone());
    assert!(matches!(error, LipSyncError::WrongFaceSize { expected: 8, actual: 96, .. }));
    let error = chain(&submit(WINDOW_VALUES + 1, (*face(8)).clone()));
    assert!(error.contains("1281 mel values"), "{error}");
    let error = chain(&submit(WINDOW_VALUES, FaceCrop { size: 8, bgr: vec![0; 191] }));
    assert!(error.contains("8 px has 191 bytes"), "{error}");
}

#[test]
fn a_graph_with_other_inputs_is_refused_with_their_shapes() {
    for provider in [ExecutionProvider::Cpu, ExecutionProvider::Auto] {
        let settings = SessionSettings { provider, ..settings(1) };
        let error =
            LipSyncSession::new(fixture("picture_only.onnx"), settings, runtime()).unwrap_err();
        assert!(matches!(error, SessionError::Model(ModelError::WrongInterface { .. })));
        let message = error.to_string();
        assert!(message.contains("picture Tensor<f32>(n, 3, 96, 96)"), "{message}");
    }
}

#[test]
fn a_graph_that_paints_another_shape_than_asked_for_is_refused_at_warm_up() {
    let error = LipSyncSession::new(fixture("cuts_rows.onnx"), settings(2), runtime()).unwrap_err();
    assert!(matches!(error, SessionError::WarmUp { .. }), "{error:?}");
    let said = chain(&error);
    assert!(said.contains("shape [2, 3, 4, 8]; wanted is [2, 3, 8, 8]"), "{said}");
}

#[test]
fn a_file_that_is_no_graph_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["weights.onnx", "weights.pth"] {
        let file = folder.path().join(name);
        fs::write(&file, "not a graph").unwrap();
        let model = LipSyncModel::open(&file, Look::Nogan).unwrap();
        let error = LipSyncSession::new(model, settings(1), runtime()).unwrap_err();
        assert!(matches!(error, SessionError::Load { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("{} could not be loaded", file.display()));
        assert!(chain(&error).contains("Protobuf parsing failed"), "{}", chain(&error));
    }
}

#[test]
fn a_graph_is_known_by_its_content_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (windows, face) = (windows(2), face(8));
    // ONNX Runtime itself would take an .ort file for another format.
    for name in ["model.bin", "model", "model.pth", "model.ort"] {
        let file = folder.path().join(name);
        fs::copy(in_crate("tests/fixtures/blend.onnx"), &file).unwrap();
        let model = LipSyncModel::open(&file, Look::Gan).unwrap();
        let session = LipSyncSession::new(model, settings(2), runtime()).unwrap();
        assert_eq!(paint(&session, windows.clone(), &face), blended(&windows, &face), "{name}");
    }
}

#[test]
fn a_manifest_with_another_size_than_the_graph_is_refused() {
    let mut model = fixture("blend.onnx");
    let manifest = |input_size| duolip_onnx::ModelManifest {
        name: "Blend".to_owned(),
        look: Some(Look::Gan),
        input_size,
        painted: None,
        licence: "MIT".to_owned(),
        source: "make_graphs.py".to_owned(),
        source_sha256: None,
    };
    model.manifest = Some(manifest(96));
    let error = LipSyncSession::new(model.clone(), settings(1), runtime()).unwrap_err();
    assert!(
        matches!(error, SessionError::Model(ModelError::OtherSize { expected: 96, actual: 8, .. })),
        "{error:?}"
    );
    model.manifest = Some(manifest(8));
    assert!(LipSyncSession::new(model, settings(1), runtime()).is_ok());
}

/// These two hold for the library that the set-up script installs, which has no CUDA.
mod without_cuda {
    use super::*;

    const REASON: &str = "CUDA execution provider is not enabled in this build";

    #[test]
    fn auto_runs_on_the_cpu_and_keeps_the_reason() {
        let settings = SessionSettings { provider: ExecutionProvider::Auto, ..settings(2) };
        let session = LipSyncSession::new(fixture("blend.onnx"), settings, runtime()).unwrap();
        let provider = &session.facts().provider;
        assert_eq!(provider, &ProviderInUse::Cpu { reason: Some(REASON.to_owned()) });
        let (windows, face) = (windows(2), face(8));
        assert_eq!(paint(&session, windows.clone(), &face), blended(&windows, &face));
    }

    #[test]
    fn cuda_asked_for_by_name_is_an_error_and_no_fallback() {
        let settings = SessionSettings { provider: ExecutionProvider::Cuda, ..settings(2) };
        let error = LipSyncSession::new(fixture("blend.onnx"), settings, runtime()).unwrap_err();
        assert!(matches!(error, SessionError::Provider(_)), "{error:?}");
        assert!(chain(&error).contains(REASON), "{}", chain(&error));
    }
}

#[test]
fn the_cpu_asked_for_by_name_has_no_reason() {
    let session = session("blend.onnx", 2);
    assert_eq!(session.facts().provider, ProviderInUse::Cpu { reason: None });
    assert!(!session.facts().load.is_zero() && !session.facts().warm_up.is_zero());
}

#[test]
fn a_whole_graph_paints_every_pixel_and_keeps_no_features() {
    let session = session("blend.onnx", 2);
    let whole = FaceBox { left: 0, top: 0, right: 8, bottom: 8 };
    assert_eq!((session.facts().painted, session.facts().feature_bytes), (whole, None));
    paint(&session, windows(2), &face(8));
    assert_eq!(session.feature_use(), duolip_onnx::FeatureUse::default());
}

/// Looks at the threads of this process: under nextest every test has one of its own.
#[test]
fn a_dropped_session_answers_what_was_queued_and_ends_its_thread() {
    let mut model = fixture("blend.onnx");
    model.look = Look::Nogan;
    let session = LipSyncSession::new(model, settings(2), runtime()).unwrap();
    assert!(thread_names().contains(&"lipsync-nogan".to_owned()));
    let (windows, face) = (windows(2), face(8));
    let pending = session.submit(batch(windows.clone(), &face)).unwrap();
    drop(session);
    assert!(!thread_names().contains(&"lipsync-nogan".to_owned()));
    assert_eq!(pending.wait().unwrap().bgr, blended(&windows, &face));
}

fn thread_names() -> Vec<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect()
}

#[test]
#[ignore = "needs CUDA"]
fn a_mouth_painted_on_cuda_is_the_same_to_the_bit_in_whatever_place_of_its_batch() {
    let on = |provider, batch_size| {
        let settings = SessionSettings { provider, ..settings(batch_size) };
        LipSyncSession::new(fixture("layers.onnx"), settings, runtime()).unwrap()
    };
    let cuda = on(ExecutionProvider::Auto, 8);
    assert_eq!(cuda.facts().provider, ProviderInUse::Cuda);
    let (windows, face) = (windows(8), face(96));
    let together = paint(&cuda, windows.clone(), &face);
    for (at, window) in windows.chunks(WINDOW_VALUES).enumerate() {
        let alone = paint(&cuda, window.to_vec(), &face);
        assert!(alone == together[at * alone.len()..(at + 1) * alone.len()], "frame {at}");
    }
    // Tolerance: one level of 255, where another order of summation crosses a truncation.
    let on_cpu = paint(&on(ExecutionProvider::Cpu, 8), windows, &face);
    assert!(together.iter().zip(&on_cpu).all(|(gpu, cpu)| gpu.abs_diff(*cpu) <= 1));
}
