//! The engine's WAV → speech.
//!
//! Written to a pipe, the WAV cannot go back to fill in its length: its header claims two
//! gigabytes. What counts is how many bytes came.

use duolip_pipeline::speech::{Speech, SpeechError};
use duolip_pipeline::units::SampleRate;
use hound::{SampleFormat, WavReader, WavSpec};

use super::ENGINE;

/// What the engine makes, in every language.
const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: 22_050,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// The length of its header.
const HEADER_BYTES: usize = 44;

/// The loudest sample of what is no speech: −60 dB.
const SILENCE: f32 = 1e-3;

/// The WAV is not as the engine has always made it.
#[derive(Debug, thiserror::Error)]
#[error("the audio is {found:?}; expected {SPEC:?}")]
struct UnexpectedAudio {
    found: WavSpec,
}

/// The size of a WAV of `seconds`.
pub(super) fn bytes_of(seconds: u32) -> usize {
    HEADER_BYTES + seconds as usize * SPEC.sample_rate as usize * size_of::<i16>()
}

/// The speech in `wav`.
///
/// # Errors
/// [`SpeechError::NothingToSay`] when it has no samples or only silence, [`SpeechError::Engine`]
/// when it is no WAV of the expected kind.
pub(super) fn speech_from_wav(wav: &[u8]) -> Result<Speech, SpeechError> {
    if wav.is_empty() {
        return Err(SpeechError::NothingToSay);
    }
    let engine = |source| SpeechError::Engine { program: ENGINE, source };
    let reader = WavReader::new(wav).map_err(|error| engine(error.into()))?;
    let found = reader.spec();
    let rate = SampleRate::new(found.sample_rate)
        .filter(|_| found == SPEC)
        .ok_or_else(|| engine(UnexpectedAudio { found }.into()))?;
    let samples: Vec<f32> = reader
        .into_inner()
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0)
        .collect();
    if samples.iter().all(|sample| sample.abs() < SILENCE) {
        return Err(SpeechError::NothingToSay);
    }
    Speech::new(samples, rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV as the engine writes it to a pipe, its length unknown when its header is written.
    fn wav(hz: u32, samples: &[i16]) -> Vec<u8> {
        let mut wav = b"RIFF\x24\xf0\xff\x7fWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend(hz.to_le_bytes());
        wav.extend((hz * 2).to_le_bytes());
        wav.extend(b"\x02\0\x10\0data\0\xf0\xff\x7f");
        wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        wav
    }

    #[test]
    fn the_length_is_that_of_the_bytes_and_not_that_of_the_header() {
        let speech = speech_from_wav(&wav(22_050, &[0, 16_384, -32_768])).unwrap();
        assert_eq!(speech.samples[..], [0.0, 0.5, -1.0]);
        assert_eq!(speech.rate.hz(), 22_050);
    }

    #[test]
    fn silence_is_no_speech() {
        for silence in [vec![], wav(22_050, &[]), wav(22_050, &[0, 1, -1])] {
            assert!(matches!(speech_from_wav(&silence), Err(SpeechError::NothingToSay)));
        }
    }

    #[test]
    fn audio_of_another_kind_is_a_fault_of_the_engine() {
        for strange in [wav(16_000, &[16_384]), b"not a wav".to_vec()] {
            assert!(matches!(speech_from_wav(&strange), Err(SpeechError::Engine { .. })));
        }
    }
}
