//! Speech to send, and what ffprobe says of the answer.

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

/// A mono 16-bit WAV of `samples` samples at `hz`: a hum that swells and fades.
pub(crate) fn wav(samples: usize, hz: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    wav_of(spec, samples, |n| {
        let seconds = n as f32 / hz as f32;
        (seconds * 900.0).sin() * (seconds * 7.0).sin() * 0.3
    })
}

/// A WAV of `frames` times all channels.
pub(crate) fn wav_of(
    spec: hound::WavSpec,
    frames: usize,
    sample: impl Fn(usize) -> f32,
) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    let full = (1_i64 << (spec.bits_per_sample - 1)) as f32 - 1.0;
    for n in 0..frames {
        for _ in 0..spec.channels {
            match spec.sample_format {
                hound::SampleFormat::Int => writer.write_sample((sample(n) * full) as i32).unwrap(),
                hound::SampleFormat::Float => writer.write_sample(sample(n)).unwrap(),
            }
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// What ffprobe says of a video.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) video_codec: String,
    pub(crate) pixel_format: String,
    pub(crate) audio_codec: String,
    pub(crate) video_seconds: f64,
    pub(crate) audio_seconds: f64,
    /// The presentation time of every video packet, in seconds.
    pub(crate) packet_times: Vec<f64>,
}

impl Probe {
    /// Probes the MP4 file `path`.
    pub(crate) fn file(path: &Path) -> Self {
        let of = |stream: &str, entry: &str| ffprobe(path, stream, &format!("stream={entry}"));
        Self {
            video_codec: of("v:0", "codec_name"),
            pixel_format: of("v:0", "pix_fmt"),
            audio_codec: of("a:0", "codec_name"),
            video_seconds: of("v:0", "duration").parse().unwrap(),
            audio_seconds: of("a:0", "duration").parse().unwrap(),
            packet_times: ffprobe(path, "v:0", "packet=pts_time")
                .lines()
                .map(|line| line.trim_end_matches(',').parse().unwrap())
                .collect(),
        }
    }

    /// Probes an MP4 in memory.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Self::file(file.path())
    }

    /// Everything that must hold of a video of `samples` audio samples at `hz`, 25 frames a second.
    pub(crate) fn assert_exact(&self, samples: usize, hz: u32) {
        let frames = (samples * 25).div_ceil(hz as usize);
        assert_eq!(self.packet_times.len(), frames, "frames of {samples} samples at {hz} Hz");
        for (frame, time) in self.packet_times.iter().enumerate() {
            assert!((time - frame as f64 * 0.04).abs() < 1e-6, "frame {frame} is at {time} s");
        }
        assert!((self.video_seconds - frames as f64 * 0.04).abs() < 1e-4, "{self:?}");
        let speech = samples as f64 / f64::from(hz);
        assert!((self.audio_seconds - speech).abs() < 1e-4, "{speech} s of speech, {self:?}");
    }
}

fn ffprobe(path: &Path, stream: &str, entries: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries", entries])
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
