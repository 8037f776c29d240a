//! Where an avatar's files are: name → photo and avatar.toml.
//!
//! `<name>/` with one photo and perhaps an avatar.toml, or a bare picture `<name>.png`. A name is
//! checked before it touches the file system, so that it can lead nowhere else.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use duolip_pipeline::face::FaceError;

/// How a picture file may end; its content decides what it is.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// The photo's name, when the folder holds several pictures.
const PHOTO: &str = "photo";

/// The settings' file name.
const SETTINGS: &str = "avatar.toml";

/// The longest name of an avatar, in characters.
const MAX_NAME: usize = 64;

/// The largest photo, in bytes.
const MAX_PHOTO_BYTES: u64 = 64 << 20;

/// The largest avatar.toml, in bytes.
const MAX_SETTINGS_BYTES: u64 = 64 << 10;

/// A file of an avatar, read.
#[derive(Debug)]
pub(crate) struct Content {
    /// What errors call it: relative to the registry's folder.
    pub(crate) label: String,
    pub(crate) bytes: Vec<u8>,
}

/// The files of an avatar, read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) photo: Content,
    pub(crate) settings: Option<Content>,
}

impl Source {
    /// The avatar `name` in `folder`; `None` when there is none.
    pub(crate) fn find(folder: &Path, name: &str) -> Result<Option<Self>, FaceError> {
        if !is_name(name) {
            return Ok(None);
        }
        let own_folder = folder.join(name);
        if own_folder.is_dir() {
            return Self::in_folder(&own_folder, name, name).map(Some);
        }
        let bare = pictures_in(folder)
            .map_err(|source| unreadable("the folder of avatars", source))?
            .into_iter()
            .find(|file| file.file_stem().is_some_and(|stem| stem == name));
        bare.map(|file| Self::bare(&file, name, file_name(&file))).transpose()
    }

    /// The avatar at `path`: a picture, or a folder with one. Its name is the file's or folder's.
    pub(crate) fn at(path: &Path) -> Result<Self, FaceError> {
        let label = path.display().to_string();
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        if path.is_dir() {
            Self::in_folder(path, &name, &label)
        } else {
            Self::bare(path, &name, label)
        }
    }

    fn in_folder(folder: &Path, name: &str, label: &str) -> Result<Self, FaceError> {
        let pictures = pictures_in(folder).map_err(|source| unreadable(label, source))?;
        let photo = match pictures.as_slice() {
            [only] => only,
            several => several
                .iter()
                .find(|file| file.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case(PHOTO)))
                .ok_or_else(|| {
                    let reason =
                        format!("{} pictures are there, and none is so named", several.len());
                    let file = format!("{label}/{PHOTO}.{{{}}}", EXTENSIONS.join(","));
                    unreadable(&file, io::Error::new(io::ErrorKind::NotFound, reason))
                })?,
        };
        let settings = folder.join(SETTINGS);
        let settings = settings
            .exists()
            .then(|| read(&settings, format!("{label}/{SETTINGS}"), MAX_SETTINGS_BYTES))
            .transpose()?;
        let photo = read(photo, format!("{label}/{}", file_name(photo)), MAX_PHOTO_BYTES)?;
        Ok(Self { name: name.to_owned(), photo, settings })
    }

    fn bare(file: &Path, name: &str, label: String) -> Result<Self, FaceError> {
        let photo = read(file, label, MAX_PHOTO_BYTES)?;
        Ok(Self { name: name.to_owned(), photo, settings: None })
    }
}

/// The names of the avatars in `folder`, broken ones included.
pub(crate) fn names_in(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let is_avatar = if path.is_dir() {
            path.join(SETTINGS).exists() || pictures_in(&path).is_ok_and(|found| !found.is_empty())
        } else {
            is_picture(&path)
        };
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        if let Some(name) =
            name.and_then(|name| name.to_str()).filter(|name| is_avatar && is_name(name))
        {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

/// Whether `name` may be an avatar's: letters and digits of any alphabet, `-` and `_`. No dots and
/// no slashes: a name never leads out of the folder.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    (1..=MAX_NAME).contains(&name.chars().count()) && name.chars().all(allowed)
}

/// The picture files in `folder`, by their endings, sorted; hidden files are left out.
fn pictures_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if is_picture(&path) && path.is_file() {
            pictures.push(path);
        }
    }
    pictures.sort_unstable();
    Ok(pictures)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    !file_name(path).starts_with('.')
        && extension
            .is_some_and(|own| EXTENSIONS.iter().any(|known| own.eq_ignore_ascii_case(known)))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path, label: String, limit_bytes: u64) -> Result<Content, FaceError> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(limit_bytes + 1).read_to_end(&mut bytes))
        .and_then(|size_bytes| {
            if size_bytes as u64 <= limit_bytes {
                return Ok(());
            }
            let reason = format!("it is larger than {limit_bytes} bytes");
            Err(io::Error::new(io::ErrorKind::FileTooLarge, reason))
        });
    match read {
        Ok(()) => Ok(Content { label, bytes }),
        Err(source) => Err(unreadable(&label, source)),
    }
}

fn unreadable(file: &str, source: io::Error) -> FaceError {
    FaceError::File { file: file.to_owned(), source }
}

#[cfg(test)]
mod tests;
