//! The zip forms: `torch.save` since PyTorch 1.6, and TorchScript.
//!
//! Both hold `data.pkl` and one entry per storage, `data/N`, in one folder; TorchScript has its
//! code and constants beside them. The code is never looked at.
//!
//! Must not know zip records or pickle instructions.

use std::io::{Cursor, Read, Seek};

use crate::{
    CheckpointError, Form, StateDict, entries,
    error::Damage,
    input::Input,
    materialise,
    pickle::{self, Classes},
    zip::{Archive, OpenError},
};

const PICKLE: &str = "data.pkl";
/// Longest `byteorder` entry that makes sense.
const MOST_BYTE_ORDER: u64 = 16;

/// Reads the archive, and tells the two forms apart.
pub(crate) fn read(
    source: &mut (impl Read + Seek),
    size_bytes: u64,
) -> Result<(Form, StateDict), CheckpointError> {
    let mut archive = Archive::open(source, size_bytes).map_err(|error| match error {
        OpenError::NoEnd => CheckpointError::TruncatedZip { size_bytes },
        OpenError::Damage(damage) => damage.of(Form::ZipPickle),
    })?;
    let folder = folder(&archive)?;
    let code = format!("{folder}code/");
    let form = if archive.size_of(&format!("{folder}constants.pkl")).is_some()
        || archive.names().any(|name| name.starts_with(&code))
    {
        Form::TorchScript
    } else {
        Form::ZipPickle
    };
    let damaged = |damage: Damage| damage.of(form);
    check_byte_order(&mut archive, &folder).map_err(damaged)?;

    let name = format!("{folder}{PICKLE}");
    let pickled = archive.read(&name, pickle::MOST_BYTES).map_err(damaged)?.unwrap_or_default();
    let size = pickled.len() as u64;
    let classes = match form {
        Form::TorchScript => Classes::TorchScript,
        _ => Classes::Pickle,
    };
    let mut input = Input::new(Cursor::new(pickled), 0, size);
    let (arena, root) = pickle::run(&mut input, classes).map_err(damaged)?;
    drop(input);
    let entries = entries::of(&arena, root, form)?;
    let state = materialise::state_dict(entries, arena.storages(), size_bytes, |storage| {
        let name = format!("{folder}data/{}", storage.key);
        let says_bytes = storage.size_bytes().unwrap_or(u64::MAX);
        let has_bytes = archive
            .size_of(&name)
            .ok_or_else(|| Damage::Storage { key: storage.key.clone(), wrong: "is missing" })?;
        if has_bytes != says_bytes {
            return Err(Damage::StorageSize { key: storage.key.clone(), has_bytes, says_bytes });
        }
        Ok(archive.read(&name, says_bytes)?.unwrap_or_default())
    })
    .map_err(damaged)?;
    Ok((form, state))
}

/// The folder `data.pkl` lies in, with its slash; a refusal that says what else the archive is.
fn folder(archive: &Archive<'_, impl Read + Seek>) -> Result<String, CheckpointError> {
    let folder_of = |file: &str| {
        archive.names().find_map(|name| {
            let folder = name.strip_suffix(file)?;
            let depth = folder.matches('/').count();
            (folder.is_empty() || depth == 1 && folder.ends_with('/')).then(|| folder.to_owned())
        })
    };
    if let Some(folder) = folder_of(PICKLE) {
        return Ok(folder);
    }
    if folder_of("model.json").is_some() {
        return Err(CheckpointError::OldTorchScript);
    }
    if archive.size_of("model.weights.h5").is_some() {
        return Err(CheckpointError::Keras);
    }
    let first = Some(archive.first_name()).filter(|name| !name.is_empty());
    Err(CheckpointError::OtherZip { first_entry: first.map(str::to_owned) })
}

/// The entry is there since PyTorch 2.1; before, only little-endian machines were common.
fn check_byte_order(
    archive: &mut Archive<'_, impl Read + Seek>,
    folder: &str,
) -> Result<(), Damage> {
    let order = archive.read(&format!("{folder}byteorder"), MOST_BYTE_ORDER)?;
    match order.as_deref().map(<[u8]>::trim_ascii) {
        None | Some(b"little") => Ok(()),
        Some(b"big") => Err(Damage::BigEndian),
        Some(_) => Err(Damage::Header("names an unknown byte order")),
    }
}
