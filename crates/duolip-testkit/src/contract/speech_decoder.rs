//! What every speech decoder does.

use duolip_pipeline::CancellationToken;
use duolip_pipeline::error::{Classify, ErrorKind};
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::speech::{Speech, SpeechDecoder, SpeechError};

use crate::compare::assert_close;

/// Runs the suite on `decoder`: `audio` must be heard as `speech`, each sample within `tolerance`.
///
/// # Panics
/// When a clause does not hold, or the speech is not a whole number of at least 3 seconds.
pub fn speech_decoder(decoder: &dyn SpeechDecoder, audio: &[u8], speech: &Speech, tolerance: f32) {
    let seconds = speech.seconds() as u32;
    assert!(
        seconds >= 3 && f64::from(seconds) >= speech.seconds(),
        "the suite needs whole seconds, at least 3"
    );
    let decode = |audio: &[u8], limit_seconds, cancel: &CancellationToken| {
        let folder = JobFolder::create_in(&std::env::temp_dir()).unwrap();
        decoder.decode(audio, limit_seconds, &folder, cancel)
    };
    let idle = CancellationToken::new();

    // Speech of just the limit is heard whole, and the same each time.
    for _ in 0..2 {
        let heard = decode(audio, seconds, &idle).unwrap();
        assert_eq!(heard.rate, speech.rate, "the audio keeps its rate");
        assert_close(&heard.samples, &speech.samples, tolerance, "the audio");
    }

    let limit = seconds - 1;
    match decode(audio, limit, &idle) {
        Err(SpeechError::TooLong { limit_seconds }) => assert_eq!(limit_seconds, limit),
        other => panic!("speech over the limit gave {:?}", other.map(|_| "speech")),
    }

    let refusal = decode(&[], seconds, &idle).map(|_| "speech").unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::InvalidInput, "no bytes: {refusal}");

    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let answer = decode(audio, seconds, &cancelled).map(|_| "speech");
    assert!(matches!(answer, Err(SpeechError::Cancelled)), "a cancelled decoder gave {answer:?}");
}
