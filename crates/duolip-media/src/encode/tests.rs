//! Encoding with real ffmpeg: segments, the speech, and encoders that die.

use std::error::Error;
use std::process::Stdio;

use duolip_pipeline::encode::Segment;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::units::SampleRate;

use super::*;
use crate::testing::{base, children_with, folder, luma_of, paint, probed, settings, tone};

mod reach;

fn begin(encoder: &X264Encoder, folder: &JobFolder) -> Box<dyn SegmentWriter> {
    let path = folder.file("segment.h264");
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
    let mut writer = begin(&X264Encoder::default(), folder);
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
    assert_eq!(answer["packets"].as_array().unwrap().len(), 520);
    for (field, value) in [
        ("codec_name", "h264"),
        ("pix_fmt", "yuv420p"),
        ("color_range", "tv"),
        ("color_space", "bt709"),
        ("color_transfer", "bt709"),
        ("color_primaries", "bt709"),
        ("avg_frame_rate", "25/1"),
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
fn a_bad_preset_fails_with_exit_status_and_last_words() {
    let x264 = X264Settings { preset: "leisurely".to_owned(), crf: 18 };
    let encoder = X264Encoder::new(Ffmpeg::default(), X264::default(), x264);
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
    let encoder = X264Encoder::new(Ffmpeg::default(), X264::default(), x264);
    let folder = folder();
    let mut writer = begin(&encoder, &folder);
    // Whichever call notices first.
    let error =
        write_frames(&mut *writer, 0..1).and_then(|()| writer.finish().map(drop)).unwrap_err();
    assert!(cause(&error).contains("leisurely"), "{}", cause(&error));
}

#[test]
fn a_missing_program_is_named() {
    let x264 = X264::at("duolip-no-such");
    let encoder = X264Encoder::new(Ffmpeg::default(), x264, X264Settings::default());
    let folder = folder();
    let path = folder.file("segment.h264");
    let begun = encoder.begin_segment(0, &path, &base(), settings("25"), &CancellationToken::new());
    assert!(cause(&begun.err().unwrap()).contains("duolip-no-such"));
}

/// A segment of which 20 frames are written, of a height that no other test has: its encoder is known by
/// that.
fn unfinished(height: usize, folder: &JobFolder) -> (Box<dyn SegmentWriter>, String) {
    let (path, base) = (folder.file("segment.h264"), YuvFrame::new(64, height));
    let cancel = CancellationToken::new();
    let begun = X264Encoder::default().begin_segment(0, &path, &base, settings("25"), &cancel);
    let mut writer = begun.unwrap();
    write_frames(&mut *writer, 0..20).unwrap();
    (writer, format!("64x{height}"))
}

#[test]
fn an_encoder_killed_in_the_middle_is_noticed_with_its_signal() {
    let folder = folder();
    let (mut writer, size) = unfinished(50, &folder);
    let [process] = &children_with(&size)[..] else { panic!("no encoder runs") };
    let killed = Command::new("kill").args(["-9", process]).status().unwrap();
    assert!(killed.success());
    let error = write_frames(&mut *writer, 20..10_000).unwrap_err();
    assert!(cause(&error).contains("signal: 9"), "{}", cause(&error));
    assert_eq!(children_with(&size), [""; 0]);
}

#[test]
fn dropping_an_unfinished_segment_leaves_no_process() {
    let folder = folder();
    let (writer, size) = unfinished(52, &folder);
    assert_eq!(children_with(&size).len(), 1);
    drop(writer);
    assert_eq!(children_with(&size), [""; 0]);
}

/// An encoder that reads nothing: every wait for it must end by cancellation.
#[test]
fn cancellation_ends_the_wait_for_a_buffer_and_for_the_end() {
    let folder = folder();
    let path = folder.file("segment.h264");
    let stuck = || {
        let cancel = CancellationToken::new();
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::piped());
        // Large frames, so that the pipe cannot hold even one.
        let large = YuvFrame::new(1280, 720);
        let segment = Segment { index: 0, path: path.clone(), frames: 0 };
        let whole = FaceBox { left: 0, top: 0, right: large.width, bottom: large.height };
        let feed = Feed::whole(&large, whole);
        let begun = RunningSegment::start(&mut command, segment, &large, feed, None, &cancel);
        (Box::new(begun.unwrap()), cancel)
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
    let mut writer = begin(&X264Encoder::default(), &folder);
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
    let mut writer = begin(&X264Encoder::default(), &folder);
    let error = writer.write(YuvFrame::new(32, 48)).unwrap_err();
    let wanted = "a frame of 2304 bytes was written to a segment with frames of 4608";
    assert_eq!(cause(&error), wanted);
    assert_eq!(
        cause(&writer.finish().unwrap_err()),
        "a segment of 0 frames was finished; at least 1 is needed"
    );
    let odd = YuvFrame { width: 63, ..base() };
    let path = folder.file("odd.h264");
    let begun = X264Encoder::default().begin_segment(
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
    X264Encoder::default().encode_speech(&speech, &path, &CancellationToken::new()).unwrap();
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
    let error = X264Encoder::default().encode_speech(&speech, &path, &cancel).unwrap_err();
    assert!(matches!(error, EncodeError::Cancelled), "{error}");
    assert_eq!(children_with(path.to_str().unwrap()), [""; 0]);
}

#[test]
fn speech_that_cannot_be_written_is_told_in_ffmpegs_words() {
    let speech = Speech::new(tone(16_000, 16_000), SampleRate::MEL).unwrap();
    let path = Path::new("/nowhere/speech.m4a");
    let error =
        X264Encoder::default().encode_speech(&speech, path, &CancellationToken::new()).unwrap_err();
    assert!(cause(&error).contains("No such file or directory"), "{}", cause(&error));
}

/// Numbers without any order, the same at every run.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::from_fn(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((state >> 56) as u8)
    })
}

