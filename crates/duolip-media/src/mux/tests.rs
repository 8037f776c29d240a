//! Joining what real ffmpeg has encoded: packet times over seams, lengths, order in the file.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use duolip_pipeline::encode::{SegmentWriter, VideoEncoder};
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::speech::Speech;
use duolip_pipeline::units::{FrameRate, SampleRate};

use super::*;
use crate::testing::{base, folder, luma_of, paint, probed, settings, tone};
use crate::{Ffmpeg, X264, X264Encoder, X264Settings};

fn no_cancel() -> CancellationToken {
    CancellationToken::new()
}

fn rate(text: &str) -> FrameRate {
    text.parse().unwrap()
}

/// Segments of the given numbers of frames, painted with their number in the whole job.
fn segments(frame_rate: &str, frames: &[usize], folder: &Path) -> Vec<Segment> {
    segments_by(&X264Encoder::default(), frame_rate, frames, folder)
}

fn segments_by(
    encoder: &X264Encoder,
    frame_rate: &str,
    frames: &[usize],
    folder: &Path,
) -> Vec<Segment> {
    let mut number = 0;
    let mut segment_of = |(index, &count): (usize, &usize)| {
        let path = folder.join(format!("segment-{index}.h264"));
        let settings = settings(frame_rate);
        let begun = encoder.begin_segment(index, &path, &base(), settings, &no_cancel());
        let mut writer: Box<dyn SegmentWriter> = begun.unwrap();
        for _ in 0..count {
            let mut frame = writer.buffer().unwrap();
            paint(&mut frame, number);
            writer.write(frame).unwrap();
            number += 1;
        }
        writer.finish().unwrap()
    };
    frames.iter().enumerate().map(&mut segment_of).collect()
}

/// The speech that is shown by `frames` frames, a third of a frame short of them all.
fn speech_for(frames: usize, frame_rate: &str, rate_hz: u32) -> Speech {
    let rate: FrameRate = frame_rate.parse().unwrap();
    let seconds = rate.seconds_at(frames) - rate.seconds_at(1) / 3.0;
    let samples = (seconds * f64::from(rate_hz)) as usize;
    let speech = Speech::new(tone(rate_hz, samples), SampleRate::new(rate_hz).unwrap()).unwrap();
    assert_eq!(rate.frames_for(samples, speech.rate), frames);
    speech
}

/// A video of segments of the given numbers of frames, and the number of samples of its speech.
fn video_of(
    frame_rate: &str,
    frames: &[usize],
    rate_hz: u32,
    folder: &JobFolder,
) -> (PathBuf, usize) {
    let segments = segments(frame_rate, frames, folder.path());
    let speech = speech_for(frames.iter().sum(), frame_rate, rate_hz);
    let (track, video) = (folder.file("speech.m4a"), folder.file("video.mp4"));
    X264Encoder::default().encode_speech(&speech, &track, &no_cancel()).unwrap();
    Mp4Muxer.concat(&segments, rate(frame_rate), &track, &video, &no_cancel()).unwrap();
    (video, speech.samples.len())
}

#[test]
fn packets_lie_one_frame_apart_over_every_seam_and_frame_counts_add_up() {
    let usual: &[&[usize]] = &[&[37], &[20, 17], &[1, 13, 2, 30, 1]];
    // Many short segments at a rate with short ticks: rounding at the seams would show here.
    let many: &[&[usize]] = &[&[7; 16]];
    for (frame_rate, tick, splits) in [
        ("25", 400, usual),
        ("30000/1001", 1001, usual),
        ("24000/1001", 1001, usual),
        ("120000/1001", 1001, many),
        ("25/2", 800, usual),
    ] {
        for &split in splits {
            let folder = folder();
            let (video, _) = video_of(frame_rate, split, 16_000, &folder);
            let frames: usize = split.iter().sum();
            let answer =
                probed(&video, &["-select_streams", "v", "-show_streams", "-show_packets"]);
            let times: Vec<_> = answer["packets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|packet| {
                    assert_eq!(packet["pts"], packet["dts"]);
                    packet["pts"].as_u64().unwrap()
                })
                .collect();
            let wanted: Vec<_> = (0..frames as u64).map(|n| n * tick).collect();
            assert_eq!(times, wanted, "{frame_rate} {split:?}");
            let stream = &answer["streams"][0];
            assert_eq!(stream["duration_ts"], frames as u64 * tick, "{frame_rate} {split:?}");
            assert_eq!(stream["r_frame_rate"].as_str().unwrap().trim_end_matches("/1"), frame_rate);
            assert_eq!(
                stream["avg_frame_rate"].as_str().unwrap().trim_end_matches("/1"),
                frame_rate
            );
        }
    }
}

