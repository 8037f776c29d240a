//! Speech: text, language and voice → speech, or the request's own audio → speech.
//!
//! The traits and the resampler. espeak-ng lies behind the traits in duolip-speech, the decoder in
//! duolip-media.

use std::sync::Arc;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

use crate::CancellationToken;
use crate::error::{Classify, ErrorKind};
use crate::folder::JobFolder;
use crate::units::SampleRate;

/// Input samples that the resampler takes at once, at least: long enough for a steep filter.
const RESAMPLER_BLOCK: usize = 2048;

/// The resampler's real block: a multiple of the rates' ratio, and even, because an odd filter is
/// off centre by half a sample.
fn resampler_block(from_hz: usize, to_hz: usize) -> usize {
    let (mut gcd, mut rest) = (from_hz, to_hz);
    while rest != 0 {
        (gcd, rest) = (rest, gcd % rest);
    }
    RESAMPLER_BLOCK.next_multiple_of(2 * from_hz / gcd)
}

/// Speech as everything behind it wants it.
///
/// # Shape
/// `samples`: mono, f32 in -1..=1, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// The audio samples.
    pub samples: Arc<Vec<f32>>,
    /// Their rate.
    pub rate: SampleRate,
}

impl Speech {
    /// Speech of checked samples. Those beyond full scale, which a float WAV may hold, are cut off
    /// there, as every player does.
    ///
    /// # Errors
    /// [`SpeechError::Empty`] without samples, [`SpeechError::NotFinite`] with a NaN or infinity.
    pub fn new(mut samples: Vec<f32>, rate: SampleRate) -> Result<Self, SpeechError> {
        if samples.is_empty() {
            return Err(SpeechError::Empty);
        }
        if let Some(index) = samples.iter().position(|sample| !sample.is_finite()) {
            return Err(SpeechError::NotFinite { index, value: samples[index] });
        }
        for sample in &mut samples {
            *sample = sample.clamp(-1.0, 1.0);
        }
        Ok(Self { samples: Arc::new(samples), rate })
    }

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate.hz())
    }

    /// The same speech at `rate`; a cheap clone when it has that rate already.
    ///
    /// # Errors
    /// [`SpeechError::Rate`] when no resampler can be built for the pair of rates.
    pub fn resampled(&self, rate: SampleRate) -> Result<Self, SpeechError> {
        if self.rate == rate {
            return Ok(self.clone());
        }
        let resample = || -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
            let (from_hz, to_hz) = (self.rate.hz() as usize, rate.hz() as usize);
            let mut resampler = Fft::<f32>::new_custom(
                from_hz,
                to_hz,
                resampler_block(from_hz, to_hz),
                1,
                1,
                WindowFunction::BlackmanHarris2,
                FixedSync::Input,
            )?;
            let input = InterleavedSlice::new(&self.samples, 1, self.samples.len())?;
            let output = resampler.process_all(&input, self.samples.len(), None)?;
            Ok(output.take_data())
        };
        let samples = resample().map_err(|source| SpeechError::Rate {
            from_hz: self.rate.hz(),
            to_hz: rate.hz(),
            source,
        })?;
        Self::new(samples, rate)
    }
}

/// What is to be said, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// The words.
    pub text: String,
    /// BCP-47 tag or ISO 639-1 code.
    pub language: String,
    /// A voice of the synthesizer; its own choice when absent.
    pub voice: Option<String>,
}

