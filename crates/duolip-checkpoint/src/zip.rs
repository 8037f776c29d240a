//! The zip container: the directory at its end, and entries that are stored or deflated.
//!
//! Must not know what the entries mean. Small and our own for two reasons: the directory is
//! bounded before anything is allocated for it, and archives PyTorch writes without checksums
//! (`set_crc32_options(False)`: every CRC is 0) are read as PyTorch reads them.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use crate::{error::Damage, input::read_at};

const END: [u8; 4] = *b"PK\x05\x06";
const END_SIZE: usize = 22;
const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07";
const ZIP64_LOCATOR_SIZE: usize = 20;
const ZIP64_END: [u8; 4] = *b"PK\x06\x06";
const ZIP64_END_SIZE: u64 = 56;
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const ENTRY_SIZE: usize = 46;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_SIZE: u64 = 30;
/// The end record is followed by a comment of at most this length.
const MOST_COMMENT: u64 = u16::MAX as u64;
/// A checkpoint with its optimiser has about a thousand entries of some hundred bytes.
const MOST_ENTRIES: usize = 32_768;
const MOST_DIRECTORY: u64 = 4 << 20;
/// A deflated entry may unfold to this many times its size…
const MOST_RATIO: u64 = 16;
/// …or to this many bytes, whichever is more: zeros pack well.
const ALWAYS_ALLOWED: u64 = 1 << 20;

/// One entry of the directory.
#[derive(Debug)]
struct Entry {
    name: String,
    deflated: bool,
    encrypted: bool,
    crc: u32,
    packed: u64,
    size: u64,
    header_at: u64,
}

/// An opened archive: its directory in memory, its entries still in the file.
pub(crate) struct Archive<'a, R> {
    source: &'a mut R,
    size_bytes: u64,
    /// In the order of their names.
    entries: Vec<Entry>,
    first: String,
}

/// Why the archive could not be opened.
pub(crate) enum OpenError {
    /// No end record: the file is cut off.
    NoEnd,
    Damage(Damage),
}

impl<E: Into<Damage>> From<E> for OpenError {
    fn from(damage: E) -> Self {
        Self::Damage(damage.into())
    }
}

impl<'a, R: Read + Seek> Archive<'a, R> {
    /// Reads the directory.
    pub(crate) fn open(source: &'a mut R, size_bytes: u64) -> Result<Self, OpenError> {
        let (count, directory_size, directory_at) = find_directory(source, size_bytes)?;
        if count > MOST_ENTRIES as u64 {
            return Err(Damage::Limit { of: "zip entries", most: MOST_ENTRIES }.into());
        }
        if directory_size > MOST_DIRECTORY {
            let most = MOST_DIRECTORY as usize;
            return Err(Damage::Limit { of: "bytes of zip directory", most }.into());
        }
        let directory = read_at(source, size_bytes, directory_at, directory_size)?;
        let mut rest = directory.as_slice();
        let mut entries = Vec::new();
        for _ in 0..count {
            let (entry, next) = parse_entry(rest).ok_or(Damage::Zip("directory is broken"))?;
            entries.push(entry);
            rest = next;
        }
        let first = entries.first().map(|entry| entry.name.clone()).unwrap_or_default();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some([twice, _]) = entries.array_windows().find(|[a, b]| a.name == b.name) {
            let name = twice.name.clone();
            return Err(Damage::Entry { name, wrong: "is there twice" }.into());
        }
        Ok(Self { source, size_bytes, entries, first })
    }

    /// Name of the entry the directory begins with.
    pub(crate) fn first_name(&self) -> &str {
        &self.first
    }

    /// Every name, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()
    }

    /// Unpacked size of an entry, if it is there.
    pub(crate) fn size_of(&self, name: &str) -> Option<u64> {
        self.find(name).map(|index| self.entries[index].size)
    }

    /// The content of an entry of at most `most` bytes; `None` when there is no such entry.
    pub(crate) fn read(&mut self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Damage> {
        let Some(entry) = self.find(name).map(|index| &self.entries[index]) else {
            return Ok(None);
        };
        let wrong = |wrong| Damage::Entry { name: entry.name.clone(), wrong };
        if entry.encrypted {
            return Err(wrong("is encrypted"));
        }
        if entry.size > most {
            return Err(wrong("is larger than it can be in a checkpoint"));
        }
        let header = read_at(self.source, self.size_bytes, entry.header_at, LOCAL_SIZE)?;
        if header[..4] != LOCAL {
            return Err(wrong("is not where the directory says"));
        }
        let skip = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        let data_at = entry.header_at + LOCAL_SIZE + skip;
        let content = if entry.deflated {
            if entry.size > ALWAYS_ALLOWED.max(entry.packed.saturating_mul(MOST_RATIO)) {
                return Err(wrong("unfolds to too many times its size"));
            }
            inflate(self.source, self.size_bytes, data_at, entry)?
        } else {
            if entry.packed != entry.size {
                return Err(wrong("is stored with two sizes"));
            }
            read_at(self.source, self.size_bytes, data_at, entry.size)?
        };
        if entry.crc != 0 && crc32fast::hash(&content) != entry.crc {
            return Err(wrong("has the wrong checksum"));
        }
        Ok(Some(content))
    }
}

