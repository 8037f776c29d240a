//! `torch.save` before PyTorch 1.6: five pickles in a row, then raw storages.
//!
//! magic number · protocol version · system · the object · keys of the storages in the order they
//! follow, each with its count of elements before it.
//!
//! Must not know what the object's tensors are for.

use std::io::{BufReader, Read, Seek, SeekFrom};

use crate::{
    CheckpointError, Form, StateDict, entries,
    error::Damage,
    input::{Input, read_at},
    materialise,
    pickle::{self, Arena, Classes, Value},
};

const PROTOCOL: Value = Value::Int(1001);
const COUNT_SIZE: u64 = 8;

/// Reads the whole stream, which begins with the magic number.
pub(crate) fn read(
    source: &mut (impl Read + Seek),
    size_bytes: u64,
) -> Result<StateDict, CheckpointError> {
    let form = Form::LegacyPickle;
    let damaged = |damage: Damage| damage.of(form);
    source.seek(SeekFrom::Start(0))?;
    let mut input = Input::new(BufReader::new(&mut *source), 0, size_bytes);
    header(&mut input).map_err(damaged)?;
    let (arena, root) = pickle::run(&mut input, Classes::Pickle).map_err(damaged)?;
    let entries = entries::of(&arena, root, form)?;
    let (keys_arena, keys) = pickle::run(&mut input, Classes::Pickle).map_err(damaged)?;
    let first = input.position();
    drop(input);

    let positions = locate(source, size_bytes, first, &arena, keys_arena.sequence(keys), |key| {
        keys_arena.text(key)
    })
    .map_err(damaged)?;
    materialise::state_dict(entries, arena.storages(), size_bytes, |storage| {
        let at = arena.storage_by_key(&storage.key).and_then(|index| positions[index]);
        let missing = || Damage::Storage { key: storage.key.clone(), wrong: "is missing" };
        let size = storage.size_bytes().unwrap_or(u64::MAX);
        read_at(source, size_bytes, at.ok_or_else(missing)?, size)
    })
    .map_err(damaged)
}

/// Magic number (checked when the file's kind was told), protocol version, system.
fn header(input: &mut Input<impl std::io::BufRead>) -> Result<(), Damage> {
    pickle::run(input, Classes::Pickle)?;
    let (_, protocol) = pickle::run(input, Classes::Pickle)?;
    if protocol != PROTOCOL {
        return Err(Damage::Header("names an unknown protocol version"));
    }
    let (arena, system) = pickle::run(input, Classes::Pickle)?;
    let little_endian = arena
        .dictionary(system)
        .unwrap_or_default()
        .iter()
        .find(|(key, _)| arena.text(*key) == Some("little_endian"));
    match little_endian {
        Some((_, Value::Bool(true))) => Ok(()),
        Some((_, Value::Bool(false))) => Err(Damage::BigEndian),
        _ => Err(Damage::Header("does not tell the byte order")),
    }
}

/// Where the bytes of each storage begin, by the storage's index; walks over all of them.
fn locate<'a>(
    source: &mut (impl Read + Seek),
    size_bytes: u64,
    first: u64,
    arena: &Arena,
    keys: Option<&[Value]>,
    text: impl Fn(Value) -> Option<&'a str>,
) -> Result<Vec<Option<u64>>, Damage> {
    let mut positions = vec![None; arena.storages().len()];
    let mut at = first;
    for key in keys.ok_or(Damage::Header("has no list of storages"))? {
        let key = text(*key).ok_or(Damage::Header("has a storage without a key"))?;
        let wrong = |wrong| Damage::Storage { key: key.to_owned(), wrong };
        let index = arena.storage_by_key(key).ok_or(wrong("belongs to no tensor"))?;
        let storage = &arena.storages()[index];
        let count = read_at(source, size_bytes, at, COUNT_SIZE)?;
        let count = count.first_chunk().map_or(0, |count| u64::from_le_bytes(*count));
        let says_bytes = storage.size_bytes().unwrap_or(u64::MAX);
        if count != storage.elements {
            let has_bytes = count.saturating_mul(storage.dtype.size());
            return Err(Damage::StorageSize { key: key.to_owned(), has_bytes, says_bytes });
        }
        at += COUNT_SIZE;
        if says_bytes > size_bytes - at {
            return Err(Damage::Ends { size_bytes, needed: says_bytes, at });
        }
        if positions[index].replace(at).is_some() {
            return Err(wrong("is there twice"));
        }
        at += says_bytes;
    }
    Ok(positions)
}
