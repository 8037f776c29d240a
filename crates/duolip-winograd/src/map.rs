//! Feature maps in memory: 16 channels of a pixel one after the other, a plane for every 16 of them,
//! one zero around each plane.
//!
//! So pixels beside each other are always as far apart, however many channels there are. The border is
//! what convolutions read beyond the edge; it is cleared whenever a map of another shape lay there
//! before. Places are counted in pixels from a map's first.

use crate::lanes::{PANEL, Pixel};

/// The shape of the map of one mouth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Channels that there are; a plane has room for more.
    pub(crate) channels: usize,
}

impl Shape {
    pub(crate) const fn panels(self) -> usize {
        self.channels.div_ceil(PANEL)
    }

    /// Channels of plane `panel`.
    #[inline(always)]
    pub(crate) fn channels_of(self, panel: usize) -> usize {
        (self.channels - panel * PANEL).min(PANEL)
    }

    /// Values that there are.
    pub(crate) const fn values(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Pixels of a row, border and all.
    pub(crate) const fn row(self) -> usize {
        self.width + 2
    }

    /// Pixels of a plane, border and all.
    pub(crate) const fn plane(self) -> usize {
        (self.height + 2) * self.row()
    }

    /// Pixels of all planes.
    pub(crate) const fn pixels(self) -> usize {
        self.panels() * self.plane()
    }

    /// Values of all planes.
    pub(crate) const fn len(self) -> usize {
        self.pixels() * PANEL
    }

    /// Where row `y - 1`, column `x - 1` is in a plane: the border is row 0 and column 0.
    pub(crate) const fn at(self, y: usize, x: usize) -> usize {
        y * self.row() + x
    }

    /// Zeros around `map`.
    pub(crate) fn clear_border(self, map: &mut [f32]) {
        let row = self.row();
        for plane in map.as_chunks_mut::<PANEL>().0.chunks_exact_mut(self.plane()) {
            plane[..row].fill([0.0; PANEL]);
            // The right edge of one row is beside the left edge of the next.
            for line in plane[row - 1..].chunks_exact_mut(row) {
                line[0] = [0.0; PANEL];
                line[1] = [0.0; PANEL];
            }
            plane[self.at(self.height + 1, 0)..].fill([0.0; PANEL]);
        }
    }
}

/// What is added to every sum of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plus<'a> {
    /// For each plane a pixel.
    Bias(&'a [Pixel]),
    /// A map of the result's shape, the same for every mouth.
    Feature(&'a [Pixel]),
}
