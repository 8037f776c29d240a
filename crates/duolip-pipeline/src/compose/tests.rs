//! Composition: what is painted, and what must not be.

use super::*;
use crate::picture::YuvFrame;

const SIZE: usize = 96;

fn photo(width: usize, height: usize) -> Picture {
    let rgb = (0..width * height * 3).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    Picture { width, height, rgb }
}

fn face_box() -> FaceBox {
    FaceBox { left: 21, top: 33, right: 142, bottom: 176 }
}

fn mouth(value: u8) -> Vec<u8> {
    vec![value; SIZE * SIZE * 3]
}

fn compose(photo: &Picture, paste: Paste, mouth: &[u8]) -> (YuvFrame, YuvFrame, MouthPatch) {
    compose_at(photo, face_box(), paste, mouth)
}

/// The photo as a frame, the frame with `mouth`, and the patch.
fn compose_at(
    photo: &Picture,
    face_box: FaceBox,
    paste: Paste,
    mouth: &[u8],
) -> (YuvFrame, YuvFrame, MouthPatch) {
    let base = yuv_from_rgb(photo, photo.width & !1, photo.height & !1);
    let patch = MouthPatch::new(photo, face_box, paste);
    let mut frame = base.clone();
    moving(photo, &patch, mouth).compose(mouth, &mut frame);
    (base, frame, patch)
}

/// A composer of a model whose mouth at rest is nowhere like `mouth`: all of it is shown.
fn moving<'a>(photo: &Picture, patch: &'a MouthPatch, mouth: &[u8]) -> Composer<'a> {
    let rest: Vec<u8> = mouth.iter().map(|value| value ^ 128).collect();
    Composer::new(patch, &crop_face(photo, patch.face_box, SIZE), &rest)
}

#[test]
fn parity_mode_pastes_the_resized_mouth_over_the_whole_rectangle() {
    let photo = photo(160, 180);
    let mouth: Vec<u8> = (0..SIZE * SIZE * 3).map(|n| (n * 7 % 251) as u8).collect();
    let (_, frame, _) = compose(&photo, Paste::Parity, &mouth);
    // The same by way of a whole picture: resize, overwrite, convert.
    let box_ = face_box();
    let whole = FaceBox { left: 0, top: 0, right: box_.width(), bottom: box_.height() };
    let mut resized = vec![0; box_.width() * box_.height() * 3];
    Resizer::new(SIZE, SIZE, box_.width(), box_.height(), whole).resize(&mouth, &mut resized);
    let mut pasted = photo.clone();
    for y in 0..box_.height() {
        for x in 0..box_.width() {
            let from = (y * box_.width() + x) * 3;
            let to = ((y + box_.top) * photo.width + x + box_.left) * 3;
            for channel in 0..3 {
                pasted.rgb[to + channel] = resized[from + 2 - channel];
            }
        }
    }
    assert!(frame == yuv_from_rgb(&pasted, 160, 180));
}

#[test]
fn only_the_painted_rectangle_changes() {
    for paste in [Paste::Feathered, Paste::Parity] {
        let (base, frame, patch) = compose(&photo(161, 181), paste, &mouth(255));
        let painted = patch.painted;
        let mut changed = 0;
        for y in 0..base.height {
            for x in 0..base.width {
                let inside = (painted.left..painted.right).contains(&x)
                    && (painted.top..painted.bottom).contains(&y);
                let at = y * base.width + x;
                let same = frame.planes[at] == base.planes[at];
                assert!(same || inside, "pixel ({x}, {y}) changed outside {painted:?}");
                changed += usize::from(!same);
            }
        }
        assert!(changed > 1000, "only {changed} pixels were painted");
    }
}

