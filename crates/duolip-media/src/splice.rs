//! Whole H.264 pictures of which x264 has coded a strip alone.
//!
//! In a talking photo only the mouth moves. x264 is given the rows of macroblocks around it, and
//! what comes out becomes slices of each picture; the rows above and below are slices that say
//! "as before", or in a keyframe the photo's own, which x264 has coded once. Slices do not depend on
//! each other, so what is decoded is to the pixel what x264 coded: the strip's slice data are copied
//! as they are, and only the header in front of them is written anew.
//!
//! Two things could reach over the strip's edges. Deblocking is told to keep inside (edges of a
//! picture were never filtered). Motion vectors are kept inside by what x264 sees there: `strip.rs`.

mod header;
mod skipped;
mod still;
mod strip;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;

use duolip_child::ChildError;
use duolip_pipeline::CancellationToken;

use crate::h264::nal::{self, NalUnit, NalUnits, kind};
use crate::h264::parameters::{PictureParameters, Sequence};
use crate::h264::{H264Error, MACROBLOCK};
use header::{Deblocking, Slice, SliceHeader};
use skipped::skipped;
use still::StillPicture;
pub(crate) use still::{Still, Stills};
pub(crate) use strip::{RATE_FACTORS, Strip};

/// x264's parameters with which every row of macroblocks of pictures so wide is a slice.
pub(crate) fn slice_for_each_row(width: usize) -> String {
    format!("slice-max-mbs={}", width.div_ceil(MACROBLOCK))
}