#[test]
fn the_audio_begins_at_zero_and_lasts_as_long_as_the_speech_to_the_sample() {
    for (frame_rate, rate_hz) in
        [("25", 16_000), ("25", 22_050), ("30000/1001", 44_100), ("24000/1001", 48_000)]
    {
        let folder = folder();
        let (video, samples) = video_of(frame_rate, &[20, 17], rate_hz, &folder);
        let answer = probed(&video, &["-show_streams", "-show_format"]);
        let streams = answer["streams"].as_array().unwrap();
        let kinds: Vec<_> = streams.iter().map(|stream| &stream["codec_name"]).collect();
        assert_eq!(kinds, ["h264", "aac"]);
        assert_eq!(streams[0]["pix_fmt"], "yuv420p");
        for stream in streams {
            assert_eq!(stream["start_pts"], 0);
        }
        assert_eq!(streams[1]["time_base"], format!("1/{rate_hz}"));
        assert_eq!(streams[1]["duration_ts"], samples, "{frame_rate} {rate_hz} Hz");
        // The whole lasts as long as its frames: the longer of the two tracks.
        let rate: FrameRate = frame_rate.parse().unwrap();
        let seconds: f64 = answer["format"]["duration"].as_str().unwrap().parse().unwrap();
        // ffprobe prints microseconds, the header counts 240,000 ticks a second.
        assert!((seconds - rate.seconds_at(37)).abs() < 6e-6, "{seconds}");
    }
}

