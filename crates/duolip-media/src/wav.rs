//! WAV bytes → speech, through hound. Flavours that hound does not read are left to ffmpeg.

use std::borrow::Cow;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::speech::{Speech, SpeechError};
use hound::{SampleFormat, WavReader};

use crate::mono::Layout;

/// `WAVE_FORMAT_EXTENSIBLE`: the format chunk says how many bits of a sample count, after how many it
/// takes.
const EXTENSIBLE: u16 = 0xfffe;

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
    let audio = with_all_bits(audio)?;
    let reader = WavReader::new(&audio[..]).ok()?;
    let spec = reader.spec();
    if !(1..=32).contains(&spec.bits_per_sample) {
        return None;
    }
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

/// `audio` with a header that says that all bits of a sample's place in the file count. Where fewer do,
/// they are the high ones, and those below are 0; hound takes the low ones.
fn with_all_bits(audio: &[u8]) -> Option<Cow<'_, [u8]>> {
    let format = format_chunk(audio)?;
    let field =
        |at: usize| audio.get(format + at..)?.first_chunk().copied().map(u16::from_le_bytes);
    let bits = field(14)?;
    if field(0)? != EXTENSIBLE || field(18)? == bits {
        return Some(Cow::Borrowed(audio));
    }
    let mut audio = audio.to_vec();
    audio[format + 18..format + 20].copy_from_slice(&bits.to_le_bytes());
    Some(Cow::Owned(audio))
}

/// Where the format chunk's content begins.
fn format_chunk(audio: &[u8]) -> Option<usize> {
    let mut at = 12;
    loop {
        let (name, rest) = audio.get(at..)?.split_first_chunk::<4>()?;
        let bytes = u32::from_le_bytes(*rest.first_chunk()?) as usize;
        at += 8;
        if name == b"fmt " {
            return Some(at);
        }
        at += bytes + bytes % 2;
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
