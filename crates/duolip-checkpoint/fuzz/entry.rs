//! What the fuzz targets do with their bytes: a file is made of them and read.
//!
//! The tests replay the stored corpus through the same functions, so nothing here needs libFuzzer.
#![allow(dead_code, reason = "each target uses one of them")]

use std::io::Cursor;

use duolip_checkpoint::{Checkpoint, CheckpointError, read_from};

type Read = Result<Checkpoint, CheckpointError>;

/// Magic number, protocol version, `{"little_endian": True}`.
const LEGACY_HEADER: &[u8] = b"\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.\
    \x80\x02M\xE9\x03.\
    \x80\x02}X\x0D\0\0\0little_endian\x88s.";

/// The whole file.
pub(crate) fn file(file: &[u8]) -> Read {
    read_from(Cursor::new(file))
}

/// What follows a sound legacy header: the object, the keys and the storages.
pub(crate) fn legacy(rest: &[u8]) -> Read {
    read_from(Cursor::new([LEGACY_HEADER, rest].concat()))
}

/// The pickle of a TorchScript archive that holds two storages of 64 bytes.
pub(crate) fn pickle(pickle: &[u8]) -> Read {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    let storage = [1; 64];
    let entries: [(&str, &[u8]); 4] =
        [("constants.pkl", b""), ("data.pkl", pickle), ("data/0", &storage), ("data/1", &storage)];
    for (name, content) in entries {
        let at = (file.len() as u32).to_le_bytes();
        let size = (content.len() as u32).to_le_bytes();
        let name_size = (name.len() as u16).to_le_bytes();
        // Stored, without a checksum.
        let common = [&[20, 0, 0, 0][..], &[0; 10], &size, &size, &name_size, &[0, 0]].concat();
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
        directory
            .extend([b"PK\x01\x02\x14\0", &common[..], &[0; 10], &at, name.as_bytes()].concat());
    }
    let (at, size) = ((file.len() as u32).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    file.extend(directory);
    file.extend([b"PK\x05\x06\0\0\0\0\x04\0\x04\0", &size[..], &at, &[0, 0]].concat());
    read_from(Cursor::new(file))
}
