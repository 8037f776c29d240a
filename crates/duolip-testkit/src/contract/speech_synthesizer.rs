//! What every speech synthesizer does.

use duolip_pipeline::CancellationToken;
use duolip_pipeline::error::{Classify, ErrorKind};
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::speech::{Speech, SpeechError, SpeechSynthesizer, Utterance};

/// No language and no voice of any engine.
const UNKNOWN: &str = "qqq-nowhere";

/// Runs the suite on `synthesizer`, which can say `utterance` and needs more than 2 seconds for it.
///
/// # Panics
/// When a clause does not hold.
pub fn speech_synthesizer(synthesizer: &dyn SpeechSynthesizer, utterance: &Utterance) {
    let speak = |utterance: &Utterance, limit_seconds, cancel: &CancellationToken| {
        let folder = JobFolder::create_in(&std::env::temp_dir()).unwrap();
        synthesizer.synthesize(utterance, limit_seconds, &folder, cancel)
    };
    let idle = CancellationToken::new();

    let (language, voice) = (&utterance.language, utterance.voice.as_deref());
    synthesizer.check(language, voice).unwrap();
    let spoken = speak(utterance, 3600, &idle).unwrap();
    assert!(
        spoken.seconds() > 2.0,
        "the suite needs more than 2 s; there are {} s",
        spoken.seconds()
    );
    // Finite samples, as everywhere; and not silence.
    let spoken = Speech::new(spoken.samples.to_vec(), spoken.rate).unwrap();
    assert!(spoken.samples.iter().any(|sample| sample.abs() > 0.01), "the speech is silent");

    let limit = 1;
    match speak(utterance, limit, &idle) {
        Err(SpeechError::TooLong { limit_seconds }) => assert_eq!(limit_seconds, limit),
        other => panic!("speech over the limit gave {:?}", other.map(|_| "speech")),
    }

    // What `check` refuses, `synthesize` refuses as well, by name and with what is known.
    let foreign = Utterance { language: UNKNOWN.to_owned(), ..utterance.clone() };
    let strange = Utterance { voice: Some(UNKNOWN.to_owned()), ..utterance.clone() };
    for unknown in [foreign, strange] {
        let checked = synthesizer.check(&unknown.language, unknown.voice.as_deref());
        let spoken = speak(&unknown, 3600, &idle).map(drop);
        for refused in [checked, spoken] {
            assert_refused_by_name(refused, unknown.voice.as_deref() == Some(UNKNOWN));
        }
    }

    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let answer = speak(utterance, 3600, &cancelled).map(|_| "speech");
    assert!(
        matches!(answer, Err(SpeechError::Cancelled)),
        "a cancelled synthesizer gave {answer:?}"
    );
}

fn assert_refused_by_name(refused: Result<(), SpeechError>, is_voice: bool) {
    let error = refused.expect_err("an unknown language or voice was taken");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let (name, known) = match &error {
        SpeechError::UnknownVoice { voice, known } if is_voice => (voice, known),
        SpeechError::UnknownLanguage { language, known } if !is_voice => (language, known),
        other => panic!("{UNKNOWN} was refused as {other:?}"),
    };
    assert_eq!(name, UNKNOWN);
    assert!(!known.is_empty(), "the refusal lists what is known");
}
