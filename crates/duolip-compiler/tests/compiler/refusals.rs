//! Checkpoints that are no Wav2Lip generator are refused by the first tensor that differs.

use duolip_checkpoint::{StateDict, Tensor};
use duolip_compiler::Network;

use crate::torch::state_dict;

/// A small generator's tensors.
fn tensors() -> Vec<(String, Tensor)> {
    state_dict("zip_checkpoint.pth").into_iter().collect()
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor { shape: shape.to_vec(), values: vec![1.0; shape.iter().product()] }
}

/// The message for a generator's tensors after `change`.
fn refusal(change: impl FnOnce(&mut Vec<(String, Tensor)>)) -> String {
    let mut tensors = tensors();
    change(&mut tensors);
    let state: StateDict = tensors.into_iter().collect();
    Network::from_state_dict(&state).unwrap_err().to_string()
}

fn tensor<'a>(tensors: &'a mut [(String, Tensor)], name: &str) -> &'a mut Tensor {
    &mut tensors.iter_mut().find(|(found, _)| found == name).unwrap().1
}

#[test]
fn a_missing_tensor_is_named() {
    let message = refusal(|tensors| {
        tensors.retain(|(name, _)| name != "audio_encoder.4.conv_block.1.running_mean");
    });
    assert_eq!(
        message,
        "not a Wav2Lip generator: audio_encoder.4.conv_block.1.running_mean is missing; \
         expected shape (2)"
    );
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both_shapes() {
    let message = refusal(|tensors| {
        *tensor(tensors, "face_encoder_blocks.1.0.conv_block.0.weight") = ones(&[3, 2, 5, 5]);
    });
    assert_eq!(
        message,
        "not a Wav2Lip generator: face_encoder_blocks.1.0.conv_block.0.weight has shape \
         (3, 2, 5, 5); expected is (any, 2, 3, 3)"
    );
}

#[test]
fn a_decoder_that_does_not_fit_its_skips_is_named() {
    let message = refusal(|tensors| {
        *tensor(tensors, "face_decoder_blocks.3.0.conv_block.0.weight") = ones(&[6, 3, 3, 3]);
    });
    assert!(message.starts_with(
        "not a Wav2Lip generator: face_decoder_blocks.3.0.conv_block.0.weight has shape \
         (6, 3, 3, 3); expected is ("
    ));
}

#[test]
fn a_prelu_an_attention_and_a_refiner_are_named() {
    for name in
        ["audio_encoder.0.act.weight", "sam.sa.conv1.weight", "audio_refine.0.conv_block.0.weight"]
    {
        let message = refusal(|tensors| tensors.push((name.to_owned(), ones(&[1]))));
        assert_eq!(
            message,
            format!(
                "not a Wav2Lip generator that is supported: {name}, shape (1), has no place in its \
                 layers (variants with PReLU, attention or a refiner of the speech are other networks)"
            )
        );
    }
}

#[test]
fn one_layer_more_than_wav2lip_has_is_named() {
    let message = refusal(|tensors| {
        tensors.push(("audio_encoder.13.conv_block.0.weight".to_owned(), ones(&[4, 4, 1, 1])));
    });
    assert!(message.contains("audio_encoder.13.conv_block.0.weight, shape (4, 4, 1, 1),"));
}

#[test]
fn another_network_is_told_by_what_it_lacks() {
    let state: StateDict = [
        ("conv_first.weight".to_owned(), ones(&[64, 3, 3, 3])),
        ("conv_first.bias".to_owned(), ones(&[64])),
    ]
    .into_iter()
    .collect();
    assert_eq!(
        Network::from_state_dict(&state).unwrap_err().to_string(),
        "not a Wav2Lip generator: face_encoder_blocks.0.0.conv_block.0.weight is missing; \
         expected shape (any, 6, 7, 7)"
    );
    assert!(Network::from_state_dict(&StateDict::default()).is_err());
}

#[test]
fn a_weight_that_is_no_number_is_named_with_its_place() {
    let message = refusal(|tensors| {
        tensor(tensors, "output_block.1.bias").values[2] = f32::NAN;
    });
    assert_eq!(message, "output_block.1.bias[2] is NaN: the weights are damaged");
    let message = refusal(|tensors| {
        tensor(tensors, "audio_encoder.0.conv_block.1.running_var").values[1] = -0.5;
    });
    assert_eq!(
        message,
        "audio_encoder.0.conv_block.1.running_var[1] is -0.5; a variance is not negative: \
         the weights are damaged"
    );
}

#[test]
fn a_tensor_with_fewer_values_than_its_shape_has_places_is_refused() {
    let message = refusal(|tensors| {
        tensor(tensors, "output_block.1.bias").values.pop();
    });
    assert!(message.contains("output_block.1.bias has shape (3)"), "{message}");
}

#[test]
fn a_face_encoder_for_huge_faces_is_refused() {
    let message = refusal(|tensors| {
        let kernel = 40;
        let weight = tensor(tensors, "face_encoder_blocks.6.0.conv_block.0.weight");
        let (outputs, inputs) = (weight.shape[0], weight.shape[1]);
        *weight = ones(&[outputs, inputs, kernel, kernel]);
    });
    assert_eq!(
        message,
        "its layers halve a face 5 times down to 40 pixels; supported are faces of 4 to 1024 pixels"
    );
}

#[test]
fn a_face_encoder_for_faces_too_small_to_paste_is_refused() {
    let message = refusal(|tensors| {
        // Of the encoder's blocks the first and the last.
        tensors.retain(|(name, _)| {
            !(1..6).any(|block| name.starts_with(&format!("face_encoder_blocks.{block}.")))
        });
        for (name, _) in tensors.iter_mut() {
            *name = name.replace("face_encoder_blocks.6.", "face_encoder_blocks.1.");
        }
        let inputs = tensor(tensors, "face_encoder_blocks.0.0.conv_block.0.weight").shape[0];
        let weight = tensor(tensors, "face_encoder_blocks.1.0.conv_block.0.weight");
        *weight = ones(&[weight.shape[0], inputs, 3, 3]);
    });
    assert_eq!(
        message,
        "its layers halve a face 0 times down to 3 pixels; supported are faces of 4 to 1024 pixels"
    );
}

#[test]
fn counters_of_batches_may_be_missing() {
    let mut tensors = tensors();
    let all = tensors.len();
    tensors.retain(|(name, _)| !name.ends_with("num_batches_tracked"));
    assert_eq!(all - tensors.len(), 50);
    assert!(Network::from_state_dict(&tensors.into_iter().collect()).is_ok());
}
