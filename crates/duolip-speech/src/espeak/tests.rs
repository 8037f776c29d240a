//! The real engine.

use std::path::Path;
use std::time::Duration;

use super::*;

const LIMIT_SECONDS: u32 = 3600;

fn engine() -> EspeakSynthesizer {
    EspeakSynthesizer::new(EspeakSettings::default()).unwrap()
}

fn utterance(text: &str, language: &str) -> Utterance {
    Utterance { text: text.to_owned(), language: language.to_owned(), voice: None }
}

/// Speaks in a job folder of its own, and sees to it that nothing stays there.
fn speak(utterance: &Utterance, limit_seconds: u32) -> Result<Speech, SpeechError> {
    let parent = tempfile::tempdir().unwrap();
    let folder = JobFolder::create_in(parent.path()).unwrap();
    let speech = engine().synthesize(utterance, limit_seconds, &folder, &CancellationToken::new());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    speech
}

fn seconds(text: &str) -> f64 {
    speak(&utterance(text, "en"), LIMIT_SECONDS).unwrap().seconds()
}

#[test]
fn russian_and_english_are_spoken_as_they_come_from_the_engine() {
    for (language, text) in
        [("ru", "Привет, мир!"), ("ru-RU", "Привет, мир!"), ("en", "Hello, world!")]
    {
        let speech = speak(&utterance(text, language), LIMIT_SECONDS).unwrap();
        assert_eq!(speech.rate.hz(), 22_050);
        assert!((0.5..3.0).contains(&speech.seconds()), "{language}: {} s", speech.seconds());
        let peak = speech.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((0.1..=1.0).contains(&peak), "{language}: {peak}");
    }
}

#[test]
fn the_engine_tells_its_version_languages_and_voices() {
    let engine = engine();
    assert!(
        engine.version().starts_with(|digit: char| digit.is_ascii_digit()),
        "{}",
        engine.version()
    );
    for language in ["en", "en-us", "ru"] {
        assert!(engine.languages().any(|known| known == language), "{language}");
    }
    assert!(engine.voices().any(|voice| voice == "f2"));
}

/// What the list says exists must speak; `no` and `zh`, for instance, are listed by the engine and
/// refused by its `-v`.
#[test]
fn every_language_that_is_listed_speaks() {
    let engine = engine();
    let languages: Vec<_> = engine.languages().collect();
    assert!(languages.len() > 50, "{languages:?}");
    for language in languages {
        let speech = speak(&utterance("1 2 3 a", language), LIMIT_SECONDS);
        assert!(speech.is_ok(), "{language}: {speech:?}");
    }
}

/// The engine ignores a variant it does not know without a word, `annie` for `Annie` included.
#[test]
fn a_voice_is_heard_whatever_the_case_of_its_name() {
    let spoken_by = |voice: Option<&str>| {
        let utterance =
            Utterance { voice: voice.map(str::to_owned), ..utterance("One, two.", "en") };
        speak(&utterance, LIMIT_SECONDS).unwrap().samples.len()
    };
    assert_eq!(spoken_by(Some("annie")), spoken_by(Some("Annie")));
    assert_ne!(spoken_by(Some("annie")), spoken_by(None));
    assert_eq!(spoken_by(Some("FEMALE2")), spoken_by(None), "f2 is the default");
}

#[test]
fn unknown_languages_and_voices_are_refused_before_any_work() {
    let engine = engine();
    assert!(engine.check("en-US", Some("grandma")).is_ok());
    let error = engine.check("tlh-Latn", None).unwrap_err();
    assert!(
        matches!(&error, SpeechError::UnknownLanguage { known, .. } if known.contains("en, ")),
        "{error}"
    );
    let error = engine.check("ru", Some("; rm -rf /")).unwrap_err();
    assert!(
        matches!(&error, SpeechError::UnknownVoice { known, .. } if known.contains("f2, ")),
        "{error}"
    );
}

