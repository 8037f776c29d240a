//! Who is painted next, and with whom: fairness, full runs, cancelled rows.

use duolip_pipeline::lipsync::{Look, PendingMouths};
use proptest::prelude::*;

use super::*;

/// A face of one pixel.
fn face(value: u8) -> Arc<FaceCrop> {
    Arc::new(FaceCrop { size: 1, bgr: vec![value; 3] })
}

/// Asks for the mouths of windows that hold nothing but each of `values`.
fn ask(
    waiting: &mut Waiting,
    job: JobTicket,
    face: &Arc<FaceCrop>,
    values: &[u8],
) -> PendingMouths {
    let (answer, pending) = oneshot::channel();
    let windows = values.iter().flat_map(|&value| [f32::from(value); WINDOW_VALUES]);
    let batch = MouthBatch { job, mel_windows: windows.collect(), face: Arc::clone(face) };
    waiting.push(Request { batch, answer });
    PendingMouths::new(Look::Gan, pending)
}

/// The values of the windows of `run`.
fn values(run: &Run) -> Vec<u8> {
    run.windows.chunks(WINDOW_VALUES).map(|window| window[0] as u8).collect()
}

/// A mouth is three bytes of its window's value. Every mouth takes a second.
fn deliver(waiting: &mut Waiting, run: &Run) {
    let painted = run.parts.iter().map(|part| {
        let windows = run.windows_of(part).chunks(WINDOW_VALUES);
        let bgr = windows.flat_map(|window| [window[0] as u8; 3]).collect();
        Ok((bgr, Duration::from_secs(part.rows.len() as u64)))
    });
    let painted = painted.collect();
    waiting.deliver(run, painted);
}

/// Takes one run and delivers it; its values.
fn paint(waiting: &mut Waiting, most: usize) -> Vec<u8> {
    let run = waiting.take(most).unwrap();
    deliver(waiting, &run);
    values(&run)
}

/// The values of the mouths that came.
fn came(pending: PendingMouths) -> Vec<u8> {
    pending.wait().unwrap().each().map(|mouth| mouth[0]).collect()
}

#[test]
fn what_waits_for_one_face_is_painted_in_full_runs_whosever_it_is() {
    let mut waiting = Waiting::default();
    let jobs = [(); 3].map(|()| JobTicket::new());
    let first = ask(&mut waiting, jobs[0], &face(1), &[1, 2]);
    let second = ask(&mut waiting, jobs[1], &face(1), &[3]);
    let third = ask(&mut waiting, jobs[2], &face(1), &[4, 5]);
    assert_eq!(paint(&mut waiting, 4), [1, 2, 3, 4]);
    assert_eq!((came(first), came(second)), (vec![1, 2], vec![3]));
    assert_eq!(paint(&mut waiting, 4), [5]);
    let mouths = third.wait().unwrap();
    assert_eq!((mouths.bgr, mouths.work), (vec![4, 4, 4, 5, 5, 5], Duration::from_secs(2)));
    assert!(waiting.is_empty() && waiting.take(4).is_none());
}

#[test]
fn a_job_waits_for_one_run_of_each_other_job_and_not_for_all_of_them() {
    let mut waiting = Waiting::default();
    let (long, short) = (JobTicket::new(), JobTicket::new());
    let asked: Vec<_> = (0..10).map(|_| ask(&mut waiting, long, &face(1), &[1; 4])).collect();
    let quick = ask(&mut waiting, short, &face(1), &[2; 2]);
    assert_eq!(paint(&mut waiting, 4), [1; 4]);
    assert_eq!(paint(&mut waiting, 4), [2, 2, 1, 1]);
    assert_eq!(came(quick), [2; 2]);
    drop(asked);
}

#[test]
fn jobs_with_different_faces_alternate_and_never_share_a_run() {
    let mut waiting = Waiting::default();
    let jobs = [(); 3].map(|()| JobTicket::new());
    let mut asked = Vec::new();
    for _ in 0..2 {
        // Faces are known by their content.
        asked.push(ask(&mut waiting, jobs[0], &face(1), &[1; 3]));
        asked.push(ask(&mut waiting, jobs[1], &face(2), &[2; 3]));
        asked.push(ask(&mut waiting, jobs[2], &face(1), &[3; 1]));
    }
    assert_eq!(paint(&mut waiting, 4), [1; 4]);
    assert_eq!(paint(&mut waiting, 4), [2; 4]);
    // The third leads now; the first joins in.
    assert_eq!(paint(&mut waiting, 4), [3, 3, 1, 1]);
    assert_eq!(paint(&mut waiting, 4), [2, 2]);
    assert!(waiting.is_empty());
    assert_eq!(asked.into_iter().flat_map(came).count(), 14);
}

