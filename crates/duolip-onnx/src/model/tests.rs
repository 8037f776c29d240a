//! Models on disk, good and bad.

use std::fs;

use duolip_pipeline::lipsync::Look;
use tempfile::TempDir;

use super::*;
use crate::manifest::split_file_names;

/// SHA-256 of "graph".
const GRAPH_SHA256: &str = "eef93e1d14482804277fca0172464032d1a4fdbcc338524059fa1e861454ad4d";

const MANIFEST: &str = r#"
name = "Demo"
look = "gan"
input_size = 96
mel = "wav2lip"
licence = "MIT"
source = "models/training"

[files]
"lipsync.onnx" = "eef93e1d14482804277fca0172464032d1a4fdbcc338524059fa1e861454ad4d"
"#;

/// A model folder whose manifest is [`MANIFEST`] with `from` replaced by `to`.
fn folder(from: &str, to: &str) -> TempDir {
    assert!(MANIFEST.contains(from), "{from}");
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("manifest.toml"), MANIFEST.replace(from, to)).unwrap();
    fs::write(folder.path().join("lipsync.onnx"), "graph").unwrap();
    folder
}

fn open(folder: &TempDir) -> Result<LipSyncModel, ModelError> {
    LipSyncModel::open(folder.path(), Look::Gan)
}

#[test]
fn a_folder_is_opened_by_its_manifest() {
    let folder = folder("", "");
    let model = open(&folder).unwrap();
    assert_eq!(model.graphs, GraphFiles::Whole(folder.path().join("lipsync.onnx")));
    assert_eq!((model.look, model.name().as_str()), (Look::Gan, "Demo"));
    let manifest = model.manifest.unwrap();
    assert_eq!((manifest.input_size, manifest.licence.as_str()), (96, "MIT"));
}

#[test]
fn an_unknown_look_or_mel_is_named_with_the_known_ones() {
    let error = open(&folder("\"gan\"", "\"gann\"")).unwrap_err().to_string();
    assert!(error.ends_with("manifest.toml says look = \"gann\"; known: gan, nogan"), "{error}");
    let error = open(&folder("\"wav2lip\"", "\"htk\"")).unwrap_err().to_string();
    assert!(error.ends_with("manifest.toml says mel = \"htk\"; known: wav2lip"), "{error}");
}

#[test]
fn the_other_one_of_the_pair_is_refused() {
    let folder = folder("\"gan\"", "\"nogan\"");
    assert!(matches!(
        open(&folder),
        Err(ModelError::OtherLook { expected: Look::Gan, actual: Look::Nogan, .. })
    ));
    assert!(LipSyncModel::open(folder.path(), Look::Nogan).is_ok());
}

#[test]
fn a_changed_file_is_refused_with_both_hashes() {
    let folder = folder("", "");
    fs::write(folder.path().join("lipsync.onnx"), "another graph").unwrap();
    let Err(ModelError::WrongHash { file, expected, actual }) = open(&folder) else {
        panic!("the changed file was taken");
    };
    assert_eq!(file, folder.path().join("lipsync.onnx"));
    assert_eq!(expected, GRAPH_SHA256);
    assert_eq!(actual.len(), 64);
    assert_ne!(actual, expected);
}

#[test]
fn a_hash_in_capitals_is_the_same_hash() {
    assert!(open(&folder(GRAPH_SHA256, &GRAPH_SHA256.to_uppercase())).is_ok());
}

#[test]
fn a_listed_file_that_is_missing_is_named() {
    let folder = folder("", "");
    fs::remove_file(folder.path().join("lipsync.onnx")).unwrap();
    let Err(ModelError::MissingFile { file, .. }) = open(&folder) else {
        panic!("the missing file was not missed");
    };
    assert_eq!(file, folder.path().join("lipsync.onnx"));
}

#[test]
fn a_manifest_without_the_graph_is_refused() {
    let folder = folder("lipsync.onnx", "other.onnx");
    let error = open(&folder).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "manifest.toml lists no lipsync.onnx, nor face_encoder.onnx and mouth_generator.onnx, \
             under [files]"
        ),
        "{error}"
    );
}

