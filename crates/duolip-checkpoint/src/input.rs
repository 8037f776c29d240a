//! Reading a bounded stretch of a file, with the position for messages.
//!
//! Must not know what the bytes mean. No length found in a file is allocated before it is
//! compared with the bytes that are left.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::error::Damage;

/// A buffered stretch of a file.
pub(crate) struct Input<R> {
    reader: R,
    position: u64,
    end: u64,
}

impl<R: BufRead> Input<R> {
    /// `reader` stands at `position`; reading past `end` is an error.
    pub(crate) fn new(reader: R, position: u64, end: u64) -> Self {
        Self { reader, position, end }
    }

    /// Where the next byte lies.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Claims the next `count` bytes.
    fn advance(&mut self, count: u64) -> Result<(), Damage> {
        if count > self.end - self.position {
            return Err(Damage::Ends { size_bytes: self.end, needed: count, at: self.position });
        }
        self.position += count;
        Ok(())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Damage> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn bytes(&mut self, count: u64) -> Result<Vec<u8>, Damage> {
        self.advance(count)?;
        let mut bytes = vec![0; count as usize];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn skip(&mut self, count: u64) -> Result<(), Damage> {
        self.advance(count)?;
        let mut left = count;
        while left > 0 {
            let buffered = self.reader.fill_buf()?.len() as u64;
            if buffered == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let step = buffered.min(left);
            self.reader.consume(step as usize);
            left -= step;
        }
        Ok(())
    }

    /// The bytes before the next line feed, which is taken too; at most `most` of them.
    pub(crate) fn line(&mut self, most: usize) -> Result<Vec<u8>, Damage> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                _ if line.len() == most => {
                    return Err(Damage::Limit { of: "bytes of a class name", most });
                }
                byte => line.push(byte),
            }
        }
    }
}

/// `count` bytes of a file of `size_bytes`, from `at` on.
pub(crate) fn read_at(
    source: &mut (impl Read + Seek),
    size_bytes: u64,
    at: u64,
    count: u64,
) -> Result<Vec<u8>, Damage> {
    if at.checked_add(count).is_none_or(|end| end > size_bytes) {
        return Err(Damage::Ends { size_bytes, needed: count, at });
    }
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; count as usize];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}
