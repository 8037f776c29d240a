//! Split models: what they paint, and how often they look at a face.

use std::fs;
use std::path::Path;

use duolip_compiler::{Network, OnnxGraph, Precision, Widths};
use duolip_onnx::FeatureUse;
use duolip_pipeline::units::FrameRate;
use duolip_testkit::{avatar, contract};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

/// What `blend_mouth.onnx` paints of 32 px.
pub(crate) const BLEND: FaceBox = FaceBox { left: 2, top: 15, right: 29, bottom: 32 };

/// What `layers_mouth.onnx` paints of 96 px.
const LAYERS: FaceBox = FaceBox { left: 12, top: 50, right: 84, bottom: 95 };

/// Bytes of the features that `blend_face.onnx` gives: two of three channels, 17x27 pixels.
pub(crate) const BLEND_FEATURES: usize = 2 * 3 * 17 * 27 * 4;

/// A model folder made of fixtures.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(face: &str, mouth: &str, painted: FaceBox, input_size: usize) -> Self {
        let read = |fixture| fs::read(in_crate("tests/fixtures").join(fixture)).unwrap();
        Self::of(face, [read(face), read(mouth)], painted, input_size)
    }

    fn of(
        name: &str,
        [face_encoder, mouth_generator]: [Vec<u8>; 2],
        painted: FaceBox,
        input_size: usize,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let hashed = |name: &str, bytes: Vec<u8>| {
            fs::write(folder.path().join(name), &bytes).unwrap();
            format!("{name:?} = \"{:x}\"", Sha256::digest(&bytes))
        };
        let FaceBox { left, top, right, bottom } = painted;
        let manifest = [
            format!("name = {name:?}\ninput_size = {input_size}\nmel = \"wav2lip\""),
            "licence = \"MIT\"\nsource = \"make_graphs.py\"".to_owned(),
            format!("[painted]\ntop = {top}\nbottom = {bottom}\nleft = {left}\nright = {right}"),
            "[files]".to_owned(),
            hashed("face_encoder.onnx", face_encoder),
            hashed("mouth_generator.onnx", mouth_generator),
        ];
        fs::write(folder.path().join("manifest.toml"), manifest.join("\n")).unwrap();
        Self(folder)
    }

    /// A narrow network as it is imported: its mouth generator needs no ONNX Runtime.
    fn imported() -> Self {
        let (face, decoder) = (vec![3, 4, 5, 6, 7, 8], vec![12, 11, 10, 9, 8, 7, 6]);
        let widths = Widths { face, audio: [3, 4, 5, 6, 9], decoder, output: 5, bottom: 3 };
        let graphs = Network::random(&widths, 11).compile(LAYERS, Precision::F32).unwrap();
        let bytes = [graphs.face_encoder, graphs.mouth_generator].map(OnnxGraph::into_bytes);
        Self::of("narrow", bytes, LAYERS, 96)
    }

    fn blend() -> Self {
        Self::new("blend_face.onnx", "blend_mouth.onnx", BLEND, 32)
    }

    fn layers() -> Self {
        Self::new("layers_face.onnx", "layers_mouth.onnx", LAYERS, 96)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn start(&self, settings: SessionSettings) -> Result<LipSyncSession, SessionError> {
        let model = LipSyncModel::open(self.path(), Look::Gan)?;
        LipSyncSession::new(model, settings, runtime())
    }

    fn session(&self, batch_size: usize) -> LipSyncSession {
        self.start(feathered(batch_size)).unwrap()
    }
}

/// Split models paint no more than the feathered paste takes.
pub(crate) fn feathered(batch_size: usize) -> SessionSettings {
    SessionSettings { paste: Paste::Feathered, ..settings(batch_size) }
}

/// `whole` inside `painted`, and around it the face: for each of the mouths.
pub(crate) fn cut_out(whole: &[u8], face: &FaceCrop, painted: FaceBox) -> Vec<u8> {
    let mut mouths = Vec::new();
    for mouth in whole.chunks(face.bgr.len()) {
        for (at, (&painted_byte, &face_byte)) in mouth.iter().zip(&face.bgr).enumerate() {
            let (x, y) = (at / 3 % face.size, at / 3 / face.size);
            let inside = (painted.left..painted.right).contains(&x)
                && (painted.top..painted.bottom).contains(&y);
            mouths.push(if inside { painted_byte } else { face_byte });
        }
    }
    mouths
}

