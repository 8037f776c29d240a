//! The laws of the chunk plan.

use proptest::prelude::*;

use super::*;
use crate::mel::mel_from_speech;
use crate::speech::Speech;
use crate::units::SampleRate;

const BOTH: &[Look] = &Look::PAIR;
const ONE: &[Look] = &[Look::Gan];

/// Noise whose loudness wanders, `seconds` long; cheap enough for hours.
fn mel_of(seconds: f64) -> MelSpectrogram {
    let count = ((seconds * 16_000.0) as usize).clamp(1, 16_000 * 30);
    let samples: Vec<f32> = (0..count)
        .map(|n| {
            let noise = (n as u32).wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32 - 0.5;
            noise * (n as f32 / 3000.0).sin().abs()
        })
        .collect();
    mel_from_speech(&Speech::new(samples, SampleRate::MEL).unwrap()).unwrap()
}

fn plan(seconds: f64, models: &[Look], workers: Option<usize>, mel: &MelSpectrogram) -> ChunkPlan {
    let samples = (seconds * 16_000.0) as usize;
    let frames = FrameRate::DEFAULT.frames_for(samples.max(1), SampleRate::MEL);
    ChunkPlan::new(frames, seconds, FrameRate::DEFAULT, models, workers, mel)
}

#[test]
fn the_table_of_the_rule_holds() {
    let table = [
        (0.05, 2, 1),
        (9.99, 2, 1),
        (10.0, 1, 1),
        (10.0, 2, 2),
        (29.99, 2, 2),
        (29.99, 3, 2),
        (30.0, 1, 2),
        (30.0, 2, 2),
        (45.0, 2, 3),
        (60.0, 1, 2),
        (60.0, 2, 4),
        (7200.0, 2, 4),
    ];
    for (seconds, models, chunks) in table {
        assert_eq!(chunks_for(seconds, models), chunks, "{seconds} s on {models} models");
    }
}

#[test]
fn chunks_go_to_the_models_in_turn() {
    let plan = plan(60.0, BOTH, Some(5), &mel_of(30.0));
    let looks: Vec<_> = plan.chunks.iter().map(|chunk| chunk.look.name()).collect();
    assert_eq!(looks, ["gan", "nogan", "gan", "nogan", "gan"]);
}

#[test]
fn a_request_for_too_many_chunks_is_lowered_to_one_a_second() {
    assert_eq!(plan(3.5, BOTH, Some(16), &mel_of(3.5)).chunks.len(), 3);
    assert_eq!(plan(0.05, BOTH, Some(16), &mel_of(0.05)).chunks.len(), 1);
}

#[test]
fn a_seam_lies_in_the_pause_next_to_the_even_split() {
    let mut samples = vec![0.0_f32; 16_000 * 12];
    for (n, sample) in samples.iter_mut().enumerate() {
        let in_pause = (16_000 * 63 / 10..16_000 * 65 / 10).contains(&n);
        *sample = if in_pause { 0.0 } else { (n as f32 * 0.3).sin() * 0.5 };
    }
    let mel = mel_from_speech(&Speech::new(samples, SampleRate::MEL).unwrap()).unwrap();
    let seam = plan(12.0, BOTH, None, &mel).chunks[1].frames.start;
    assert!((157..=162).contains(&seam), "the pause is at frames 157 to 162, the seam at {seam}");
}

#[test]
fn the_models_fade_into_each_other_over_five_frames() {
    let plan = plan(12.0, BOTH, None, &mel_of(12.0));
    let seam = plan.chunks[1].frames.start;
    let [left, right] = &plan.chunks[..] else { panic!("two chunks") };
    assert_eq!(left.fades[0].frames, seam - 2..seam);
    assert_eq!(left.fades[0].look, Look::Nogan);
    assert_eq!(left.fades[0].shares, [1.0 / 6.0, 2.0 / 6.0]);
    assert_eq!(right.fades[0].frames, seam..seam + 3);
    assert_eq!(right.fades[0].look, Look::Gan);
    assert_eq!(right.fades[0].shares, [3.0 / 6.0, 2.0 / 6.0, 1.0 / 6.0]);
}

#[test]
fn chunks_of_the_same_model_do_not_fade() {
    let plan = plan(12.0, ONE, Some(4), &mel_of(12.0));
    assert!(plan.chunks.iter().all(|chunk| chunk.fades.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_frame_is_in_exactly_one_chunk_of_at_least_a_second(
        seconds in prop_oneof![0.05..30.0_f64, 30.0..7200.0_f64],
        workers in proptest::option::of(WORKERS),
        pair: bool,
    ) {
        let models = if pair { BOTH } else { ONE };
        let plan = plan(seconds, models, workers, &mel_of(seconds.min(10.0)));
        let mut next = 0;
        for (index, chunk) in plan.chunks.iter().enumerate() {
            prop_assert_eq!(chunk.index, index);
            prop_assert_eq!(chunk.frames.start, next);
            prop_assert!(plan.chunks.len() == 1 || chunk.frames.len() >= 25);
            for fade in &chunk.fades {
                prop_assert!(fade.frames.start >= chunk.frames.start);
                prop_assert!(fade.frames.end <= chunk.frames.end);
                prop_assert_eq!(fade.shares.len(), fade.frames.len());
                prop_assert!(fade.look != chunk.look);
                prop_assert!(fade.shares.iter().all(|share| (0.0..=0.5).contains(share)));
            }
            next = chunk.frames.end;
        }
        prop_assert_eq!(next, plan.frames);
        let drift = plan.frames as f64 / 25.0 - seconds;
        prop_assert!((-1e-3..=0.04).contains(&drift), "{} s of drift", drift);
        let wanted = workers.unwrap_or_else(|| chunks_for(seconds, models.len()));
        prop_assert_eq!(plan.chunks.len(), wanted.min(plan.frames / 25).max(1));
    }

    #[test]
    fn seams_are_the_quietest_within_half_a_second(
        seconds in 10.0..30.0_f64,
        workers in 2..=6_usize,
    ) {
        let mel = mel_of(seconds);
        let plan = plan(seconds, ONE, Some(workers), &mel);
        let loudness = |frame| mel.loudness(frame, FrameRate::DEFAULT);
        for (index, chunk) in plan.chunks.iter().enumerate().skip(1) {
            let even = index * plan.frames / plan.chunks.len();
            let seam = chunk.frames.start;
            prop_assert!(seam.abs_diff(even) <= 12);
            let previous = plan.chunks[index - 1].frames.start;
            let room = (even - 12).max(previous + 25)
                ..=(even + 12).min(plan.frames - (plan.chunks.len() - index) * 25);
            for frame in room {
                prop_assert!(loudness(seam) <= loudness(frame));
            }
        }
    }
}
