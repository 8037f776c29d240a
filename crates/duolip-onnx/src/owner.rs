//! The owner thread of a session: takes batches from a bounded queue, answers by oneshot.
//!
//! ONNX Runtime's sessions are not to be run from two threads at once, and a GPU's warm-up counts
//! for the thread it ran on: so one thread loads, warms up, runs and drops the network. It outlives
//! a panic in the network.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;

use duolip_pipeline::lipsync::{LipSyncError, Look, MouthBatch, Mouths};
use tokio::sync::oneshot;

/// What paints: the network, or a test's stand-in.
pub(crate) trait Painter {
    /// Paints the mouths of `batch`; looks now and then whether it is `cancelled`.
    fn paint(
        &mut self,
        batch: &MouthBatch,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Mouths, LipSyncError>;
}

/// A batch and where its mouths go.
pub(crate) struct Request {
    pub(crate) batch: MouthBatch,
    pub(crate) answer: oneshot::Sender<Result<Mouths, LipSyncError>>,
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
/// then is still painted. A request that nobody waits for is skipped.
pub(crate) fn serve(look: Look, painter: &mut dyn Painter, requests: &Receiver<Request>) {
    for Request { batch, answer } in requests {
        if answer.is_closed() {
            continue;
        }
        let painted =
            catch_unwind(AssertUnwindSafe(|| painter.paint(&batch, &|| answer.is_closed())));
        let result = painted.unwrap_or_else(|payload| {
            let panicked = Panicked::from_payload(&*payload);
            tracing::error!(%look, %panicked, "the session goes on");
            Err(LipSyncError::Inference { look, source: Box::new(panicked) })
        });
        // Nobody waits any more: nothing to tell.
        let _ = answer.send(result);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use duolip_pipeline::face::FaceCrop;
    use duolip_pipeline::lipsync::PendingMouths;
    use duolip_pipeline::mel::WINDOW_VALUES;

    use super::*;

    /// Paints the first mel value of each window; panics at 13.
    #[derive(Default)]
    struct FirstValue {
        painted: Vec<f32>,
    }

    impl Painter for FirstValue {
        fn paint(
            &mut self,
            batch: &MouthBatch,
            _cancelled: &dyn Fn() -> bool,
        ) -> Result<Mouths, LipSyncError> {
            let first = batch.mel_windows[0];
            assert!(first < 13.0, "thirteen");
            self.painted.push(first);
            Ok(Mouths { size: 1, bgr: vec![first as u8; 3], work: Duration::ZERO })
        }
    }

    fn request(value: f32) -> (Request, PendingMouths) {
        let (answer, pending) = oneshot::channel();
        let face = Arc::new(FaceCrop { size: 1, bgr: vec![0; 3] });
        let batch = MouthBatch { mel_windows: vec![value; WINDOW_VALUES], face };
        (Request { batch, answer }, PendingMouths::new(Look::Gan, pending))
    }

    #[test]
    fn a_panic_fails_its_own_request_and_no_other() {
        let (queue, requests) = sync_channel(2);
        let (bad, bad_mouths) = request(13.0);
        let (good, good_mouths) = request(5.0);
        queue.send(bad).unwrap();
        queue.send(good).unwrap();
        drop(queue);
        serve(Look::Gan, &mut FirstValue::default(), &requests);
        let Err(LipSyncError::Inference { look: Look::Gan, source }) = bad_mouths.wait() else {
            panic!("the panic was lost");
        };
        assert_eq!(source.to_string(), "panicked: thirteen");
        assert_eq!(good_mouths.wait().unwrap().bgr, [5; 3]);
    }

    #[test]
    fn a_request_that_nobody_waits_for_is_not_painted() {
        let (queue, requests) = sync_channel(2);
        let (given_up, mouths) = request(1.0);
        drop(mouths);
        let (wanted, _mouths) = request(2.0);
        queue.send(given_up).unwrap();
        queue.send(wanted).unwrap();
        drop(queue);
        let mut painter = FirstValue::default();
        serve(Look::Gan, &mut painter, &requests);
        assert_eq!(painter.painted, [2.0]);
    }
}
