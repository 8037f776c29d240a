//! Feature maps in memory: channels last, one zero around each map.
//!
//! The border is what convolutions read beyond the edge; it is cleared whenever a map of another
//! shape lay there before.

use crate::lanes::PANEL;

/// The shape of the map of one mouth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Channels in memory.
    pub(crate) channels: usize,
    /// Channels that there are; the others are zeros.
    pub(crate) used: usize,
}

impl Shape {
    /// The map of a layer: its channels are whole panels, so that each pixel is whole vectors.
    pub(crate) fn of_layer(height: usize, width: usize, used: usize) -> Self {
        Self { height, width, channels: used.next_multiple_of(PANEL), used }
    }

    /// Values that there are.
    pub(crate) const fn values(self) -> usize {
        self.height * self.width * self.used
    }

    /// Values of a row, border and all.
    pub(crate) const fn row(self) -> usize {
        (self.width + 2) * self.channels
    }

    /// Values of a map, border and all.
    pub(crate) const fn len(self) -> usize {
        (self.height + 2) * self.row()
    }

    /// Where row `y - 1`, column `x - 1` begins: the border is row 0 and column 0.
    pub(crate) const fn at(self, y: usize, x: usize) -> usize {
        y * self.row() + x * self.channels
    }

    /// Zeros around `map`.
    pub(crate) fn clear_border(self, map: &mut [f32]) {
        let (row, pixel) = (self.row(), self.channels);
        map[..row].fill(0.0);
        map[self.len() - row..self.len()].fill(0.0);
        for line in map[..self.len()].chunks_exact_mut(row) {
            line[..pixel].fill(0.0);
            line[row - pixel..].fill(0.0);
        }
    }
}

/// What is added to every sum of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plus<'a> {
    /// A number per channel in memory.
    Bias(&'a [f32]),
    /// A map of the result's shape, the same for every mouth.
    Feature(&'a [f32]),
}
