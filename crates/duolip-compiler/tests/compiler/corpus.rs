//! The stored corpus of the fuzz target of ONNX files, replayed.

use std::path::Path;

use duolip_compiler::Network;

#[test]
fn every_file_of_the_fuzz_corpus_is_refused_for_what_it_is() {
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../duolip-checkpoint/fuzz/corpus/onnx");
    let refusal = |name: &str| {
        let bytes = std::fs::read(corpus.join(name)).unwrap();
        Network::from_onnx(&bytes).unwrap_err().to_string()
    };
    let mut count = 0;
    for file in std::fs::read_dir(&corpus).unwrap() {
        let name = file.unwrap().file_name();
        assert!(!refusal(&name.to_string_lossy()).is_empty());
        count += 1;
    }
    assert!(count >= 6, "{count} files");
    for (name, cause) in [
        ("weight_overflow.onnx", "a kernel of 1099511627776x1099511627776"),
        ("weight_too_short.onnx", "pads [-1, 4611686018427387904, 1, 1]"),
        ("circle.onnx", "strides [0, -1]"),
        ("values_elsewhere.onnx", "one before nothing"),
        ("interface.onnx", "the end of the graph is nothing"),
        ("empty_nodes.onnx", "its inputs are none"),
    ] {
        assert!(refusal(name).contains(cause), "{name}: {}", refusal(name));
    }
}