#[test]
fn the_feather_mask_leaves_nose_and_box_edges_alone_and_covers_the_mouth() {
    let patch = MouthPatch::new(&photo(160, 180), face_box(), Paste::Feathered);
    let share = |across: f32, down: f32| {
        let x = face_box().left + (across * face_box().width() as f32) as usize;
        let y = face_box().top + (down * face_box().height() as f32) as usize;
        let painted = patch.painted;
        if x < painted.left || x >= painted.right || y < painted.top || y >= painted.bottom {
            return 0;
        }
        patch.shares[(y - painted.top) * painted.width() + x - painted.left]
    };
    assert_eq!(share(0.5, 0.73), 255);
    assert_eq!(share(0.5, 0.45), 0);
    assert_eq!(share(0.02, 0.73), 0);
    assert_eq!(share(0.98, 0.73), 0);
    assert!((1..255).contains(&share(0.5, 0.95)), "the chin's edge is soft");
}

#[test]
fn a_mouth_equal_to_the_photo_changes_nothing() {
    let grey = Picture { width: 160, height: 180, rgb: vec![120; 160 * 180 * 3] };
    let (base, frame, _) = compose(&grey, Paste::Feathered, &mouth(120));
    assert!(base == frame);
}

#[test]
fn a_face_at_the_photos_edge_is_composed() {
    let photo = photo(101, 101);
    let face_box = FaceBox { left: 1, top: 1, right: 100, bottom: 100 };
    for paste in [Paste::Feathered, Paste::Parity] {
        let (base, frame, _) = compose_at(&photo, face_box, paste, &mouth(0));
        assert!(frame != base);
    }
}

#[test]
fn a_frame_composed_over_an_earlier_one_is_the_same_as_over_the_base() {
    for paste in [Paste::Feathered, Paste::Parity] {
        let photo = photo(161, 181);
        let (_, wanted, patch) = compose(&photo, paste, &mouth(90));
        let (_, mut frame, _) = compose(&photo, paste, &mouth(255));
        assert!(frame != wanted);
        let mut composer = moving(&photo, &patch, &mouth(90));
        composer.compose(&mouth(3), &mut frame);
        composer.compose(&mouth(90), &mut frame);
        assert!(frame == wanted, "{paste:?}");
    }
}

#[test]
fn a_whole_share_replaces_the_mouth_and_none_leaves_it() {
    let photo = photo(160, 180);
    let (_, own, patch) = compose(&photo, Paste::Feathered, &mouth(40));
    let (_, other, _) = compose(&photo, Paste::Feathered, &mouth(200));
    let mut composer = moving(&photo, &patch, &mouth(200));
    for (share, wanted) in [(0.0, &own), (1.0, &other)] {
        let mut frame = own.clone();
        composer.mix(&mouth(200), share, &mut frame);
        assert!(frame == *wanted, "share {share}");
    }
}

#[test]
fn the_crop_is_bgr() {
    let red = Picture { width: 64, height: 64, rgb: [255, 0, 10].repeat(64 * 64) };
    let crop = crop_face(&red, FaceBox { left: 3, top: 4, right: 60, bottom: 62 }, 96);
    assert_eq!(crop.bgr[..3], [10, 0, 255]);
    assert_eq!(crop.bgr.len(), 96 * 96 * 3);
}

#[test]
fn what_a_model_need_not_paint_never_reaches_the_frame() {
    let photo = photo(160, 180);
    for paste in [Paste::Feathered, Paste::Parity] {
        let needed = paste.painted_pixels(SIZE);
        let paint = |outside: u8| -> Vec<u8> {
            (0..SIZE * SIZE)
                .flat_map(|at| {
                    let (x, y) = (at % SIZE, at / SIZE);
                    let inside = (needed.left..needed.right).contains(&x)
                        && (needed.top..needed.bottom).contains(&y);
                    [if inside { (at % 251) as u8 } else { outside }; 3]
                })
                .collect()
        };
        let (_, dark, _) = compose(&photo, paste, &paint(0));
        let (_, bright, _) = compose(&photo, paste, &paint(255));
        match paste {
            Paste::Feathered => assert!(dark == bright),
            // The upper half is pasted as well: the caller fills it with the face itself.
            Paste::Parity => assert!(dark != bright),
        }
    }
}

