//! Decoding with real ffmpeg: every format, every bad file.

use super::*;
use crate::testing::{converted, float_wav, folder, tone, wav};
use hound::SampleFormat;

fn decode(audio: &[u8]) -> Result<Speech, SpeechError> {
    decode_within(60, audio)
}

/// Decodes in a folder of its own, which must be empty afterwards.
fn decode_within(limit_seconds: u32, audio: &[u8]) -> Result<Speech, SpeechError> {
    let folder = folder();
    let decoder = FfmpegDecoder::default();
    let speech = decoder.decode(audio, limit_seconds, &folder, &CancellationToken::new());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file was left");
    if let Err(error) = &speech {
        let text = error.to_string();
        assert!(!text.contains(folder.path().to_str().unwrap()), "{text}");
        assert!(!text.contains(" @ 0x"), "{text}");
    }
    speech
}

fn reason(audio: &[u8]) -> String {
    match decode(audio) {
        Err(SpeechError::NotAudio { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

/// The largest difference between two signals, over the samples of the shorter one.
fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(l, r)| (l - r).abs()).fold(0.0, f32::max)
}

#[test]
fn integer_wavs_of_every_width_are_scaled_to_one() {
    let wanted = tone(16_000, 1_600);
    for bits in [8, 16, 24, 32] {
        let full_scale = (1_u64 << (bits - 1)) as f64;
        let samples: Vec<_> =
            wanted.iter().map(|&s| (f64::from(s) * full_scale).round() as i32).collect();
        let speech = decode(&wav(1, 16_000, bits, SampleFormat::Int, &samples)).unwrap();
        assert_eq!((speech.rate.hz(), speech.samples.len()), (16_000, 1_600), "{bits} bits");
        // Half a step of the width, and f32's own rounding.
        let error = largest_difference(&speech.samples, &wanted);
        assert!(f64::from(error) <= 0.5 / full_scale + 1e-7, "{bits} bits: {error}");
    }
}

#[test]
fn six_channels_of_an_extensible_wav_are_averaged() {
    let frames = [[0.6, 0.0, 0.0, 0.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4, 0.5, -0.3_f32]];
    let speech = decode(&float_wav(6, 48_000, frames.as_flattened())).unwrap();
    assert_eq!(speech.rate.hz(), 48_000);
    assert!(largest_difference(&speech.samples, &[0.1, 0.2]) < 1e-6, "{speech:?}");
    let whole = frames.as_flattened().iter().map(|s| (s * 32_768.0) as i16).collect::<Vec<_>>();
    let speech = decode(&wav(6, 48_000, 16, SampleFormat::Int, &whole)).unwrap();
    assert!(largest_difference(&speech.samples, &[0.1, 0.2]) < 1e-4, "{speech:?}");
}

#[test]
fn wav_flavours_unknown_to_hound_are_decoded_all_the_same() {
    let wanted = tone(16_000, 16_000);
    let whole: Vec<_> = wanted.iter().map(|sample| (sample * 32_768.0) as i16).collect();
    let plain = wav(1, 16_000, 16, SampleFormat::Int, &whole);
    // Tolerances: A-law has 8 bits, ADPCM 4, the source 16.
    let flavours: [(&[&str], f32); 4] = [
        (&["-c:a", "pcm_alaw"], 0.02),
        (&["-c:a", "adpcm_ms"], 0.1),
        (&["-c:a", "pcm_f64le"], 4e-5),
        (&["-rf64", "always", "-c:a", "pcm_s24le"], 4e-5),
    ];
    for (options, tolerance) in flavours {
        let audio = converted(&plain, "to.wav", options);
        assert!(speech_from_wav(&audio, 60, &CancellationToken::new()).is_none(), "{options:?}");
        let speech = decode(&audio).unwrap();
        // ADPCM's predictor needs a moment.
        let error = largest_difference(&speech.samples[1_000..], &wanted[1_000..]);
        assert!(error < tolerance, "{options:?}: {error}");
        // ADPCM fills its last block up.
        assert!((16_000..18_000).contains(&speech.samples.len()), "{}", speech.samples.len());
    }
}

/// The file's place of a sample has 32 bits, of which the high ones count.
#[test]
fn samples_with_fewer_bits_than_their_place_are_not_read_from_the_low_ones() {
    let wanted = tone(16_000, 1_600);
    let high = |&sample: &f32| ((f64::from(sample) * f64::from(1 << 23)).round() as i32) << 8;
    let samples: Vec<_> = wanted.iter().map(high).collect();
    let whole = wav(1, 16_000, 32, SampleFormat::Int, &samples);
    // wValidBitsPerSample stands behind 12 bytes of RIFF, 8 of the chunk's head and 18 of its content.
    let with_valid_bits = |bits: u16| {
        let mut audio = whole.clone();
        assert_eq!(audio[38..40], 32_u16.to_le_bytes());
        audio[38..40].copy_from_slice(&bits.to_le_bytes());
        audio
    };
    // 0 and 65 are nonsense, which some write.
    for bits in [24, 0, 65] {
        let speech = decode(&with_valid_bits(bits)).unwrap();
        assert_eq!(speech.samples.len(), 1_600);
        let error = largest_difference(&speech.samples, &wanted);
        assert!(error < 1e-6, "{bits} bits: {error}");
    }
}

#[test]
fn compressed_audio_keeps_its_rate_and_content() {
    let mono = tone(22_050, 22_050);
    // One channel silent, so that averaging halves the tone.
    let stereo: Vec<_> = mono.iter().flat_map(|&sample| [sample, 0.0]).collect();
    let plain = float_wav(2, 22_050, &stereo);
    let formats: [(&str, &[&str]); 8] = [
        ("to.mp3", &[]),
        ("bare.mp3", &["-id3v2_version", "0", "-write_xing", "0"]),
        ("to.ogg", &["-c:a", "libvorbis"]),
        ("to.flac", &[]),
        ("to.m4a", &[]),
        ("to.mp4", &["-movflags", "+faststart"]),
        ("to.mka", &["-c:a", "libmp3lame"]),
        ("to.webm", &["-c:a", "libvorbis"]),
    ];
    for (name, options) in formats {
        let speech = decode(&converted(&plain, name, options)).unwrap();
        assert_eq!(speech.rate.hz(), 22_050, "{name}");
        // The codecs pad or lose at most two blocks of 1152 samples.
        let samples = speech.samples.len();
        assert!(samples.abs_diff(22_050) <= 2 * 1152, "{name}: {samples}");
        let middle = &speech.samples[5_000..15_000];
        let power = middle.iter().map(|s| f64::from(s * s)).sum::<f64>() / 10_000.0;
        // A sine of amplitude 0.25, within half a decibel.
        assert!((power.sqrt() * 2.0_f64.sqrt() - 0.25).abs() < 0.015, "{name}: {power}");
    }
}

#[test]
fn video_with_sound_gives_its_sound() {
    let picture = ["-f", "lavfi", "-i", "color=s=64x48:d=1", "-shortest"];
    let sound = wav(1, 16_000, 16, SampleFormat::Int, &vec![1000_i16; 16_000]);
    let audio = converted(&sound, "to.mp4", &picture);
    assert_eq!(decode(&audio).unwrap().rate.hz(), 16_000);
}

#[test]
fn audio_without_an_audio_track_is_refused_in_ffmpegs_words() {
    let silent = ["-map", "1", "-f", "lavfi", "-i", "color=s=64x48:d=1"];
    let options = [&silent[2..], &silent[..2]].concat();
    let reason = reason(&converted(&float_wav(1, 16_000, &[0.0; 16]), "to.mp4", &options));
    assert!(reason.contains("matches no streams"), "{reason}");
}

#[test]
fn a_wav_with_nan_is_refused_by_sample_number() {
    let error = decode(&float_wav(1, 16_000, &[0.0, 0.1, f32::NAN, 0.2])).unwrap_err();
    assert!(matches!(error, SpeechError::NotFinite { index: 2, .. }), "{error}");
    let error = decode(&float_wav(2, 16_000, &[0.0, 0.1, f32::INFINITY, 0.2])).unwrap_err();
    assert!(matches!(error, SpeechError::NotFinite { index: 1, .. }), "{error}");
}

#[test]
fn a_wav_of_zero_samples_is_empty() {
    assert!(matches!(decode(&float_wav(1, 16_000, &[])), Err(SpeechError::Empty)));
    let flac = converted(&float_wav(1, 16_000, &[]), "to.flac", &[]);
    assert!(matches!(decode(&flac), Err(SpeechError::Empty)));
}

#[test]
fn a_wav_cut_off_in_the_middle_of_a_sample_gives_what_is_there() {
    let audio = float_wav(2, 16_000, &tone(16_000, 200));
    let speech = decode(&audio[..audio.len() - 401]).unwrap();
    assert_eq!(speech.samples.len(), (800 - 401) / 8);
}

#[test]
fn a_wav_that_promises_gigabytes_gives_what_is_there() {
    let mut audio = wav(1, 16_000, 16, SampleFormat::Int, &[1000_i16; 160]);
    let data = audio.windows(4).position(|tag| tag == b"data").unwrap() + 4;
    for promise in [0x7FFF_FFFE_u32, 0xFFFF_FFFF] {
        audio[data..data + 4].copy_from_slice(&promise.to_le_bytes());
        let speech = decode(&audio).unwrap();
        assert_eq!(speech.samples.len(), 160, "{promise:#x}");
    }
}

#[test]
fn a_wav_with_an_odd_foreign_chunk_is_read() {
    let plain = wav(1, 16_000, 16, SampleFormat::Int, &[1000_i16; 160]);
    let audio = [&plain[..12], b"note\x03\0\0\0abc\0", &plain[12..]].concat();
    assert_eq!(decode(&audio).unwrap().samples.len(), 160);
}

#[test]
fn a_wav_header_without_anything_behind_it_is_refused() {
    for length in [12, 20, 40] {
        let audio = float_wav(1, 16_000, &[0.5; 16]);
        assert!(!reason(&audio[..length]).is_empty());
    }
}

#[test]
fn speech_over_the_limit_is_too_long_in_every_format() {
    let plain = float_wav(1, 8_000, &tone(8_000, 8_000 * 5 / 2));
    for audio in [plain.clone(), converted(&plain, "to.mp3", &[]), converted(&plain, "to.ogg", &[])]
    {
        let error = decode_within(2, &audio).unwrap_err();
        assert!(matches!(error, SpeechError::TooLong { limit_seconds: 2 }), "{error}");
        assert!(decode_within(3, &audio).is_ok());
    }
}

#[test]
fn hours_of_silence_in_a_small_file_are_given_up_at_the_limit() {
    // Two hours in a few megabytes.
    let silence = ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-map", "1"];
    let options = [&silence[..], &["-t", "7200", "-c:a", "flac"]].concat();
    let flac = converted(&float_wav(1, 8_000, &[0.0]), "to.flac", &options);
    let error = decode_within(2, &flac).unwrap_err();
    assert!(matches!(error, SpeechError::TooLong { limit_seconds: 2 }), "{error}");
}

#[test]
fn unusual_sample_rates_are_refused_with_value_and_limits() {
    let reason_wav = reason(&float_wav(1, 2_000, &[0.0; 16]));
    assert_eq!(reason_wav, "its sample rate is 2000 Hz; 4000 to 384000 Hz are read");
    let flac = converted(&float_wav(1, 2_000, &[0.0; 16]), "to.flac", &["-ar", "2000"]);
    assert_eq!(reason(&flac), reason_wav);
}

#[test]
fn what_is_no_audio_is_refused_by_what_it_looks_like() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "it has 0 bytes"),
        (b"This is a text file that somebody named speech.wav.", "it begins like text"),
        (b"<!doctype html><title>404</title>", "it begins like HTML or XML"),
        (b"\x89PNG\r\n\x1a\n", "it begins like a PNG picture"),
    ];
    for (audio, wanted) in cases {
        assert_eq!(reason(audio), wanted);
    }
}

