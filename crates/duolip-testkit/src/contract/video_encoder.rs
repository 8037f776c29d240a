//! What every encoder does, together with its muxer.

use std::path::{Path, PathBuf};
use std::slice;

use duolip_pipeline::CancellationToken;
use duolip_pipeline::concat::{ConcatError, Muxer};
use duolip_pipeline::encode::{EncodeError, Segment, SegmentSettings, SegmentWriter, VideoEncoder};
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::picture::YuvFrame;
use duolip_pipeline::units::FrameRate;

use crate::signal::babble;

const SETTINGS: SegmentSettings = SegmentSettings {
    frame_rate: FrameRate::DEFAULT,
    painted: FaceBox { left: 0, top: 0, right: WIDTH, bottom: HEIGHT },
    threads: 1,
};
const WIDTH: usize = 64;
const HEIGHT: usize = 48;

/// More frames than any encoder has buffers.
const FRAMES: usize = 30;

/// Runs the suite on `encoder` and `muxer`; their files go to `folder`.
///
/// # Panics
/// When a clause does not hold.
pub fn video_encoder(encoder: &dyn VideoEncoder, muxer: &dyn Muxer, folder: &JobFolder) {
    let suite = Suite { encoder, muxer, folder };
    suite.a_segment_tells_its_index_path_and_frames();
    suite.a_buffer_is_the_base_frame_with_what_was_composed_into_it();
    suite.the_same_frames_give_the_same_file_and_others_another();
    suite.segments_may_be_written_at_the_same_time();
    suite.a_segment_that_is_dropped_does_no_harm();
    suite.segments_are_joined_in_the_order_given();
    suite.nothing_to_join_is_an_error();
    suite.all_stop_when_cancelled();
}

struct Suite<'a> {
    encoder: &'a dyn VideoEncoder,
    muxer: &'a dyn Muxer,
    folder: &'a JobFolder,
}

