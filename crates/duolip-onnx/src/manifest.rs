//! `manifest.toml`: what a folder with a lip-sync model says of itself, written with its files'
//! hashes and checked against them.
//!
//! Whether the graphs keep what the manifest says of input size and painted rectangle shows when
//! they are loaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use duolip_pipeline::face::FaceBox;
use duolip_pipeline::lipsync::Look;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{GraphFiles, ModelError, SplitFiles};

/// The manifest's file name.
pub(crate) const MANIFEST_FILE: &str = "manifest.toml";

/// The whole graph's file name.
const WHOLE: &str = "lipsync.onnx";

/// The split graphs' file names: face encoder, mouth generator.
const SPLIT: [&str; 2] = ["face_encoder.onnx", "mouth_generator.onnx"];

/// The same in half precision.
const SPLIT_F16: [&str; 2] = ["face_encoder_fp16.onnx", "mouth_generator_fp16.onnx"];

/// The names that the split graphs have in a model's folder: face encoder, mouth generator.
#[must_use]
pub const fn split_file_names(half_precision: bool) -> [&'static str; 2] {
    if half_precision { SPLIT_F16 } else { SPLIT }
}

/// The only mel definition there is.
const MEL: &str = "wav2lip";

/// A model's manifest, with all that it says checked but what only its graphs can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelManifest {
    /// The model's name.
    pub name: String,
    /// Which of the pair it is; `None` fits either place.
    pub look: Option<Look>,
    /// Width and height of the faces it takes, in pixels.
    pub input_size: usize,
    /// The pixels of a mouth that its split graphs paint; `None` for all of them.
    pub painted: Option<FaceBox>,
    /// Under which licence it may be used.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
    /// The SHA-256 of the checkpoint that it was imported from, in hexadecimal.
    pub source_sha256: Option<String>,
}

/// The manifest as written.
#[derive(Serialize, Deserialize)]
struct Written {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    look: Option<String>,
    input_size: usize,
    mel: String,
    licence: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    painted: Option<FaceBox>,
    /// Names and hashes.
    files: BTreeMap<String, String>,
}

impl ModelManifest {
    /// Writes the manifest of the graphs that lie in `folder`, with their hashes, to the disk.
    ///
    /// # Errors
    /// When a graph cannot be read or the manifest not written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut files = BTreeMap::new();
        for name in [WHOLE].into_iter().chain(SPLIT).chain(SPLIT_F16) {
            let file = folder.join(name);
            if file.try_exists()? {
                files.insert(name.to_owned(), sha256_of(&file)?);
            }
        }
        let written = Written {
            name: self.name.clone(),
            look: self.look.map(|look| look.name().to_owned()),
            input_size: self.input_size,
            mel: MEL.to_owned(),
            licence: self.licence.clone(),
            source: self.source.clone(),
            source_sha256: self.source_sha256.clone(),
            painted: self.painted,
            files,
        };
        let text = toml::to_string(&written).map_err(io::Error::other)?;
        let mut file = File::create(folder.join(MANIFEST_FILE))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Reads and checks the manifest in `folder`; gives it back with the graphs' files.
    ///
    /// # Errors
    /// [`ModelError`], naming file and value.
    pub(crate) fn read(folder: &Path) -> Result<(Self, GraphFiles), ModelError> {
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
        let named = |written: &str| Look::PAIR.into_iter().find(|look| look.name() == written);
        let look = written
            .look
            .map(|written| named(&written).ok_or_else(|| value("look", &written, "gan, nogan")))
            .transpose()?;
        if written.mel != MEL {
            return Err(value("mel", &written.mel, MEL));
        }
        if let Some(hash) = &written.source_sha256
            && !(hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
        {
            return Err(value("source_sha256", hash, "64 hexadecimal digits"));
        }
        let graphs = graphs(&file, folder, &written.files, written.painted, written.input_size)?;
        for (name, sha256) in &written.files {
            check_file(&file, folder, name, sha256)?;
        }
        let manifest = Self {
            name: written.name,
            look,
            input_size: written.input_size,
            painted: written.painted,
            licence: written.licence,
            source: written.source,
            source_sha256: written.source_sha256,
        };
        Ok((manifest, graphs))
    }
}

/// Which form of model the manifest `file` lists.
fn graphs(
    file: &Path,
    folder: &Path,
    files: &BTreeMap<String, String>,
    painted: Option<FaceBox>,
    input_size: usize,
) -> Result<GraphFiles, ModelError> {
    let lists = |name: &&str| files.contains_key(*name);
    let part = SPLIT.into_iter().chain(SPLIT_F16).find(lists);
    if lists(&WHOLE) {
        return match part {
            Some(other) => {
                Err(ModelError::BothForms { file: file.to_path_buf(), one: WHOLE, other })
            }
            None if painted.is_some() => Err(ModelError::PaintedWhole { file: file.to_path_buf() }),
            None => Ok(GraphFiles::Whole(folder.join(WHOLE))),
        };
    }
    let pair = |names: [&'static str; 2]| match names.into_iter().find(|name| !lists(name)) {
        Some(missing) => Err(ModelError::NotListed { file: file.to_path_buf(), missing }),
        None => Ok(SplitFiles {
            face_encoder: folder.join(names[0]),
            mouth_generator: folder.join(names[1]),
        }),
    };
    if part.is_none() {
        let missing = "lipsync.onnx, nor face_encoder.onnx and mouth_generator.onnx,";
        return Err(ModelError::NotListed { file: file.to_path_buf(), missing });
    }
    let whole = FaceBox { left: 0, top: 0, right: input_size, bottom: input_size };
    let painted = painted.unwrap_or(whole);
    let inside = painted.left < painted.right
        && painted.top < painted.bottom
        && painted.right <= input_size
        && painted.bottom <= input_size;
    if !inside {
        return Err(ModelError::BadRectangle { file: file.to_path_buf(), painted, input_size });
    }
    let f16 = SPLIT_F16.iter().any(lists).then(|| pair(SPLIT_F16)).transpose()?;
    Ok(GraphFiles::Split { f32: pair(SPLIT)?, f16, painted })
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

/// The SHA-256 of a file's content, in lower-case hexadecimal: what a manifest says of it.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_of(file: &Path) -> io::Result<String> {
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
