//! The rows of a frame that x264 is given, and the fences around them.
//!
//! What is decoded is what x264 coded only if no motion vector points out of the strip: there x264
//! sees its own outermost row continued, and the decoder the photo. x264 cannot be told so: it lets
//! macroblocks reach 24 pixels out of a picture. Where something moves, it would have to reach over
//! the margin. But still macroblocks may have vectors too: before a plain wall one is as good as
//! another, and a skipped macroblock takes that of its neighbours. So where the photo goes on, x264
//! sees a fence: rows in slices of their own, as different from the outermost row as bytes can be.
//! Whatever reaches into a fence is far from what stands still, so nothing does; and an edge so
//! sharp is not deblocked. The slices of the fences are thrown away.

use std::ops::{Range, RangeInclusive};

use duolip_pipeline::face::FaceBox;
use duolip_pipeline::picture::YuvFrame;

use crate::feed::Feed;
use crate::h264::MACROBLOCK;

/// Rows of macroblocks that do not move, above and below those that do.
const MARGIN: usize = 2;

/// How far motion vectors reach, in pixels: x264's `mvrange`, at its least.
const MOST_MOTION: usize = MARGIN * MACROBLOCK;

/// Slices of what is kept, below a fence. x264 makes all slices alike, but for the last: fewer make
/// the fence higher, more make the file larger.
const SLICES: usize = 2;

/// The constant rate factors with which there are strips. Without loss (0) x264 writes a profile of
/// its own. And up to the highest a fence stays sharp: of its 128 steps coding may take a quantiser's
/// step of 32 on either side, and edges of more than 40 are not deblocked (ITU-T H.264, table 8-16).
pub(crate) const RATE_FACTORS: RangeInclusive<u8> = 1..=34;

/// The rows that x264 codes, in macroblocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strip {
    /// The first row of the picture that is kept.
    pub(super) first: usize,
    /// One past the last.
    pub(super) end: usize,
    /// Of the whole picture.
    pub(super) all: usize,
    /// Of a slice; the last may have fewer.
    slice: usize,
    /// Of the fences: 0 where the picture ends with the strip.
    fence_above: usize,
    fence_below: usize,
}

impl Strip {
    /// The strip around the rows `moving` of pictures `height` pixels high; `None` where x264 would
    /// be given as many rows as the picture has.
    pub(crate) fn around(moving: Range<usize>, height: usize) -> Option<Self> {
        let all = height.div_ceil(MACROBLOCK);
        let first = (moving.start / MACROBLOCK).saturating_sub(MARGIN);
        let end = (moving.end.div_ceil(MACROBLOCK) + MARGIN).min(all);
        let slices = if first == 0 { 1 } else { SLICES };
        let slice = end.checked_sub(first)?.div_ceil(slices);
        let end = (first + slices * slice).min(all);
        let fence_above = if first == 0 { 0 } else { slice };
        let fence_below = usize::from(end < all);
        let strip = Self { first, end, all, slice, fence_above, fence_below };
        (first < end && strip.coded_rows() < all).then_some(strip)
    }

    /// The rows of pixels that are kept.
    pub(crate) fn rows(self, height: usize) -> Range<usize> {
        self.first * MACROBLOCK..(self.end * MACROBLOCK).min(height)
    }

    /// The same rows in what x264 codes.
    #[cfg(test)]
    pub(crate) fn rows_between_fences(self, height: usize) -> Range<usize> {
        let above = self.fence_above * MACROBLOCK;
        above..above + self.rows(height).len()
    }

    /// How high x264's pictures are, in pixels.
    pub(crate) fn coded_height(self, height: usize) -> usize {
        (self.fence_above + self.fence_below) * MACROBLOCK + self.rows(height).len()
    }

    /// x264's parameters for a strip so wide.
    pub(crate) fn parameters(self, width: usize) -> [String; 2] {
        let macroblocks = self.slice * width.div_ceil(MACROBLOCK);
        [format!("mvrange={MOST_MOTION}"), format!("slice-max-mbs={macroblocks}")]
    }

