//! The contract suites on the fakes, and on broken implementations that they must catch.

use std::sync::Arc;
use std::time::Duration;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::concat::{ConcatError, Muxer};
use duolip_pipeline::encode::Segment;
use duolip_pipeline::face::FaceCrop;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::lipsync::{LipSync, LipSyncError, Look, MouthBatch, PendingMouths};
use duolip_pipeline::mel::WINDOW_VALUES;
use duolip_pipeline::speech::Utterance;
use duolip_pipeline::units::FrameRate;
use duolip_testkit::{
    FakeDecoder, FakeEncoder, FakeLipSync, FakeMuxer, FakeSynthesizer, avatar, babble, contract,
    wav_from_speech,
};

fn face(size: usize) -> Arc<FaceCrop> {
    Arc::clone(&avatar(FrameRate::DEFAULT, &[size]).crops[0])
}

#[test]
fn the_fake_lip_sync_keeps_the_contract() {
    for batch_size in [1, 4, 7] {
        let model = || FakeLipSync::new(Look::Gan).with_batch_size(batch_size);
        contract::lip_sync(&model(), &face(32));
        contract::lip_sync(&model().on_its_own_thread(), &face(32));
    }
    let model = FakeLipSync::new(Look::Nogan)
        .with_input_size(48)
        .with_delay(Duration::from_millis(1))
        .on_its_own_thread();
    contract::lip_sync(&model, &face(48));
}

#[test]
fn the_fake_encoder_and_muxer_keep_the_contract() {
    let folder = JobFolder::create_in(&std::env::temp_dir()).unwrap();
    let encoder = FakeEncoder::default();
    contract::video_encoder(&encoder, &FakeMuxer::default(), &folder);
    assert_eq!(encoder.open_segments().now(), 0);
    assert_eq!(encoder.buffers().now(), 0);
}

#[test]
fn the_fake_decoder_keeps_the_contract() {
    let speech = babble(3 * 16_000, 16_000);
    let decoder = FakeDecoder::new(speech.clone()).with_delay(Duration::from_millis(1));
    contract::speech_decoder(&decoder, &wav_from_speech(&speech), &speech, 0.0);
}

#[test]
fn the_fake_synthesizer_keeps_the_contract() {
    let utterance = Utterance {
        text: "whatever".to_owned(),
        language: "en".to_owned(),
        voice: Some("anna".to_owned()),
    };
    let synthesizer =
        FakeSynthesizer::new(babble(50_000, 22_050)).with_delay(Duration::from_millis(1));
    contract::speech_synthesizer(&synthesizer, &utterance);
}

/// Gives `inner` another batch than was asked for.
struct Tampered<F> {
    inner: FakeLipSync,
    with: F,
}

impl<F: Fn(&mut MouthBatch) + Send + Sync> LipSync for Tampered<F> {
    fn look(&self) -> Look {
        self.inner.look()
    }

    fn input_size(&self) -> usize {
        self.inner.input_size()
    }

    fn batch_size(&self) -> usize {
        self.inner.batch_size()
    }

    fn submit(&self, mut batch: MouthBatch) -> Result<PendingMouths, LipSyncError> {
        (self.with)(&mut batch);
        self.inner.submit(batch)
    }
}

fn check_tampered(with: impl Fn(&mut MouthBatch) + Send + Sync) {
    let inner = FakeLipSync::new(Look::Gan);
    contract::lip_sync(&Tampered { inner, with }, &face(32));
}

#[test]
#[should_panic(expected = "bytes of 2 mouths of 32 px")]
fn a_model_that_forgets_a_mouth_is_caught() {
    check_tampered(|batch| {
        if batch.count() == 2 {
            batch.mel_windows.truncate(WINDOW_VALUES);
        }
    });
}

#[test]
#[should_panic(expected = "windows 0 and 1 give the same mouth")]
fn a_model_that_is_deaf_is_caught() {
    check_tampered(|batch| batch.mel_windows.fill(0.0));
}

#[test]
#[should_panic(expected = "is not the one painted alone")]
fn a_model_that_mixes_up_the_order_is_caught() {
    check_tampered(|batch| {
        let windows: Vec<_> = batch.mel_windows.rchunks(WINDOW_VALUES).collect();
        batch.mel_windows = windows.concat();
    });
}

#[test]
#[should_panic(expected = "a face of another size gave Ok")]
fn a_model_that_takes_any_face_is_caught() {
    let face = face(32);
    check_tampered(move |batch| batch.face = Arc::clone(&face));
}

/// Sorts the segments by itself.
struct SortingMuxer;

impl Muxer for SortingMuxer {
    fn concat(
        &self,
        segments: &[Segment],
        frame_rate: FrameRate,
        speech: &std::path::Path,
        video: &std::path::Path,
        cancel: &CancellationToken,
    ) -> Result<(), ConcatError> {
        let mut segments = segments.to_vec();
        segments.sort_by_key(|segment| segment.index);
        FakeMuxer::default().concat(&segments, frame_rate, speech, video, cancel)
    }
}

#[test]
#[should_panic(expected = "the order of segments had no effect")]
fn a_muxer_with_an_order_of_its_own_is_caught() {
    let folder = JobFolder::create_in(&std::env::temp_dir()).unwrap();
    contract::video_encoder(&FakeEncoder::default(), &SortingMuxer, &folder);
}

#[test]
#[should_panic(expected = "the audio: value 0 is")]
fn a_decoder_that_hears_something_else_is_caught() {
    let speech = babble(3 * 16_000, 16_000);
    let mut other = speech.samples.to_vec();
    for sample in &mut other {
        *sample += 0.25;
    }
    let heard = duolip_pipeline::speech::Speech::new(other, speech.rate).unwrap();
    let decoder = FakeDecoder::new(heard);
    contract::speech_decoder(&decoder, &wav_from_speech(&speech), &speech, 0.1);
}