#[test]
fn a_cancelled_job_takes_only_its_own_rows_out() {
    let mut waiting = Waiting::default();
    let jobs = [(); 3].map(|()| JobTicket::new());
    let first = ask(&mut waiting, jobs[0], &face(1), &[1, 2]);
    let given_up = ask(&mut waiting, jobs[1], &face(1), &[3, 4]);
    let last = ask(&mut waiting, jobs[2], &face(1), &[5, 6]);
    drop(given_up);
    assert_eq!(paint(&mut waiting, 4), [1, 2, 5, 6]);
    assert_eq!((came(first), came(last)), (vec![1, 2], vec![5, 6]));

    // The same while they are being painted.
    let first = ask(&mut waiting, jobs[0], &face(1), &[1, 2]);
    let given_up = ask(&mut waiting, jobs[1], &face(1), &[3, 4]);
    let last = ask(&mut waiting, jobs[2], &face(1), &[5, 6]);
    let run = waiting.take(5).unwrap();
    drop(given_up);
    assert_eq!(
        run.parts.iter().map(|part| waiting.is_awaited(part)).collect::<Vec<_>>(),
        [true, false, true]
    );
    deliver(&mut waiting, &run);
    assert_eq!((values(&run), came(first)), (vec![1, 2, 3, 4, 5], vec![1, 2]));
    assert_eq!(paint(&mut waiting, 5), [6]);
    assert_eq!(came(last), [5, 6]);
}

#[test]
fn what_fails_of_a_run_is_its_own_requests_end_and_no_others() {
    let mut waiting = Waiting::default();
    let jobs = [(); 2].map(|()| JobTicket::new());
    let fails = ask(&mut waiting, jobs[0], &face(1), &[1, 2, 3, 4, 5, 6]);
    let next = ask(&mut waiting, jobs[0], &face(1), &[7]);
    let other = ask(&mut waiting, jobs[1], &face(1), &[8]);
    assert_eq!(paint(&mut waiting, 4), [1, 2, 3, 4]);
    let run = waiting.take(4).unwrap();
    assert_eq!(values(&run), [8, 5, 6, 7]);
    let painted = |value| Ok((vec![value; 3], Duration::ZERO));
    let ended = LipSyncError::SessionEnded { look: Look::Gan };
    waiting.deliver(&run, vec![painted(8), Err(ended), painted(7)]);
    assert!(matches!(fails.wait(), Err(LipSyncError::SessionEnded { .. })));
    assert_eq!((came(next), came(other)), (vec![7], vec![8]));
    assert!(waiting.is_empty());
}

#[test]
fn a_request_for_nothing_is_answered_at_once() {
    let mut waiting = Waiting::default();
    let nothing = ask(&mut waiting, JobTicket::new(), &face(1), &[]);
    assert!(waiting.is_empty());
    assert_eq!(came(nothing), Vec::<u8>::new());
}

proptest! {
    /// Requests of any length, jobs and faces that come between runs of any length.
    #[test]
    fn every_request_gets_its_own_mouths_and_no_run_is_left_emptier_than_it_must(
        requests in prop::collection::vec((0..4usize, 1..9usize, 0..3usize), 1..24),
        most in 1..7usize,
    ) {
        let mut waiting = Waiting::default();
        let jobs = [(); 4].map(|()| JobTicket::new());
        let mut asked = Vec::new();
        let mut left = [0; 2];
        for (number, (job, count, runs)) in requests.into_iter().enumerate() {
            let wanted: Vec<u8> = (0..count).map(|place| (number * 10 + place) as u8).collect();
            // Two avatars, each used by two of the jobs.
            let pending = ask(&mut waiting, jobs[job], &face((job % 2) as u8), &wanted);
            left[job % 2] += count;
            asked.push((wanted, pending));
            for _ in 0..runs {
                let Some(run) = waiting.take(most) else {
                    break;
                };
                let face = usize::from(run.face.bgr[0]);
                let rows = values(&run).len();
                prop_assert_eq!(rows, most.min(left[face]));
                left[face] -= rows;
                deliver(&mut waiting, &run);
            }
        }
        while let Some(run) = waiting.take(most) {
            deliver(&mut waiting, &run);
        }
        for (wanted, pending) in asked {
            prop_assert_eq!(came(pending), wanted);
        }
    }
}