#[test]
fn a_96_pixel_mouth_is_painted_from_row_50_to_94_and_column_12_to_83() {
    let expected = FaceBox { left: 12, top: 50, right: 84, bottom: 95 };
    assert_eq!(Paste::Feathered.painted_pixels(96), expected);
    let lower_half = FaceBox { left: 0, top: 48, right: 96, bottom: 96 };
    assert_eq!(Paste::Parity.painted_pixels(96), lower_half);
}

/// A photo whose skin is `grey` with a beard of single pixels, 30 levels darker and brighter.
fn bearded(grey: u8) -> Picture {
    let pixel =
        |at: usize| if (at / 160 + at % 160).is_multiple_of(2) { grey - 30 } else { grey + 30 };
    let rgb = (0..160 * 180).flat_map(|at| [pixel(at); 3]).collect();
    Picture { width: 160, height: 180, rgb }
}

/// The frame that shows `mouth`, painted by a model whose mouth at rest is `rest`.
fn at_rest(photo: &Picture, paste: Paste, rest: u8, mouth: &[u8]) -> YuvFrame {
    let patch = MouthPatch::new(photo, face_box(), paste);
    let mut frame = yuv_from_rgb(photo, 160, 180);
    let face = crop_face(photo, face_box(), SIZE);
    Composer::new(&patch, &face, &vec![rest; SIZE * SIZE * 3]).compose(mouth, &mut frame);
    frame
}

#[test]
fn a_mouth_at_rest_is_the_photo_itself() {
    // The network painted the beard as even skin, a little too bright.
    let photo = bearded(120);
    let resting = at_rest(&photo, Paste::Feathered, 125, &mouth(125));
    assert!(resting == yuv_from_rgb(&photo, 160, 180));
    let (_, painted, _) = compose(&photo, Paste::Feathered, &mouth(125));
    assert!(resting != painted);
}

/// The luma of twenty pixels in the middle of the mouth, side by side.
fn middle(frame: &YuvFrame) -> &[u8] {
    let row = (face_box().top + face_box().height() * 3 / 4) * 160;
    &frame.planes[row + 70..row + 90]
}

#[test]
fn what_moves_loses_its_detail_by_and_by() {
    let photo = bearded(120);
    let moved_by = |levels: u8| at_rest(&photo, Paste::Feathered, 120, &mouth(120 + levels));
    for far in [32, 40, 100] {
        let (_, painted, _) = compose(&photo, Paste::Feathered, &mouth(120 + far));
        assert!(moved_by(far) == painted, "{far} levels");
    }
    let beard: Vec<u8> =
        (0..=32).map(moved_by).map(|frame| middle(&frame)[0].abs_diff(middle(&frame)[1])).collect();
    assert!(beard[0] > 40 && beard[32] == 0, "{beard:?}");
    assert!(beard.windows(2).all(|pair| (0..=3).contains(&(pair[0] - pair[1]))), "{beard:?}");
    let brightness = |levels: u8| middle(&moved_by(levels)).iter().map(|&v| u32::from(v)).sum();
    let brightness: Vec<u32> = (0..=32).map(brightness).collect();
    assert!(brightness.is_sorted() && brightness[32] > brightness[0] + 20 * 20, "{brightness:?}");
}

#[test]
fn a_photo_that_laughs_is_not_shown_when_the_mouth_is_at_rest() {
    // At rest the model paints 24 levels or more away from what the photo shows there.
    let photo = bearded(120);
    let resting = at_rest(&photo, Paste::Feathered, 150, &mouth(150));
    let (_, painted, _) = compose(&photo, Paste::Feathered, &mouth(150));
    assert!(resting == painted);
}

#[test]
fn parity_gives_nothing_back() {
    let photo = bearded(120);
    let resting = at_rest(&photo, Paste::Parity, 120, &mouth(120));
    let (_, painted, _) = compose(&photo, Paste::Parity, &mouth(120));
    assert!(resting == painted && resting != yuv_from_rgb(&photo, 160, 180));
}
