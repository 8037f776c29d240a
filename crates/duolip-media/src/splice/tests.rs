//! What is written into the slices' headers, read back. That the pictures are right, encode/tests.rs
//! shows with a decoder.

use std::path::Path;

use duolip_pipeline::encode::{SegmentSettings, VideoEncoder as _};
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::picture::YuvFrame;

use super::*;
use crate::encode::X264Encoder;
use crate::testing::{folder, settings};

/// `idr_pic_id` of every slice of a keyframe, picture by picture.
fn keyframe_numbers(segment: &Path) -> Vec<Vec<u32>> {
    let mut units = NalUnits::new(std::fs::File::open(segment).unwrap());
    let (mut sequence, mut parameters) = (None, None);
    let mut pictures = Vec::<Vec<u32>>::new();
    while let Some(unit) = units.next().unwrap() {
        match unit.kind() {
            kind::SEQUENCE => sequence = Some(Sequence::parse(&unit.rbsp).unwrap()),
            kind::PICTURE => parameters = Some(PictureParameters::parse(&unit.rbsp).unwrap()),
            kind::IDR_SLICE => {
                let slice = Slice::parse(&unit, &sequence.unwrap(), parameters.unwrap()).unwrap();
                if slice.header.first_macroblock == 0 {
                    pictures.push(Vec::new());
                }
                pictures.last_mut().unwrap().extend(slice.header.idr_id);
            }
            _ => {}
        }
    }
    pictures
}

/// H.264, 7.4.3: two IDR pictures, one directly behind the other, must not have the same.
#[test]
fn keyframes_that_meet_at_a_seam_have_other_numbers() {
    let (folder, base) = (folder(), YuvFrame::new(160, 320));
    let painted = FaceBox { left: 40, top: 150, right: 120, bottom: 170 };
    // A keyframe every ten frames: a segment of 21 begins with one and ends with one.
    let settings = SegmentSettings { painted, ..settings("1") };
    let mut numbers = Vec::new();
    for index in 0..3 {
        let path = folder.file(&format!("segment-{index}.h264"));
        let cancel = CancellationToken::new();
        let encoder = X264Encoder::default();
        let mut writer = encoder.begin_segment(index, &path, &base, settings, &cancel).unwrap();
        for _ in 0..21 {
            let frame = writer.buffer().unwrap();
            writer.write(frame).unwrap();
        }
        numbers.extend(keyframe_numbers(&writer.finish().unwrap().path));
    }
    assert_eq!(numbers.len(), 9);
    for slices in &numbers {
        assert!(slices.len() > 1 && slices.iter().all(|number| *number == slices[0]), "{slices:?}");
    }
    for pair in numbers.windows(2) {
        assert_ne!(pair[0][0], pair[1][0]);
    }
}
