//! Cache: prepared avatars on disk, found by the hash of everything they were made of.
//!
//! A cache is never needed: a file that is missing, damaged or foreign costs a preparation, and a
//! folder that cannot be written costs a warning.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duolip_pipeline::compose::{MouthPatch, Paste};
use duolip_pipeline::face::{Avatar, FaceBox, FaceCrop};
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::units::FrameRate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::{debug, warn};

/// To be raised whenever an avatar comes out otherwise than before: by a change of the file's
/// layout, of the detector or its rule, of the crop, the mask or the colour conversion.
const FORMAT: u32 = 3;

/// The first bytes of a cache file; the hash of what follows comes next.
const MAGIC: &[u8; 16] = b"duolip avatar\r\n\0";

/// The length of a SHA-256.
const HASH_BYTES: usize = 32;

/// The hash of everything an avatar is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key([u8; HASH_BYTES]);

impl Key {
    /// The key of a photo with its settings, prepared for networks that take `input_sizes`.
    pub(crate) fn new(
        photo: &[u8],
        settings: Option<&[u8]>,
        paste: Paste,
        input_sizes: &[usize],
    ) -> Self {
        let paste = match paste {
            Paste::Feathered => b"feathered".as_slice(),
            Paste::Parity => b"parity",
        };
        let sizes: Vec<u8> =
            input_sizes.iter().flat_map(|size| (*size as u64).to_le_bytes()).collect();
        let parts = [&FORMAT.to_le_bytes(), paste, &sizes, settings.unwrap_or_default(), photo];
        let mut hash = Sha256::new();
        for part in parts {
            // With its length, so that no two lists of parts read the same.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    fn file_name(self) -> String {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hex = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
        hex.chain(".avatar".chars()).collect()
    }
}

/// What a cache file holds: an avatar without its name, and its key.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    key: Key,
    frame_rate: (u32, u32),
    face_box: FaceBox,
    crops: Vec<FaceCrop>,
    width: usize,
    height: usize,
    planes: Vec<u8>,
    patch: MouthPatch,
}

impl Record {
    fn of(avatar: &Avatar, key: Key) -> Self {
        Self {
            key,
            frame_rate: (avatar.frame_rate.numerator(), avatar.frame_rate.denominator()),
            face_box: avatar.face_box,
            crops: avatar.crops.iter().map(|crop| FaceCrop::clone(crop)).collect(),
            width: avatar.base.width,
            height: avatar.base.height,
            planes: avatar.base.planes.clone(),
            patch: avatar.patch.clone(),
        }
    }

    fn into_avatar(
        mut self,
        name: &str,
    ) -> Result<Avatar, Box<dyn std::error::Error + Send + Sync>> {
        // Read byte by byte, it has taken room for as many again.
        self.planes.shrink_to_fit();
        let (numerator, denominator) = self.frame_rate;
        Ok(Avatar {
            name: name.to_owned(),
            frame_rate: FrameRate::new(numerator, denominator)?,
            face_box: self.face_box,
            crops: self.crops.into_iter().map(Arc::new).collect(),
            base: YuvFrame { width: self.width, height: self.height, planes: self.planes },
            patch: self.patch,
        })
    }
}

/// A folder of prepared avatars. Several processes may share it.
#[derive(Debug, Clone)]
pub struct AvatarCache {
    folder: PathBuf,
}

impl AvatarCache {
    /// A cache in `folder`, which is made when the first avatar is kept.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The avatar of `key`, under the name it has now.
    pub(crate) fn load(&self, key: Key, name: &str) -> Option<Avatar> {
        let path = self.folder.join(key.file_name());
        match std::fs::read(&path) {
            Ok(file) => match avatar_from_file(&file, key, name) {
                Ok(avatar) => Some(avatar),
                Err(reason) => {
                    warn!(file = %path.display(), %reason, "damaged cache file; preparing the avatar anew");
                    None
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                warn!(file = %path.display(), %error, "cache file cannot be read; preparing the avatar anew");
                None
            }
        }
    }

    /// Keeps `avatar` under `key`.
    pub(crate) fn store(&self, key: Key, avatar: &Avatar) {
        let path = self.folder.join(key.file_name());
        match self.write(&path, &Record::of(avatar, key)) {
            Ok(()) => debug!(file = %path.display(), "prepared avatar kept"),
            Err(reason) => {
                warn!(file = %path.display(), %reason, "prepared avatar could not be kept");
            }
        }
    }

    /// Writes beside and renames, so that nobody ever reads half a file.
    fn write(&self, path: &Path, record: &Record) -> Result<(), Box<dyn std::error::Error>> {
        let body = postcard::to_stdvec(record)?;
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(&body))?;
        file.write_all(&body)?;
        file.persist(path)?;
        Ok(())
    }
}

fn avatar_from_file(
    file: &[u8],
    key: Key,
    name: &str,
) -> Result<Avatar, Box<dyn std::error::Error + Send + Sync>> {
    let (hash, body) = file
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.split_first_chunk::<HASH_BYTES>())
        .ok_or("it is no cache file")?;
    if Sha256::digest(body)[..] != *hash {
        return Err("its hash does not match".into());
    }
    let record: Record = postcard::from_bytes(body)?;
    if record.key != key {
        return Err("it is of another avatar".into());
    }
    record.into_avatar(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use duolip_pipeline::picture::Picture;

    /// What an avatar comes out as in format [`FORMAT`]. When this fails, prepared avatars have
    /// changed: raise `FORMAT`, or old cache files are served, and then write the new hash here.
    const PREPARED: &str =
        "15796fbd8edb7f0d8a1c6d1b979c71443c16bfc6ba3a52ee7fe1a872ac43b262.avatar";

    #[test]
    fn an_avatar_that_comes_out_otherwise_than_before_needs_a_new_format() {
        let rgb = (0..120_usize * 160 * 3).map(|n| (n * n / 977 % 256) as u8).collect();
        let photo = Picture { width: 120, height: 160, rgb };
        let face_box = FaceBox { left: 11, top: 25, right: 102, bottom: 141 };
        let mut hash = Sha256::new();
        for paste in [Paste::Feathered, Paste::Parity] {
            let avatar =
                Avatar::prepare("a", &photo, face_box, FrameRate::DEFAULT, paste, &[96, 192]);
            let record = Record::of(&avatar.unwrap(), Key([0; HASH_BYTES]));
            hash.update(postcard::to_stdvec(&record).unwrap());
        }
        let hash = Key(hash.finalize().into()).file_name();
        assert_eq!(hash, PREPARED);
    }
}