fn inverted(face: &FaceCrop) -> Arc<FaceCrop> {
    let bgr = face.bgr.iter().map(|byte| !byte).collect();
    Arc::new(FaceCrop { size: face.size, bgr })
}

fn brightened(face: &FaceCrop) -> Arc<FaceCrop> {
    let bgr = face.bgr.iter().map(|byte| byte.saturating_add(9)).collect();
    Arc::new(FaceCrop { size: face.size, bgr })
}

#[test]
fn painted_pixels_are_the_whole_graphs_and_the_others_the_faces_own() {
    let session = Folder::blend().session(4);
    assert_eq!((session.input_size(), session.batch_size()), (32, 4));
    assert_eq!(session.facts().painted, BLEND);
    let face = face(32);
    for count in [1, 3, 4, 9] {
        let windows = windows(count);
        let expected = cut_out(&blended(&windows, &face), &face, BLEND);
        assert_eq!(paint(&session, windows, &face), expected, "{count} mouths");
    }
}

#[test]
fn wav2lips_layers_paint_the_same_split_as_whole_but_for_the_last_bit() {
    let (whole, split) = (session("layers.onnx", 4), Folder::layers().session(4));
    let (windows, face) = (windows(6), face(96));
    let expected = cut_out(&paint(&whole, windows.clone(), &face), &face, LAYERS);
    let painted = paint(&split, windows, &face);
    assert_eq!(painted.len(), expected.len());
    // A sum in another order may fall on the other side of a whole byte.
    let apart = painted.iter().zip(&expected).map(|(one, other)| one.abs_diff(*other));
    assert!(apart.clone().all(|apart| apart <= 1));
    let different = apart.filter(|&apart| apart > 0).count();
    assert!(different * 10_000 < painted.len(), "{different} of {} bytes", painted.len());
}

#[test]
fn half_precision_features_paint_nearly_the_same() {
    let folder = Folder::new("blend_face_fp16.onnx", "blend_mouth_fp16.onnx", BLEND, 32);
    let session = folder.session(4);
    assert_eq!(session.facts().feature_bytes, Some(BLEND_FEATURES / 2));
    let (windows, face) = (windows(4), face(32));
    let expected = cut_out(&blended(&windows, &face), &face, BLEND);
    let painted = paint(&session, windows, &face);
    // f16 has 11 bits: half a byte step at the most, and truncation makes a whole one of it.
    assert!(painted.iter().zip(&expected).all(|(one, other)| one.abs_diff(*other) <= 1));
}

#[test]
fn a_split_models_mouth_is_the_same_to_the_bit_in_whatever_batch_it_is_painted() {
    let folder = Folder::layers();
    assert_mouths_do_not_depend_on_their_batch(|batch_size| folder.session(batch_size));
}

#[test]
fn a_split_model_keeps_the_contract() {
    for batch_size in [1, 5] {
        let session = Folder::layers().session(batch_size);
        let avatar = avatar(FrameRate::DEFAULT, &[session.input_size()]);
        contract::lip_sync(&session, &avatar.crops[0]);
        assert_eq!(session.feature_use().encoder_runs, 1);
    }
}

#[test]
fn a_faces_features_are_computed_once_for_all_jobs() {
    let session = Folder::blend().session(2);
    // The warm-up counts for nothing, and leaves nothing.
    assert_eq!(session.feature_use(), FeatureUse { encoder_runs: 0, kept_bytes: 0 });
    assert_eq!(session.facts().feature_bytes, Some(BLEND_FEATURES));
    let (windows, first) = (windows(5), face(32));
    // The second job has prepared the same avatar for itself.
    let second = Arc::new((*first).clone());
    let expected = cut_out(&blended(&windows, &first), &first, BLEND);
    std::thread::scope(|scope| {
        for face in [&first, &second] {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(paint(&session, windows.clone(), face), expected);
                }
            });
        }
    });
    let kept_bytes = BLEND_FEATURES;
    assert_eq!(session.feature_use(), FeatureUse { encoder_runs: 1, kept_bytes });
}

