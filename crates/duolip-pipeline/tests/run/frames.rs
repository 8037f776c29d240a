//! The frames of a video: how many, which, in what order; never dependent on how they were made.

use duolip_pipeline::lipsync::Look;
use duolip_pipeline::units::FrameRate;
use duolip_testkit::compare::assert_levels_close;
use duolip_testkit::{ComposedFrame, FakeEncoder, FakeLipSync, Recorder, avatar};

use crate::scene::Scene;

#[tokio::test]
async fn segments_are_concatenated_in_chunk_order_when_the_second_chunk_finishes_first() {
    for order in [vec![1, 0], vec![2, 0, 1]] {
        let scene = Scene::of_seconds(12)
            .painted_by_the_pair()
            .in_chunks(order.len() as i64)
            .encoded_by(FakeEncoder::default().finishing_in(order.clone()));
        let video = scene.show().await;
        assert_eq!(scene.encoder.finished(), order);
        assert_eq!(video.frames, scene.recorder.frame_hashes());
    }
}

#[tokio::test]
async fn one_model_gives_the_same_frames_whatever_the_number_of_workers() {
    let mut whole = None;
    for workers in [1, 2, 3, 5, 16] {
        let scene = Scene::of_seconds(20).in_chunks(workers);
        let video = scene.show().await;
        assert_eq!(scene.recorder.plan().len(), workers as usize);
        assert_eq!(video.frames.len(), 500);
        assert_eq!(video.frames, scene.recorder.frame_hashes());
        let whole = whole.get_or_insert_with(|| video.frames.clone());
        assert!(*whole == video.frames, "{workers} workers");
    }
    // Not all the same picture: the fakes' mouths differ from frame to frame.
    let mut pictures = whole.unwrap();
    pictures.sort_unstable();
    pictures.dedup();
    assert!(pictures.len() > 490, "{} pictures", pictures.len());
}

#[tokio::test]
async fn one_model_gives_the_same_frames_whatever_its_batch_size_and_thread() {
    let at_once = Scene::of_seconds(4).in_chunks(2).show().await;
    for batch_size in [1, 3, 7, 64] {
        let model = FakeLipSync::new(Look::Gan).with_batch_size(batch_size).on_its_own_thread();
        let scene = Scene::of_seconds(4).in_chunks(2).painted_by([model]);
        assert!(scene.show().await == at_once, "batches of {batch_size}");
    }
}

/// The frames of eight seconds painted by `models` in three chunks, and the scene.
async fn painted_by(models: &[Look]) -> (Scene, Vec<ComposedFrame>) {
    let scene = Scene::of_seconds(8)
        .painted_by(models.iter().copied().map(FakeLipSync::new))
        .in_chunks(3)
        .watched_by(Recorder::keeping_planes());
    scene.show().await;
    let frames = scene.recorder.frames();
    (scene, frames)
}

#[tokio::test]
async fn the_pair_paints_as_each_alone_and_fades_from_one_to_the_other_at_the_seams() {
    let (scene, pair) = painted_by(&Look::PAIR).await;
    let alone = [painted_by(&[Look::Gan]).await.1, painted_by(&[Look::Nogan]).await.1];
    let by = |look: Look| &alone[usize::from(look == Look::Nogan)];
    let mut mixed = 0;
    for chunk in scene.recorder.plan() {
        for frame in chunk.frames.clone() {
            let (actual, own) = (&pair[frame].planes, &by(chunk.look)[frame].planes);
            let Some(fade) = chunk.fades.iter().find(|fade| fade.frames.contains(&frame)) else {
                assert!(actual == own, "frame {frame} is the {} model's", chunk.look);
                continue;
            };
            mixed += 1;
            let other = &by(fade.look)[frame].planes;
            assert!(own != other, "the models differ in frame {frame}");
            let share = fade.shares[frame - fade.frames.start];
            let between: Vec<u8> = own
                .iter()
                .zip(other)
                .map(|(&own, &other)| {
                    (f32::from(own) + (f32::from(other) - f32::from(own)) * share).round() as u8
                })
                .collect();
            // Tolerance: one level, for a half that is rounded the other way.
            assert_levels_close(actual, &between, 1, &format!("frame {frame}"));
            for ((actual, own), other) in actual.iter().zip(own).zip(other) {
                assert!((own.min(other)..=own.max(other)).contains(&actual));
            }
        }
    }
    assert_eq!(mixed, 2 * 5, "five frames at each of two seams");
}

#[tokio::test]
async fn a_speech_of_a_twentieth_of_a_second_has_two_frames() {
    assert_eq!(Scene::of_samples(800, 16_000).show().await.frames.len(), 2);
}

#[tokio::test]
async fn the_number_of_frames_is_the_ceiling_of_the_duration_times_25() {
    let table = [
        (1, 16_000, 1),
        (640, 16_000, 1),
        (641, 16_000, 2),
        (16_000, 16_000, 25),
        (22_051, 22_050, 26),
        (54_420, 44_100, 31),
        (60_000, 24_000, 63),
        (144_001, 48_000, 76),
        (88_000, 8_000, 275),
        (88_001, 8_000, 276),
    ];
    for (samples, rate_hz, frames) in table {
        let scene = Scene::of_samples(samples, rate_hz).painted_by_the_pair();
        let video = scene.show().await;
        assert_eq!(video.frames.len(), frames, "{samples} samples at {rate_hz} Hz");
        assert_eq!(video.frames, scene.recorder.frame_hashes());
        // The speech goes into the video whole and at its own rate.
        assert_eq!(video.speech, format!("{samples} samples at {rate_hz} Hz"));
    }
}

#[tokio::test]
async fn a_fractional_frame_rate_is_exact() {
    let ntsc = FrameRate::new(30_000, 1001).unwrap();
    for (samples, frames) in [(48_048, 30), (48_049, 31)] {
        let mut scene = Scene::of_samples(samples, 48_000);
        scene.avatar = avatar(ntsc, &[32]).into();
        assert_eq!(scene.show().await.frames.len(), frames, "{samples} samples");
    }
}
