//! The numbers of an ONNX tensor.

use half::{bf16, f16};

use crate::onnx::{Tensor, data_type};
use crate::recognise::{RecognitionError, finite};

/// The shape of `tensor` and its values as f32, row-major.
pub(super) fn values(tensor: &Tensor) -> Result<(Vec<usize>, Vec<f32>), RecognitionError> {
    let wrong = |what| RecognitionError::Values { tensor: tensor.name.clone(), what };
    if tensor.data_location != 0 {
        return Err(wrong("its values lie in another file; export the model as one file"));
    }
    let shape: Option<Vec<usize>> =
        tensor.dims.iter().map(|&axis| usize::try_from(axis).ok()).collect();
    let shape = shape.ok_or_else(|| wrong("a negative length"))?;
    let count = shape.iter().try_fold(1_usize, |count, &axis| count.checked_mul(axis));
    let raw = &tensor.raw_data;
    let values: Vec<f32> = match tensor.data_type {
        data_type::FLOAT if raw.is_empty() => tensor.float_data.clone(),
        data_type::FLOAT => of_four(raw),
        data_type::FLOAT16 => of_two(raw, |bytes| f16::from_le_bytes(bytes).to_f32()),
        data_type::BFLOAT16 => of_two(raw, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        data_type::DOUBLE => of_eight(raw),
        _ => return Err(wrong("not floating-point numbers: a quantised model cannot be compiled")),
    };
    if count != Some(values.len()) || values.is_empty() {
        return Err(wrong("not as many values as its shape has places"));
    }
    finite(&tensor.name, &values)?;
    Ok((shape, values))
}

fn of_two(raw: &[u8], number: impl Fn([u8; 2]) -> f32) -> Vec<f32> {
    raw.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
}

fn of_four(raw: &[u8]) -> Vec<f32> {
    raw.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn of_eight(raw: &[u8]) -> Vec<f32> {
    raw.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect()
}
