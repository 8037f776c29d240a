//! Files that are no lip-sync checkpoint: each refused by what it is, with where the right one is.
//!
//! Those told by their first bytes alone are tested beside `sniff`.

use duolip_checkpoint::{CheckpointError, Form, KnownNetwork, read};

use crate::support::{Zip, chain, fixtures, legacy, one_tensor, read_bytes, refusal};

fn refused(name: &str) -> CheckpointError {
    read(&fixtures().join("refused").join(name)).unwrap_err()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap()
}

#[test]
fn networks_that_lie_beside_the_right_one_are_called_by_their_name() {
    for (name, network, said) in [
        ("discriminator.pth", KnownNetwork::Discriminator, "Wav2Lip's quality discriminator"),
        ("syncnet.pth", KnownNetwork::SyncNet, "SyncNet (lipsync_expert)"),
        ("esrgan.pth", KnownNetwork::Esrgan, "an ESRGAN network"),
        ("gfpgan.pth", KnownNetwork::Gfpgan, "GFPGAN"),
        ("s3fd.pth", KnownNetwork::FaceDetector, "the face detector S3FD"),
    ] {
        let error = refused(name);
        assert!(
            matches!(error, CheckpointError::WrongNetwork { network: found } if found == network),
            "{name}: {error}"
        );
        let message = error.to_string();
        assert!(message.starts_with(&format!("this is {said}")), "{message}");
        assert!(message.contains("the network that paints mouths is Wav2Lip-SD-GAN.pt"));
        assert!(message.contains("docs/models.md"));
    }
}

#[test]
fn a_frozen_torchscript_archive_is_refused_for_want_of_names() {
    let error = refused("frozen.pt");
    assert!(matches!(error, CheckpointError::Frozen), "{error}");
    assert!(error.to_string().starts_with("this TorchScript archive was frozen"));
}

#[test]
fn big_endian_files_are_refused_in_both_forms() {
    let error = refused("big_endian.pth");
    assert!(matches!(error, CheckpointError::BigEndian { form: Form::ZipPickle }), "{error}");
    let mut file = legacy(&one_tensor(("FloatStorage", "0", 1), 0, &[1], &[1]), &[]);
    let flag = file.windows(2).position(|bytes| bytes == b"\x88s").unwrap();
    file[flag] = 0x89;
    assert!(refusal(&file).starts_with("a legacy PyTorch pickle written on a big-endian machine"));
}

#[test]
fn a_pickle_without_tensors_is_said_to_have_none() {
    let error = refused("no_tensors.pth");
    assert!(matches!(error, CheckpointError::NoTensors { form: Form::LegacyPickle }), "{error}");
    assert!(error.to_string().contains("without a single named tensor"));
}

#[test]
fn a_pickled_class_is_refused_by_its_name() {
    let error = refused("whole_module.pth");
    assert!(matches!(error, CheckpointError::ForeignClass { .. }), "{error}");
    assert!(error.to_string().contains("the Python class torch.nn.modules.conv.Conv2d"), "{error}");
}

#[test]
fn a_zip_archive_cut_anywhere_is_called_cut_off() {
    let whole = fixture("traced.pt");
    for kept in [5, 1000, whole.len() / 2, whole.len() - 23, whole.len() - 1] {
        let error = read_bytes(&whole[..kept]).unwrap_err();
        assert!(
            matches!(error, CheckpointError::TruncatedZip { size_bytes } if size_bytes == kept as u64),
            "{kept}: {error}"
        );
        assert!(error.to_string().contains("this PyTorch archive is cut off"));
    }
}

#[test]
fn a_legacy_stream_cut_anywhere_is_called_cut_off() {
    let whole = fixture("legacy_checkpoint.pth");
    for kept in [3, 20, 100, 5000, whole.len() / 2, whole.len() - 1] {
        let error = read_bytes(&whole[..kept]).unwrap_err();
        assert!(
            matches!(error, CheckpointError::TruncatedLegacy { size_bytes } if size_bytes == kept as u64),
            "{kept}: {}",
            chain(&error)
        );
        assert!(error.to_string().contains("cut off"));
    }
}

#[test]
fn an_onnx_file_cut_off_is_called_so() {
    let whole = fixture("exported.onnx");
    let error = read_bytes(&whole[..whole.len() / 2]).unwrap_err();
    assert!(matches!(error, CheckpointError::TruncatedOnnx { .. }), "{error}");
}

#[test]
fn another_zip_archive_is_refused_with_its_first_entry() {
    let file = Zip::default().stored("holiday/beach.jpg", b"...").finish();
    assert!(refusal(&file).contains(r#"it has no data.pkl (it begins with "holiday/beach.jpg")"#));
}

#[test]
fn a_keras_archive_and_an_old_torchscript_archive_are_called_by_their_names() {
    let keras = Zip::default().stored("config.json", b"{}").stored("model.weights.h5", b"");
    assert!(refusal(&keras.finish()).starts_with("this is a Keras model"));
    let old = Zip::default().stored("net/model.json", b"{}").finish();
    assert!(matches!(read_bytes(&old), Err(CheckpointError::OldTorchScript)));
}

#[test]
fn a_missing_file_is_an_error_of_reading() {
    let error = read(&fixtures().join("no such file")).unwrap_err();
    assert!(matches!(error, CheckpointError::Io(_)), "{error}");
    assert!(chain(&error).contains("No such file"));
}
