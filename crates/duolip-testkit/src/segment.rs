//! One segment of the fake encoder: a few buffers that circulate, one line for each frame.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::encode::{EncodeError, Segment, SegmentWriter};
use duolip_pipeline::picture::YuvFrame;

use crate::encode::{Orders, Progress, SegmentTrouble, dying_words, failure};
use crate::hash::frame_hash;
use crate::ordered::OrderedFailure;
use crate::wait::comes_to_hold;

/// How many frame buffers one segment of the fake encoder has.
pub const BUFFERS: usize = 3;

/// The segment while it is written.
#[derive(Debug)]
pub(crate) struct FakeSegment {
    segment: Segment,
    base: YuvFrame,
    cancel: CancellationToken,
    orders: Orders,
    progress: Arc<Progress>,
    file: File,
    /// Written and not yet encoded, as with a real encoder that lags behind.
    waiting: VecDeque<YuvFrame>,
    buffers_made: usize,
}

impl FakeSegment {
    pub(crate) fn create(
        index: usize,
        path: &Path,
        base: &YuvFrame,
        cancel: &CancellationToken,
        orders: Orders,
        progress: Arc<Progress>,
    ) -> Result<Self, EncodeError> {
        let file = File::create(path)
            .map_err(|source| EncodeError::File { path: path.to_owned(), source })?;
        progress.open.add(1);
        Ok(Self {
            segment: Segment { index, path: path.to_owned(), frames: 0 },
            base: base.clone(),
            cancel: cancel.clone(),
            orders,
            progress,
            file,
            waiting: VecDeque::new(),
            buffers_made: 0,
        })
    }

    fn trouble(&self) -> Option<SegmentTrouble> {
        self.orders.segment(self.segment.index)
    }

    fn check_cancelled(&self) -> Result<(), EncodeError> {
        if self.cancel.is_cancelled() { Err(EncodeError::Cancelled) } else { Ok(()) }
    }

    fn encode(&mut self, frame: &YuvFrame) -> Result<(), EncodeError> {
        std::thread::sleep(self.orders.frame_delay);
        let line = format!("frame {:016x}\n", frame_hash(&frame.planes));
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| EncodeError::File { path: self.segment.path.clone(), source })
    }

    fn await_turn(&self) -> Result<(), EncodeError> {
        let before = self.orders.before(self.segment.index);
        let is_turn = || {
            let finished = self.progress.finished();
            before.iter().all(|index| finished.contains(index))
        };
        let came = comes_to_hold(|| self.cancel.is_cancelled() || is_turn());
        self.check_cancelled()?;
        if came { Ok(()) } else { Err(failure(OrderedFailure::new("the turn never came"))) }
    }
}

impl SegmentWriter for FakeSegment {
    fn buffer(&mut self) -> Result<YuvFrame, EncodeError> {
        self.check_cancelled()?;
        if self.trouble() == Some(SegmentTrouble::StallsAtFrame(self.segment.frames)) {
            return Err(self.progress.stall(&self.cancel));
        }
        if self.buffers_made < BUFFERS {
            self.buffers_made += 1;
            self.progress.buffers.add(1);
            return Ok(self.base.clone());
        }
        // A real encoder would block for ever.
        let frame = self
            .waiting
            .pop_front()
            .ok_or_else(|| failure(OrderedFailure::new("all buffers are out")))?;
        self.encode(&frame)?;
        Ok(frame)
    }

    fn write(&mut self, frame: YuvFrame) -> Result<(), EncodeError> {
        if self.trouble() == Some(SegmentTrouble::DiesAtFrame(self.segment.frames)) {
            return Err(dying_words());
        }
        let wanted = self.base.planes.len();
        if frame.planes.len() != wanted {
            let message = format!("{} bytes for {wanted}", frame.planes.len());
            return Err(failure(OrderedFailure::new(&message)));
        }
        self.segment.frames += 1;
        self.waiting.push_back(frame);
        if let Some(unwritten) = &self.orders.unwritten {
            unwritten.take(1);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Segment, EncodeError> {
        while let Some(frame) = self.waiting.pop_front() {
            self.encode(&frame)?;
        }
        self.await_turn()?;
        if self.trouble() == Some(SegmentTrouble::DiesOnFinish) {
            return Err(dying_words());
        }
        self.progress.finish(self.segment.index);
        Ok(self.segment.clone())
    }
}

impl Drop for FakeSegment {
    fn drop(&mut self) {
        self.progress.open.take(1);
        self.progress.buffers.take(self.buffers_made);
    }
}