/// A playlist that ffmpeg honoured would make the service read its own files for a stranger.
#[test]
fn a_playlist_is_refused_though_the_file_it_names_could_be_decoded() {
    let folder = folder();
    let secret = folder.file("secret.wav");
    std::fs::write(&secret, float_wav(1, 16_000, &tone(16_000, 16_000))).unwrap();
    let path = secret.display();
    let playlists = [
        format!("ffconcat version 1.0\nfile '{path}'\n"),
        format!("#EXTM3U\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n"),
    ];
    for playlist in playlists {
        // As it is, and behind the first bytes of each container.
        assert_eq!(reason(playlist.as_bytes()), "it begins like a playlist");
        let disguises: [&[u8]; 7] = [
            b"ID3\x03\0\0\0\0\0\0",
            b"\xFF\xFB\x90\x64",
            b"OggS",
            b"fLaC",
            b"\0\0\0\x08ftyp",
            b"\x1A\x45\xDF\xA3",
            b"RIFF\0\0\0\0WAVE",
        ];
        for disguise in disguises {
            assert!(!reason(&[disguise, playlist.as_bytes()].concat()).is_empty());
        }
    }
}

#[test]
fn a_corrupt_mp3_is_refused_in_ffmpegs_words() {
    let mut noise = 1_u32;
    let mut audio = b"ID3\x03\0\0\0\0\0\0".to_vec();
    audio.extend((0..4_000).map(|_| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Seven bits: no sync pattern can arise by chance.
        (noise >> 25) as u8
    }));
    let reason = reason(&audio);
    assert!(reason.contains("audio"), "{reason}");
}

#[test]
fn a_missing_ffmpeg_is_our_fault_and_named() {
    let flac = converted(&float_wav(1, 16_000, &[0.0; 16]), "to.flac", &[]);
    let decoder = FfmpegDecoder::new(Ffmpeg::at("/nowhere/ffmpeg"));
    let error = decoder.decode(&flac, 60, &folder(), &CancellationToken::new()).unwrap_err();
    let SpeechError::Engine { program: "ffmpeg", source } = error else { panic!("{error}") };
    assert!(source.to_string().contains("/nowhere/ffmpeg"), "{source}");
}

#[test]
fn a_cancelled_job_decodes_nothing_in_either_way() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let plain = float_wav(1, 16_000, &tone(16_000, 160_000));
    for audio in [converted(&plain, "to.flac", &[]), plain] {
        let error = FfmpegDecoder::default().decode(&audio, 60, &folder(), &cancel).unwrap_err();
        assert!(matches!(error, SpeechError::Cancelled), "{error}");
    }
}
