//! Pictures: RGB as photos have it, planar YUV as encoders want it.

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
}