#[test]
fn a_listed_file_outside_the_folder_is_refused() {
    let outside = format!("\"../x\" = \"{GRAPH_SHA256}\"\n\"lipsync.onnx\"");
    let error = open(&folder("\"lipsync.onnx\"", &outside)).unwrap_err().to_string();
    assert!(error.contains("\"../x\""), "{error}");
}

#[test]
fn a_manifest_that_lacks_a_field_names_it() {
    let error = open(&folder("licence", "license")).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("licence"), "{cause}");
}

#[test]
fn a_folder_without_a_manifest_is_no_model() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(open(&folder), Err(ModelError::NoManifest { .. })));
}

#[test]
fn a_path_to_nothing_is_named() {
    let error = LipSyncModel::open(Path::new("/nowhere/gan.pth"), Look::Gan).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/gan.pth could not be read");
}

#[test]
fn a_file_is_taken_for_a_whole_graph_whatever_its_name() {
    let folder = TempDir::new().unwrap();
    for name in ["model.onnx", "model.bin", "model", "wav2lip_gan.pth"] {
        let file = folder.path().join(name);
        fs::write(&file, "content").unwrap();
        let model = LipSyncModel::open(&file, Look::Nogan).unwrap();
        assert_eq!((model.look, model.manifest), (Look::Nogan, None));
        assert_eq!(model.graphs, GraphFiles::Whole(file));
    }
}

/// A model folder with the files of `names`, all of the same content, and `more` at the end of the
/// manifest's head.
fn folder_of(names: &[&str], more: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let head = MANIFEST.split("[files]").next().unwrap();
    let mut manifest = vec![head.to_owned(), more.to_owned(), "[files]".to_owned()];
    for name in names {
        fs::write(folder.path().join(name), "graph").unwrap();
        manifest.push(format!("{name:?} = {GRAPH_SHA256:?}"));
    }
    fs::write(folder.path().join("manifest.toml"), manifest.join("\n")).unwrap();
    folder
}

#[test]
fn split_graphs_have_the_names_that_a_manifest_lists() {
    assert_eq!([split_file_names(false), split_file_names(true)].concat(), ALL_SPLIT);
}

const SPLIT: [&str; 2] = split_file_names(false);
const ALL_SPLIT: [&str; 4] = [
    "face_encoder.onnx",
    "mouth_generator.onnx",
    "face_encoder_fp16.onnx",
    "mouth_generator_fp16.onnx",
];
const PAINTED: &str = "[painted]\ntop = 50\nbottom = 95\nleft = 12\nright = 84\n";

#[test]
fn split_graphs_are_opened_with_what_they_paint_and_where_they_come_from() {
    let source = "a".repeat(64);
    let folder = folder_of(&SPLIT, &format!("source_sha256 = {source:?}\n{PAINTED}"));
    let model = open(&folder).unwrap();
    let painted = FaceBox { left: 12, top: 50, right: 84, bottom: 95 };
    let f32 = SplitFiles {
        face_encoder: folder.path().join("face_encoder.onnx"),
        mouth_generator: folder.path().join("mouth_generator.onnx"),
    };
    assert_eq!(model.graphs, GraphFiles::Split { f32, f16: None, painted });
    let manifest = model.manifest.unwrap();
    assert_eq!((manifest.painted, manifest.source_sha256), (Some(painted), Some(source)));
}

#[test]
fn split_graphs_that_say_nothing_of_it_paint_every_pixel() {
    let GraphFiles::Split { painted, .. } = open(&folder_of(&SPLIT, "")).unwrap().graphs else {
        panic!("not split");
    };
    assert_eq!(painted, FaceBox { left: 0, top: 0, right: 96, bottom: 96 });
}

#[test]
fn half_precision_is_for_cuda_and_single_precision_for_all_the_rest() {
    let names = |model: &LipSyncModel, device| {
        model.graphs.main(device).file_name().unwrap().to_str().unwrap().to_owned()
    };
    let both = open(&folder_of(&ALL_SPLIT, PAINTED)).unwrap();
    assert_eq!(names(&both, Device::Cuda), "mouth_generator_fp16.onnx");
    assert_eq!(names(&both, Device::Cpu), "mouth_generator.onnx");
    let single = open(&folder_of(&SPLIT, PAINTED)).unwrap();
    assert_eq!(names(&single, Device::Cuda), "mouth_generator.onnx");
}