fn inflate(
    source: &mut (impl Read + Seek),
    size_bytes: u64,
    data_at: u64,
    entry: &Entry,
) -> Result<Vec<u8>, Damage> {
    if data_at.checked_add(entry.packed).is_none_or(|end| end > size_bytes) {
        return Err(Damage::Ends { size_bytes, needed: entry.packed, at: data_at });
    }
    source.seek(SeekFrom::Start(data_at))?;
    let mut content = vec![0; entry.size as usize];
    let mut decoder = DeflateDecoder::new(source.take(entry.packed));
    let whole = decoder.read_exact(&mut content).and_then(|()| decoder.read(&mut [0]));
    match whole {
        Ok(0) => Ok(content),
        Ok(_) => {
            Err(Damage::Entry { name: entry.name.clone(), wrong: "unfolds to more than it says" })
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Err(Damage::Entry { name: entry.name.clone(), wrong: "cannot be unfolded" })
        }
        Err(error) => Err(error.into()),
    }
}

/// Count, size and position of the directory, from the record at the end of the file.
fn find_directory(
    source: &mut (impl Read + Seek),
    size_bytes: u64,
) -> Result<(u64, u64, u64), OpenError> {
    let tail_size = size_bytes.min(END_SIZE as u64 + MOST_COMMENT);
    let tail_at = size_bytes - tail_size;
    let tail = read_at(source, size_bytes, tail_at, tail_size)?;
    let is_end = |at: &usize| {
        tail[*at..].starts_with(&END)
            && at + END_SIZE + usize::from(u16_at(&tail, at + 20)) == tail.len()
    };
    let Some(end) = (0..(tail.len() + 1).saturating_sub(END_SIZE)).rev().find(is_end) else {
        return Err(OpenError::NoEnd);
    };
    let short = (
        u64::from(u16_at(&tail, end + 10)),
        u64::from(u32_at(&tail, end + 12)),
        u64::from(u32_at(&tail, end + 16)),
    );
    let locator_at = (tail_at + end as u64).checked_sub(ZIP64_LOCATOR_SIZE as u64);
    let Some(locator_at) = locator_at else { return Ok(short) };
    let locator = read_at(source, size_bytes, locator_at, ZIP64_LOCATOR_SIZE as u64)?;
    if locator[..4] != ZIP64_LOCATOR {
        return Ok(short);
    }
    let long = read_at(source, size_bytes, u64_at(&locator, 8), ZIP64_END_SIZE)?;
    if long[..4] != ZIP64_END {
        return Err(Damage::Zip("end is broken").into());
    }
    Ok((u64_at(&long, 32), u64_at(&long, 40), u64_at(&long, 48)))
}

/// The entry at the start of `bytes`, and what follows it.
fn parse_entry(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    if bytes.len() < ENTRY_SIZE || !bytes.starts_with(&ENTRY) {
        return None;
    }
    let (fixed, rest) = bytes.split_at(ENTRY_SIZE);
    let (name, rest) = rest.split_at_checked(u16_at(fixed, 28).into())?;
    let (extra, rest) = rest.split_at_checked(u16_at(fixed, 30).into())?;
    let (_comment, rest) = rest.split_at_checked(u16_at(fixed, 32).into())?;
    let mut entry = Entry {
        name: std::str::from_utf8(name).ok()?.to_owned(),
        deflated: match u16_at(fixed, 10) {
            0 => false,
            8 => true,
            _ => return None,
        },
        encrypted: u16_at(fixed, 8) & 1 != 0,
        crc: u32_at(fixed, 16),
        packed: u32_at(fixed, 20).into(),
        size: u32_at(fixed, 24).into(),
        header_at: u32_at(fixed, 42).into(),
    };
    // 64-bit numbers stand in for those that are all ones, in this order.
    let mut long = zip64_extra(extra);
    for number in [&mut entry.size, &mut entry.packed, &mut entry.header_at] {
        if *number == u64::from(u32::MAX) {
            let (value, next) = long.split_first_chunk::<8>()?;
            *number = u64::from_le_bytes(*value);
            long = next;
        }
    }
    // Positions are added to: none may come near the end of 64 bits.
    i64::try_from(entry.header_at).is_ok().then_some((entry, rest))
}

/// The content of the zip64 field among the extra fields.
fn zip64_extra(mut extra: &[u8]) -> &[u8] {
    while let Some((header, rest)) = extra.split_first_chunk::<4>() {
        let Some((content, next)) = rest.split_at_checked(u16_at(header, 2).into()) else {
            break;
        };
        if u16_at(header, 0) == 1 {
            return content;
        }
        extra = next;
    }
    &[]
}

// The callers have checked the length of `bytes`.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
