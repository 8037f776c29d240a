//! Memory that runs out in ONNX Runtime itself: `hungry.onnx` has enough for two silent mouths at
//! once, and for none that is loud.

use super::split::{BLEND, BLEND_FEATURES, Folder, cut_out, feathered};
use super::*;

/// `count` different windows, none of which is loud at its first place.
fn quiet(count: usize) -> Vec<f32> {
    let mut windows = windows(count);
    for window in windows.chunks_mut(WINDOW_VALUES) {
        window[0] = -4.0;
    }
    windows
}

fn loud() -> Vec<f32> {
    vec![4.0; WINDOW_VALUES]
}

#[test]
fn a_batch_without_memory_is_halved_at_warm_up_until_it_fits_and_stays_so() {
    for (wanted, given) in [(16, 2), (5, 2), (3, 1), (2, 2), (1, 1)] {
        let session = session("hungry.onnx", wanted);
        assert_eq!((session.facts().batch_size, session.batch_size()), (given, given), "{wanted}");
        let (windows, face) = (quiet(7), face(8));
        assert_eq!(paint(&session, windows.clone(), &face), blended(&windows, &face));
    }
}

#[test]
fn a_split_model_is_halved_as_well_and_computes_its_features_again() {
    let folder = Folder::new("blend_face.onnx", "hungry_mouth.onnx", BLEND, 32);
    let session = folder.start(feathered(8)).unwrap();
    assert_eq!((session.facts().batch_size, session.batch_size()), (2, 2));
    let (windows, face) = (quiet(5), face(32));
    let expected = cut_out(&blended(&windows, &face), &face, BLEND);
    assert_eq!(paint(&session, windows.clone(), &face), expected);
    assert_eq!(session.feature_use().encoder_runs, 1);
    // The two silent mouths run out of memory because of the loud one that is painted with them.
    let error = session.submit(batch([quiet(1), loud()].concat(), &face)).unwrap().wait();
    assert!(matches!(error, Err(LipSyncError::OutOfMemory { batch_size: 1, .. })), "{error:?}");
    assert_eq!((session.batch_size(), session.feature_use().kept_bytes), (1, BLEND_FEATURES));
    assert_eq!(paint(&session, windows, &face), expected);
}

#[test]
fn without_memory_for_one_mouth_the_error_names_the_model_and_the_session_goes_on() {
    let session = session("hungry.onnx", 2);
    let face = face(8);
    let error = session.submit(batch(loud(), &face)).unwrap().wait().unwrap_err();
    assert!(
        matches!(error, LipSyncError::OutOfMemory { look: Look::Gan, batch_size: 1, .. }),
        "{error:?}"
    );
    assert!(chain(&error).contains("Failed to allocate memory"), "{}", chain(&error));
    let windows = quiet(3);
    assert_eq!(paint(&session, windows.clone(), &face), blended(&windows, &face));
}
