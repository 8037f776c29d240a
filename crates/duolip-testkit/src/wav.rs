//! Speech as a WAV file.

use duolip_pipeline::speech::Speech;

/// A mono WAV file of 16-bit samples; each is off by at most half of 1 / 32768.
///
/// # Panics
/// When the speech fills more than 4 GiB.
#[must_use]
pub fn wav_from_speech(speech: &Speech) -> Vec<u8> {
    let data_bytes = u32::try_from(speech.samples.len() * 2).unwrap();
    let rate_hz = speech.rate.hz();
    let mut wav = b"RIFF".to_vec();
    wav.extend((data_bytes + 36).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    wav.extend([1_u16, 1].map(u16::to_le_bytes).as_flattened());
    wav.extend([rate_hz, rate_hz * 2].map(u32::to_le_bytes).as_flattened());
    wav.extend([2_u16, 16].map(u16::to_le_bytes).as_flattened());
    wav.extend(b"data");
    wav.extend(data_bytes.to_le_bytes());
    for sample in &*speech.samples {
        let scaled = (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0);
        wav.extend((scaled as i16).to_le_bytes());
    }
    wav
}
