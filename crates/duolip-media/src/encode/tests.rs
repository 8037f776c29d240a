//! Encoding with real ffmpeg: segments, the speech, and encoders that die.

use std::error::Error;

use duolip_pipeline::encode::Segment;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::units::SampleRate;

use super::*;
use crate::testing::{base, folder, luma_of, paint, probed, processes_naming, settings, tone};

fn begin(encoder: &FfmpegEncoder, folder: &JobFolder) -> Box<dyn SegmentWriter> {
    let path = folder.file("segment.mp4");
    encoder.begin_segment(3, &path, &base(), settings("25"), &CancellationToken::new()).unwrap()
}

fn write_frames(
    writer: &mut dyn SegmentWriter,
    numbers: std::ops::Range<usize>,
) -> Result<(), EncodeError> {
    for number in numbers {
        let mut frame = writer.buffer()?;
        paint(&mut frame, number);
        writer.write(frame)?;
    }
    Ok(())
}

/// The message of the encoder's own error.
fn cause(error: &EncodeError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

fn segment_of(frames: usize, folder: &JobFolder) -> Segment {
    let mut writer = begin(&FfmpegEncoder::default(), folder);
    write_frames(&mut *writer, 0..frames).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_segment_is_h264_without_b_frames_and_tagged_bt709() {
    let folder = folder();
    let segment = segment_of(520, &folder);
    assert_eq!((segment.index, segment.frames), (3, 520));
    let answer = probed(&segment.path, &["-show_streams", "-show_packets"]);
    let stream = &answer["streams"][0];
    assert_eq!(answer["streams"].as_array().unwrap().len(), 1);
    for (field, value) in [
        ("codec_name", "h264"),
        ("pix_fmt", "yuv420p"),
        ("color_range", "tv"),
        ("color_space", "bt709"),
        ("color_transfer", "bt709"),
        ("color_primaries", "bt709"),
        ("avg_frame_rate", "25/1"),
        ("time_base", "1/10000"),
        ("nb_frames", "520"),
    ] {
        assert_eq!(stream[field], value, "{field}");
    }
    assert_eq!((&stream["width"], &stream["height"]), (&64.into(), &48.into()));
    assert_eq!(stream["has_b_frames"], 0);
    // A keyframe every ten seconds, from the first frame on.
    let packets = answer["packets"].as_array().unwrap();
    let is_key = |n: usize| packets[n]["flags"].as_str().unwrap().starts_with('K');
    let keys: Vec<_> = (0..packets.len()).filter(|&n| is_key(n)).collect();
    assert_eq!(keys, [0, 250, 500]);
}

#[test]
fn frames_are_encoded_in_the_order_they_were_written() {
    let folder = folder();
    let segment = segment_of(30, &folder);
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(&segment.path);
    let output = command.args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]).output().unwrap();
    let frames: Vec<_> = output.stdout.chunks_exact(64 * 48 * 3 / 2).collect();
    assert_eq!(frames.len(), 30);
    for (number, frame) in frames.iter().enumerate() {
        // crf 16 moves a flat picture by a few steps at most; frames lie seven apart.
        let luma = frame[64 * 24 + 32];
        assert!(luma.abs_diff(luma_of(number)) <= 3, "frame {number} has luma {luma}");
    }
}

#[test]
fn the_same_frames_give_the_same_bytes() {
    let (first, second) = (folder(), folder());
    let [first, second] = [&first, &second].map(|folder| segment_of(60, folder).path);
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
}

#[test]
fn a_time_base_holds_every_frame_in_whole_ticks() {
    for (text, ticks) in [
        ("25", 10_000),
        ("30", 10_020),
        ("30000/1001", 30_000),
        ("24000/1001", 24_000),
        ("25/2", 10_000),
        ("999999/8400", 999_999),
    ] {
        let rate: FrameRate = text.parse().unwrap();
        assert_eq!(timescale(rate), ticks, "{text}");
        assert_eq!(
            u64::from(ticks) * u64::from(rate.denominator()) % u64::from(rate.numerator()),
            0
        );
    }
}

