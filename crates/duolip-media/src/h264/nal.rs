//! NAL units in a byte stream (ITU-T H.264, annex B).

use std::io::{self, Read};

use memchr::memmem;

/// What a NAL unit holds: its `nal_unit_type`.
pub(crate) mod kind {
    /// A slice of a picture that refers to another.
    pub(crate) const SLICE: u8 = 1;
    /// A slice of an IDR picture.
    pub(crate) const IDR_SLICE: u8 = 5;
    /// A sequence parameter set.
    pub(crate) const SEQUENCE: u8 = 7;
    /// A picture parameter set.
    pub(crate) const PICTURE: u8 = 8;
}

/// The kind of a NAL unit that begins with `header`: its `nal_unit_type`.
pub(crate) fn kind_of(header: u8) -> u8 {
    header & 0x1f
}

const START_CODE: [u8; 3] = [0, 0, 1];
const READ_BYTES: usize = 64 * 1024;

/// A NAL unit without emulation prevention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NalUnit {
    /// `nal_ref_idc` and `nal_unit_type`.
    pub(crate) header: u8,
    pub(crate) rbsp: Vec<u8>,
}

impl NalUnit {
    pub(crate) fn of(coded: &[u8]) -> Option<Self> {
        let (&header, payload) = coded.split_first()?;
        let mut rbsp = Vec::with_capacity(payload.len());
        let mut zeros = 0;
        for &byte in payload {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            rbsp.push(byte);
        }
        Some(Self { header, rbsp })
    }

    /// `nal_unit_type`.
    pub(crate) fn kind(&self) -> u8 {
        kind_of(self.header)
    }
}

/// Appends a NAL unit to a byte stream.
pub(crate) fn append(stream: &mut Vec<u8>, header: u8, rbsp: &[&[u8]]) {
    stream.push(0);
    stream.extend(START_CODE);
    stream.push(header);
    let mut zeros = 0;
    for &byte in rbsp.iter().copied().flatten() {
        if zeros >= 2 && byte <= 3 {
            stream.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        stream.push(byte);
    }
}

/// Takes a byte stream apart as it comes.
#[derive(Debug)]
pub(crate) struct NalUnits<R> {
    source: R,
    /// What has been read.
    pending: Vec<u8>,
    /// Where in `pending` the next unit begins: behind a start code, once there was one.
    start: usize,
    /// From `start` up to here there is no start code.
    searched: usize,
    begun: bool,
    ended: bool,
}

impl<R: Read> NalUnits<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, pending: Vec::new(), start: 0, searched: 0, begun: false, ended: false }
    }

    /// The next one; `None` behind the last.
    pub(crate) fn next(&mut self) -> io::Result<Option<NalUnit>> {
        loop {
            let Some(coded) = self.next_coded()? else { return Ok(None) };
            if let Some(unit) = NalUnit::of(coded) {
                return Ok(Some(unit));
            }
        }
    }

    /// The next one as it stands in the stream, without its start code; `None` behind the last.
    pub(crate) fn next_coded(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if let Some(found) = memmem::find(&self.pending[self.searched..], &START_CODE) {
                let (start, end) = (self.start, self.searched + found);
                self.start = end + START_CODE.len();
                self.searched = self.start;
                // What comes before the first start code is no NAL unit.
                if std::mem::replace(&mut self.begun, true) {
                    return Ok(Some(without_trailing_zeros(&self.pending[start..end])));
                }
            } else if self.ended {
                let begun = std::mem::replace(&mut self.begun, false);
                let last = &self.pending[self.start..];
                return Ok(begun.then(|| without_trailing_zeros(last)));
            } else {
                self.read_on()?;
            }
        }
    }

    fn read_on(&mut self) -> io::Result<()> {
        self.pending.drain(..self.start);
        self.start = 0;
        let length = self.pending.len();
        self.searched = length.saturating_sub(START_CODE.len() - 1);
        self.pending.resize(length + READ_BYTES, 0);
        let read = self.source.read(&mut self.pending[length..]);
        self.pending.truncate(length + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(read) => self.ended = read == 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A NAL unit never ends with a zero; zeros before a start code belong to the byte stream.
fn without_trailing_zeros(coded: &[u8]) -> &[u8] {
    let length = coded.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &coded[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(2).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn units_come_out_as_they_went_in_whatever_they_hold() {
        let contents: [&[u8]; 4] =
            [&[9, 8, 128], &[0, 0, 0, 0, 1, 0, 0, 3, 0, 0, 2, 128], &[0, 0, 1], &[3]];
        let mut stream = vec![0, 0];
        for (number, content) in contents.iter().enumerate() {
            let (left, right) = content.split_at(content.len() / 2);
            append(&mut stream, 0x61 + number as u8, &[left, right]);
        }
        stream.push(0);
        let mut units = NalUnits::new(Slowly(&stream));
        for (number, content) in contents.into_iter().enumerate() {
            let unit = units.next().unwrap().unwrap();
            assert_eq!((unit.header, &unit.rbsp[..]), (0x61 + number as u8, content));
            assert_eq!(unit.kind(), 1 + number as u8);
        }
        assert_eq!(units.next().unwrap(), None);
        assert_eq!(NalUnits::new(&[1u8, 2, 3][..]).next().unwrap(), None);
    }
}