#[test]
fn another_face_is_seen_at_once_and_the_first_one_remembered() {
    let session = Folder::blend().session(2);
    let (windows, first) = (windows(3), face(32));
    let second = inverted(&first);
    for face in [&first, &second, &first, &second] {
        let expected = cut_out(&blended(&windows, face), face, BLEND);
        assert_eq!(paint(&session, windows.clone(), face), expected);
    }
    let kept_bytes = 2 * BLEND_FEATURES;
    assert_eq!(session.feature_use(), FeatureUse { encoder_runs: 2, kept_bytes });
}

#[test]
fn the_face_used_least_recently_is_given_up_and_computed_again_to_the_same_mouths() {
    let feature_limit_bytes = 2 * BLEND_FEATURES + BLEND_FEATURES / 2;
    let settings = SessionSettings { feature_limit_bytes, ..feathered(2) };
    let session = Folder::blend().start(settings).unwrap();
    let (windows, first) = (windows(3), face(32));
    let (second, third) = (inverted(&first), brightened(&first));
    let check = |face: &Arc<FaceCrop>, encoder_runs| {
        let expected = cut_out(&blended(&windows, face), face, BLEND);
        assert_eq!(paint(&session, windows.clone(), face), expected);
        let used = session.feature_use();
        assert_eq!(used.encoder_runs, encoder_runs);
        assert!(used.kept_bytes <= feature_limit_bytes, "{used:?}");
    };
    for (face, encoder_runs) in
        [(&first, 1), (&second, 2), (&first, 2), (&third, 3), (&first, 3), (&second, 4)]
    {
        check(face, encoder_runs);
    }
}

/// Beside a chain the face encoder is let go after each face.
#[test]
fn new_faces_are_painted_as_long_as_the_face_encoder_is_the_one_that_was_loaded() {
    let folder = Folder::imported();
    let session = folder.session(4);
    let (windows, first) = (windows(5), face(96));
    let (second, third) = (inverted(&first), brightened(&first));
    let painted = |face: &Arc<FaceCrop>| paint(&session, windows.clone(), face);
    let known = [&first, &second].map(painted);
    assert!(known[0] != known[1]);

    let file = folder.path().join("face_encoder.onnx");
    let refused = || {
        let answer = session.submit(batch(windows.clone(), &third)).unwrap().wait();
        let error = answer.map(|mouths| mouths.bgr.len()).unwrap_err();
        assert!(matches!(error, LipSyncError::Inference { .. }), "{error:?}");
        chain(&error)
    };
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, [&bytes[..], b" "].concat()).unwrap();
    assert_eq!(
        refused(),
        format!(
            "the gan model failed: {} was changed after it was loaded; a restart takes the new one",
            file.display()
        )
    );
    fs::remove_file(&file).unwrap();
    let said = refused();
    assert!(said.contains("face_encoder.onnx could not be loaded: "), "{said}");
    assert_eq!(session.feature_use().encoder_runs, 2);
    assert!([&first, &second].map(painted) == known);
}

#[test]
fn a_limit_below_one_faces_features_is_refused_with_both_numbers() {
    let settings = SessionSettings { feature_limit_bytes: BLEND_FEATURES - 1, ..feathered(2) };
    for provider in [ExecutionProvider::Cpu, ExecutionProvider::Auto] {
        let settings = SessionSettings { provider, ..settings.clone() };
        let error = Folder::blend().start(settings).unwrap_err();
        assert!(matches!(error, SessionError::Features { .. }), "{error:?}");
        let said = chain(&error);
        assert!(
            said.ends_with("the features of one face are 11016 bytes; the limit is 11015"),
            "{said}"
        );
    }
    let settings = SessionSettings { feature_limit_bytes: BLEND_FEATURES, ..settings };
    let session = Folder::blend().start(settings).unwrap();
    let (windows, first) = (windows(2), face(32));
    for face in [&first, &inverted(&first), &first] {
        let expected = cut_out(&blended(&windows, face), face, BLEND);
        assert_eq!(paint(&session, windows.clone(), face), expected);
    }
    let kept_bytes = BLEND_FEATURES;
    assert_eq!(session.feature_use(), FeatureUse { encoder_runs: 3, kept_bytes });
}

