//! Pictures: RGB as photos have it, planar YUV as encoders want it.

use std::ops::Range;

/// An RGB picture.
///
/// # Shape
/// `[height, width, 3]`, row-major, u8, channels R, G, B.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `height · width · 3` bytes.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// A black picture.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![0; width * height * 3] }
    }

    /// The colour of one pixel.
    ///
    /// # Panics
    /// Outside the picture.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }
}

/// A video frame as the encoder takes it.
///
/// # Shape
/// yuv420p: the luma plane `[height, width]`, then the chroma planes Cb and Cr, each
/// `[height / 2, width / 2]`; u8, limited range (16..=235, 16..=240), BT.709. Width and height are
/// even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YuvFrame {
    /// Width in pixels, even.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    /// The three planes, one after the other: `width · height · 3 / 2` bytes.
    pub planes: Vec<u8>,
}

impl YuvFrame {
    /// An all-zero frame.
    ///
    /// # Panics
    /// When a side is odd.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        assert!(
            width.is_multiple_of(2) && height.is_multiple_of(2),
            "{width}x{height} is not even"
        );
        Self { width, height, planes: vec![0; width * height * 3 / 2] }
    }

    /// These rows of the three planes; `rows` begins and ends at even ones.
    ///
    /// # Panics
    /// When they do not lie inside the frame.
    #[must_use]
    pub fn rows(&self, rows: &Range<usize>) -> [&[u8]; 3] {
        let (luma, chroma) = self.planes.split_at(self.width * self.height);
        let (blue, red) = chroma.split_at(chroma.len() / 2);
        let of_luma = rows.start * self.width..rows.end * self.width;
        let of_chroma = of_luma.start / 4..of_luma.end / 4;
        [&luma[of_luma], &blue[of_chroma.clone()], &red[of_chroma]]
    }

    /// Appends these rows and columns of the three planes, a yuv420p picture of their own, to `to`.
    /// Both begin and end at even ones.
    ///
    /// # Panics
    /// When they do not lie inside the frame.
    pub fn append_part(&self, rows: &Range<usize>, columns: &Range<usize>, to: &mut Vec<u8>) {
        for (plane, reduction) in self.rows(rows).into_iter().zip([1, 2, 2]) {
            let columns = columns.start / reduction..columns.end / reduction;
            for row in plane.chunks_exact(self.width / reduction) {
                to.extend_from_slice(&row[columns.clone()]);
            }
        }
    }

    /// Calls `write` with each row of each plane of `part` and with the values of this frame that
    /// it lies over when its corner is at (left, top), which are even: the frame's first.
    ///
    /// # Panics
    /// When `part` does not lie inside the frame.
    pub fn write_part(
        &mut self,
        part: &Self,
        left: usize,
        top: usize,
        mut write: impl FnMut(&mut [u8], &[u8]),
    ) {
        let fits = left + part.width <= self.width && top + part.height <= self.height;
        assert!(fits, "{}x{} at ({left}, {top}) sticks out", part.width, part.height);
        let mut plane = |whole: &mut [u8], part_values: &[u8], reduction: usize| {
            let (width, length) = (self.width / reduction, part.width / reduction);
            let rows = whole.chunks_exact_mut(width).skip(top / reduction);
            for (row, values) in rows.zip(part_values.chunks_exact(length)) {
                write(&mut row[left / reduction..][..length], values);
            }
        };
        let (luma, chroma) = self.planes.split_at_mut(self.width * self.height);
        let (blue, red) = chroma.split_at_mut(chroma.len() / 2);
        let (part_luma, part_chroma) = part.planes.split_at(part.width * part.height);
        let (part_blue, part_red) = part_chroma.split_at(part_chroma.len() / 2);
        plane(luma, part_luma, 1);
        plane(blue, part_blue, 2);
        plane(red, part_red, 2);
    }
}
