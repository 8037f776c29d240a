//! The owner thread of a session: takes requests from a bounded queue, paints them in runs, answers
//! by oneshot.
//!
//! ONNX Runtime's sessions are not to be run from two threads at once, and a GPU's warm-up counts
//! for the thread it ran on: so one thread loads, warms up, runs and drops the network. It outlives
//! a panic in the network.
//!
//! Requests that wait at the same time for the same face are painted together, fairly between jobs
//! ([`crate::waiting`] says how). It never waits for more work: a request that is alone is painted
//! at once. What fails in a run of several requests is painted again, each alone, so that nobody
//! pays for another's trouble. When memory runs out, fewer mouths are painted at once from then on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use duolip_pipeline::face::FaceCrop;
use duolip_pipeline::lipsync::{LipSyncError, Look};
use duolip_pipeline::mel::WINDOW_VALUES;

use crate::waiting::{Request, Run, Waiting};

/// Requests that may wait. Far more than there ever are: a chunk has two batches under way and the
/// few frames of its fades.
pub(crate) const QUEUE_LENGTH: usize = 1024;

/// What paints: the network, or a test's stand-in.
pub(crate) trait Painter {
    /// How many mouths it paints at once.
    fn batch_size(&self) -> usize;

    /// Paints the mouths of `windows`, at most [`Painter::batch_size`], on `face`; appends them to
    /// `bgr`.
    fn paint(
        &mut self,
        face: &Arc<FaceCrop>,
        windows: &[f32],
        bgr: &mut Vec<u8>,
    ) -> Result<(), LipSyncError>;

    /// Halves what it paints at once after memory ran out for `rows` mouths; `false` when it cannot
    /// be less.
    fn shrink(&mut self, rows: usize) -> bool;
}

/// A panic in the network, with its message.
#[derive(Debug, Default, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(String);

impl Panicked {
    /// Out of what the panic left behind.
    pub(crate) fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "without a message".to_owned()))
    }
}

/// Answers `requests` with `painter` until the other end of the queue is dropped; what is queued by
/// then is still painted. What nobody waits for is skipped. `batch_size` is kept at what the painter
/// paints at once.
pub(crate) fn serve(
    look: Look,
    painter: &mut dyn Painter,
    requests: &Receiver<Request>,
    batch_size: &AtomicUsize,
) {
    let mut waiting = Waiting::default();
    loop {
        if waiting.is_empty() {
            match requests.recv() {
                Ok(request) => waiting.push(request),
                Err(_) => return,
            }
        }
        requests.try_iter().take(QUEUE_LENGTH).for_each(|request| waiting.push(request));
        if let Some(run) = waiting.take(painter.batch_size()) {
            let painted = paint_parts(look, painter, &run, &waiting);
            batch_size.store(painter.batch_size(), Ordering::Relaxed);
            waiting.deliver(&run, painted);
        }
    }
}

/// The mouths of each part of `run`, and the work that they took.
fn paint_parts(
    look: Look,
    painter: &mut dyn Painter,
    run: &Run,
    waiting: &Waiting,
) -> Vec<Result<(Vec<u8>, Duration), LipSyncError>> {
    let started = Instant::now();
    let together = guarded(look, painter, &run.face, &run.windows);
    let work = started.elapsed();
    let rows = run.windows.len() / WINDOW_VALUES;
    let mouth = run.face.bgr.len();
    match (together, &run.parts[..]) {
        (Ok(bgr), [_]) => vec![Ok((bgr, work))],
        (Ok(bgr), parts) => {
            let shared = parts.iter().map(|part| {
                let bgr = bgr[part.rows.start * mouth..part.rows.end * mouth].to_vec();
                Ok((bgr, work.mul_f64(part.rows.len() as f64 / rows as f64)))
            });
            shared.collect()
        }
        (Err(error), [_]) => vec![Err(error)],
        (Err(error), parts) => {
            tracing::warn!(%look, %error, requests = parts.len(), "each is painted alone");
            let alone = parts.iter().map(|part| {
                if !waiting.is_awaited(part) {
                    return Err(LipSyncError::Cancelled);
                }
                let started = Instant::now();
                let bgr = guarded(look, painter, &run.face, run.windows_of(part))?;
                Ok((bgr, started.elapsed()))
            });
            alone.collect()
        }
    }
}

/// [`paint`], with a panic in the network made an error.
fn guarded(
    look: Look,
    painter: &mut dyn Painter,
    face: &Arc<FaceCrop>,
    windows: &[f32],
) -> Result<Vec<u8>, LipSyncError> {
    let painted = catch_unwind(AssertUnwindSafe(|| paint(look, painter, face, windows)));
    painted.unwrap_or_else(|payload| {
        let panicked = Panicked::from_payload(&*payload);
        tracing::error!(%look, %panicked, "the session goes on");
        Err(LipSyncError::Inference { look, source: Box::new(panicked) })
    })
}

/// Paints the mouths of `windows`. When memory runs out, half as many at once, down to one; the
/// number that worked is the painter's from then on.
///
/// # Errors
/// [`LipSyncError::OutOfMemory`] when there is no memory for a single mouth, and whatever the
/// painter says.
pub(crate) fn paint(
    look: Look,
    painter: &mut dyn Painter,
    face: &Arc<FaceCrop>,
    windows: &[f32],
) -> Result<Vec<u8>, LipSyncError> {
    let mut bgr = Vec::with_capacity(windows.len() / WINDOW_VALUES * face.bgr.len());
    let mut rest = windows;
    while !rest.is_empty() {
        let values = rest.len().min(painter.batch_size() * WINDOW_VALUES);
        let (now, later) = rest.split_at(values);
        let done = bgr.len();
        match painter.paint(face, now, &mut bgr) {
            Ok(()) => rest = later,
            Err(error @ LipSyncError::OutOfMemory { .. }) => {
                if !painter.shrink(values / WINDOW_VALUES) {
                    return Err(error);
                }
                let batch_size = painter.batch_size();
                tracing::warn!(%look, %error, batch_size, "smaller batches from now on");
                bgr.truncate(done);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bgr)
}

#[cfg(test)]
mod tests;
