//! The contracts of decoder, encoder and muxer, on the real ffmpeg.

use duolip_media::{Ffmpeg, FfmpegDecoder, Mp4Muxer, X264, X264Encoder, X264Settings};
use duolip_pipeline::folder::JobFolder;
use duolip_testkit::{babble, contract, wav_from_speech};

#[test]
fn ffmpeg_keeps_the_contract_of_encoder_and_muxer() {
    let folder = JobFolder::create_in(&std::env::temp_dir()).unwrap();
    let encoder = X264Encoder::new(Ffmpeg::default(), X264::default(), X264Settings::default());
    contract::video_encoder(&encoder, &Mp4Muxer, &folder);
}

#[test]
fn ffmpeg_keeps_the_contract_of_the_decoder_on_wav() {
    for rate_hz in [16_000, 44_100] {
        let speech = babble(3 * rate_hz as usize, rate_hz);
        let wav = wav_from_speech(&speech);
        // Tolerance: half a step of 16 bits, and f32's own rounding.
        contract::speech_decoder(&FfmpegDecoder::default(), &wav, &speech, 0.5 / 32_768.0 + 1e-7);
    }
}

#[test]
fn ffmpeg_keeps_the_contract_of_the_decoder_on_flac() {
    let speech = babble(4 * 22_050, 22_050);
    let folder = JobFolder::create_in(&std::env::temp_dir()).unwrap();
    let (wav, flac) = (folder.file("speech.wav"), folder.file("speech.flac"));
    std::fs::write(&wav, wav_from_speech(&speech)).unwrap();
    let status = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .args([&wav, &flac])
        .status();
    assert!(status.unwrap().success());
    let audio = std::fs::read(flac).unwrap();
    // Tolerance: FLAC is lossless, so as for the WAV it was made from.
    contract::speech_decoder(&FfmpegDecoder::default(), &audio, &speech, 0.5 / 32_768.0 + 1e-7);
}
