//! Bytes that are no ONNX file, or were one.

use duolip_compiler::{MouthLayers, Network, Precision, RecognitionError, SplitGraphs, Widths};
use duolip_winograd::{Crew, MouthGenerator};

use crate::scene::rectangle;

/// A complete graph, as small as the layers can be.
fn small() -> Vec<u8> {
    smallest().plain_graph().into_bytes()
}

fn smallest() -> Network {
    let widths =
        Widths { face: vec![1; 6], audio: [1; 5], decoder: vec![1; 7], output: 1, bottom: 3 };
    Network::random(&widths, 3)
}

/// Its split graphs, which paint a small part.
fn small_split(precision: Precision) -> SplitGraphs {
    smallest().compile(rectangle(60..72, 40..60), precision).unwrap()
}

#[test]
fn a_graph_cut_off_anywhere_is_refused() {
    let whole = small();
    assert!(Network::from_onnx(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(Network::from_onnx(&whole[..length]).is_err(), "{length} bytes");
    }
}

/// Some flips hit a weight and leave a network; none may do harm.
#[test]
fn a_flipped_bit_gives_an_error_or_a_network() {
    let mut bytes = small();
    let (mut good, mut bad) = (0, 0);
    for at in (0..bytes.len()).step_by(19) {
        bytes[at] ^= 1 << (at % 8);
        match Network::from_onnx(&bytes) {
            Ok(network) => {
                assert_eq!(network.input_size(), 96);
                good += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                bad += 1;
            }
        }
        bytes[at] ^= 1 << (at % 8);
    }
    assert!(good > 100 && bad > 100, "{good} networks, {bad} errors");
}

#[test]
fn a_file_of_nothing_but_empty_nodes_is_refused_before_they_are_made() {
    // ModelProto.graph of two million NodeProto without content.
    let count = 2_000_000_usize;
    let mut file = vec![0x3a];
    let mut length = count * 2;
    while length >= 0x80 {
        file.push(length as u8 | 0x80);
        length >>= 7;
    }
    file.push(length as u8);
    file.extend([0x0a, 0x00].repeat(count));
    let error = Network::from_onnx(&file).unwrap_err();
    assert!(matches!(error, RecognitionError::TooManyParts), "{error}");
}

#[test]
fn a_file_that_is_no_protobuf_is_refused() {
    for bytes in [&b"<!DOCTYPE html><html>"[..], b"PK\x03\x04", b"\xff\xff\xff\xff\xff"] {
        let error = Network::from_onnx(bytes).unwrap_err();
        assert!(matches!(error, RecognitionError::NotOnnx(_)), "{error}");
    }
    let error = Network::from_onnx(b"").unwrap_err().to_string();
    assert_eq!(
        error,
        "not a Wav2Lip graph: it does not have two inputs and one output; its inputs are none"
    );
}

#[test]
fn what_is_no_mouth_generator_of_the_compilers_is_left_to_onnx_runtime() {
    let split = small_split(Precision::F32);
    let half = small_split(Precision::F16);
    for (bytes, reason) in [
        (split.face_encoder.into_bytes(), "it has not one output"),
        (half.mouth_generator.into_bytes(), "feature_0 is not f32"),
        (small(), "its output is not its last layer's sigmoid"),
        (b"<!DOCTYPE html>".to_vec(), "failed to decode Protobuf message"),
    ] {
        let error = MouthLayers::read(&bytes).unwrap_err().to_string();
        assert!(
            error.starts_with("not a mouth generator as the compiler writes it: ")
                && error.contains(reason),
            "{error}"
        );
    }
}

#[test]
fn a_mouth_generator_cut_off_anywhere_is_refused() {
    let whole = small_split(Precision::F32).mouth_generator.into_bytes();
    assert!(MouthLayers::read(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(MouthLayers::read(&whole[..length]).is_err(), "{length} bytes");
    }
}

/// Whatever is taken can be run.
#[test]
fn a_flipped_bit_gives_an_error_or_layers_that_fit() {
    let mut bytes = small_split(Precision::F32).mouth_generator.into_bytes();
    let (mut good, mut bad) = (0, 0);
    for at in (0..bytes.len()).step_by(7) {
        bytes[at] ^= 1 << (at % 8);
        if let Ok(layers) = MouthLayers::read(&bytes) {
            let features: Vec<Vec<f32>> = layers.inputs[1..]
                .iter()
                .map(|(_, shape)| vec![0.5; shape.iter().map(|axis| axis.unwrap_or(1)).product()])
                .collect();
            let features: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
            let count = |shape: &[usize]| shape.iter().product::<usize>();
            let mouth: Vec<usize> = layers.mouths.1.iter().flatten().copied().collect();
            let window = layers.window;
            let mut generator =
                MouthGenerator::new(window, layers.into_layers(), Crew::of_one().into());
            let features = generator.features(&features);
            let mut mouths = vec![f32::NAN; count(&mouth)];
            generator.paint(&features, &vec![0.5; count(&window)], &mut mouths).unwrap();
            good += 1;
        } else {
            bad += 1;
        }
        bytes[at] ^= 1 << (at % 8);
    }
    assert!(good > 100 && bad > 100, "{good} taken, {bad} refused");
}
