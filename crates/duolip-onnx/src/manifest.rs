//! `manifest.toml`: what a folder with a lip-sync model says of itself, checked against its files.
//!
//! Whether the graph keeps what the manifest says of the input size shows when it is loaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use duolip_pipeline::lipsync::Look;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::model::ModelError;

/// The manifest's file name.
pub(crate) const MANIFEST_FILE: &str = "manifest.toml";

/// The single graph's file name.
pub(crate) const GRAPH_FILE: &str = "lipsync.onnx";

/// The only mel definition there is.
const MEL: &str = "wav2lip";

/// A model's manifest, with all that it says checked but the input size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelManifest {
    /// The model's name.
    pub name: String,
    /// Which of the pair it is.
    pub look: Look,
    /// Width and height of the faces it takes, in pixels.
    pub input_size: usize,
    /// Under which licence it may be used.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
}

/// The manifest as written.
#[derive(Deserialize)]
struct Written {
    name: String,
    look: String,
    input_size: usize,
    mel: String,
    licence: String,
    source: String,
    files: BTreeMap<String, String>,
}

impl ModelManifest {
    /// Reads and checks the manifest in `folder`; gives it back with the graph's file.
    ///
    /// # Errors
    /// [`ModelError`], naming file and value.
    pub(crate) fn read(folder: &Path) -> Result<(Self, PathBuf), ModelError> {
        let file = folder.join(MANIFEST_FILE);
        let text = std::fs::read_to_string(&file).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ModelError::NoManifest { folder: folder.to_path_buf() },
            _ => ModelError::Unreadable { file: file.clone(), source },
        })?;
        let written: Written = toml::from_str(&text)
            .map_err(|source| ModelError::BadManifest { file: file.clone(), source })?;
        let value = |field, value: &str, known| ModelError::UnknownValue {
            file: file.clone(),
            field,
            value: value.to_owned(),
            known,
        };
        let look = Look::PAIR
            .into_iter()
            .find(|look| look.name() == written.look)
            .ok_or_else(|| value("look", &written.look, "gan, nogan"))?;
        if written.mel != MEL {
            return Err(value("mel", &written.mel, MEL));
        }
        if !written.files.contains_key(GRAPH_FILE) {
            return Err(ModelError::NotListed { file, missing: GRAPH_FILE });
        }
        for (name, sha256) in &written.files {
            check_file(&file, folder, name, sha256)?;
        }
        let manifest = Self {
            name: written.name,
            look,
            input_size: written.input_size,
            licence: written.licence,
            source: written.source,
        };
        Ok((manifest, folder.join(GRAPH_FILE)))
    }
}

/// Checks that `folder` holds file `name` and that its content has the hash `expected`.
fn check_file(
    manifest: &Path,
    folder: &Path,
    name: &str,
    expected: &str,
) -> Result<(), ModelError> {
    if Path::new(name).file_name().is_none_or(|plain| plain != name) {
        return Err(ModelError::UnknownValue {
            file: manifest.to_path_buf(),
            field: "files",
            value: name.to_owned(),
            known: "names of files in the same folder",
        });
    }
    let file = folder.join(name);
    let actual = sha256_of(&file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => {
            ModelError::MissingFile { manifest: manifest.to_path_buf(), file: file.clone() }
        }
        _ => ModelError::Unreadable { file: file.clone(), source },
    })?;
    if actual.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(ModelError::WrongHash { file, expected: expected.to_owned(), actual })
    }
}

/// The SHA-256 of a file's content, in lower-case hexadecimal.
fn sha256_of(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => hash.update(&piece[..count]),
        }
    }
    Ok(format!("{:x}", hash.finalize()))
}
