//! What a job holds while it runs and leaves when it ends: files, tasks, buffers.

use std::sync::Arc;
use std::time::Duration;

use duolip_pipeline::lipsync::Look;
use duolip_pipeline::run::run;
use duolip_testkit::{
    BUFFERS, FakeEncoder, FakeLipSync, FakeSynthesizer, Gate, Gauge, SegmentTrouble, SpeechTrouble,
    babble, wait,
};

use crate::scene::Scene;

#[tokio::test]
async fn a_video_is_there_until_it_is_dropped_and_then_the_folder_is_gone() {
    let scene = Scene::of_seconds(3).painted_by_the_pair().in_chunks(2);
    let video = scene.render().await.unwrap();
    assert!(video.path.starts_with(scene.work_dir()));
    let other = scene.render().await.unwrap();
    assert_ne!(video.path, other.path);
    assert_eq!(scene.folders(), 2);
    drop(other);
    assert_eq!(scene.folders(), 1);
    assert!(video.path.is_file());
    // A caller that streams the file keeps the folder alone.
    let folder = video.folder.clone();
    drop(video);
    assert_eq!(scene.folders(), 1);
    drop(folder);
    assert_eq!(scene.folders(), 0);
}

/// Starts `scene`'s job, waits until it `has_come` far enough, and drops its future.
async fn drop_midway(scene: &Scene, what: &str, has_come: impl Fn() -> bool) {
    let (job, cast, stages) = (scene.job(), scene.cast(), scene.stages());
    let render = tokio::spawn(async move { run(job, cast, &stages).await.map(drop) });
    wait::until(what, has_come);
    render.abort();
    assert!(render.await.unwrap_err().is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_mid_render_ends_every_task_and_removes_every_file() {
    let encoder = FakeEncoder::default()
        .in_trouble_with_speech(SpeechTrouble::Stalls)
        .in_trouble_at(0, SegmentTrouble::StallsAtFrame(3))
        .in_trouble_at(1, SegmentTrouble::StallsAtFrame(40));
    let scene = Scene::of_seconds(6)
        .painted_by(Look::PAIR.map(|look| FakeLipSync::new(look).on_its_own_thread()))
        .in_chunks(2)
        .encoded_by(encoder);
    drop_midway(&scene, "speech and chunks are under way", || scene.encoder.stalled() == 3).await;
    wait::until("the job folder is gone", || scene.folders() == 0);
    wait::until("the encoders have ended", || scene.encoder.open_segments().now() == 0);
    // Every task holds the encoder.
    wait::until("the tasks have ended", || Arc::strong_count(&scene.encoder) == 1);
    assert_eq!(scene.encoder.finished(), []);
}

/// What a job has asked of a busy model is worth no place, no thread and no encoder to one that was
/// cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_does_not_wait_for_the_mouths_that_were_asked_for() {
    let gate = Gate::default();
    let scene = Scene::of_seconds(6)
        .painted_by(Look::PAIR.map(|look| FakeLipSync::new(look).held_by(&gate)))
        .in_chunks(2);
    let asked = || scene.models.iter().map(|model| model.submitted()).sum::<usize>();
    // Two batches of each chunk, and what each fades into.
    drop_midway(&scene, "both models are asked", || asked() == 6).await;
    wait::until("the job folder is gone", || scene.folders() == 0);
    wait::until("the tasks have ended", || Arc::strong_count(&scene.encoder) == 1);
    // Until here no mouth was painted.
    gate.open();
}

/// Speaking would take a minute, and nobody waits that long.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_while_it_speaks_removes_the_folder() {
    let mut scene = Scene::of_seconds(1);
    scene.synthesizer =
        Arc::new(FakeSynthesizer::new(babble(16_000, 16_000)).with_delay(Duration::from_mins(1)));
    drop_midway(&scene, "the job has a folder", || scene.folders() == 1).await;
    wait::until("the job folder is gone", || scene.folders() == 0);
    assert_eq!(scene.recorder.events(), []);
}

#[tokio::test]
async fn what_a_chunk_holds_is_bounded_however_long_the_speech() {
    const BATCH: usize = 4;
    const CHUNKS: usize = 2;
    for seconds in [4, 80] {
        let unwritten = Gauge::default();
        let model = FakeLipSync::new(Look::Gan)
            .with_batch_size(BATCH)
            .on_its_own_thread()
            .counting(&unwritten);
        let encoder = FakeEncoder::default().counting(&unwritten);
        let scene = Scene::of_seconds(seconds)
            .painted_by([model])
            .in_chunks(CHUNKS as i64)
            .encoded_by(encoder);
        assert_eq!(scene.show().await.frames.len(), 25 * seconds);
        // One batch on its way through the composer, one behind it. The mouth at rest, one for each
        // chunk, is never written.
        assert!(
            unwritten.most() <= CHUNKS * (2 * BATCH + 1),
            "{} mouths were asked for and not yet written",
            unwritten.most()
        );
        assert_eq!(unwritten.now(), CHUNKS);
        let buffers = scene.encoder.buffers();
        assert!(buffers.most() <= CHUNKS * BUFFERS, "{buffers:?}");
        assert_eq!(buffers.now(), 0);
    }
}

#[tokio::test]
async fn a_slow_encoder_holds_the_model_back() {
    let unwritten = Gauge::default();
    let model = FakeLipSync::new(Look::Gan).counting(&unwritten);
    let encoder =
        FakeEncoder::default().with_frame_delay(Duration::from_millis(2)).counting(&unwritten);
    let scene = Scene::of_seconds(4).painted_by([model]).encoded_by(encoder);
    scene.show().await;
    // Two batches, and the mouth at rest, which is never written.
    assert!(unwritten.most() <= 2 * 4 + 1, "{unwritten:?}");
}