#[test]
fn half_of_a_split_model_is_refused_by_the_name_of_the_other_half() {
    for (names, missing) in [
        (&ALL_SPLIT[..1], "mouth_generator.onnx"),
        (&ALL_SPLIT[1..2], "face_encoder.onnx"),
        (&ALL_SPLIT[..3], "mouth_generator_fp16.onnx"),
        (&ALL_SPLIT[2..], "face_encoder.onnx"),
    ] {
        let error = open(&folder_of(names, PAINTED)).unwrap_err().to_string();
        let expected = format!("manifest.toml lists no {missing} under [files]");
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn a_folder_with_both_forms_of_graph_is_refused() {
    let error = open(&folder_of(&["lipsync.onnx", SPLIT[1]], "")).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "lists lipsync.onnx and mouth_generator.onnx; a model has either lipsync.onnx, or \
             face_encoder.onnx and mouth_generator.onnx"
        ),
        "{error}"
    );
}

#[test]
fn a_whole_graph_cannot_paint_a_part() {
    let error = open(&folder_of(&["lipsync.onnx"], PAINTED)).unwrap_err().to_string();
    assert!(error.ends_with("which lipsync.onnx cannot keep: it paints every pixel"), "{error}");
}

#[test]
fn an_empty_rectangle_or_one_outside_the_mouth_is_refused() {
    for (from, to) in [
        ("bottom = 95", "bottom = 97"),
        ("bottom = 95", "bottom = 50"),
        ("right = 84", "right = 97"),
        ("left = 12", "left = 84"),
    ] {
        let error = open(&folder_of(&SPLIT, &PAINTED.replace(from, to))).unwrap_err();
        assert!(matches!(error, ModelError::BadRectangle { input_size: 96, .. }), "{error:?}");
    }
    let error = open(&folder_of(&SPLIT, &PAINTED.replace("bottom = 95", "bottom = 97")));
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "manifest.toml says in [painted] rows 50..97 and columns 12..84; that must be at least \
             one pixel of the 96x96"
        ),
        "{error}"
    );
}

#[test]
fn a_rectangle_with_a_wrong_field_is_named_by_it() {
    let error = open(&folder_of(&SPLIT, &PAINTED.replace("bottom", "botom"))).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("botom"), "{cause}");
}

#[test]
fn every_file_of_a_split_model_is_checked() {
    for name in ALL_SPLIT {
        let folder = folder_of(&ALL_SPLIT, PAINTED);
        fs::write(folder.path().join(name), "another graph").unwrap();
        let Err(ModelError::WrongHash { file, .. }) = open(&folder) else {
            panic!("the changed {name} was taken");
        };
        assert_eq!(file, folder.path().join(name));
    }
}

#[test]
fn a_hash_of_the_source_that_is_none_is_refused() {
    let error = open(&folder_of(&SPLIT, "source_sha256 = \"abc\"\n")).unwrap_err().to_string();
    assert!(
        error.ends_with("says source_sha256 = \"abc\"; known: 64 hexadecimal digits"),
        "{error}"
    );
}

#[test]
fn a_model_without_a_look_fits_either_place() {
    let folder = folder("look = \"gan\"\n", "");
    for look in Look::PAIR {
        assert_eq!(LipSyncModel::open(folder.path(), look).unwrap().look, look);
    }
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let manifest = ModelManifest {
        name: "a \"name\"".to_owned(),
        look: None,
        input_size: 96,
        painted: Some(FaceBox { left: 12, top: 50, right: 84, bottom: 95 }),
        licence: "non-commercial".to_owned(),
        source: "imported".to_owned(),
        source_sha256: Some("0".repeat(64)),
    };
    // Graphs of every form; the manifest that lay there is written over.
    for (names, more) in [(&SPLIT[..], PAINTED), (&ALL_SPLIT, PAINTED), (&["lipsync.onnx"], "")] {
        let folder = folder_of(names, more);
        let before = open(&folder).unwrap().graphs;
        let painted = manifest.painted.filter(|_| !more.is_empty());
        let look = painted.map_or(Some(Look::Gan), |_| None);
        let manifest = ModelManifest { look, painted, ..manifest.clone() };
        manifest.write(folder.path()).unwrap();
        let model = open(&folder).unwrap();
        assert_eq!((model.manifest, model.graphs), (Some(manifest), before));
    }
}
