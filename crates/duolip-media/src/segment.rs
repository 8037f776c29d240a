//! One segment while it is written: a few frame buffers that circulate between the composer and a
//! thread that feeds the encoder's pipe; and, where only a strip is encoded, a thread that makes
//! whole pictures of it.
//!
//! composer ← free buffers ← feeder thread → pipe → x264 → pipe → splicer thread → segment;
//! composer → composed frames → feeder.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::thread::JoinHandle;

use duolip_child::{Child, ChildError};
use duolip_pipeline::CancellationToken;
use duolip_pipeline::encode::{EncodeError, Segment, SegmentWriter};
use duolip_pipeline::picture::YuvFrame;

use crate::encode::{child_error, encoder_error};
use crate::feed::Feed;
use crate::program::POLL;
use crate::splice::{SpliceError, Splicer};

/// How many frame buffers circulate: one being composed, one being fed to the encoder, two to even
/// out their pace.
const BUFFERS: usize = 4;

/// A segment asked for what no segment can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The size cannot be encoded.
    #[error("a segment cannot be {width}x{height}; both sides must be even and at least 2")]
    OddSize {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// A frame is not as large as its segment.
    #[error("a frame of {got_bytes} bytes was written to a segment with frames of {frame_bytes}")]
    FrameSize {
        /// The bytes of the frame.
        got_bytes: usize,
        /// The bytes it must have.
        frame_bytes: usize,
    },
    /// Nothing was written.
    #[error("a segment of 0 frames was finished; at least 1 is needed")]
    NoFrames,
    /// The encoder's end has been reported before.
    #[error("the encoder of the segment has ended already")]
    Ended,
}

/// A running encoder and what feeds it.
pub(crate) struct RunningSegment {
    segment: Segment,
    frame_bytes: usize,
    cancel: CancellationToken,
    child: Option<Child>,
    composed: Option<SyncSender<YuvFrame>>,
    free: Receiver<YuvFrame>,
    /// Buffers that were never composed in.
    unused: Vec<YuvFrame>,
    feeder: Option<JoinHandle<io::Result<()>>>,
    /// Gives the number of pictures.
    splicing: Option<JoinHandle<Result<usize, SpliceError>>>,
}

impl RunningSegment {
    /// Starts `command`, which must read what `feed` gives of frames like `base` from its stdin and
    /// write H.264 to its stdout. That becomes `segment`'s file, as it is or as `splicer` makes it.
    ///
    /// # Errors
    /// [`EncodeError::Encoder`] when it does not start, [`EncodeError::File`] when the segment
    /// cannot be created.
    pub(crate) fn start(
        command: &mut Command,
        segment: Segment,
        base: &YuvFrame,
        feed: Feed,
        splicer: Option<Splicer>,
        cancel: &CancellationToken,
    ) -> Result<Self, EncodeError> {
        let file_error = |source| EncodeError::File { path: segment.path.clone(), source };
        let file = File::create(&segment.path).map_err(file_error)?;
        let mut child = Child::start(match splicer {
            Some(_) => command.stdout(Stdio::piped()),
            None => command.stdout(file.try_clone().map_err(file_error)?),
        })
        .map_err(child_error)?;
        let splicing = splicer.zip(child.take_stdout()).map(|(splicer, coded)| {
            std::thread::spawn(move || splicer.run(coded, BufWriter::new(file)))
        });
        let pipe = child.take_stdin();
        let (composed, to_feed) = sync_channel(BUFFERS);
        let (fed, free) = sync_channel(BUFFERS);
        let feeder = std::thread::spawn(move || feed_all(pipe, &feed, &to_feed, &fed));
        Ok(Self {
            segment,
            frame_bytes: base.planes.len(),
            cancel: cancel.clone(),
            child: Some(child),
            composed: Some(composed),
            free,
            unused: vec![base.clone(); BUFFERS],
            feeder: Some(feeder),
            splicing,
        })
    }

    fn check_cancelled(&self) -> Result<(), EncodeError> {
        if self.cancel.is_cancelled() { Err(EncodeError::Cancelled) } else { Ok(()) }
    }

