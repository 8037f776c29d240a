//! The owner thread with a painter that fails, panics and runs out of memory when told to.

use std::sync::mpsc::sync_channel;

use duolip_pipeline::lipsync::{JobTicket, MouthBatch, Mouths, PendingMouths};
use tokio::sync::oneshot;

use super::*;

/// Paints the first mel value of each window, on faces of one pixel; panics at 13.
struct FirstValue {
    batch_size: usize,
    /// How many mouths it has memory for.
    memory: usize,
    /// Whether it can paint fewer at once.
    shrinks: bool,
    /// The values of every run it was asked for, the failed ones among them.
    runs: Vec<Vec<u8>>,
}

impl FirstValue {
    fn new(batch_size: usize) -> Self {
        Self { batch_size, memory: usize::MAX, shrinks: true, runs: Vec::new() }
    }

    fn counts(&self) -> Vec<usize> {
        self.runs.iter().map(Vec::len).collect()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("Failed to allocate memory")]
struct NoMemory;

impl Painter for FirstValue {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn paint(
        &mut self,
        _face: &Arc<FaceCrop>,
        windows: &[f32],
        bgr: &mut Vec<u8>,
    ) -> Result<(), LipSyncError> {
        let values: Vec<u8> = windows.chunks(WINDOW_VALUES).map(|window| window[0] as u8).collect();
        let batch_size = values.len();
        assert!(batch_size <= self.batch_size, "{batch_size} at once");
        // A network may have written some of its mouths before it fails.
        bgr.extend(values.iter().flat_map(|&value| [value; 3]));
        self.runs.push(values);
        if batch_size > self.memory {
            let (look, source) = (Look::Gan, Box::new(NoMemory));
            return Err(LipSyncError::OutOfMemory { look, batch_size, source });
        }
        assert!(!bgr.contains(&13), "thirteen");
        Ok(())
    }

