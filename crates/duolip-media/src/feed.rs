//! What x264 is given of the frames: a picture, and then what is painted over it for each.

use duolip_pipeline::face::FaceBox;
use duolip_pipeline::picture::YuvFrame;

/// What x264 is given of frames that differ in a rectangle alone.
#[derive(Debug)]
pub(crate) struct Feed {
    /// What x264 sees where nothing is painted: the base frame, or some of its rows between fences.
    pub(crate) seen: YuvFrame,
    /// Where frames may change.
    painted: FaceBox,
    /// The same in what x264 sees.
    pub(crate) place: FaceBox,
}

impl Feed {
    /// All of frames like `base`.
    pub(crate) fn whole(base: &YuvFrame, painted: FaceBox) -> Self {
        Self::of_rows(base.clone(), painted, 0, 0)
    }

    /// Frames of which x264 sees the rows from `first` on, at `at` in `seen`.
    pub(crate) fn of_rows(seen: YuvFrame, painted: FaceBox, first: usize, at: usize) -> Self {
        // Two pixels share a colour.
        let painted = FaceBox {
            left: painted.left / 2 * 2,
            top: painted.top / 2 * 2,
            right: painted.right.next_multiple_of(2),
            bottom: painted.bottom.next_multiple_of(2),
        };
        let (top, bottom) = (painted.top - first + at, painted.bottom - first + at);
        Self { seen, painted, place: FaceBox { top, bottom, ..painted } }
    }

    /// What x264 is given first.
    pub(crate) fn begin(&self) -> &[u8] {
        &self.seen.planes
    }

    /// Appends what it is given of `frame`.
    pub(crate) fn append(&self, frame: &YuvFrame, to: &mut Vec<u8>) {
        let FaceBox { left, top, right, bottom } = self.painted;
        frame.append_part(&(top..bottom), &(left..right), to);
    }
}
