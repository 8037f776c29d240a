//! What every lip-sync model does.

use std::sync::Arc;

use duolip_pipeline::face::FaceCrop;
use duolip_pipeline::lipsync::{JobTicket, LipSync, LipSyncError, MouthBatch, PendingMouths};
use duolip_pipeline::mel::{WINDOW_VALUES, mel_from_speech};
use duolip_pipeline::units::FrameRate;

use crate::signal::babble;

/// Video frames between two of the windows: far enough apart to differ clearly.
const FRAMES_APART: usize = 3;

/// Audio samples that one window needs.
const SAMPLES_PER_WINDOW: usize = FRAMES_APART * 640;

/// Runs the suite on `model`, which paints mouths on `face`.
///
/// Mouths must be equal to the bit whatever batch they are painted in. That is what a CPU gives; a
/// GPU may choose another order of summation for another batch size.
///
/// # Panics
/// When a clause does not hold, or `face` has not the model's input size.
pub fn lip_sync(model: &dyn LipSync, face: &Arc<FaceCrop>) {
    assert_eq!(face.size, model.input_size(), "the suite needs a fitting face");
    assert!(model.batch_size() > 0, "a batch has at least one mouth");
    let suite = Suite::new(model, face);
    suite.mouths_differ_where_the_windows_do();
    suite.a_mouth_does_not_depend_on_its_batch();
    suite.answers_may_be_taken_in_any_order();
    suite.two_callers_at_the_same_time_get_their_own_mouths();
    suite.a_face_of_another_size_is_refused_by_name();
    suite.an_answer_that_nobody_waits_for_does_no_harm();
}

struct Suite<'a> {
    model: &'a dyn LipSync,
    face: &'a Arc<FaceCrop>,
    windows: Vec<f32>,
    /// Each mouth, painted in a batch of one.
    alone: Vec<Vec<u8>>,
}

impl<'a> Suite<'a> {
    fn new(model: &'a dyn LipSync, face: &'a Arc<FaceCrop>) -> Self {
        let count = 2 * model.batch_size() + 2;
        let mel = mel_from_speech(&babble((count + 6) * SAMPLES_PER_WINDOW, 16_000)).unwrap();
        let mut windows = Vec::new();
        for at in 0..count {
            // Past the beginning, which the mirror at its edge makes peculiar.
            let frame = (at + 1) * FRAMES_APART;
            mel.append_window(frame, FrameRate::DEFAULT, &mut windows);
        }
        let mut suite = Self { model, face, windows, alone: Vec::new() };
        suite.alone = (0..count).map(|at| suite.paint(at, 1).concat()).collect();
        suite
    }

    fn submit(&self, first: usize, count: usize) -> PendingMouths {
        let values = first * WINDOW_VALUES..(first + count) * WINDOW_VALUES;
        let batch = MouthBatch {
            job: JobTicket::new(),
            mel_windows: self.windows[values].to_vec(),
            face: Arc::clone(self.face),
        };
        self.model.submit(batch).unwrap()
    }

    /// The mouths of `answer`, which must be `count` of the right size.
    fn mouths(&self, answer: PendingMouths, count: usize) -> Vec<Vec<u8>> {
        let mouths = answer.wait().unwrap();
        let size = self.model.input_size();
        assert_eq!(mouths.size, size, "mouths have the size of the face");
        assert_eq!(
            mouths.bgr.len(),
            count * size * size * 3,
            "bytes of {count} mouths of {size} px"
        );
        mouths.each().map(<[u8]>::to_vec).collect()
    }

    fn paint(&self, first: usize, count: usize) -> Vec<Vec<u8>> {
        self.mouths(self.submit(first, count), count)
    }

    /// Not `assert_eq`: nobody wants to read thousands of bytes.
    fn check(&self, painted: &[Vec<u8>], first: usize, case: &str) {
        for (place, mouth) in painted.iter().enumerate() {
            assert!(
                *mouth == self.alone[first + place],
                "{case}: the mouth of window {} at place {place} of {} is not the one painted \
                 alone",
                first + place,
                painted.len()
            );
        }
    }

    fn mouths_differ_where_the_windows_do(&self) {
        for (at, pair) in self.alone.windows(2).enumerate() {
            assert!(pair[0] != pair[1], "windows {at} and {} give the same mouth", at + 1);
        }
    }

    fn a_mouth_does_not_depend_on_its_batch(&self) {
        let batch_size = self.model.batch_size();
        // A chunk's last batch is short, and a fade asks for a few frames whatever the batch size.
        for count in [1, 2, batch_size, batch_size + 1, 2 * batch_size + 1] {
            for first in [0, 1] {
                self.check(&self.paint(first, count), first, "in another batch");
            }
        }
    }

    fn answers_may_be_taken_in_any_order(&self) {
        let (first, second) = (self.submit(0, 1), self.submit(1, 2));
        self.check(&self.mouths(second, 2), 1, "the later answer, taken first");
        self.check(&self.mouths(first, 1), 0, "the earlier answer, taken last");
    }

    fn two_callers_at_the_same_time_get_their_own_mouths(&self) {
        std::thread::scope(|scope| {
            for first in [0, 1] {
                scope.spawn(move || {
                    for _ in 0..4 {
                        self.check(&self.paint(first, 2), first, "beside another caller");
                    }
                });
            }
        });
    }

    fn a_face_of_another_size_is_refused_by_name(&self) {
        let size = self.face.size + 1;
        let face = FaceCrop { size, bgr: vec![0; size * size * 3] };
        let batch = MouthBatch {
            job: JobTicket::new(),
            mel_windows: self.windows[..WINDOW_VALUES].to_vec(),
            face: Arc::new(face),
        };
        // It may be refused at once or in the answer.
        let answer = self.model.submit(batch).and_then(PendingMouths::wait);
        match answer {
            Err(LipSyncError::WrongFaceSize { look, expected, actual }) => {
                assert_eq!((look, expected, actual), (self.model.look(), self.face.size, size));
            }
            other => panic!("a face of another size gave {:?}", other.map(|_| "mouths")),
        }
    }

    fn an_answer_that_nobody_waits_for_does_no_harm(&self) {
        for at in [0, 1, 2] {
            drop(self.submit(at, 1));
        }
        self.check(&self.paint(1, 2), 1, "after answers were dropped");
    }
}