    fn shrink(&mut self, rows: usize) -> bool {
        let possible = self.shrinks && rows > 1;
        if possible {
            self.batch_size = rows / 2;
        }
        possible
    }
}

/// A request of a job of its own.
fn request(values: &[u8]) -> (Request, PendingMouths) {
    let (answer, pending) = oneshot::channel();
    let face = Arc::new(FaceCrop { size: 1, bgr: vec![0; 3] });
    let windows = values.iter().flat_map(|&value| [f32::from(value); WINDOW_VALUES]);
    let batch = MouthBatch { job: JobTicket::new(), mel_windows: windows.collect(), face };
    (Request { batch, answer }, PendingMouths::new(Look::Gan, pending))
}

/// The answers of `painter` to requests that wait together, and what it paints at once then.
fn serve_all(
    painter: &mut FirstValue,
    requests: &[&[u8]],
) -> (Vec<Result<Mouths, LipSyncError>>, usize) {
    let (queue, received) = sync_channel(requests.len());
    let pending: Vec<_> = requests
        .iter()
        .map(|values| {
            let (request, pending) = request(values);
            queue.send(request).unwrap();
            pending
        })
        .collect();
    drop(queue);
    let batch_size = AtomicUsize::new(0);
    serve(Look::Gan, painter, &received, &batch_size);
    (pending.into_iter().map(PendingMouths::wait).collect(), batch_size.into_inner())
}

fn values(answer: &Result<Mouths, LipSyncError>) -> Vec<u8> {
    answer.as_ref().unwrap().each().map(|mouth| mouth[0]).collect()
}

#[test]
fn what_waits_together_is_painted_together_and_answered_to_each() {
    let mut painter = FirstValue::new(4);
    let requests: [&[u8]; 4] = [&[1], &[2, 3], &[4, 5], &[6]];
    let (answers, _) = serve_all(&mut painter, &requests);
    assert_eq!(painter.runs, [[1, 2, 3, 4].as_slice(), &[5, 6]]);
    assert!(answers.iter().map(values).eq(requests));
}

#[test]
fn a_request_that_is_alone_is_painted_without_waiting_for_more() {
    let (queue, received) = sync_channel(4);
    let server = std::thread::spawn(move || {
        let mut painter = FirstValue::new(4);
        serve(Look::Gan, &mut painter, &received, &AtomicUsize::new(0));
        painter.runs
    });
    // The next is sent only when the one before is answered.
    for value in [1, 2] {
        let (request, pending) = request(&[value]);
        queue.send(request).unwrap();
        assert_eq!(values(&pending.wait()), [value]);
    }
    drop(queue);
    assert_eq!(server.join().unwrap(), [[1], [2]]);
}

#[test]
fn a_panic_fails_its_own_request_and_no_other() {
    let mut painter = FirstValue::new(4);
    let (mut answers, _) = serve_all(&mut painter, &[&[5], &[12, 13], &[6], &[7, 8]]);
    assert_eq!(painter.runs[0], [5, 12, 13, 6]);
    let Err(LipSyncError::Inference { look: Look::Gan, source }) = answers.remove(1) else {
        panic!("the panic was lost");
    };
    assert_eq!(source.to_string(), "panicked: thirteen");
    assert!(answers.iter().map(values).eq([vec![5], vec![6], vec![7, 8]]));
}

#[test]
fn a_request_that_nobody_waits_for_is_not_painted() {
    let (queue, received) = sync_channel(2);
    let (given_up, mouths) = request(&[1]);
    drop(mouths);
    let (wanted, _mouths) = request(&[2]);
    queue.send(given_up).unwrap();
    queue.send(wanted).unwrap();
    drop(queue);
    let mut painter = FirstValue::new(4);
    serve(Look::Gan, &mut painter, &received, &AtomicUsize::new(0));
    assert_eq!(painter.runs, [[2]]);
}

#[test]
fn without_memory_batches_are_halved_until_they_fit_and_stay_so() {
    let mut painter = FirstValue { memory: 3, ..FirstValue::new(16) };
    let windows: Vec<u8> = (20..40).collect();
    let (answers, batch_size) = serve_all(&mut painter, &[&windows]);
    assert_eq!(values(&answers[0]), windows);
    assert_eq!(painter.counts()[..4], [16, 8, 4, 2]);
    assert!(painter.counts()[3..].iter().all(|&count| count == 2));
    assert_eq!((batch_size, painter.batch_size), (2, 2));

    // What worked is remembered, also when there is memory again.
    painter.memory = usize::MAX;
    painter.runs.clear();
    let (answers, _) = serve_all(&mut painter, &[&[1, 2, 3], &[4]]);
    // The second job leads the second run.
    assert_eq!(painter.runs, [[1, 2], [4, 3]]);
    assert!(answers.iter().map(values).eq([vec![1, 2, 3], vec![4]]));
}

#[test]
fn a_short_batch_without_memory_is_halved_from_its_own_size() {
    let mut painter = FirstValue { memory: 2, ..FirstValue::new(16) };
    let (answers, _) = serve_all(&mut painter, &[&[1, 2, 3, 4, 5]]);
    assert_eq!(values(&answers[0]), [1, 2, 3, 4, 5]);
    assert_eq!(painter.counts(), [5, 2, 2, 1]);
}

#[test]
fn without_memory_for_a_single_mouth_the_error_says_so_and_the_session_goes_on() {
    let mut painter = FirstValue { memory: 0, ..FirstValue::new(4) };
    let (answers, batch_size) = serve_all(&mut painter, &[&[1, 2, 3], &[4]]);
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(matches!(error, LipSyncError::OutOfMemory { batch_size: 1, .. }), "{error:?}");
    }
    assert_eq!(batch_size, 1);
    // All together down to one, then each request alone.
    assert_eq!(painter.counts(), [4, 2, 1, 1, 1]);
    painter.memory = 1;
    let (answers, _) = serve_all(&mut painter, &[&[5, 6]]);
    assert_eq!(values(&answers[0]), [5, 6]);
}

#[test]
fn a_painter_that_takes_no_smaller_batch_is_asked_once() {
    let mut painter = FirstValue { memory: 1, shrinks: false, ..FirstValue::new(4) };
    let (answers, batch_size) = serve_all(&mut painter, &[&[1, 2]]);
    let error = answers[0].as_ref().unwrap_err();
    assert!(matches!(error, LipSyncError::OutOfMemory { batch_size: 2, .. }), "{error:?}");
    assert_eq!((painter.counts(), batch_size), (vec![2], 4));
}

#[test]
fn several_requests_without_memory_are_painted_all_the_same() {
    let mut painter = FirstValue { memory: 2, ..FirstValue::new(8) };
    let requests: [&[u8]; 3] = [&[1, 2, 3], &[4], &[5, 6, 7]];
    let (answers, batch_size) = serve_all(&mut painter, &requests);
    assert!(answers.iter().map(values).eq(requests));
    assert_eq!((painter.counts(), batch_size), (vec![7, 3, 1, 1, 1, 1, 1, 1, 1], 1));
}
