//! What fails, how it is told, and that it stops the rest and leaves nothing behind.

use std::sync::Arc;

use duolip_pipeline::lipsync::Look;
use duolip_pipeline::units::FrameRate;
use duolip_pipeline::{ErrorKind, JobError, Stage};
use duolip_testkit::{
    FakeDecoder, FakeEncoder, FakeLipSync, FakeMuxer, FakeSynthesizer, LipSyncTrouble,
    SegmentTrouble, SpeechTrouble, avatar, babble,
};

use crate::scene::{RATE_HZ, Scene};

fn assert_error(error: &JobError, stage: Stage, kind: ErrorKind, chain: &str) {
    assert_eq!((error.stage(), error.kind(), error.chain().as_str()), (stage, kind, chain));
}

/// Chunk 0 gets no buffer for its frame 5 until somebody stops it.
#[tokio::test]
async fn a_model_that_fails_in_the_second_chunk_stops_the_first_and_its_error_is_the_jobs() {
    let nogan = FakeLipSync::new(Look::Nogan).in_trouble_from(5, LipSyncTrouble::Fails);
    let stalls = FakeEncoder::default().in_trouble_at(0, SegmentTrouble::StallsAtFrame(5));
    let scene = Scene::of_seconds(12)
        .painted_by([FakeLipSync::new(Look::Gan), nogan])
        .in_chunks(2)
        .encoded_by(stalls);
    let error = scene.fail().await;
    assert_error(
        &error,
        Stage::LipSync,
        ErrorKind::Internal,
        "the nogan model failed: the network is tired",
    );
    assert_eq!(error.to_string(), "the nogan model failed");
    assert_eq!(scene.encoder.finished(), []);
}

#[tokio::test]
async fn a_panic_in_a_model_is_one_failed_job_and_the_next_one_runs() {
    let model = FakeLipSync::new(Look::Gan).in_trouble_at(3, LipSyncTrouble::Panics);
    let scene = Scene::of_seconds(2).painted_by([model]);
    let error = scene.fail().await;
    assert_eq!(
        (error.stage(), error.kind(), error.to_string().as_str()),
        (Stage::LipSync, ErrorKind::Internal, "the lip_sync stage panicked")
    );
    assert!(error.chain().contains("the network panics as ordered"), "{}", error.chain());
    assert_eq!(scene.show().await.frames.len(), 50);
}

#[tokio::test]
async fn a_model_without_memory_is_told_from_one_that_failed() {
    let model = FakeLipSync::new(Look::Gan).in_trouble_at(1, LipSyncTrouble::OutOfMemory);
    let error = Scene::of_seconds(2).painted_by([model]).fail().await;
    assert_error(
        &error,
        Stage::LipSync,
        ErrorKind::GpuOutOfMemory,
        "the gan model has no memory left for a batch of 4: the network is tired",
    );
}

#[tokio::test]
async fn a_session_that_ends_without_an_answer_is_told() {
    let model =
        FakeLipSync::new(Look::Gan).in_trouble_from(2, LipSyncTrouble::Ends).on_its_own_thread();
    let error = Scene::of_seconds(2).painted_by([model]).fail().await;
    assert_error(
        &error,
        Stage::LipSync,
        ErrorKind::Internal,
        "the session of the gan model has ended",
    );
}

/// The frame used to be left out: the video was one frame short of its speech, and no one was told.
#[tokio::test]
async fn a_model_that_paints_one_mouth_too_few_fails_the_job() {
    let model = FakeLipSync::new(Look::Gan).in_trouble_at(2, LipSyncTrouble::ForgetsOne);
    let error = Scene::of_seconds(2).painted_by([model]).fail().await;
    assert_error(
        &error,
        Stage::LipSync,
        ErrorKind::Internal,
        "the gan model failed: 4 mouths of 32 px were asked for; 9216 bytes of mouths of 32 px came",
    );
}

/// The fade used to be left out: the seam was hard, and no one was told.
#[tokio::test]
async fn a_model_that_paints_too_few_mouths_for_a_fade_fails_the_job() {
    let gan = FakeLipSync::new(Look::Gan).with_batch_size(1000);
    // Every submission to this model is refused a mouth, the fade of chunk 0 as well; its own chunk
    // never gets as far as asking.
    let nogan = FakeLipSync::new(Look::Nogan).in_trouble_from(0, LipSyncTrouble::ForgetsOne);
    let stalls = FakeEncoder::default().in_trouble_at(1, SegmentTrouble::StallsAtFrame(0));
    let scene = Scene::of_seconds(4)
        .painted_by([gan, nogan.with_batch_size(1000)])
        .in_chunks(2)
        .encoded_by(stalls);
    let error = scene.fail().await;
    assert_eq!(error.stage(), Stage::LipSync);
    assert!(error.chain().contains("were asked for"), "{}", error.chain());
}

