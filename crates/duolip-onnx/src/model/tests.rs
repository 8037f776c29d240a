//! Models on disk, good and bad.

use std::fs;

use duolip_pipeline::lipsync::Look;
use tempfile::TempDir;

use super::*;

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
    assert_eq!(model.graph_file, folder.path().join("lipsync.onnx"));
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
    assert!(matches!(open(&folder), Err(ModelError::NotListed { missing: "lipsync.onnx", .. })));
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
fn checkpoints_are_told_from_graphs_and_from_other_files() {
    let folder = TempDir::new().unwrap();
    let named = |name: &str| {
        let file = folder.path().join(name);
        fs::write(&file, "content").unwrap();
        LipSyncModel::open(&file, Look::Nogan)
    };
    assert!(matches!(named("wav2lip_gan.pth"), Err(ModelError::Checkpoint { .. })));
    assert!(matches!(named("Wav2Lip-SD-NOGAN.PT"), Err(ModelError::Checkpoint { .. })));
    assert!(matches!(named("model.bin"), Err(ModelError::UnknownForm { .. })));
    assert!(matches!(named("model"), Err(ModelError::UnknownForm { .. })));
    let model = named("model.onnx").unwrap();
    assert_eq!((model.look, model.manifest), (Look::Nogan, None));
    let error = named("gan.pt").unwrap_err().to_string();
    assert!(error.contains("must be imported"), "{error}");
    assert!(error.contains("an .onnx file"), "{error}");
}
