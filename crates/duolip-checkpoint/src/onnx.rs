//! Is this protobuf an ONNX model? A walk over its outermost fields that skips their contents.
//!
//! Must not know graphs, nodes or tensors.

use std::io::{BufReader, Read, Seek, SeekFrom};

/// Outermost fields walked over; an ONNX model has about ten.
const MOST_FIELDS: usize = 4096;

/// What the walk found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An ONNX model with a graph, whole.
    Graph,
    /// An ONNX model whose last field runs past the end.
    CutOff,
    /// TensorFlow's `SavedModel`.
    SavedModel,
    /// Something else.
    Neither,
}

/// Walks the fields from the start of the file to its end.
///
/// # Errors
/// Reading failed; the end of the file is no failure.
///
/// # Source
/// Field numbers: `ModelProto` of `onnx.proto`, `SavedModel` of `saved_model.proto`.
pub(crate) fn walk(source: &mut (impl Read + Seek), size_bytes: u64) -> std::io::Result<Found> {
    source.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(source);
    let mut position = 0;
    let mut seen = 0u32;
    for _ in 0..MOST_FIELDS {
        if position == size_bytes {
            break;
        }
        let Some(tag) = varint(&mut reader, &mut position)? else { return Ok(Found::Neither) };
        let Some(value) = varint(&mut reader, &mut position)? else { return Ok(cut_off(seen)) };
        let (field, wire) = (tag >> 3, tag & 7);
        match (field, wire) {
            // ir_version or saved_model_schema_version, model_version
            (1 | 5, 0) => {}
            // strings; graph; operator sets, metadata, training, functions, devices
            (2..=4 | 6..=8 | 14 | 20 | 25 | 26, 2) => {
                if value > size_bytes - position {
                    return Ok(cut_off(seen | 1 << field));
                }
                position += value;
                // The difference fits: it is at most the file's size.
                reader.seek_relative(value as i64)?;
            }
            _ => return Ok(Found::Neither),
        }
        seen |= 1 << field;
    }
    Ok(match seen {
        _ if position < size_bytes => Found::Neither,
        seen if seen & (1 << 7) != 0 => Found::Graph,
        0b110 => Found::SavedModel,
        _ => Found::Neither,
    })
}

/// Cut off counts as ONNX only after its version and one more field: few bytes prove nothing.
fn cut_off(seen: u32) -> Found {
    if seen & 0b10 != 0 && seen.count_ones() > 1 { Found::CutOff } else { Found::Neither }
}

/// One base-128 number; `None` at the end of the file or past 64 bits.
fn varint(reader: &mut impl Read, position: &mut u64) -> std::io::Result<Option<u64>> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        if reader.read(&mut byte)? == 0 {
            return Ok(None);
        }
        *position += 1;
        value |= u64::from(byte[0] & 0x7F) << shift;
        if byte[0] < 0x80 {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn found(bytes: &[u8]) -> Found {
        walk(&mut Cursor::new(bytes), bytes.len() as u64).unwrap()
    }

    #[test]
    fn a_version_and_a_graph_make_an_onnx_model() {
        assert_eq!(found(&[0x08, 8, 0x12, 2, b'p', b't', 0x3A, 3, 1, 2, 3]), Found::Graph);
    }

    #[test]
    fn a_graph_that_runs_past_the_end_is_cut_off() {
        assert_eq!(found(&[0x08, 8, 0x12, 2, b'p', b't', 0x3A, 4, 1, 2, 3]), Found::CutOff);
    }

    #[test]
    fn a_saved_model_is_told_from_an_onnx_model() {
        assert_eq!(found(&[0x08, 1, 0x12, 3, 1, 2, 3]), Found::SavedModel);
    }

    #[test]
    fn other_bytes_are_neither() {
        for bytes in [&b"hello there"[..], &[0; 64], &[0xFF; 64], &[0x08], &[0x3A]] {
            assert_eq!(found(bytes), Found::Neither, "{bytes:?}");
        }
    }
}
