//! Strips in which motion vectors would reach out: what is decoded must be what x264 coded.

use super::*;

const WIDTH: usize = 320;
const HEIGHT: usize = 400;
const PAINTED: FaceBox = FaceBox { left: 0, top: 160, right: WIDTH, bottom: 256 };
const FRAMES: usize = 24;

/// A plain wall in `rows`, and nothing but detail beyond them.
fn wall(rows: &std::ops::Range<usize>) -> YuvFrame {
    let mut frame = YuvFrame::new(WIDTH, HEIGHT);
    frame.planes.iter_mut().zip(noise(3)).for_each(|(value, noise)| *value = noise);
    let mut plain = YuvFrame::new(WIDTH, rows.len());
    plain.planes.fill(120);
    frame.write_part(&plain, 0, rows.start, <[u8]>::copy_from_slice);
    frame
}

/// A texture in [`PAINTED`] that wanders by (`right`, `down`) pixels from frame to frame.
fn paint_wandering(frame: &mut YuvFrame, number: usize, (right, down): (isize, isize)) {
    let (columns, rows) = (PAINTED.width(), PAINTED.height());
    let grain: Vec<u8> = noise(11).take(columns * rows).collect();
    let from = |at: usize, step: isize, length: usize| {
        (at as isize - step * number as isize).rem_euclid(length as isize) as usize / 4 * 4
    };
    let mut texture = YuvFrame::new(columns, rows);
    let (luma, chroma) = texture.planes.split_at_mut(columns * rows);
    for (at, value) in luma.iter_mut().enumerate() {
        let (x, y) = (from(at % columns, right, columns), from(at / columns, down, rows));
        *value = 60 + grain[y * columns + x] / 2;
    }
    chroma.fill(120);
    frame.write_part(&texture, PAINTED.left, PAINTED.top, <[u8]>::copy_from_slice);
}

/// Still macroblocks beside what moves took on its motion where one plain place is as good as another,
/// and fetched from beyond the strip: there x264 saw its own last row continued, and the decoder the
/// photo. Its detail crept into the wall and from there, frame by frame, up into the mouth.
#[test]
fn what_lies_beyond_the_strip_does_not_creep_into_a_plain_wall() {
    let encoder = X264Encoder::default();
    for (step, threads) in [((0, 20), 1), ((0, 24), 3), ((0, -20), 1), ((0, -20), 3), ((8, -16), 1)]
    {
        let settings = SegmentSettings { painted: PAINTED, threads, ..settings("1") };
        let rows = encoder.strip(&YuvFrame::new(WIDTH, HEIGHT), settings).unwrap().rows(HEIGHT);
        let (folder, base) = (folder(), wall(&rows));
        let paint = |frame: &mut YuvFrame, number| paint_wandering(frame, number, step);
        let (whole, strip, rows) = segment_and_strip(&base, settings, FRAMES, paint, &folder);
        assert_eq!((whole.len(), strip.len()), (FRAMES, FRAMES));
        for (number, (picture, strip)) in whole.iter().zip(&strip).enumerate() {
            let all_of_strip = strip.rows(&(0..strip.height));
            assert!(picture.rows(&rows) == all_of_strip, "picture {number}, by {step:?}");
        }
    }
}

#[test]
fn every_rate_factor_that_x264_takes_gives_segments() {
    let base = wall(&(128..288));
    for (crf, spliced) in [(0, false), (1, true), (34, true), (35, false), (51, false)] {
        let encoder = X264Encoder::new(
            Ffmpeg::default(),
            X264::default(),
            X264Settings { crf, ..X264Settings::default() },
        );
        let settings = SegmentSettings { painted: PAINTED, ..settings("25") };
        assert_eq!(encoder.strip(&base, settings).is_some(), spliced, "{crf}");
        let folder = folder();
        let path = folder.file("segment.h264");
        let mut writer =
            encoder.begin_segment(0, &path, &base, settings, &CancellationToken::new()).unwrap();
        for number in 0..3 {
            let mut frame = writer.buffer().unwrap();
            paint_wandering(&mut frame, number, (1, 2));
            writer.write(frame).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(decoded(&path, WIDTH, HEIGHT).len(), 3, "{crf}");
    }
}