/// `[[1]]` is no phoneme: read as phonemes, it is a silence shorter than the word "one".
#[test]
fn double_brackets_are_read_aloud_and_not_as_phonemes() {
    assert!(seconds("[[1]]") >= seconds("1"));
    assert!(seconds("see [[h@l'oU]] there") > seconds("see there") + 0.5);
}

/// U+0001 300S makes the engine speak at 300 words a minute from there on.
#[test]
fn commands_of_the_engine_in_the_text_are_not_obeyed() {
    assert!(seconds("a \u{1}300S b c d e f g h") > seconds("a b c d e f g h"));
}

#[test]
fn text_that_looks_like_an_option_or_a_tag_is_text() {
    assert!(seconds("-v de hello") > seconds("hello"));
    assert!(seconds("--version") > 0.5);
    assert!(seconds("<speak>one & two</speak> 1 < 2") > seconds("one two"));
    assert!(seconds("<audio src=\"/etc/passwd\"/> one") > seconds("one"));
}

#[test]
fn ten_kilobytes_of_text_are_spoken_to_the_end() {
    let sentence = "The quick brown fox jumps over the lazy dog. ";
    let text = sentence.repeat(10_000 / sentence.len());
    let once = seconds(sentence);
    let all = seconds(&text);
    let expected = once * (10_000 / sentence.len()) as f64;
    assert!((0.8..1.1).contains(&(all / expected)), "{all} s for {expected} s");
}

#[test]
fn speech_over_the_limit_is_cut_off_without_being_made() {
    let text = "The quick brown fox. ".repeat(50_000);
    let error = speak(&utterance(&text, "en"), 2).unwrap_err();
    assert!(matches!(error, SpeechError::TooLong { limit_seconds: 2 }), "{error}");
}

#[test]
fn text_in_which_nothing_can_be_said_is_refused() {
    for text in ["", " \n\t ", "...", "\0", "\u{e041}"] {
        let error = speak(&utterance(text, "ru"), LIMIT_SECONDS).unwrap_err();
        assert!(matches!(error, SpeechError::NothingToSay), "{text:?}: {error}");
    }
}

#[test]
fn emoji_and_foreign_letters_are_taken() {
    for text in ["😀", "你好", "Größe", "a\u{0}b"] {
        assert!(speak(&utterance(text, "en"), LIMIT_SECONDS).is_ok(), "{text:?}");
    }
}

#[test]
fn cancellation_stops_a_speech_of_hours() {
    let parent = tempfile::tempdir().unwrap();
    let folder = JobFolder::create_in(parent.path()).unwrap();
    let cancel = CancellationToken::new();
    let text = "The quick brown fox. ".repeat(50_000);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            cancel.cancel();
        });
        engine().synthesize(&utterance(&text, "en"), 1_000_000, &folder, &cancel).unwrap_err()
    });
    assert!(matches!(error, SpeechError::Cancelled), "{error}");
}

#[test]
fn a_missing_program_is_answered_with_how_to_install_it() {
    let program = Path::new("/nowhere/espeak-ng").to_owned();
    let settings = EspeakSettings { program, ..EspeakSettings::default() };
    let error = EspeakSynthesizer::new(settings).unwrap_err();
    assert!(matches!(error, EspeakError::Missing { .. }));
    let text = error.to_string();
    assert!(
        text.contains("/nowhere/espeak-ng") && text.contains("apt-get install espeak-ng"),
        "{text}"
    );
}

#[test]
fn another_program_is_not_taken_for_the_engine() {
    let settings = EspeakSettings { program: "true".into(), ..EspeakSettings::default() };
    assert!(matches!(EspeakSynthesizer::new(settings), Err(EspeakError::NoLanguages { .. })));
    let settings = EspeakSettings { program: "false".into(), ..EspeakSettings::default() };
    assert!(matches!(EspeakSynthesizer::new(settings), Err(EspeakError::Broken { .. })));
}

#[test]
fn a_default_voice_that_does_not_exist_is_refused() {
    let settings =
        EspeakSettings { default_voice: Some("f99".into()), ..EspeakSettings::default() };
    assert!(matches!(EspeakSynthesizer::new(settings), Err(EspeakError::DefaultVoice(_))));
}
