//! What the tests of this crate share: the fixtures, and builders of files no sane program writes.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
    path::PathBuf,
};

use duolip_checkpoint::{Checkpoint, CheckpointError, StateDict, read_from};
use flate2::{Compression, write::DeflateEncoder};

/// The folder of the fixtures.
pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Checkpoint fixtures and the weights each holds: "f32", "f16" or "bf16".
pub(crate) fn checkpoints() -> BTreeMap<String, String> {
    #[derive(serde::Deserialize)]
    struct Expected {
        checkpoints: BTreeMap<String, String>,
    }
    let json = std::fs::read_to_string(fixtures().join("expected.json")).unwrap();
    serde_json::from_str::<Expected>(&json).unwrap().checkpoints
}

/// Bytes of every fixture that is or resembles a checkpoint, the refused ones among them.
pub(crate) fn every_file() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = checkpoints().into_keys().map(|name| fixtures().join(name)).collect();
    files.extend(
        std::fs::read_dir(fixtures().join("refused")).unwrap().map(|entry| entry.unwrap().path()),
    );
    files.push(fixtures().join("exported.onnx"));
    files.sort();
    let name = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|file| (name(file), std::fs::read(file).unwrap())).collect()
}

/// What a file of these bytes gives.
pub(crate) fn read_bytes(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    read_from(Cursor::new(bytes))
}

/// The state dict of a file of these bytes.
pub(crate) fn state_of(bytes: &[u8]) -> StateDict {
    match read_bytes(bytes).unwrap() {
        Checkpoint::Torch { state, .. } => state,
        Checkpoint::Onnx => panic!("an ONNX file"),
    }
}

/// The message and every cause under it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The refusal of a file of these bytes, with its causes.
pub(crate) fn refusal(bytes: &[u8]) -> String {
    chain(&read_bytes(bytes).unwrap_err())
}

/// Writes pickle instructions.
#[derive(Clone, Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    pub(crate) fn int(self, number: i64) -> Self {
        self.raw(&[0x8A, 8]).raw(&number.to_le_bytes())
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.raw(b"c").raw(module.as_bytes()).raw(b"\n").raw(name.as_bytes()).raw(b"\n")
    }

    /// A persistent id, as `torch.save` writes it.
    pub(crate) fn storage(self, class: &str, key: &str, elements: i64) -> Self {
        self.raw(b"(")
            .text("storage")
            .global("torch", class)
            .text(key)
            .text("cpu")
            .int(elements)
            .raw(b"tQ")
    }

    pub(crate) fn ints(self, numbers: &[i64]) -> Self {
        numbers.iter().fold(self.raw(b"("), |pickle, number| pickle.int(*number)).raw(b"t")
    }

    /// `_rebuild_tensor_v2` over the storage.
    pub(crate) fn tensor(
        self,
        (class, key, elements): (&str, &str, i64),
        offset: i64,
        shape: &[i64],
        strides: &[i64],
    ) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"(")
            .storage(class, key, elements)
            .int(offset)
            .ints(shape)
            .ints(strides)
            .raw(b"\x89)tR")
    }

    pub(crate) fn stop(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// A dictionary with one tensor called "a".
pub(crate) fn one_tensor(
    storage: (&str, &str, i64),
    offset: i64,
    shape: &[i64],
    strides: &[i64],
) -> Vec<u8> {
    Pickle::new().raw(b"}").text("a").tensor(storage, offset, shape, strides).raw(b"s").stop()
}

/// A legacy stream: the object's pickle, then the storages with their keys.
pub(crate) fn legacy(object: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let mut file =
        b"\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.\x80\x02M\xE9\x03.".to_vec();
    file.extend(Pickle::new().raw(b"}").text("little_endian").raw(b"\x88s").stop());
    file.extend_from_slice(object);
    let keys = storages
        .iter()
        .fold(Pickle::new().raw(b"]("), |pickle, (key, ..)| pickle.text(key))
        .raw(b"e");
    file.extend(keys.stop());
    for (_, count, bytes) in storages {
        file.extend_from_slice(&count.to_le_bytes());
        file.extend_from_slice(bytes);
    }
    file
}

/// Packed as a deflated entry holds it.
pub(crate) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

/// Writes a zip archive, entry by entry, with whatever sizes are asked for.
#[derive(Default)]
pub(crate) struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    pub(crate) fn stored(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, 0, content, content.len() as u32)
    }

    pub(crate) fn deflated(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, 8, &deflate(content), content.len() as u32)
    }

    /// With a checksum of 0, as PyTorch writes when told to compute none.
    pub(crate) fn entry(mut self, name: &str, method: u16, packed: &[u8], size: u32) -> Self {
        let at = self.bytes.len() as u32;
        let mut common = vec![20, 0, 0, 0];
        common.extend(method.to_le_bytes());
        common.extend([0; 8]);
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&common);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(packed);
        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(&common);
        self.directory.extend([0; 10]);
        self.directory.extend(at.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
        self
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let at = self.bytes.len() as u32;
        self.bytes.extend(&self.directory);
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend((self.directory.len() as u32).to_le_bytes());
        self.bytes.extend(at.to_le_bytes());
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

/// Numbers that look random and are the same in every run (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}
