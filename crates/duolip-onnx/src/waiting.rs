//! What waits for a session, by job, and what is painted next: runs, which may hold mouths of
//! several jobs.
//!
//! Pure. Knows requests and their answers, nothing of networks and threads.
//!
//! A *run* is one inference: up to a batch of mouths on one face. Jobs take turns in leading it. The
//! leader's mouths go in first, then, while there is room, those that other jobs want on the same
//! face, in the order of their turns. So whoever waits leads after at most one run of every other
//! job, a run is full whenever enough is waiting, and nobody is waited for. Faces are not mixed in a
//! run: a face's features are bound once for all rows, and copying them into every row (2.7 MB each)
//! to join strangers would cost the memory that made them cheap. Jobs with other avatars alternate.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use duolip_pipeline::face::FaceCrop;
use duolip_pipeline::lipsync::{JobTicket, LipSyncError, MouthBatch, Mouths};
use duolip_pipeline::mel::WINDOW_VALUES;
use tokio::sync::oneshot;

use crate::features::is_same;

/// A batch and where its mouths go.
pub(crate) struct Request {
    pub(crate) batch: MouthBatch,
    pub(crate) answer: oneshot::Sender<Result<Mouths, LipSyncError>>,
}

/// A request, and the mouths of it that are painted.
struct Pending {
    request: Request,
    bgr: Vec<u8>,
    painted: usize,
    work: Duration,
}

impl Pending {
    fn left(&self) -> usize {
        self.request.batch.count() - self.painted
    }
}

/// What one job waits for, the oldest first.
struct Lane {
    job: JobTicket,
    pending: VecDeque<Pending>,
}

/// Everything that waits.
#[derive(Default)]
pub(crate) struct Waiting {
    /// The job whose turn it is first.
    lanes: VecDeque<Lane>,
}

/// The mouths of one inference.
pub(crate) struct Run {
    pub(crate) face: Arc<FaceCrop>,
    /// `[rows, 80, 16]`: the parts one after the other.
    pub(crate) windows: Vec<f32>,
    pub(crate) parts: Vec<Part>,
}

/// Mouths of one request in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    job: JobTicket,
    /// The place of its request among those of its job.
    place: usize,
    /// Its mouths in the run.
    pub(crate) rows: Range<usize>,
}

impl Run {
    /// The mel windows of one part.
    pub(crate) fn windows_of(&self, part: &Part) -> &[f32] {
        &self.windows[part.rows.start * WINDOW_VALUES..part.rows.end * WINDOW_VALUES]
    }
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Adds `request` behind those of its job.
    pub(crate) fn push(&mut self, request: Request) {
        if request.batch.count() == 0 {
            let (size, bgr) = (request.batch.face.size, Vec::new());
            // Nobody waits any more: nothing to tell.
            let _ = request.answer.send(Ok(Mouths { size, bgr, work: Duration::ZERO }));
            return;
        }
        let job = request.batch.job;
        let pending = Pending { request, bgr: Vec::new(), painted: 0, work: Duration::ZERO };
        match self.lanes.iter_mut().find(|lane| lane.job == job) {
            Some(lane) => lane.pending.push_back(pending),
            None => self.lanes.push_back(Lane { job, pending: VecDeque::from([pending]) }),
        }
    }

    /// The next run, of at most `most` mouths; `None` when nobody waits. What nobody waits for any
    /// more is left out. Every run must come back through [`Waiting::deliver`] before the next is
    /// taken.
    pub(crate) fn take(&mut self, most: usize) -> Option<Run> {
        self.forget_cancelled();
        let face = Arc::clone(&self.lanes.front()?.pending.front()?.request.batch.face);
        let mut run = Run { face, windows: Vec::new(), parts: Vec::new() };
        let mut rows = 0;
        for lane in &self.lanes {
            for (place, pending) in lane.pending.iter().enumerate() {
                let batch = &pending.request.batch;
                // What a job asked for first is painted first.
                if rows == most || !is_same(&batch.face, &run.face) {
                    break;
                }
                let count = pending.left().min(most - rows);
                let first = pending.painted * WINDOW_VALUES;
                let windows = first..first + count * WINDOW_VALUES;
                run.windows.extend_from_slice(&batch.mel_windows[windows]);
                run.parts.push(Part { job: lane.job, place, rows: rows..rows + count });
                rows += count;
            }
        }
        self.lanes.rotate_left(1);
        Some(run)
    }

    /// Gives `painted` back, the mouths of each part of `run` with the work they took, and answers
    /// every request that is complete or has failed.
    pub(crate) fn deliver(
        &mut self,
        run: &Run,
        painted: Vec<Result<(Vec<u8>, Duration), LipSyncError>>,
    ) {
        // The last first: places stay what they are when a request is taken out behind them.
        for (part, painted) in run.parts.iter().zip(painted).rev() {
            let Some(lane) = self.lanes.iter_mut().find(|lane| lane.job == part.job) else {
                continue;
            };
            let Some(pending) = lane.pending.get_mut(part.place) else {
                continue;
            };
            let failed = match painted {
                Ok((bgr, work)) => {
                    if pending.bgr.is_empty() {
                        pending.bgr = bgr;
                    } else {
                        pending.bgr.extend_from_slice(&bgr);
                    }
                    pending.painted += part.rows.len();
                    pending.work += work;
                    if pending.left() > 0 {
                        continue;
                    }
                    None
                }
                Err(error) => Some(error),
            };
            if let Some(Pending { request, bgr, work, .. }) = lane.pending.remove(part.place) {
                let size = request.batch.face.size;
                let result = failed.map_or(Ok(Mouths { size, bgr, work }), Err);
                // Nobody waits any more: nothing to tell.
                let _ = request.answer.send(result);
            }
        }
        self.lanes.retain(|lane| !lane.pending.is_empty());
    }

    /// Whether somebody still waits for `part`.
    pub(crate) fn is_awaited(&self, part: &Part) -> bool {
        let mut lanes = self.lanes.iter();
        lanes
            .find(|lane| lane.job == part.job)
            .and_then(|lane| lane.pending.get(part.place))
            .is_some_and(|pending| !pending.request.answer.is_closed())
    }

    fn forget_cancelled(&mut self) {
        for lane in &mut self.lanes {
            lane.pending.retain(|pending| !pending.request.answer.is_closed());
        }
        self.lanes.retain(|lane| !lane.pending.is_empty());
    }
}

#[cfg(test)]
mod tests;