    /// How the feeder, which has ended or is about to, fared.
    fn join_feeder(&mut self) -> io::Result<()> {
        match self.feeder.take().map(JoinHandle::join) {
            Some(Ok(fed)) => fed,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits for the regular end of all; a broken pipe is told as the encoder's own failure.
    fn end(&mut self) -> Result<(), EncodeError> {
        let fed = self.join_feeder();
        let child = self.child.take().ok_or_else(|| encoder_error(SegmentError::Ended))?;
        let encoded = match fed {
            Ok(()) => child.finish(&self.cancel),
            Err(source) => Err(child.broken_pipe(source, &self.cancel)),
        };
        match (encoded, self.join_splicer()) {
            (Err(error @ ChildError::Cancelled { .. }), _) => Err(child_error(error)),
            // An encoder whose output nobody reads any more fails too: that is not the cause.
            (_, Err(error)) if error.is_a_cause() => Err(self.splice_error(error)),
            (Err(error), _) => Err(child_error(error)),
            (_, Err(error)) => Err(self.splice_error(error)),
            (Ok(()), Ok(Some(got))) if got != self.segment.frames => {
                let wanted = self.segment.frames;
                Err(encoder_error(SpliceError::Pictures { wanted, got }))
            }
            (Ok(()), Ok(_)) => Ok(()),
        }
    }

    /// How many pictures the splicer made, if there is one; the encoder has ended.
    fn join_splicer(&mut self) -> Result<Option<usize>, SpliceError> {
        let Some(splicing) = self.splicing.take() else { return Ok(None) };
        splicing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(Some)
    }

    fn splice_error(&self, error: SpliceError) -> EncodeError {
        match error {
            SpliceError::Still(ChildError::Cancelled { .. }) => EncodeError::Cancelled,
            SpliceError::Write(source) => {
                EncodeError::File { path: self.segment.path.clone(), source }
            }
            other => encoder_error(other),
        }
    }

    /// Why the feeder ended before its time.
    fn failure(&mut self) -> EncodeError {
        self.end().err().unwrap_or_else(|| encoder_error(SegmentError::Ended))
    }
}

impl SegmentWriter for RunningSegment {
    fn buffer(&mut self) -> Result<YuvFrame, EncodeError> {
        self.check_cancelled()?;
        match self.free.try_recv() {
            Ok(frame) => return Ok(frame),
            Err(TryRecvError::Disconnected) => return Err(self.failure()),
            Err(TryRecvError::Empty) => {}
        }
        if let Some(frame) = self.unused.pop() {
            return Ok(frame);
        }
        loop {
            match self.free.recv_timeout(POLL) {
                Ok(frame) => return Ok(frame),
                Err(RecvTimeoutError::Disconnected) => return Err(self.failure()),
                Err(RecvTimeoutError::Timeout) => self.check_cancelled()?,
            }
        }
    }

    fn write(&mut self, frame: YuvFrame) -> Result<(), EncodeError> {
        let (frame_bytes, got_bytes) = (self.frame_bytes, frame.planes.len());
        if got_bytes != frame_bytes {
            return Err(encoder_error(SegmentError::FrameSize { got_bytes, frame_bytes }));
        }
        let mut waiting = frame;
        loop {
            let Some(composed) = &self.composed else {
                return Err(encoder_error(SegmentError::Ended));
            };
            match composed.try_send(waiting) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(self.failure()),
                // Only frames that did not come from `buffer` can fill the channel.
                Err(TrySendError::Full(frame)) => waiting = frame,
            }
            self.check_cancelled()?;
            std::thread::sleep(POLL);
        }
        self.segment.frames += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Segment, EncodeError> {
        if self.segment.frames == 0 {
            return Err(encoder_error(SegmentError::NoFrames));
        }
        drop(self.composed.take());
        // Buffers come back until the feeder has fed the last frame and closed the pipe.
        loop {
            match self.free.recv_timeout(POLL) {
                Err(RecvTimeoutError::Disconnected) => break,
                Ok(_) | Err(RecvTimeoutError::Timeout) => self.check_cancelled()?,
            }
        }
        self.end()?;
        Ok(self.segment.clone())
    }
}

impl Drop for RunningSegment {
    fn drop(&mut self) {
        // Killing the encoder breaks the pipe, which ends the feeder even in the middle of a frame.
        drop(self.child.take());
        drop(self.composed.take());
        // What ended them no longer matters.
        if let Some(feeder) = self.feeder.take() {
            let _ = feeder.join();
        }
        if let Some(splicing) = self.splicing.take() {
            let _ = splicing.join();
        }
    }
}

/// Writes what `feed` gives to the encoder and hands the buffers of composed frames back, until the last
/// one.
fn feed_all(
    pipe: Option<ChildStdin>,
    feed: &Feed,
    to_feed: &Receiver<YuvFrame>,
    fed: &SyncSender<YuvFrame>,
) -> io::Result<()> {
    let mut pipe = pipe.ok_or(io::ErrorKind::BrokenPipe)?;
    pipe.write_all(feed.begin())?;
    let mut painted = Vec::new();
    while let Ok(frame) = to_feed.recv() {
        painted.clear();
        feed.append(&frame, &mut painted);
        // A buffer too many, or a composer that has gone: then the buffer is not needed.
        let _ = fed.try_send(frame);
        pipe.write_all(&painted)?;
    }
    Ok(())
}