#[test]
fn a_bad_preset_fails_with_exit_status_and_last_words() {
    let x264 = X264Settings { preset: "leisurely".to_owned(), crf: 18 };
    let encoder = FfmpegEncoder::new(Ffmpeg::default(), x264);
    let folder = folder();
    let mut writer = begin(&encoder, &folder);
    let error = write_frames(&mut *writer, 0..10_000).unwrap_err();
    let text = cause(&error);
    assert!(text.contains("exit status") && text.contains("leisurely"), "{text}");
    // Told once; later calls say that it is over.
    let later = writer.buffer().map(drop).unwrap_err();
    assert_eq!(cause(&later), "the encoder of the segment has ended already");
}

#[test]
fn a_bad_preset_is_also_told_when_the_segment_is_shorter_than_the_buffers() {
    let x264 = X264Settings { preset: "leisurely".to_owned(), crf: 18 };
    let encoder = FfmpegEncoder::new(Ffmpeg::default(), x264);
    let folder = folder();
    let mut writer = begin(&encoder, &folder);
    // Whichever call notices first.
    let error =
        write_frames(&mut *writer, 0..1).and_then(|()| writer.finish().map(drop)).unwrap_err();
    assert!(cause(&error).contains("leisurely"), "{}", cause(&error));
}

#[test]
fn a_missing_ffmpeg_is_named() {
    let encoder = FfmpegEncoder::new(Ffmpeg::at("duolip-no-such"), X264Settings::default());
    let folder = folder();
    let path = folder.file("segment.mp4");
    let begun = encoder.begin_segment(0, &path, &base(), settings("25"), &CancellationToken::new());
    assert!(cause(&begun.err().unwrap()).contains("duolip-no-such"));
}

#[test]
fn an_encoder_killed_in_the_middle_is_noticed_with_its_signal() {
    let folder = folder();
    let mut writer = begin(&FfmpegEncoder::default(), &folder);
    write_frames(&mut *writer, 0..20).unwrap();
    let [process] = &processes_naming(folder.path())[..] else { panic!("no encoder runs") };
    let killed = std::process::Command::new("kill").args(["-9", process]).status().unwrap();
    assert!(killed.success());
    let error = write_frames(&mut *writer, 20..10_000).unwrap_err();
    assert!(cause(&error).contains("signal: 9"), "{}", cause(&error));
    assert_eq!(processes_naming(folder.path()), [""; 0]);
}

#[test]
fn dropping_an_unfinished_segment_leaves_no_process() {
    let folder = folder();
    let mut writer = begin(&FfmpegEncoder::default(), &folder);
    write_frames(&mut *writer, 0..20).unwrap();
    assert_eq!(processes_naming(folder.path()).len(), 1);
    drop(writer);
    assert_eq!(processes_naming(folder.path()), [""; 0]);
}

/// An encoder that reads nothing: every wait for it must end by cancellation.
#[test]
fn cancellation_ends_the_wait_for_a_buffer_and_for_the_end() {
    let folder = folder();
    let path = folder.file("segment.mp4");
    let stuck = || {
        let cancel = CancellationToken::new();
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::piped());
        // Large frames, so that the pipe cannot hold even one.
        let large = YuvFrame::new(1280, 720);
        let segment = FfmpegSegment::start(&mut command, 0, &path, &large, &cancel).unwrap();
        (Box::new(segment), cancel)
    };
    let (mut writer, cancel) = stuck();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        cancel.cancel();
    });
    let error = write_frames(&mut *writer, 0..10).unwrap_err();
    assert!(matches!(error, EncodeError::Cancelled), "{error}");
    canceller.join().unwrap();

    let (mut writer, cancel) = stuck();
    write_frames(&mut *writer, 0..2).unwrap();
    cancel.cancel();
    assert!(matches!(writer.finish().unwrap_err(), EncodeError::Cancelled));
}

#[test]
fn frames_that_were_not_asked_for_are_waited_for_too() {
    let folder = folder();
    let mut writer = begin(&FfmpegEncoder::default(), &folder);
    for number in 0..50 {
        let mut frame = YuvFrame::new(64, 48);
        paint(&mut frame, number);
        writer.write(frame).unwrap();
    }
    assert_eq!(writer.finish().unwrap().frames, 50);
}

