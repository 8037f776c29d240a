//! The pictures of a segment, as an MP4 holds them.

use std::io::{self, Read};

use crate::h264::nal::{NalUnits, kind, kind_of};

/// A picture: its slices, each behind its length in four bytes.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) bytes: Vec<u8>,
    /// Nothing before it is needed to decode it or what follows.
    pub(super) is_keyframe: bool,
}

impl Picture {
    /// In bytes.
    pub(super) fn size(&self) -> u32 {
        self.bytes.len() as u32
    }
}

/// The parameter sets that pictures are decoded with, as they stand in the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) sequence: Vec<u8>,
    pub(super) picture: Vec<u8>,
}

/// Reads a byte stream picture by picture.
pub(super) struct Pictures<R> {
    units: NalUnits<R>,
    /// The picture whose slices are being read.
    begun: Picture,
    /// Those that have come last.
    pub(super) parameters: Parameters,
}

impl<R: Read> Pictures<R> {
    pub(super) fn new(stream: R) -> Self {
        let (begun, parameters) = (Picture::default(), Parameters::default());
        Self { units: NalUnits::new(stream), begun, parameters }
    }

    /// The next one; `None` behind the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Picture>> {
        while let Some(unit) = self.units.next_coded()? {
            let Some((&header, content)) = unit.split_first() else { continue };
            match kind_of(header) {
                kind::SEQUENCE => unit.clone_into(&mut self.parameters.sequence),
                kind::PICTURE => unit.clone_into(&mut self.parameters.picture),
                kind @ (kind::SLICE | kind::IDR_SLICE) => {
                    // `first_mb_in_slice`, whose code for 0 is one set bit.
                    let is_first = content.first().is_some_and(|byte| byte & 0x80 != 0);
                    let whole =
                        if is_first { std::mem::take(&mut self.begun) } else { Picture::default() };
                    self.begun.is_keyframe = kind == kind::IDR_SLICE;
                    self.begun.bytes.extend((unit.len() as u32).to_be_bytes());
                    self.begun.bytes.extend_from_slice(unit);
                    if !whole.bytes.is_empty() {
                        return Ok(Some(whole));
                    }
                }
                // What is no slice tells nothing of pixels.
                _ => {}
            }
        }
        let last = std::mem::take(&mut self.begun);
        Ok((!last.bytes.is_empty()).then_some(last))
    }
}