#[test]
fn a_model_that_paints_less_than_the_paste_takes_is_refused_with_the_way_out() {
    let settings = SessionSettings { paste: Paste::Parity, ..feathered(2) };
    let error = Folder::layers().start(settings).unwrap_err();
    assert!(matches!(error, SessionError::Model(ModelError::PaintsTooLittle { .. })));
    assert_eq!(
        error.to_string(),
        "model layers_face.onnx paints rows 50..95 and columns 12..84 of its mouths, and parity \
         paste takes rows 48..96 and columns 0..96; import its checkpoint again with \
         `duolip import-model --paste parity`"
    );
}

#[test]
fn a_rectangle_that_the_generator_does_not_paint_is_refused_with_both() {
    let wider = FaceBox { left: 0, ..BLEND };
    let folder = Folder::new("blend_face.onnx", "blend_mouth.onnx", wider, 32);
    let error = folder.start(feathered(2)).unwrap_err();
    assert!(matches!(error, SessionError::Model(ModelError::OtherRectangle { .. })), "{error:?}");
    let said = error.to_string();
    assert!(
        said.ends_with(
            "mouth_generator.onnx gives mouths Tensor<f32>(n, 3, 17, 27); its manifest says that \
             it paints rows 15..32 and columns 0..29, which are 17x29 pixels"
        ),
        "{said}"
    );
}

#[test]
fn graphs_that_do_not_fit_together_are_refused_with_what_they_have() {
    let refused = |face: &str, mouth: &str| {
        let error = Folder::new(face, mouth, BLEND, 32).start(feathered(2)).unwrap_err();
        assert!(matches!(error, SessionError::Model(ModelError::WrongInterface { .. })));
        error.to_string()
    };
    let said = refused("other_face.onnx", "blend_mouth.onnx");
    assert!(said.contains("mouth_generator.onnx is not a mouth generator"), "{said}");
    assert!(said.contains("feature_0 comes from the face encoder as (1, 6, 32, 32) F32"), "{said}");
    let said = refused("blend_face_fp16.onnx", "blend_mouth.onnx");
    assert!(said.contains("feature_0 comes from the face encoder as (1, 3, 17, 27) F16"), "{said}");
    let said = refused("blend.onnx", "blend_mouth.onnx");
    assert!(said.contains("face_encoder.onnx is not a face encoder"), "{said}");
    assert!(said.contains("mel Tensor<f32>(n, 1, 80, 16)"), "{said}");
    let said = refused("blend_face.onnx", "blend.onnx");
    assert!(said.contains("it does not take feature_0"), "{said}");
}

#[test]
fn a_manifest_with_another_size_than_the_encoder_is_refused() {
    // As large as what is painted, and inside 30 pixels.
    let moved = FaceBox { top: BLEND.top - 2, bottom: BLEND.bottom - 2, ..BLEND };
    let folder = Folder::new("blend_face.onnx", "blend_mouth.onnx", moved, 30);
    let error = folder.start(feathered(2)).unwrap_err();
    let said = error.to_string();
    assert!(said.ends_with("takes faces of 32 px; its manifest says input_size = 30"), "{said}");
}

#[test]
#[ignore = "needs CUDA"]
fn on_cuda_a_split_models_mouth_is_the_same_to_the_bit_in_whatever_place_of_its_batch() {
    let folder = Folder::layers();
    let settings = SessionSettings { provider: ExecutionProvider::Cuda, ..feathered(8) };
    let cuda = folder.start(settings).unwrap();
    let (windows, face) = (windows(8), face(96));
    let together = paint(&cuda, windows.clone(), &face);
    let one_by_one: Vec<u8> = windows
        .chunks(WINDOW_VALUES)
        .flat_map(|window| paint(&cuda, window.to_vec(), &face))
        .collect();
    assert!(together == one_by_one);
    let on_cpu = paint(&folder.session(8), windows, &face);
    assert!(together.iter().zip(&on_cpu).all(|(one, other)| one.abs_diff(*other) <= 1));
    let used = cuda.feature_use();
    assert_eq!((used.encoder_runs, Some(used.kept_bytes)), (1, cuda.facts().feature_bytes));
}