    /// What x264 is given of frames like `base`, which change in `painted`, within the rows that move.
    pub(crate) fn feed(self, base: &YuvFrame, painted: FaceBox) -> Feed {
        let rows = self.rows(base.height);
        let fence = |row: &[u8], rows: usize| -> Vec<u8> {
            row.iter().map(|value| value ^ 0x80).collect::<Vec<_>>().repeat(rows)
        };
        let mut planes = Vec::new();
        for (kept, reduction) in base.rows(&rows).into_iter().zip([1, 2, 2]) {
            let (width, side) = (base.width / reduction, MACROBLOCK / reduction);
            planes.extend(fence(&kept[..width], self.fence_above * side));
            planes.extend(kept);
            planes.extend(fence(&kept[kept.len() - width..], self.fence_below * side));
        }
        let seen = YuvFrame { height: self.coded_height(base.height), planes, ..*base };
        Feed::of_rows(seen, painted, rows.start, self.fence_above * MACROBLOCK)
    }

    fn coded_rows(self) -> usize {
        self.fence_above + self.end - self.first + self.fence_below
    }

    /// The picture's row that the slice at `row` of x264's pictures begins with; `None` for a fence.
    pub(super) fn row_of_picture(self, row: usize) -> Option<usize> {
        let row = row.checked_sub(self.fence_above)? + self.first;
        (row < self.end).then_some(row)
    }

    /// Where in x264's pictures the slice behind that at `row` begins: at 0 behind the last.
    pub(super) fn next_slice(self, row: usize) -> usize {
        let next = row + self.slice;
        if next < self.coded_rows() { next } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the slices begin, in rows of the picture; `None` for a fence.
    fn slices(strip: Strip) -> Vec<Option<usize>> {
        let mut found = vec![strip.row_of_picture(0)];
        let mut row = strip.next_slice(0);
        while row != 0 {
            found.push(strip.row_of_picture(row));
            row = strip.next_slice(row);
        }
        found
    }

    #[test]
    fn what_moves_has_a_margin_and_a_fence_wherever_the_photo_goes_on() {
        let inside = Strip::around(336..464, 720).unwrap();
        assert_eq!((inside.rows(720), inside.coded_height(720)), (304..496, (6 + 12 + 1) * 16));
        assert_eq!(slices(inside), [None, Some(19), Some(25), None]);
        assert_eq!(inside.parameters(720), ["mvrange=32", "slice-max-mbs=270"]);
        // A row more, so that both slices are alike.
        let odd = Strip::around(336..465, 720).unwrap();
        assert_eq!((odd.rows(720), slices(odd)), (304..528, vec![None, Some(19), Some(26), None]));
        let top = Strip::around(20..90, 406).unwrap();
        assert_eq!((top.rows(406), slices(top)), (0..128, vec![Some(0), None]));
        let bottom = Strip::around(340..406, 406).unwrap();
        assert_eq!((bottom.rows(406), bottom.coded_height(406)), (304..406, 4 * 16 + 102));
        assert_eq!(slices(bottom), [None, Some(19), Some(23)]);
    }

    #[test]
    fn there_is_no_strip_where_it_would_be_as_large_as_the_picture() {
        assert_eq!(Strip::around(0..48, 48), None);
        assert_eq!(Strip::around(100..600, 720), None);
        assert_eq!(Strip::around(160..560, 720), None);
        assert!(Strip::around(200..520, 720).is_some());
    }

    #[test]
    fn fences_are_as_far_from_the_outermost_rows_as_bytes_can_be() {
        let mut base = YuvFrame::new(32, 320);
        base.planes.iter_mut().zip((0..=255).cycle()).for_each(|(value, at)| *value = at);
        let strip = Strip::around(144..160, 320).unwrap();
        let painted = FaceBox { left: 4, top: 144, right: 20, bottom: 160 };
        let given = strip.feed(&base, painted).seen;
        assert_eq!((given.width, given.height), (32, strip.coded_height(320)));
        assert_eq!(given.planes.len(), 32 * given.height * 3 / 2);
        let between = strip.rows_between_fences(320);
        assert_eq!(given.rows(&between), base.rows(&strip.rows(320)));
        let (above, below) =
            (given.rows(&(0..between.start)), given.rows(&(between.end..given.height)));
        let kept = given.rows(&between);
        for (plane, width) in [32, 16, 16].into_iter().enumerate() {
            let (first, last) = (&kept[plane][..width], &kept[plane][kept[plane].len() - width..]);
            for (fence, edge) in [(above[plane], first), (below[plane], last)] {
                assert!(!fence.is_empty());
                let mut pairs = fence.iter().zip(edge.iter().cycle());
                assert!(pairs.all(|(fence, edge)| fence.abs_diff(*edge) == 128));
            }
        }
    }
}