/// A photo as noisy as a camera makes it.
fn photo(width: usize, height: usize) -> YuvFrame {
    let mut frame = YuvFrame::new(width, height);
    for ((at, value), noise) in frame.planes.iter_mut().enumerate().zip(noise(7)) {
        *value = 60 + (at % width / 4 % 120) as u8 + noise / 8;
    }
    frame
}

/// Something else in `painted` for each number: a texture that jumps about.
fn paint_within(frame: &mut YuvFrame, painted: FaceBox, number: usize) {
    let mut texture = YuvFrame::new(painted.width(), painted.height());
    let shift = number * 13 % 41;
    for (at, value) in texture.planes.iter_mut().enumerate() {
        let (x, y) = ((at % painted.width() + shift) / 3, (at / painted.width() + 2 * shift) / 5);
        *value = 40 + ((x * x + 3 * y + number / 4) % 170) as u8;
    }
    frame.write_part(&texture, painted.left, painted.top, <[u8]>::copy_from_slice);
}

/// The frames of H.264, each with its three planes.
fn decoded(path: &Path, width: usize, height: usize) -> Vec<YuvFrame> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-nostdin", "-err_detect", "explode", "-i"]).arg(path);
    command.args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let frames = output.stdout.chunks_exact(width * height * 3 / 2);
    frames.map(|planes| YuvFrame { width, height, planes: planes.to_vec() }).collect()
}

/// A segment of frames that `paint` has changed, the strip of it encoded alone, and its rows.
fn segment_and_strip(
    base: &YuvFrame,
    settings: SegmentSettings,
    frames: usize,
    paint: impl Fn(&mut YuvFrame, usize),
    folder: &JobFolder,
) -> (Vec<YuvFrame>, Vec<YuvFrame>, std::ops::Range<usize>) {
    let encoder = X264Encoder::default();
    let path = folder.file("segment.h264");
    let cancel = CancellationToken::new();
    let mut writer = encoder.begin_segment(0, &path, base, settings, &cancel).unwrap();
    let strip = encoder.strip(base, settings).unwrap();
    let feed = strip.feed(base, settings.painted);
    let mut given = feed.begin().to_vec();
    for number in 0..frames {
        let mut frame = writer.buffer().unwrap();
        paint(&mut frame, number);
        feed.append(&frame, &mut given);
        writer.write(frame).unwrap();
    }
    assert_eq!(writer.finish().unwrap().frames, frames);
    let size = (base.width, strip.coded_height(base.height));
    let mut command = encoder.command(&feed, settings, &strip.parameters(base.width));
    let coded = duolip_child::run(&mut command, &given, 1 << 26, &cancel).unwrap();
    let strip_path = folder.file("strip.h264");
    std::fs::write(&strip_path, coded).unwrap();
    let kept = strip.rows_between_fences(base.height);
    let without_fences = |coded: YuvFrame| {
        let planes = coded.rows(&kept).concat();
        YuvFrame { height: kept.len(), planes, ..coded }
    };
    let alone = decoded(&strip_path, size.0, size.1).into_iter().map(without_fences);
    let whole = decoded(&path, base.width, base.height);
    (whole, alone.collect(), strip.rows(base.height))
}

