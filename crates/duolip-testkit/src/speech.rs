//! Fakes of the first stage: they give the speech they were given.

use std::time::{Duration, Instant};

use duolip_pipeline::CancellationToken;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::speech::{Speech, SpeechDecoder, SpeechError, SpeechSynthesizer, Utterance};

use crate::ordered::OrderedFailure;
use crate::wait::POLL;

const LANGUAGES: [&str; 2] = ["en", "ru"];
const VOICES: [&str; 1] = ["anna"];

/// What both fakes do.
#[derive(Debug)]
struct Part {
    program: &'static str,
    speech: Speech,
    delay: Duration,
    fails: bool,
}

impl Part {
    fn new(program: &'static str, speech: Speech) -> Self {
        Self { program, speech, delay: Duration::ZERO, fails: false }
    }

    fn play(&self, limit_seconds: u32, cancel: &CancellationToken) -> Result<Speech, SpeechError> {
        let begin = Instant::now();
        loop {
            if cancel.is_cancelled() {
                return Err(SpeechError::Cancelled);
            }
            if begin.elapsed() >= self.delay {
                break;
            }
            std::thread::sleep(POLL);
        }
        if self.fails {
            return Err(SpeechError::Engine {
                program: self.program,
                source: Box::new(OrderedFailure::new("the engine is hoarse")),
            });
        }
        if self.speech.seconds() > f64::from(limit_seconds) {
            return Err(SpeechError::TooLong { limit_seconds });
        }
        Ok(self.speech.clone())
    }
}

/// Says the same, whatever the text. Speaks "en" and "ru" with the voice "anna".
#[derive(Debug)]
pub struct FakeSynthesizer(Part);

impl FakeSynthesizer {
    /// Says `speech`.
    #[must_use]
    pub fn new(speech: Speech) -> Self {
        Self(Part::new("fake synthesizer", speech))
    }

    /// Takes `delay` for it.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.0.delay = delay;
        self
    }

    /// Fails with [`SpeechError::Engine`] instead.
    #[must_use]
    pub fn failing(mut self) -> Self {
        self.0.fails = true;
        self
    }
}

impl SpeechSynthesizer for FakeSynthesizer {
    fn check(&self, language: &str, voice: Option<&str>) -> Result<(), SpeechError> {
        if !LANGUAGES.contains(&language) {
            return Err(SpeechError::UnknownLanguage {
                language: language.to_owned(),
                known: LANGUAGES.join(", "),
            });
        }
        match voice {
            Some(voice) if !VOICES.contains(&voice) => {
                Err(SpeechError::UnknownVoice { voice: voice.to_owned(), known: VOICES.join(", ") })
            }
            _ => Ok(()),
        }
    }

    fn synthesize(
        &self,
        utterance: &Utterance,
        limit_seconds: u32,
        _folder: &JobFolder,
        cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError> {
        self.check(&utterance.language, utterance.voice.as_deref())?;
        self.0.play(limit_seconds, cancel)
    }
}

/// Hears the same in whatever audio that has a byte.
#[derive(Debug)]
pub struct FakeDecoder(Part);

impl FakeDecoder {
    /// Hears `speech`.
    #[must_use]
    pub fn new(speech: Speech) -> Self {
        Self(Part::new("fake decoder", speech))
    }

    /// Takes `delay` for it.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.0.delay = delay;
        self
    }

    /// Fails with [`SpeechError::Engine`] instead.
    #[must_use]
    pub fn failing(mut self) -> Self {
        self.0.fails = true;
        self
    }
}

impl SpeechDecoder for FakeDecoder {
    fn decode(
        &self,
        audio: &[u8],
        limit_seconds: u32,
        _folder: &JobFolder,
        cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError> {
        if audio.is_empty() {
            return Err(SpeechError::NotAudio { reason: "it has 0 bytes".to_owned() });
        }
        self.0.play(limit_seconds, cancel)
    }
}