/// Why a strip did not become a segment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpliceError {
    /// The still picture was not coded.
    #[error("the still picture was not coded")]
    Still(#[source] ChildError),
    /// The strip's pipe broke.
    #[error("the coded strip could not be read")]
    Read(#[source] io::Error),
    /// The segment could not be written.
    #[error("the segment could not be written")]
    Write(#[source] io::Error),
    /// x264 wrote what it does not with our settings.
    #[error(transparent)]
    Coded(#[from] H264Error),
    /// Something is not there.
    #[error("x264 wrote no {0}")]
    Missing(&'static str),
    /// Strip and still picture do not go together.
    #[error("x264 coded strip and still picture with different parameters")]
    Unlike,
    /// Pictures were lost.
    #[error("x264 coded {got} pictures of {wanted}")]
    Pictures {
        /// Written to it.
        wanted: usize,
        /// Come back.
        got: usize,
    },
}

impl SpliceError {
    /// It made the encoder fail, and not the other way round.
    pub(crate) fn is_a_cause(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Coded(H264Error::Truncated))
    }
}

/// Makes whole pictures of a strip's.
pub(crate) struct Splicer {
    /// The segment's place in the video.
    pub(crate) index: usize,
    pub(crate) strip: Strip,
    pub(crate) still: Arc<Still>,
    /// Codes the still picture, a slice for each row of macroblocks.
    pub(crate) still_command: Command,
    pub(crate) cancel: CancellationToken,
}

impl Splicer {
    /// Reads the coded strip to its end and writes the segment; gives the number of pictures.
    /// Blocks.
    ///
    /// # Errors
    /// [`SpliceError`].
    pub(crate) fn run(
        mut self,
        coded_strip: impl Read,
        mut segment: impl Write,
    ) -> Result<usize, SpliceError> {
        let still = self.still.coded(&mut self.still_command, &self.cancel)?;
        let mut splice = Splice::new(self.index, self.strip, &still);
        let mut units = NalUnits::new(coded_strip);
        let mut pictures = 0;
        while let Some(unit) = units.next().map_err(SpliceError::Read)? {
            if let Some(picture) = splice.picture(&unit)? {
                segment.write_all(&picture).map_err(SpliceError::Write)?;
                pictures += 1;
            }
        }
        segment.flush().map_err(SpliceError::Write)?;
        Ok(pictures)
    }
}

/// The strip's parameters, as far as they have come, and what to put around it.
struct Splice<'a> {
    index: usize,
    strip: Strip,
    still: &'a StillPicture,
    sequence: Option<Sequence>,
    picture: Option<PictureParameters>,
    /// The row of macroblocks of x264's pictures that the next slice must begin with.
    next: usize,
    /// The picture so far, in a byte stream.
    begun: Vec<u8>,
    /// Data of skipped slices: how many macroblocks, at which quantiser, with which table.
    skipped: HashMap<(usize, i32, u32), Vec<u8>>,
}

impl<'a> Splice<'a> {
    fn new(index: usize, strip: Strip, still: &'a StillPicture) -> Self {
        let (begun, skipped) = (Vec::new(), HashMap::new());
        Self { index, strip, still, sequence: None, picture: None, next: 0, begun, skipped }
    }

    /// Takes the strip's next NAL unit. When it is the last slice of a picture that is kept, gives
    /// the whole picture, in a byte stream.
    fn picture(&mut self, unit: &NalUnit) -> Result<Option<Vec<u8>>, SpliceError> {
        match unit.kind() {
            kind::SEQUENCE => {
                let sequence = Sequence::parse(&unit.rbsp)?;
                if sequence != self.still.sequence {
                    return Err(SpliceError::Unlike);
                }
                self.sequence = Some(sequence);
            }
            kind::PICTURE => {
                if *unit != self.still.picture_unit {
                    return Err(SpliceError::Unlike);
                }
                self.picture = Some(PictureParameters::parse(&unit.rbsp)?);
            }
            kind::SLICE | kind::IDR_SLICE => return self.slice(unit),
            _ => {}
        }
        Ok(None)
    }

    fn slice(&mut self, unit: &NalUnit) -> Result<Option<Vec<u8>>, SpliceError> {
        let sequence = self.sequence.ok_or(SpliceError::Missing("sequence parameter set"))?;
        let picture = self.picture.ok_or(SpliceError::Missing("picture parameter set"))?;
        let mut slice = Slice::parse(unit, &sequence, picture)?;
        // Keyframes that follow each other have different numbers, across a seam too: x264 takes 0 and 1
        // in turns in every segment.
        slice.header.idr_id = slice.header.idr_id.map(|id| 2 * self.index as u32 + id % 2);
        let told = slice.header;
        if told.first_macroblock != self.macroblocks_above(self.next) as u32 {
            let what = "a slice from macroblock";
            return Err(H264Error::Unsupported { what, found: told.first_macroblock }.into());
        }
        if told.cabac_table.is_none() && told.idr_id.is_none() {
            let what = "a picture that is no keyframe in slices of type";
            return Err(H264Error::Unsupported { what, found: told.slice_type() }.into());
        }
        let row = self.strip.row_of_picture(self.next);
        self.next = self.strip.next_slice(self.next);
        let Some(row) = row else { return Ok(None) };
        let mut stream = std::mem::take(&mut self.begun);
        if row == self.strip.first {
            self.append_parameters(&mut stream, &told);
            self.append_still(&mut stream, &told, unit.header, 0..row);
            // The edge to what is above stays as it is.
            if told.deblocking == Deblocking::All {
                slice.header.deblocking = Deblocking::Inside;
            }
        }
        slice.header.first_macroblock = self.macroblocks_above(row) as u32;
        let header = slice.header.bytes(slice.unit_header, &sequence);
        nal::append(&mut stream, slice.unit_header, &[&header, &slice.data]);
        if self.next != 0 && self.strip.row_of_picture(self.next).is_some() {
            self.begun = stream;
            return Ok(None);
        }
        self.append_still(&mut stream, &told, unit.header, self.strip.end..self.strip.all);
        Ok(Some(stream))
    }

    fn macroblocks_above(&self, row: usize) -> usize {
        row * self.still.sequence.width as usize
    }

    /// A keyframe begins with the whole picture's parameters.
    fn append_parameters(&self, stream: &mut Vec<u8>, told: &SliceHeader) {
        if told.idr_id.is_some() {
            for parameters in [&self.still.sequence_unit, &self.still.picture_unit] {
                nal::append(stream, parameters.header, &[&parameters.rbsp]);
            }
        }
    }

    /// Appends the still `rows` of the picture whose strip has the header `told`.
    fn append_still(
        &mut self,
        stream: &mut Vec<u8>,
        told: &SliceHeader,
        unit_header: u8,
        rows: Range<usize>,
    ) {
        match told.cabac_table {
            _ if rows.is_empty() => {}
            Some(table) => self.append_skipped(stream, told, unit_header, rows, table),
            None => self.append_photo(stream, told, rows),
        }
    }

    /// As the picture before.
    fn append_skipped(
        &mut self,
        stream: &mut Vec<u8>,
        told: &SliceHeader,
        unit_header: u8,
        rows: Range<usize>,
        cabac_table: u32,
    ) {
        let mut header = *told;
        header.first_macroblock = self.macroblocks_above(rows.start) as u32;
        header.deblocking = Deblocking::Off;
        let count = self.macroblocks_above(rows.len());
        let key = (count, told.qp(self.still.picture), cabac_table);
        let data = self.skipped.entry(key).or_insert_with(|| skipped(key.0, key.1, key.2));
        let header = header.bytes(unit_header, &self.still.sequence);
        nal::append(stream, unit_header, &[&header, data]);
    }

    /// As x264 coded the photo.
    fn append_photo(&self, stream: &mut Vec<u8>, told: &SliceHeader, rows: Range<usize>) {
        for (row, slice) in rows.clone().zip(&self.still.rows[rows]) {
            let mut header = slice.header;
            header.idr_id = told.idr_id;
            // The edge to the strip stays as it is.
            if row == self.strip.end {
                header.deblocking = Deblocking::Inside;
            }
            let header = header.bytes(slice.unit_header, &self.still.sequence);
            nal::append(stream, slice.unit_header, &[&header, &slice.data]);
        }
    }
}

#[cfg(test)]
mod tests;
