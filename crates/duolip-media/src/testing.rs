//! What the tests of this crate share: job folders, tones, files made by ffmpeg, ffprobe's answers.

use std::path::Path;
use std::process::Command;

use duolip_pipeline::encode::SegmentSettings;
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::units::FrameRate;
use serde_json::Value;

pub(crate) fn folder() -> JobFolder {
    JobFolder::create_in(&std::env::temp_dir()).unwrap()
}

/// A 440 Hz tone of half the full scale.
pub(crate) fn tone(rate_hz: u32, samples: usize) -> Vec<f32> {
    let step = std::f64::consts::TAU * 440.0 / f64::from(rate_hz);
    (0..samples).map(|n| (step * n as f64).sin() as f32 * 0.5).collect()
}

/// A WAV file of interleaved `samples`.
pub(crate) fn wav<S: hound::Sample + Copy>(
    channels: u16,
    rate_hz: u32,
    bits_per_sample: u16,
    sample_format: hound::SampleFormat,
    samples: &[S],
) -> Vec<u8> {
    let spec = hound::WavSpec { channels, sample_rate: rate_hz, bits_per_sample, sample_format };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for &sample in samples {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    file.into_inner()
}

pub(crate) fn float_wav(channels: u16, rate_hz: u32, samples: &[f32]) -> Vec<u8> {
    wav(channels, rate_hz, 32, hound::SampleFormat::Float, samples)
}

/// `wav` converted by ffmpeg into a file of the format that `name` ends with.
pub(crate) fn converted(wav: &[u8], name: &str, options: &[&str]) -> Vec<u8> {
    let folder = folder();
    let (from, to) = (folder.file("from.wav"), folder.file(name));
    std::fs::write(&from, wav).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(from).args(options).arg(&to);
    assert!(command.status().unwrap().success());
    std::fs::read(to).unwrap()
}

/// ffprobe's answer about `path` as JSON.
pub(crate) fn probed(path: &Path, options: &[&str]) -> Value {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "json"]).args(options).arg(path);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn settings(frame_rate: &str) -> SegmentSettings {
    let frame_rate: FrameRate = frame_rate.parse().unwrap();
    let painted = FaceBox { left: 0, top: 0, right: base().width, bottom: base().height };
    SegmentSettings { frame_rate, painted, threads: 1 }
}

/// The base frame of every segment here.
pub(crate) fn base() -> YuvFrame {
    YuvFrame::new(64, 48)
}

/// Paints a picture that tells frame `number` apart: its luma.
pub(crate) fn paint(frame: &mut YuvFrame, number: usize) {
    let luma_bytes = frame.width * frame.height;
    frame.planes[..luma_bytes].fill(luma_of(number));
    frame.planes[luma_bytes..].fill(128);
}

pub(crate) fn luma_of(number: usize) -> u8 {
    (16 + number * 7 % 200) as u8
}

/// The children of this process that have `argument` in their command line.
pub(crate) fn children_with(argument: &str) -> Vec<String> {
    let parent = format!("PPid:\t{}\n", std::process::id());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let has =
            |file: &str, wanted: &[u8]| read(file).windows(wanted.len()).any(|part| part == wanted);
        if has("cmdline", argument.as_bytes()) && has("status", parent.as_bytes()) {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}
