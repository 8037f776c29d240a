//! Element types of a storage, and how each becomes f32.
//!
//! Must not know of pickles or containers.

use half::{bf16, f16};

/// The element types that weights are stored as; complex, quantised and 8-bit floats are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    /// Bytes; also what an untyped storage counts in.
    U8,
    Bool,
}

impl Dtype {
    /// By the name of its storage class: `FloatStorage`.
    pub(crate) fn from_storage_class(name: &str) -> Option<Self> {
        Some(match name {
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "FloatStorage" => Self::F32,
            "DoubleStorage" => Self::F64,
            "CharStorage" => Self::I8,
            "ShortStorage" => Self::I16,
            "IntStorage" => Self::I32,
            "LongStorage" => Self::I64,
            "ByteStorage" | "UntypedStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    /// By the name of PyTorch's type object: `float32`.
    pub(crate) fn from_torch_name(name: &str) -> Option<Self> {
        Some(match name {
            "float16" | "half" => Self::F16,
            "bfloat16" => Self::Bf16,
            "float32" | "float" => Self::F32,
            "float64" | "double" => Self::F64,
            "int8" => Self::I8,
            "int16" | "short" => Self::I16,
            "int32" | "int" => Self::I32,
            "int64" | "long" => Self::I64,
            "uint8" => Self::U8,
            "bool" => Self::Bool,
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// The elements of little-endian `bytes` at these element indices, as f32.
    ///
    /// An index beyond the end ends the result early; the caller compares the count.
    pub(crate) fn gather(self, bytes: &[u8], indices: impl Iterator<Item = u64>) -> Vec<f32> {
        match self {
            Self::F16 => gather(bytes, indices, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => gather(bytes, indices, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F32 => gather(bytes, indices, f32::from_le_bytes),
            Self::F64 => gather(bytes, indices, |b| f64::from_le_bytes(b) as f32),
            Self::I8 => gather(bytes, indices, |b| f32::from(i8::from_le_bytes(b))),
            Self::I16 => gather(bytes, indices, |b| f32::from(i16::from_le_bytes(b))),
            Self::I32 => gather(bytes, indices, |b| i32::from_le_bytes(b) as f32),
            Self::I64 => gather(bytes, indices, |b| i64::from_le_bytes(b) as f32),
            Self::U8 => gather(bytes, indices, |[b]: [u8; 1]| f32::from(b)),
            Self::Bool => gather(bytes, indices, |[b]: [u8; 1]| f32::from(u8::from(b != 0))),
        }
    }
}

fn gather<const N: usize>(
    bytes: &[u8],
    indices: impl Iterator<Item = u64>,
    widen: impl Fn([u8; N]) -> f32,
) -> Vec<f32> {
    let (elements, _) = bytes.as_chunks::<N>();
    let mut values = Vec::with_capacity(indices.size_hint().0);
    values.extend(indices.map_while(|index| elements.get(index as usize).copied()).map(widen));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
        dtype.gather(bytes, 0..bytes.len() as u64 / dtype.size())
    }

    #[test]
    fn every_element_type_widens_to_the_number_it_stands_for() {
        assert_eq!(all(Dtype::F16, &[0x00, 0xC1, 0x01, 0x00]), [-2.5, 2f32.powi(-24)]);
        assert_eq!(all(Dtype::Bf16, &[0x20, 0xC0]), [-2.5]);
        assert_eq!(all(Dtype::F32, &(-2.5f32).to_le_bytes()), [-2.5]);
        assert_eq!(all(Dtype::F64, &(0.1f64).to_le_bytes()), [0.1]);
        assert_eq!(all(Dtype::I8, &[0xFF, 3]), [-1.0, 3.0]);
        assert_eq!(all(Dtype::I16, &(-300i16).to_le_bytes()), [-300.0]);
        assert_eq!(all(Dtype::I32, &(-70_000i32).to_le_bytes()), [-70_000.0]);
        assert_eq!(all(Dtype::I64, &(1i64 << 40).to_le_bytes()), [2f32.powi(40)]);
        assert_eq!(all(Dtype::U8, &[200]), [200.0]);
        assert_eq!(all(Dtype::Bool, &[0, 1, 7]), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn elements_come_in_the_order_of_their_indices_and_end_with_the_bytes() {
        assert_eq!(Dtype::U8.gather(&[5, 6, 7], [2, 0, 0].into_iter()), [7.0, 5.0, 5.0]);
        assert_eq!(Dtype::U8.gather(&[5, 6, 7], [1, 3, 0].into_iter()), [6.0]);
    }
}
