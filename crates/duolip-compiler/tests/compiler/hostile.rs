//! Bytes that are no ONNX file, or were one.

use duolip_compiler::{Network, RecognitionError, Widths};

/// A complete graph, as small as the layers can be.
fn small() -> Vec<u8> {
    let widths =
        Widths { face: vec![1; 6], audio: [1; 5], decoder: vec![1; 7], output: 1, bottom: 3 };
    Network::random(&widths, 3).plain_graph().into_bytes()
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