impl Suite<'_> {
    fn begin(&self, index: usize, name: &str) -> Box<dyn SegmentWriter> {
        let path = self.folder.file(name);
        let cancel = CancellationToken::new();
        self.encoder.begin_segment(index, &path, &base(), SETTINGS, &cancel).unwrap()
    }

    /// `FRAMES` frames, each of another brightness, beginning at `shade`.
    fn segment(&self, index: usize, name: &str, shade: usize) -> Segment {
        let mut writer = self.begin(index, name);
        write(writer.as_mut(), FRAMES, shade).unwrap();
        writer.finish().unwrap()
    }

    fn speech(&self) -> PathBuf {
        let path = self.folder.file("contract-speech.m4a");
        let seconds = FRAMES as f64 / FrameRate::DEFAULT.per_second();
        let speech = babble((seconds * 22_050.0) as usize, 22_050);
        self.encoder.encode_speech(&speech, &path, &CancellationToken::new()).unwrap();
        assert!(size_bytes(&path) > 0, "the speech was written");
        path
    }

    fn a_segment_tells_its_index_path_and_frames(&self) {
        let segment = self.segment(7, "contract-whole.mp4", 0);
        assert_eq!((segment.index, segment.frames), (7, FRAMES));
        assert_eq!(segment.path, self.folder.file("contract-whole.mp4"));
        assert!(size_bytes(&segment.path) > 0, "the segment was written");
    }

    fn a_buffer_is_the_base_frame_with_what_was_composed_into_it(&self) {
        let mut writer = self.begin(0, "contract-base.mp4");
        for frame in 0..FRAMES {
            let mut buffer = writer.buffer().unwrap();
            // Only its first row is ever composed.
            assert!(
                buffer.planes[WIDTH..] == base().planes[WIDTH..],
                "buffer {frame} is not the base frame where nothing was composed"
            );
            buffer.planes[..WIDTH].fill(frame as u8);
            writer.write(buffer).unwrap();
        }
        assert_eq!(writer.finish().unwrap().frames, FRAMES);
    }

    fn the_same_frames_give_the_same_file_and_others_another(&self) {
        let [first, same, other] = [("a", 0), ("b", 0), ("c", 100)].map(|(name, shade)| {
            let segment = self.segment(0, &format!("contract-{name}.mp4"), shade);
            std::fs::read(segment.path).unwrap()
        });
        assert!(first == same, "the same frames gave different files");
        assert!(first != other, "different frames gave the same file");
    }

    fn segments_may_be_written_at_the_same_time(&self) {
        let names = ["contract-left.mp4", "contract-right.mp4"];
        let mut writers = names.map(|name| self.begin(0, name));
        for frame in 0..FRAMES {
            for writer in &mut writers {
                write(writer.as_mut(), 1, frame).unwrap();
            }
        }
        let files = writers.map(|writer| std::fs::read(writer.finish().unwrap().path).unwrap());
        assert!(files[0] == files[1], "segments got into each other's way");
    }

    fn a_segment_that_is_dropped_does_no_harm(&self) {
        let name = "contract-dropped.mp4";
        for frames in [0, FRAMES] {
            let mut writer = self.begin(0, name);
            write(writer.as_mut(), frames, 0).unwrap();
            drop(writer);
        }
        assert_eq!(self.segment(0, name, 0).frames, FRAMES);
    }

    fn segments_are_joined_in_the_order_given(&self) {
        let speech = self.speech();
        let segments =
            [self.segment(0, "contract-first.mp4", 0), self.segment(1, "contract-second.mp4", 100)];
        let join = |segments: &[Segment], name: &str| {
            let video = self.folder.file(name);
            self.muxer
                .concat(segments, FrameRate::DEFAULT, &speech, &video, &CancellationToken::new())
                .unwrap();
            std::fs::read(video).unwrap()
        };
        let forwards = join(&segments, "contract-forwards.mp4");
        let backwards = join(&[segments[1].clone(), segments[0].clone()], "contract-backwards.mp4");
        assert!(forwards != backwards, "the order of segments had no effect");
        assert!(
            forwards == join(&segments, "contract-again.mp4"),
            "the same segments gave different videos"
        );
        for segment in &segments {
            assert!(segment.path.exists(), "a segment was used up");
        }
    }

    fn nothing_to_join_is_an_error(&self) {
        let video = self.folder.file("contract-nothing.mp4");
        let speech = self.speech();
        let joined =
            self.muxer.concat(&[], FrameRate::DEFAULT, &speech, &video, &CancellationToken::new());
        assert!(joined.is_err(), "no segments were joined");
    }

    fn all_stop_when_cancelled(&self) {
        let segment = self.segment(0, "contract-last.mp4", 0);
        let cancel = CancellationToken::new();
        let path = self.folder.file("contract-cancelled.mp4");
        let mut writer = self.encoder.begin_segment(0, &path, &base(), SETTINGS, &cancel).unwrap();
        write(writer.as_mut(), FRAMES, 0).unwrap();
        cancel.cancel();
        let answers = [
            ("buffer", writer.buffer().map(drop)),
            ("encode_speech", self.encoder.encode_speech(&babble(22_050, 22_050), &path, &cancel)),
        ];
        for (name, answer) in answers {
            assert!(
                matches!(answer, Err(EncodeError::Cancelled)),
                "a cancelled {name} gave {answer:?}"
            );
        }
        let joined = self.muxer.concat(
            slice::from_ref(&segment),
            FrameRate::DEFAULT,
            &segment.path,
            &path,
            &cancel,
        );
        assert!(matches!(joined, Err(ConcatError::Cancelled)), "a cancelled muxer gave {joined:?}");
    }
}

/// A gradient.
fn base() -> YuvFrame {
    let mut frame = YuvFrame::new(WIDTH, HEIGHT);
    for (at, value) in frame.planes.iter_mut().enumerate() {
        *value = (16 + at % 200) as u8;
    }
    frame
}

/// Writes `frames` flat frames, each a little brighter than the one before.
fn write(writer: &mut dyn SegmentWriter, frames: usize, shade: usize) -> Result<(), EncodeError> {
    for frame in 0..frames {
        let mut buffer = writer.buffer()?;
        assert_eq!((buffer.width, buffer.height), (WIDTH, HEIGHT));
        assert_eq!(buffer.planes.len(), WIDTH * HEIGHT * 3 / 2);
        let (luma, chroma) = buffer.planes.split_at_mut(WIDTH * HEIGHT);
        luma.fill((16 + (shade + frame) * 3 % 200) as u8);
        chroma.fill(128);
        writer.write(buffer)?;
    }
    Ok(())
}

fn size_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}
