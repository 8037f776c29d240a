//! Every container PyTorch has written gives the weights PyTorch put in.

use duolip_checkpoint::{Checkpoint, Form, StateDict, Tensor, read};
use half::{bf16, f16};

use crate::support::{checkpoints, fixtures};

fn checkpoint(name: &str) -> (Form, StateDict) {
    match read(&fixtures().join(name)).unwrap() {
        Checkpoint::Torch { form, state } => (form, state),
        Checkpoint::Onnx => panic!("{name} was taken for ONNX"),
    }
}

/// The weights as the f64 file has them: no other reader path is needed to get at f32.
fn reference() -> StateDict {
    checkpoint("legacy_bare_f64.pth").1
}

fn rounded(state: StateDict, round: fn(f32) -> f32) -> StateDict {
    let round = |(name, tensor): (String, Tensor)| {
        let keep = name.ends_with("num_batches_tracked");
        let values = tensor.values.iter().map(|value| if keep { *value } else { round(*value) });
        (name, Tensor { values: values.collect(), ..tensor })
    };
    state.into_iter().map(round).collect()
}

fn assert_same(name: &str, found: &StateDict, expected: &StateDict) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (tensor, expected) in expected {
        assert_eq!(found.get(tensor), Some(expected), "{name}: {tensor}");
    }
}

#[test]
fn every_container_and_element_type_gives_the_same_weights() {
    let weights = checkpoints();
    assert_eq!(weights.len(), 15);
    let expected = reference();
    assert_eq!(expected.len(), 352);
    for (name, weights) in weights {
        let round: fn(f32) -> f32 = match weights.as_str() {
            "f16" => |value| f16::from_f32(value).to_f32(),
            "bf16" => |value| bf16::from_f32(value).to_f32(),
            _ => |value| value,
        };
        assert_same(&name, &checkpoint(&name).1, &rounded(reference(), round));
    }
}

#[test]
fn the_weights_are_those_pytorch_wrote() {
    // Read off with torch.load; 1e-6 of what stands here.
    let state = reference();
    let bias = state.get("output_block.1.bias").unwrap();
    assert_eq!(bias.shape, [3]);
    let tracked = state.get("audio_encoder.0.conv_block.1.num_batches_tracked").unwrap();
    assert_eq!((tracked.shape.as_slice(), tracked.values.as_slice()), (&[][..], &[60.0][..]));
    let kernel = state.get("face_decoder_blocks.1.0.conv_block.0.weight").unwrap();
    assert_eq!(kernel.shape, [7, 4, 3, 3]);
    for (found, expected) in bias.values.iter().zip(BIAS) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
    for (found, expected) in kernel.values.iter().zip(KERNEL) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn the_form_is_told_by_content() {
    for name in checkpoints().into_keys() {
        let expected = match name.split(['_', '.']).next().unwrap() {
            "legacy" => Form::LegacyPickle,
            "zip" => Form::ZipPickle,
            _ => Form::TorchScript,
        };
        assert_eq!(checkpoint(&name).0, expected, "{name}");
        // Under any other name it is the same.
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("weights.onnx");
        std::fs::copy(fixtures().join(&name), &copy).unwrap();
        assert!(matches!(read(&copy).unwrap(), Checkpoint::Torch { form, .. } if form == expected));
    }
}

#[test]
fn an_onnx_file_is_told_and_left_alone() {
    let path = fixtures().join("exported.onnx");
    assert!(matches!(read(&path).unwrap(), Checkpoint::Onnx));
}

const BIAS: [f32; 3] = [0.651_75, 1.109_774, 0.515_483];
/// The first nine of the kernel.
const KERNEL: [f32; 9] = [
    0.092_916_3,
    -0.144_164_9,
    0.141_394_6,
    -0.123_722_1,
    -0.089_661_3,
    -0.040_851,
    0.066_482_4,
    -0.061_431_5,
    0.133_284_1,
];