#[test]
fn a_spliced_picture_is_the_strip_to_the_pixel_and_stands_still_around_it() {
    for (width, height, painted) in [
        // In the middle; at the top; at the bottom, with sides that are no multiples of 16.
        (320, 400, FaceBox { left: 100, top: 180, right: 220, bottom: 250 }),
        (322, 406, FaceBox { left: 10, top: 0, right: 310, bottom: 90 }),
        (322, 406, FaceBox { left: 0, top: 340, right: 322, bottom: 406 }),
    ] {
        let (folder, base) = (folder(), photo(width, height));
        // A keyframe every ten frames.
        let settings = SegmentSettings { painted, ..settings("1") };
        let paint = |frame: &mut YuvFrame, number| paint_within(frame, painted, number);
        let (whole, strip, rows) = segment_and_strip(&base, settings, 35, paint, &folder);
        assert_eq!((whole.len(), strip.len()), (35, 35));
        let (above, below) = (0..rows.start, rows.end..height);
        for (number, (picture, strip)) in whole.iter().zip(&strip).enumerate() {
            let all_of_strip = strip.rows(&(0..strip.height));
            assert!(picture.rows(&rows) == all_of_strip, "picture {number} of {width}x{height}");
            for still in [&above, &below] {
                assert!(picture.rows(still) == whole[0].rows(still), "{still:?} of {number} moved");
            }
        }
        // What stands still is the photo, as well as x264 coded it.
        for still in [above, below] {
            let (wanted, got) = (base.rows(&still), whole[0].rows(&still));
            for (wanted, got) in wanted.concat().iter().zip(got.concat()) {
                assert!(wanted.abs_diff(got) < 24, "{wanted} became {got}");
            }
        }
    }
}

#[test]
fn the_still_picture_is_encoded_once_for_an_avatar() {
    let (folder, base) = (folder(), photo(160, 320));
    let painted = FaceBox { left: 40, top: 150, right: 120, bottom: 170 };
    let settings = SegmentSettings { painted, ..settings("25") };
    let encoder = X264Encoder::default();
    let segment = |name: &str| {
        let path = folder.file(name);
        let cancel = CancellationToken::new();
        let mut writer = encoder.begin_segment(0, &path, &base, settings, &cancel).unwrap();
        let frame = writer.buffer().unwrap();
        writer.write(frame).unwrap();
        std::fs::read(writer.finish().unwrap().path).unwrap()
    };
    assert!(segment("first.h264") == segment("again.h264"));
    // Asked for once more it starts no program; that of another photo would be started.
    let still = encoder.stills.of(&base, settings.frame_rate);
    let mut no_program = Command::new("duolip-no-such");
    assert!(still.coded(&mut no_program, &CancellationToken::new()).is_ok());
    let other = encoder.stills.of(&photo(160, 336), settings.frame_rate);
    let error = other.coded(&mut no_program, &CancellationToken::new()).unwrap_err();
    assert_eq!(error.to_string(), "the still picture was not coded");
}

#[test]
fn a_segment_that_finds_no_room_is_told_with_its_file() {
    let base = photo(160, 320);
    let painted = FaceBox { left: 40, top: 150, right: 120, bottom: 170 };
    let settings = SegmentSettings { painted, ..settings("25") };
    let full = Path::new("/dev/full");
    let mut writer = X264Encoder::default()
        .begin_segment(0, full, &base, settings, &CancellationToken::new())
        .unwrap();
    let frame = writer.buffer().unwrap();
    writer.write(frame).unwrap();
    let error = writer.finish().unwrap_err();
    let EncodeError::File { path, source } = &error else { panic!("{error:?}") };
    assert_eq!((&**path, source.kind()), (full, std::io::ErrorKind::StorageFull));
}

#[test]
fn an_encoder_of_strips_killed_in_the_middle_is_noticed_with_its_signal() {
    let (folder, base) = (folder(), photo(176, 320));
    let painted = FaceBox { left: 40, top: 150, right: 120, bottom: 170 };
    let settings = SegmentSettings { painted, ..settings("25") };
    let path = folder.file("segment.h264");
    let encoder = X264Encoder::default();
    let mut writer =
        encoder.begin_segment(0, &path, &base, settings, &CancellationToken::new()).unwrap();
    let mut write = |frames: usize| -> Result<(), EncodeError> {
        for _ in 0..frames {
            let frame = writer.buffer()?;
            writer.write(frame)?;
        }
        Ok(())
    };
    write(20).unwrap();
    let strip = encoder.strip(&base, settings).unwrap();
    let size = format!("176x{}", strip.coded_height(base.height));
    let [process] = &children_with(&size)[..] else { panic!("not one encodes the strip") };
    let killed = Command::new("kill").args(["-9", process]).status().unwrap();
    assert!(killed.success());
    let error = write(10_000).unwrap_err();
    assert!(cause(&error).contains("signal: 9"), "{}", cause(&error));
}
