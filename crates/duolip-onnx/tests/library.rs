//! ONNX Runtime is looked for and loaded.
//!
//! One test in a file of its own: the library is loaded once per process, and this is about the
//! time before.

use std::fs;
use std::path::{Path, PathBuf};

use duolip_onnx::{LibraryError, OnnxRuntime};

#[test]
fn every_candidate_that_fails_is_listed_and_a_later_call_may_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let text = folder.path().join("libonnxruntime.so");
    fs::write(&text, "not a library").unwrap();
    let missing = PathBuf::from("/nowhere/libonnxruntime.so");
    let unknown = PathBuf::from("libonnxruntime-of-no-system.so");

    let tried = [missing.clone(), empty.clone(), folder.path().to_path_buf(), unknown.clone()];
    let error = OnnxRuntime::load(&tried).unwrap_err();
    let message = error.to_string();
    let LibraryError::NotFound { attempts } = error else {
        panic!("{message}");
    };
    let paths: Vec<&Path> = attempts.iter().map(|attempt| attempt.path.as_path()).collect();
    assert_eq!(paths, [&missing, &empty, &text, &unknown]);
    for (path, reason) in [
        (&missing, "No such file"),
        (&empty, "no libonnxruntime in this folder"),
        (&text, "file too short"),
        (&unknown, "cannot open shared object file"),
    ] {
        let (_, after) = message.split_once(path.to_str().unwrap()).unwrap();
        assert!(after.contains(reason), "{message}");
    }
    assert!(message.contains("make setup"), "{message}");
    assert!(message.contains("ORT_DYLIB_PATH"), "{message}");
    assert!(OnnxRuntime::loaded().is_none());

    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/onnxruntime");
    let runtime = OnnxRuntime::load(&[missing.clone(), installed]).unwrap();
    assert_eq!(runtime.version(), "1.32.0");
    assert_eq!(runtime.path().file_name().unwrap(), "libonnxruntime.so.1.32.0");
    let again = OnnxRuntime::load(&[missing]).unwrap();
    assert!(std::ptr::eq(runtime, again));
}