#[tokio::test]
async fn an_avatar_without_a_crop_for_the_model_is_told_with_both_sizes() {
    let model = FakeLipSync::new(Look::Nogan).with_input_size(48);
    let mut scene = Scene::of_seconds(1).painted_by([model]);
    scene.avatar = Arc::new(avatar(FrameRate::DEFAULT, &[32]));
    assert_error(
        &scene.fail().await,
        Stage::LipSync,
        ErrorKind::Internal,
        "the nogan model takes faces of 48 px; the avatar was prepared for 32 px",
    );
}

#[tokio::test]
async fn an_encoder_that_dies_is_reported_with_its_causes_wherever_it_dies() {
    let died = "the encoder failed: exit status: 187: no space left on device";
    for (trouble, chain) in [
        (SegmentTrouble::DoesNotStart, "the encoder failed: no such encoder"),
        (SegmentTrouble::DiesAtFrame(0), died),
        (SegmentTrouble::DiesAtFrame(40), died),
        (SegmentTrouble::DiesOnFinish, died),
    ] {
        // The neighbour waits to be stopped.
        let encoder = FakeEncoder::default()
            .in_trouble_at(1, trouble)
            .in_trouble_at(0, SegmentTrouble::StallsAtFrame(30));
        let scene = Scene::of_seconds(6).in_chunks(2).encoded_by(encoder);
        let error = scene.fail().await;
        assert_error(&error, Stage::Encode, ErrorKind::Internal, chain);
        assert_eq!(error.to_string(), "the encoder failed");
    }
}

#[tokio::test]
async fn a_speech_encoder_that_fails_stops_the_chunks() {
    let encoder = FakeEncoder::default()
        .in_trouble_with_speech(SpeechTrouble::Fails)
        .in_trouble_at(0, SegmentTrouble::StallsAtFrame(3))
        .in_trouble_at(1, SegmentTrouble::StallsAtFrame(20));
    let scene = Scene::of_seconds(4).in_chunks(2).encoded_by(encoder);
    assert_error(
        &scene.fail().await,
        Stage::Encode,
        ErrorKind::Internal,
        "the encoder failed: exit status: 187: no space left on device",
    );
    assert_eq!(scene.encoder.finished(), []);
}

/// The chunks used to render on to their ends before the panic was told.
#[tokio::test]
async fn a_speech_encoder_that_panics_stops_the_chunks() {
    let encoder = FakeEncoder::default()
        .in_trouble_with_speech(SpeechTrouble::Panics)
        .in_trouble_at(0, SegmentTrouble::StallsAtFrame(3));
    let scene = Scene::of_seconds(2).encoded_by(encoder);
    let error = scene.fail().await;
    assert_eq!(
        (error.stage(), error.kind(), error.to_string().as_str()),
        (Stage::Encode, ErrorKind::Internal, "the encode stage panicked")
    );
}

#[tokio::test]
async fn a_chunk_that_fails_stops_the_speech_encoder() {
    let encoder = FakeEncoder::default()
        .in_trouble_with_speech(SpeechTrouble::Stalls)
        .in_trouble_at(0, SegmentTrouble::DiesAtFrame(2));
    let error = Scene::of_seconds(2).encoded_by(encoder).fail().await;
    assert_eq!(error.kind(), ErrorKind::Internal, "{}", error.chain());
}

#[tokio::test]
async fn the_stages_before_and_behind_the_chunks_fail_under_their_own_names() {
    let speech = babble(RATE_HZ as usize, RATE_HZ);

    let mut scene = Scene::of_seconds(1);
    scene.synthesizer = Arc::new(FakeSynthesizer::new(speech.clone()).failing());
    assert_error(
        &scene.fail().await,
        Stage::Speak,
        ErrorKind::Internal,
        "fake synthesizer failed: the engine is hoarse",
    );

    scene.request.text = None;
    scene.request.audio = Some(vec![0; 10]);
    assert_eq!(scene.show().await.frames.len(), 25, "the decoder is asked now");
    scene.decoder = Arc::new(FakeDecoder::new(speech).failing());
    let error = scene.fail().await;
    assert_eq!((error.stage(), error.kind()), (Stage::Speak, ErrorKind::Internal));

    let error = Scene::of_samples(601 * 8_000, 8_000).fail().await;
    assert_error(&error, Stage::Speak, ErrorKind::LimitExceeded, "the speech is longer than 600 s");

    let mut scene = Scene::of_seconds(1);
    scene.muxer = Arc::new(FakeMuxer::failing());
    assert_error(
        &scene.fail().await,
        Stage::Concat,
        ErrorKind::Internal,
        "the segments could not be joined: the segments do not match",
    );
}

#[tokio::test]
async fn a_work_folder_that_is_not_there_is_named_in_the_log_and_not_to_the_caller() {
    let scene = Scene::of_seconds(1);
    let mut stages = scene.stages();
    stages.work_dir = scene.work_dir().join("missing");
    let error = duolip_pipeline::run::run(scene.job(), scene.cast(), &stages)
        .await
        .map(|_| "a video")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(error.to_string(), "a job folder could not be made");
    assert!(error.chain().contains(&*stages.work_dir.to_string_lossy()), "{}", error.chain());
}
