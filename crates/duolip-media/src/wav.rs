//! WAV bytes → speech, through hound. Flavours that hound does not read are left to ffmpeg.

use duolip_pipeline::CancellationToken;
use duolip_pipeline::speech::{Speech, SpeechError};
use hound::{SampleFormat, WavReader};

use crate::mono::Layout;

/// The speech in `audio`, or `None` where hound does not read this flavour of WAV: A-law, ADPCM,
/// 64-bit float, RF64.
///
/// A header that promises more than the file holds is not believed: what is there is used.
///
/// # Errors
/// Those of [`Layout`]; [`SpeechError::TooLong`] from the header alone, before anything is read.
pub(crate) fn speech_from_wav(
    audio: &[u8],
    limit_seconds: u32,
    cancel: &CancellationToken,
) -> Option<Result<Speech, SpeechError>> {
    let reader = WavReader::new(audio).ok()?;
    let spec = reader.spec();
    let layout = match Layout::new(spec.channels, spec.sample_rate, limit_seconds) {
        Ok(layout) => layout,
        Err(error) => return Some(Err(error)),
    };
    let frame_bytes = u64::from(spec.channels) * u64::from(spec.bits_per_sample / 8).max(1);
    let most = audio.len() as u64 / frame_bytes;
    if let Err(error) = layout.check_length(u64::from(reader.duration()).min(most)) {
        return Some(Err(error));
    }
    // The only error left to the samples behind the first is the end of the file.
    match spec.sample_format {
        SampleFormat::Float => {
            let samples = read_from_first::<f32>(reader)?;
            Some(layout.mix(samples, cancel))
        }
        SampleFormat::Int => {
            let full_scale = (1_u64 << (spec.bits_per_sample - 1)) as f32;
            let samples = read_from_first::<i32>(reader)?;
            Some(layout.mix(samples.map(|sample| sample as f32 / full_scale), cancel))
        }
    }
}

/// The samples up to the end of the file; `None` when hound cannot read the first one because of
/// its width.
fn read_from_first<S: hound::Sample>(reader: WavReader<&[u8]>) -> Option<impl Iterator<Item = S>> {
    let mut samples = reader.into_samples::<S>().peekable();
    match samples.peek() {
        Some(Err(hound::Error::Unsupported | hound::Error::TooWide)) => None,
        _ => Some(samples.map_while(Result::ok)),
    }
}