#[test]
fn every_frame_comes_out_in_order_and_decodes_over_the_seams() {
    let folder = folder();
    let (video, _) = video_of("25", &[13, 1, 23], 16_000, &folder);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-nostdin", "-i"]).arg(&video);
    command.args(["-map", "0:v", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let frames: Vec<_> = output.stdout.chunks_exact(64 * 48 * 3 / 2).collect();
    assert_eq!(frames.len(), 37);
    for (number, frame) in frames.iter().enumerate() {
        // crf 16 moves a flat picture by a few steps at most; frames lie seven apart.
        let luma = frame[64 * 24 + 32];
        assert!(luma.abs_diff(luma_of(number)) <= 3, "frame {number} has luma {luma}");
    }
}

#[test]
fn whatever_x264_is_told_its_pictures_are_joined() {
    let mut settings = vec![X264Settings { preset: "ultrafast".to_owned(), crf: 0 }];
    settings.extend(["still", "ultrafast", "medium", "veryslow"].map(|preset| {
        let preset = preset.to_owned();
        X264Settings { preset, crf: 40 }
    }));
    for x264 in settings {
        let folder = folder();
        let encoder = X264Encoder::new(Ffmpeg::default(), X264::default(), x264.clone());
        let segments = segments_by(&encoder, "25", &[9, 8], folder.path());
        let (track, video) = (folder.file("speech.m4a"), folder.file("video.mp4"));
        encoder.encode_speech(&speech_for(17, "25", 16_000), &track, &no_cancel()).unwrap();
        Mp4Muxer.concat(&segments, rate("25"), &track, &video, &no_cancel()).unwrap();
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "warning", "-nostdin", "-i"]).arg(&video);
        command.args(["-map", "0:v", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{x264:?}");
        assert_eq!(output.stdout.len(), 17 * 64 * 48 * 3 / 2, "{x264:?}");
    }
}

#[test]
fn the_sound_comes_out_in_phase_with_the_speech() {
    let folder = folder();
    let (video, samples) = video_of("25", &[20, 17], 16_000, &folder);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(&video);
    let output = command.args(["-map", "0:a", "-f", "f32le", "-"]).output().unwrap();
    let decoded: Vec<_> = output
        .stdout
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    // The decoder may leave the padding of the last block of 1024.
    assert!((samples..samples + 1024).contains(&decoded.len()), "{}", decoded.len());
    let wanted = tone(16_000, samples);
    let error_at = |shift: usize| {
        let errors = (2_000..samples - 2_000).map(|n| (decoded[n + shift] - wanted[n + 4]).abs());
        errors.fold(0.0, f32::max)
    };
    let best = (0..=8).min_by(|&a, &b| error_at(a).total_cmp(&error_at(b)));
    assert_eq!(best, Some(4), "the sound is shifted by some samples");
    // A single sample of shift would be 0.086 off.
    assert!(error_at(4) < 0.06, "{}", error_at(4));
}

#[test]
fn the_index_comes_before_the_frames() {
    let folder = folder();
    let (video, _) = video_of("25", &[10, 10], 16_000, &folder);
    let bytes = std::fs::read(video).unwrap();
    let mut boxes = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        boxes.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        at += u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    let place = |name: &str| boxes.iter().position(|found| found == name).unwrap();
    assert!(place("moov") < place("mdat"), "{boxes:?}");
}

#[test]
fn the_same_job_gives_the_same_bytes() {
    let (first, second) = (folder(), folder());
    let [first, second] = [&first, &second].map(|folder| video_of("25", &[9, 8], 16_000, folder).0);
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
}

#[test]
fn folders_with_quotes_spaces_and_colons_are_joined_from() {
    let folder = folder();
    let odd = folder.file("it's a: \"test\" \\ 100%d #1");
    std::fs::create_dir(&odd).unwrap();
    let segments = segments("25", &[5, 5], &odd);
    let (track, video) = (odd.join("speech.m4a"), odd.join("video.mp4"));
    let speech = speech_for(10, "25", 16_000);
    X264Encoder::default().encode_speech(&speech, &track, &no_cancel()).unwrap();
    Mp4Muxer.concat(&segments, rate("25"), &track, &video, &no_cancel()).unwrap();
    assert_eq!(probed(&video, &["-show_streams"])["streams"][0]["nb_frames"], "10");
}

#[test]
fn a_missing_segment_is_told() {
    let folder = folder();
    let gone = Segment { index: 0, path: folder.file("gone.h264"), frames: 1 };
    let (track, video) = (folder.file("speech.m4a"), folder.file("video.mp4"));
    let joined = Mp4Muxer.concat(&[gone], rate("25"), &track, &video, &no_cancel());
    let Err(ConcatError::Segment { path, source }) = joined else { panic!("{joined:?}") };
    assert!(path.ends_with("gone.h264"));
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_speech_track_that_is_missing_or_something_else_is_told() {
    let folder = folder();
    let segments = segments("25", &[40], folder.path());
    let (track, video) = (folder.file("speech.m4a"), folder.file("video.mp4"));
    let told = || {
        let joined = Mp4Muxer.concat(&segments, rate("25"), &track, &video, &no_cancel());
        let error = joined.unwrap_err();
        let (outer, inner) = (error.source().unwrap(), error.source().unwrap().source().unwrap());
        format!("{outer}: {inner}")
    };
    let text = told();
    assert!(text.contains("speech.m4a") && text.contains("No such file"), "{text}");
    for (content, cause) in [
        (&b"RIFF of some kind"[..], "eof"),
        (&b""[..], "eof"),
        (&[0, 0, 0, 8, 109, 111, 111, 118], "mvhd"),
    ] {
        std::fs::write(&track, content).unwrap();
        let text = told();
        assert!(text.contains("speech.m4a") && text.contains(cause), "{text}");
    }
}

#[test]
fn a_speech_track_that_tells_of_more_samples_than_it_has_is_refused() {
    let folder = folder();
    let segments = segments("25", &[5], folder.path());
    let (track, video) = (folder.file("speech.m4a"), folder.file("video.mp4"));
    let speech = speech_for(5, "25", 16_000);
    X264Encoder::default().encode_speech(&speech, &track, &no_cancel()).unwrap();
    let mut bytes = std::fs::read(&track).unwrap();
    // Behind the name: version and flags, the number of runs, then the samples of the first.
    let times = bytes.windows(4).position(|window| window == b"stts").unwrap();
    bytes[times + 15] += 1;
    std::fs::write(&track, bytes).unwrap();
    let error = Mp4Muxer.concat(&segments, rate("25"), &track, &video, &no_cancel()).unwrap_err();
    assert_eq!(error.source().unwrap().source().unwrap().to_string(), "invalid size");
}

#[test]
fn a_segment_of_another_length_than_it_was_said_to_have_is_refused() {
    let folder = folder();
    let mut segments = segments("25", &[5, 4], folder.path());
    segments[1].frames = 5;
    let (track, video) = (folder.file("speech.m4a"), folder.file("video.mp4"));
    let error = Mp4Muxer.concat(&segments, rate("25"), &track, &video, &no_cancel()).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "segment 1 has 4 pictures of 5");
}

#[test]
fn a_segment_that_changes_after_the_index_was_made_is_told_by_its_number() {
    let folder = folder();
    let segments = segments("25", &[5, 6, 4], folder.path());
    let sizes = picture_table(&segments, &no_cancel()).unwrap().sizes;
    let joined = || {
        let mut of_segments = OfSegments::new(&segments);
        sizes.iter().try_for_each(|&size| of_segments.next_of(size).map(drop))
    };
    joined().unwrap();
    let path = &segments[1].path;
    let whole = std::fs::read(path).unwrap();
    let mut longer = whole.clone();
    longer.push(1);
    // Cut short within a picture, without its last one, empty, and longer than it was.
    let last = whole.len() - sizes[10] as usize;
    for (name, bytes) in [
        ("cut", &whole[..whole.len() - 1]),
        ("without the last", &whole[..last]),
        ("empty", &[]),
        ("longer", &longer),
    ] {
        std::fs::write(path, bytes).unwrap();
        let said = joined().unwrap_err().source().unwrap().to_string();
        assert_eq!(said, "segment 1 changed while it was joined", "{name}");
    }
}

#[test]
fn segments_that_were_encoded_otherwise_are_refused() {
    let folder = folder();
    let mut segments = segments("25", &[5, 5], folder.path());
    let bytes = std::fs::read(&segments[1].path).unwrap();
    let at = bytes.windows(4).position(|window| window == [0, 0, 1, 0x68]).unwrap();
    let mut other = bytes;
    other[at + 5] ^= 1;
    segments[1].path = folder.file("other.h264");
    std::fs::write(&segments[1].path, other).unwrap();
    let (track, video) = (folder.file("speech.m4a"), folder.file("video.mp4"));
    let error = Mp4Muxer.concat(&segments, rate("25"), &track, &video, &no_cancel()).unwrap_err();
    let text = error.source().unwrap().to_string();
    assert_eq!(text, "segment 1 was encoded with other parameters than the first");
}

#[test]
fn a_video_without_room_is_told_with_its_path() {
    let folder = folder();
    let segments = segments("25", &[5], folder.path());
    let track = folder.file("speech.m4a");
    X264Encoder::default()
        .encode_speech(&speech_for(5, "25", 16_000), &track, &no_cancel())
        .unwrap();
    let full = Path::new("/dev/full");
    let error = Mp4Muxer.concat(&segments, rate("25"), &track, full, &no_cancel()).unwrap_err();
    let text = error.source().unwrap().to_string();
    assert_eq!(text, "the video /dev/full could not be written");
}

#[test]
fn joining_nothing_is_refused() {
    let (track, video) = (Path::new("speech.m4a"), Path::new("video.mp4"));
    let error = Mp4Muxer.concat(&[], rate("25"), track, video, &no_cancel()).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "there are 0 segments; at least 1 is needed");
}

#[test]
fn a_cancelled_job_joins_nothing() {
    let folder = folder();
    let segments = segments("25", &[1], folder.path());
    let cancel = CancellationToken::new();
    cancel.cancel();
    let track = folder.file("speech.m4a");
    let error = Mp4Muxer
        .concat(&segments, rate("25"), &track, &folder.file("video.mp4"), &cancel)
        .unwrap_err();
    assert!(matches!(error, ConcatError::Cancelled), "{error}");
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