/// Why there is no speech.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    /// The synthesizer does not speak the language.
    #[error("language {language:?} is unknown; known: {known}")]
    UnknownLanguage {
        /// The language asked for.
        language: String,
        /// The languages there are, separated by commas.
        known: String,
    },
    /// The synthesizer has no such voice.
    #[error("voice {voice:?} is unknown; known: {known}")]
    UnknownVoice {
        /// The voice asked for.
        voice: String,
        /// The voices there are, separated by commas.
        known: String,
    },
    /// The text holds nothing that can be said.
    #[error("the text holds nothing that can be said")]
    NothingToSay,
    /// There are no samples.
    #[error("the audio has 0 samples; at least 1 is needed")]
    Empty,
    /// A sample is NaN or infinite.
    #[error("audio sample {index} is {value}; every sample must be a finite number")]
    NotFinite {
        /// Its place.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// The audio is none that can be read.
    #[error("the audio is not WAV, MP3, OGG, FLAC or M4A that can be read: {reason}")]
    NotAudio {
        /// What is wrong with it.
        reason: String,
    },
    /// The speech is too long.
    #[error("the speech is longer than {limit_seconds} s")]
    TooLong {
        /// The limit, in seconds.
        limit_seconds: u32,
    },
    /// The audio has more samples than speech of the longest duration has at a usual rate.
    #[error(
        "the audio is longer than {limit_seconds} s, the limit at {rate_hz} Hz; up to {usual_hz} Hz \
         more is taken"
    )]
    TooManySamples {
        /// The limit at its rate, in seconds.
        limit_seconds: u64,
        /// Its rate.
        rate_hz: u32,
        /// The highest rate that has the whole limit.
        usual_hz: u32,
    },
    /// No resampler can be built.
    #[error("audio of {from_hz} Hz cannot be resampled to {to_hz} Hz")]
    Rate {
        /// The rate it has.
        from_hz: u32,
        /// The rate wanted.
        to_hz: u32,
        /// What the resampler said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The synthesizer or decoder failed, through no fault of the request.
    #[error("{program} failed")]
    Engine {
        /// Which.
        program: &'static str,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The job was cancelled.
    #[error("speech was cancelled")]
    Cancelled,
}

impl Classify for SpeechError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownLanguage { .. }
            | Self::UnknownVoice { .. }
            | Self::NothingToSay
            | Self::Empty
            | Self::NotFinite { .. }
            | Self::NotAudio { .. }
            | Self::Rate { .. } => ErrorKind::InvalidInput,
            Self::TooLong { .. } | Self::TooManySamples { .. } => ErrorKind::LimitExceeded,
            Self::Engine { .. } => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}

/// Turns text into speech.
pub trait SpeechSynthesizer: Send + Sync {
    /// Whether `language` and `voice` exist; cheap, so that a request fails before work begins.
    ///
    /// # Errors
    /// [`SpeechError::UnknownLanguage`], [`SpeechError::UnknownVoice`].
    fn check(&self, language: &str, voice: Option<&str>) -> Result<(), SpeechError>;

    /// Speaks. Blocks. `folder` takes temporary files.
    ///
    /// # Errors
    /// Any [`SpeechError`]; [`SpeechError::TooLong`] as soon as more than `limit_seconds` of speech
    /// has been made.
    ///
    /// # Cancellation
    /// Stops within milliseconds.
    fn synthesize(
        &self,
        utterance: &Utterance,
        limit_seconds: u32,
        folder: &JobFolder,
        cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError>;
}

/// Turns the request's own audio into speech.
pub trait SpeechDecoder: Send + Sync {
    /// Decodes `audio`, told apart by its content; all channels are averaged into one. Blocks.
    /// `folder` takes temporary files.
    ///
    /// # Errors
    /// Any [`SpeechError`]; [`SpeechError::TooLong`] without decoding much more than
    /// `limit_seconds`.
    ///
    /// # Cancellation
    /// Stops within milliseconds.
    fn decode(
        &self,
        audio: &[u8],
        limit_seconds: u32,
        folder: &JobFolder,
        cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, rate: SampleRate, seconds: f64) -> Vec<f32> {
        let count = (f64::from(rate.hz()) * seconds) as usize;
        let step = std::f64::consts::TAU * hz / f64::from(rate.hz());
        (0..count).map(|n| (step * n as f64).sin() as f32 * 0.5).collect()
    }

    #[test]
    fn a_tone_keeps_its_phase_and_length_through_the_resampler() {
        for hz in [8_000, 22_050, 24_000, 44_100, 48_000] {
            let rate = SampleRate::new(hz).unwrap();
            let speech = Speech::new(sine(440.0, rate, 0.5), rate).unwrap();
            let at_16k = speech.resampled(SampleRate::MEL).unwrap();
            assert!(at_16k.samples.len().abs_diff(8_000) <= 1, "{hz}: {}", at_16k.samples.len());
            let wanted = sine(440.0, SampleRate::MEL, 0.5);
            let error =
                (800..7_200).map(|n| (at_16k.samples[n] - wanted[n]).abs()).fold(0.0, f32::max);
            assert!(error < 1e-3, "{hz} Hz: {error}");
        }
    }

    #[test]
    fn one_sample_survives_the_resampler() {
        let speech = Speech::new(vec![0.5], SampleRate::new(44_100).unwrap()).unwrap();
        assert_eq!(speech.resampled(SampleRate::MEL).unwrap().samples.len(), 1);
    }

    #[test]
    fn bad_samples_are_named() {
        let error = Speech::new(vec![0.0, f32::NAN], SampleRate::MEL).unwrap_err();
        assert_eq!(
            error.to_string(),
            "audio sample 1 is NaN; every sample must be a finite number"
        );
        assert!(matches!(Speech::new(vec![], SampleRate::MEL), Err(SpeechError::Empty)));
    }
}
