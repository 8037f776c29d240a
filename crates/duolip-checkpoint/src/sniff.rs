//! What a file is, told by its first bytes (and, for ONNX, by the walk over its fields).
//!
//! Must not know a file's name, nor read its content further than it takes to tell.

use std::io::{Read, Seek, SeekFrom};

use crate::{CheckpointError, onnx};

/// Bytes looked at.
const HEAD: u64 = 4096;
/// The pickled integer that opens a legacy stream, up to its STOP.
const LEGACY_MAGIC: &[u8] =
    &[0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, b'.'];
/// PROTO with its version; protocol 4 and up add FRAME with an 8-byte length.
const UNFRAMED: usize = 2;
const FRAMED: usize = 2 + 9;
/// Bytes shown of an unknown file.
const SHOWN: usize = 16;

/// A kind of file that can be read on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Legacy { size_bytes: u64 },
    Zip { size_bytes: u64 },
    Onnx,
}

/// Tells the kind of a file, or refuses it by what it is.
pub(crate) fn kind(source: &mut (impl Read + Seek)) -> Result<Kind, CheckpointError> {
    let size_bytes = source.seek(SeekFrom::End(0))?;
    source.seek(SeekFrom::Start(0))?;
    let mut head = Vec::with_capacity(HEAD as usize);
    source.by_ref().take(HEAD).read_to_end(&mut head)?;

    if head.is_empty() {
        return Err(CheckpointError::Empty);
    }
    if head.starts_with(b"PK\x03\x04") {
        return Ok(Kind::Zip { size_bytes });
    }
    if let [0x80, 2..=5, rest @ ..] = head.as_slice() {
        return legacy(rest, &head, size_bytes);
    }
    if let Some(refusal) = by_signature(&head, size_bytes) {
        return Err(refusal);
    }
    match onnx::walk(source, size_bytes)? {
        onnx::Found::Graph => Ok(Kind::Onnx),
        onnx::Found::CutOff => Err(CheckpointError::TruncatedOnnx { size_bytes }),
        onnx::Found::SavedModel => Err(CheckpointError::TensorFlow),
        onnx::Found::Neither => Err(CheckpointError::Unknown { first_bytes: shown(&head) }),
    }
}

/// A pickle: PyTorch's opens with a magic number.
fn legacy(rest: &[u8], head: &[u8], size_bytes: u64) -> Result<Kind, CheckpointError> {
    let at_magic = if rest.first() == Some(&0x95) { FRAMED } else { UNFRAMED };
    let magic = head.get(at_magic..).unwrap_or_default();
    if magic.starts_with(LEGACY_MAGIC) {
        Ok(Kind::Legacy { size_bytes })
    } else if LEGACY_MAGIC.starts_with(magic) {
        Err(CheckpointError::TruncatedLegacy { size_bytes })
    } else {
        Err(CheckpointError::PlainPickle)
    }
}

fn by_signature(head: &[u8], size_bytes: u64) -> Option<CheckpointError> {
    const PACKED: [(usize, &[u8], &str); 6] = [
        (0, &[0x1F, 0x8B], "gzip file"),
        (0, b"BZh", "bzip2 file"),
        (0, &[0xFD, b'7', b'z', b'X', b'Z'], "xz file"),
        (0, &[b'7', b'z', 0xBC, 0xAF], "7z archive"),
        (0, b"Rar!", "RAR archive"),
        (257, b"ustar", "tar archive"),
    ];
    if head.starts_with(b"version https://git-lfs") {
        return Some(CheckpointError::LfsPointer { size_bytes });
    }
    if head.starts_with(b"\x89HDF\r\n\x1A\n") {
        return Some(CheckpointError::Keras);
    }
    if head.starts_with(b"PK\x05\x06") {
        return Some(CheckpointError::OtherZip { first_entry: None });
    }
    if is_safetensors(head, size_bytes) {
        return Some(CheckpointError::Safetensors);
    }
    if is_web_page(head) {
        return Some(CheckpointError::WebPage { size_bytes });
    }
    PACKED
        .iter()
        .find(|(at, signature, _)| head.get(*at..).is_some_and(|head| head.starts_with(signature)))
        .map(|(_, _, kind)| CheckpointError::Packed { kind })
}

/// A length, then that much JSON.
fn is_safetensors(head: &[u8], size_bytes: u64) -> bool {
    head.split_first_chunk::<8>().is_some_and(|(length, json)| {
        let length = u64::from_le_bytes(*length);
        json.first() == Some(&b'{') && (2..=size_bytes.saturating_sub(8)).contains(&length)
    })
}

/// Text that begins with a tag.
fn is_web_page(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    matches!(text, [b'<', b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z', ..])
}

/// The first bytes, for a message: printable ones as they are, others as `\x00`.
fn shown(head: &[u8]) -> String {
    format!("\"{}\"", head[..head.len().min(SHOWN)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        kind(&mut Cursor::new(bytes)).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_called_empty() {
        assert!(refusal(b"").starts_with("this file is empty: the download never began"));
    }

    #[test]
    fn a_web_page_is_called_one_with_its_size() {
        for page in ["<!DOCTYPE html><html>", "\u{FEFF}\r\n  <html lang=en>", "<?xml version='1'?>"]
        {
            let expected = format!("this is a web page of {} bytes, not a checkpoint", page.len());
            assert!(refusal(page.as_bytes()).starts_with(&expected), "{page}");
        }
    }

    #[test]
    fn a_git_lfs_pointer_is_refused_with_the_command_that_fetches_the_file() {
        let pointer =
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 435807851\n";
        let message = refusal(pointer);
        assert!(message.contains("a Git LFS pointer, a note of 74 bytes"), "{message}");
        assert!(message.contains("git lfs pull"));
    }

    #[test]
    fn a_safetensors_file_is_called_one() {
        let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header);
        file.extend_from_slice(&[0; 4]);
        assert!(refusal(&file).starts_with("this is a safetensors file"));
    }

    #[test]
    fn an_hdf5_file_is_called_a_keras_model() {
        assert!(refusal(b"\x89HDF\r\n\x1A\n\0\0\0\0").starts_with("this is a Keras model (HDF5)"));
    }

    #[test]
    fn a_compressed_file_or_archive_is_to_be_unpacked() {
        assert!(refusal(&[0x1F, 0x8B, 8, 0]).starts_with("this is a gzip file"));
        let mut tar = vec![0; 512];
        tar[..9].copy_from_slice(b"model.pth");
        tar[257..262].copy_from_slice(b"ustar");
        assert!(refusal(&tar).starts_with("this is a tar archive"));
    }

    #[test]
    fn a_pickle_without_the_magic_number_is_called_a_plain_pickle() {
        assert!(refusal(b"\x80\x04\x95\x05\0\0\0\0\0\0\0}\x94.").contains("PyTorch did not write"));
    }

    #[test]
    fn a_stream_that_ends_inside_its_magic_number_is_called_cut_off() {
        assert!(refusal(b"\x80\x02\x8A\x0A\x6C\xFC").contains("cut off: it ends after 6 bytes"));
    }

    #[test]
    fn an_unknown_file_is_refused_with_its_first_bytes() {
        let message = refusal(b"RIFF\x24\x08\0\0WAVEfmt and so on");
        assert!(message.contains(r#"it begins with "RIFF$\x08\x00\x00WAVEfmt ";"#), "{message}");
    }
}
