//! Networks as PyTorch saved them paint what PyTorch painted.
//!
//! The fixtures are those of duolip-checkpoint, with their recipe beside them.

use std::fs;
use std::path::PathBuf;

use duolip_checkpoint::Checkpoint;
use duolip_compiler::{Network, Precision};
use duolip_pipeline::compose::Paste;
use serde_json::Value;

use crate::runtime::{Array, Loaded};
use crate::scene::{paint_compiled, paint_plain, part, rectangle};

/// PyTorch adds in another order.
const TOLERANCE: f32 = 1e-4;

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../duolip-checkpoint/tests/fixtures").join(name)
}

pub(crate) fn state_dict(name: &str) -> duolip_checkpoint::StateDict {
    match duolip_checkpoint::read(&fixture(name)).unwrap() {
        Checkpoint::Torch { state, .. } => state,
        Checkpoint::Onnx => panic!("{name} was taken for ONNX"),
    }
}

struct Expected {
    json: Value,
}

impl Expected {
    fn read() -> Self {
        let text = fs::read_to_string(fixture("expected.json")).unwrap();
        Self { json: serde_json::from_str(&text).unwrap() }
    }

    fn array(entry: &Value) -> (Array, Vec<u8>) {
        let bytes = fs::read(fixture(entry["file"].as_str().unwrap())).unwrap();
        let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
        let numbers = bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
        (Array { shape, values: numbers }, bytes)
    }

    /// Each mel window with its face and PyTorch's mouth.
    fn mouths(&self, weights: &str) -> Vec<(Array, Array, Array)> {
        let (mels, _) = Self::array(&self.json["mels"]);
        let (_, faces) = Self::array(&self.json["faces"]);
        let entry = &self.json["mouths"][weights];
        let (mouths, _) = Self::array(entry);
        let pairs: Vec<[usize; 2]> = serde_json::from_value(entry["pairs"].clone()).unwrap();
        let place = |values: &[f32], at: usize, shape: [usize; 4]| {
            let one: usize = shape.iter().product();
            Array { shape: shape.to_vec(), values: values[at * one..(at + 1) * one].to_vec() }
        };
        let faces: Vec<f32> = faces.iter().map(|&level| f32::from(level) / 255.0).collect();
        pairs
            .iter()
            .enumerate()
            .map(|(at, &[face, mel])| {
                (
                    place(&mels.values, mel, [1, 1, 80, 16]),
                    place(&faces, face, [1, 6, 96, 96]),
                    place(&mouths.values, at, [1, 3, 96, 96]),
                )
            })
            .collect()
    }

    fn files(&self, kind: &str) -> Vec<(String, String)> {
        let files = self.json[kind].as_object().unwrap().iter();
        files.map(|(file, weights)| (file.clone(), weights.as_str().unwrap().to_owned())).collect()
    }
}

/// Asserts that `network`, plain and compiled, paints PyTorch's mouths.
fn assert_paints(network: &Network, file: &str, mouths: &[(Array, Array, Array)]) {
    let plain = network.plain_graph().into_bytes();
    for (mel, face, expected) in mouths {
        let difference = paint_plain(&plain, mel, face).difference(expected);
        assert!(difference <= TOLERANCE, "{file}, plain: {difference}");
    }
    let (mel, face, expected) = &mouths[0];
    for painted in [
        rectangle(0..96, 0..96),
        Paste::Parity.painted_pixels(96),
        Paste::Feathered.painted_pixels(96),
    ] {
        let painted_mouth = paint_compiled(network, painted, Precision::F32, mel, face);
        let difference = painted_mouth.difference(&part(expected, painted));
        assert!(difference <= TOLERANCE, "{file}, {painted:?}: {difference}");
    }
}

#[test]
fn a_network_from_any_container_paints_the_mouths_that_torch_painted() {
    let expected = Expected::read();
    let files = expected.files("checkpoints");
    assert!(files.len() >= 15);
    for (file, weights) in files {
        let network = Network::from_state_dict(&state_dict(&file)).unwrap();
        assert_paints(&network, &file, &expected.mouths(&weights));
    }
}

#[test]
fn a_network_that_torch_exported_to_onnx_paints_the_mouths_that_torch_painted() {
    let expected = Expected::read();
    let files = expected.files("onnx");
    assert!(!files.is_empty());
    for (file, weights) in files {
        let network = Network::from_onnx(&fs::read(fixture(&file)).unwrap()).unwrap();
        assert_paints(&network, &file, &expected.mouths(&weights));
    }
}

#[test]
fn a_compiled_generator_takes_features_of_its_encoder_by_name() {
    let network = Network::from_state_dict(&state_dict("zip_checkpoint.pth")).unwrap();
    let graphs = network.compile(rectangle(48..96, 0..96), Precision::F32).unwrap();
    let mut encoder = Loaded::new(&graphs.face_encoder.into_bytes(), 1);
    let features = encoder.run(&[("face", &Array::random(&[1, 6, 96, 96], 1, 0.0, 1.0))]);
    let names: Vec<&str> = features.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<String> = (0..7).map(|at| format!("feature_{at}")).collect();
    assert_eq!(names, expected);
}
