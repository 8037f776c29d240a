//! The still picture around the strip, as x264 codes it: once for an avatar.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use duolip_child::{ChildError, run};
use duolip_pipeline::CancellationToken;
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::units::FrameRate;

use super::SpliceError;
use super::header::Slice;
use crate::h264::nal::{NalUnit, NalUnits, kind};
use crate::h264::parameters::{PictureParameters, Sequence};
use crate::h264::{H264Error, MACROBLOCK};
use crate::program::POLL;
use crate::x264;

/// How many are kept: as many avatars as speak at the same time.
const KEPT: usize = 16;

/// One coded picture is never larger than this.
const MOST_BYTES: usize = 64 << 20;

/// A whole picture, each row of its macroblocks a slice.
#[derive(Debug)]
pub(crate) struct StillPicture {
    pub(super) sequence: Sequence,
    /// The NAL unit that `sequence` was read from.
    pub(super) sequence_unit: NalUnit,
    pub(super) picture: PictureParameters,
    pub(super) picture_unit: NalUnit,
    /// From the top down.
    pub(super) rows: Vec<Slice>,
}

impl StillPicture {
    /// Runs `command`, which codes `frame` painted over itself from its stdin as H.264 to its stdout.
    fn encode(
        command: &mut Command,
        frame: &YuvFrame,
        cancel: &CancellationToken,
    ) -> Result<Self, SpliceError> {
        let given = frame.planes.repeat(2);
        let coded = run(command, &given, MOST_BYTES, cancel).map_err(SpliceError::Still)?;
        let mut units = NalUnits::new(&coded[..]);
        let (mut sequence_unit, mut picture_unit, mut row_units) = (None, None, Vec::new());
        while let Some(unit) = units.next().map_err(SpliceError::Read)? {
            match unit.kind() {
                kind::SEQUENCE => sequence_unit = Some(unit),
                kind::PICTURE => picture_unit = Some(unit),
                kind::IDR_SLICE => row_units.push(unit),
                _ => {}
            }
        }
        let sequence_unit = sequence_unit.ok_or(SpliceError::Missing("sequence parameter set"))?;
        let picture_unit = picture_unit.ok_or(SpliceError::Missing("picture parameter set"))?;
        let sequence = Sequence::parse(&sequence_unit.rbsp)?;
        let picture = PictureParameters::parse(&picture_unit.rbsp)?;
        let rows = row_units
            .iter()
            .zip(0..)
            .map(|(unit, row)| {
                let slice = Slice::parse(unit, &sequence, picture)?;
                match slice.header.first_macroblock {
                    first if first == row * sequence.width => Ok(slice),
                    found => {
                        Err(H264Error::Unsupported { what: "a row that begins at", found }.into())
                    }
                }
            })
            .collect::<Result<Vec<_>, SpliceError>>()?;
        if rows.len() != frame.height.div_ceil(MACROBLOCK) {
            return Err(SpliceError::Missing("row of the still picture"));
        }
        Ok(Self { sequence, sequence_unit, picture, picture_unit, rows })
    }
}

/// A picture that is coded when it is first asked for.
#[derive(Debug)]
pub(crate) struct Still {
    frame: YuvFrame,
    frame_rate: FrameRate,
    coded: Mutex<Option<Arc<StillPicture>>>,
}

impl Still {
    /// The picture; coded by `command` if it is not yet. Whoever else asks meanwhile waits.
    ///
    /// # Errors
    /// [`SpliceError`]; the next one who asks has it tried again.
    ///
    /// # Cancellation
    /// Ends the coding, and the wait for another's, within milliseconds.
    pub(crate) fn coded(
        &self,
        command: &mut Command,
        cancel: &CancellationToken,
    ) -> Result<Arc<StillPicture>, SpliceError> {
        let mut coded = self.in_turn(cancel)?;
        if let Some(picture) = &*coded {
            return Ok(Arc::clone(picture));
        }
        let picture = Arc::new(StillPicture::encode(command, &self.frame, cancel)?);
        *coded = Some(Arc::clone(&picture));
        Ok(picture)
    }

    fn in_turn(
        &self,
        cancel: &CancellationToken,
    ) -> Result<MutexGuard<'_, Option<Arc<StillPicture>>>, SpliceError> {
        loop {
            match self.coded.try_lock() {
                Ok(coded) => return Ok(coded),
                Err(TryLockError::Poisoned(coded)) => return Ok(coded.into_inner()),
                Err(TryLockError::WouldBlock) if cancel.is_cancelled() => {
                    let program = x264::NAME.to_owned();
                    return Err(SpliceError::Still(ChildError::Cancelled { program }));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            }
        }
    }
}

/// The pictures of the avatars that spoke last.
#[derive(Debug, Default)]
pub(crate) struct Stills {
    latest_first: Mutex<VecDeque<Arc<Still>>>,
}

impl Stills {
    /// The picture of `frame`, at a frame rate.
    pub(crate) fn of(&self, frame: &YuvFrame, frame_rate: FrameRate) -> Arc<Still> {
        let mut kept = self.latest_first.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |still: &Arc<Still>| still.frame_rate == frame_rate && still.frame == *frame;
        let known = kept.iter().position(same);
        let still = known.and_then(|at| kept.remove(at)).unwrap_or_else(|| {
            Arc::new(Still { frame: frame.clone(), frame_rate, coded: Mutex::default() })
        });
        kept.push_front(Arc::clone(&still));
        kept.truncate(KEPT);
        still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_job_does_not_wait_for_another_that_codes_the_same_picture() {
        let still = Stills::default().of(&YuvFrame::new(32, 32), FrameRate::DEFAULT);
        let _coded_by_another = still.coded.lock().unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let answer = still.coded(&mut Command::new("duolip-no-such"), &cancel);
        let cancelled = matches!(answer, Err(SpliceError::Still(ChildError::Cancelled { .. })));
        assert!(cancelled, "{answer:?}");
    }
}