#[test]
fn a_frame_of_another_size_and_a_segment_without_frames_are_refused() {
    let folder = folder();
    let mut writer = begin(&FfmpegEncoder::default(), &folder);
    let error = writer.write(YuvFrame::new(32, 48)).unwrap_err();
    let wanted = "a frame of 2304 bytes was written to a segment with frames of 4608";
    assert_eq!(cause(&error), wanted);
    assert_eq!(
        cause(&writer.finish().unwrap_err()),
        "a segment of 0 frames was finished; at least 1 is needed"
    );
    let odd = YuvFrame { width: 63, ..base() };
    let path = folder.file("odd.mp4");
    let begun = FfmpegEncoder::default().begin_segment(
        0,
        &path,
        &odd,
        settings("25"),
        &CancellationToken::new(),
    );
    assert!(cause(&begun.err().unwrap()).contains("63x48"));
}

fn encoded_speech(samples: Vec<f32>, rate_hz: u32) -> serde_json::Value {
    let folder = folder();
    let path = folder.file("speech.m4a");
    let speech = Speech::new(samples, SampleRate::new(rate_hz).unwrap()).unwrap();
    FfmpegEncoder::default().encode_speech(&speech, &path, &CancellationToken::new()).unwrap();
    probed(&path, &["-show_streams"])["streams"][0].clone()
}

#[test]
fn encoded_speech_lasts_as_long_as_the_speech_to_the_sample() {
    for (rate_hz, samples) in
        [(48_000, 100_001), (44_100, 44_100), (22_050, 30_011), (16_000, 1_025), (8_000, 1)]
    {
        let stream = encoded_speech(tone(rate_hz, samples), rate_hz);
        assert_eq!(stream["codec_name"], "aac");
        assert_eq!(stream["profile"], "LC");
        assert_eq!(stream["sample_rate"], rate_hz.to_string());
        assert_eq!(stream["start_pts"], 0);
        assert_eq!(stream["duration_ts"], samples, "{rate_hz} Hz");
    }
}

#[test]
fn speech_at_a_rate_that_aac_lacks_is_resampled_and_keeps_its_length() {
    for (rate_hz, samples) in [(11_000, 11_001), (96_000, 96_001), (4_000, 1)] {
        let stream = encoded_speech(tone(rate_hz, samples), rate_hz);
        assert_eq!(stream["sample_rate"], "48000");
        let wanted = samples as f64 * 48_000.0 / f64::from(rate_hz);
        let got = stream["duration_ts"].as_f64().unwrap();
        // Within one audio sample of the encoded track.
        assert!((got - wanted).abs() <= 1.0, "{rate_hz} Hz: {got}, not {wanted}");
    }
}

#[test]
fn absurdly_loud_speech_is_encoded_at_full_scale() {
    let stream = encoded_speech(vec![f32::MAX, f32::MIN, 1e30, 0.0], 16_000);
    assert_eq!(stream["duration_ts"], 4);
}

#[test]
fn a_cancelled_job_encodes_no_speech() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let folder = folder();
    let speech = Speech::new(tone(16_000, 1_600_000), SampleRate::MEL).unwrap();
    let path = folder.file("speech.m4a");
    let error = FfmpegEncoder::default().encode_speech(&speech, &path, &cancel).unwrap_err();
    assert!(matches!(error, EncodeError::Cancelled), "{error}");
    assert_eq!(processes_naming(folder.path()), [""; 0]);
}

#[test]
fn speech_that_cannot_be_written_is_told_in_ffmpegs_words() {
    let speech = Speech::new(tone(16_000, 16_000), SampleRate::MEL).unwrap();
    let path = Path::new("/nowhere/speech.m4a");
    let error = FfmpegEncoder::default()
        .encode_speech(&speech, path, &CancellationToken::new())
        .unwrap_err();
    assert!(cause(&error).contains("No such file or directory"), "{}", cause(&error));
}
