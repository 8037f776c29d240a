//! The measure of a seam: does the mouth jump where one model takes over from the other?
//!
//! Pure; the numbers are grey levels.

use std::ops::Range;

use duolip_pipeline::face::FaceBox;

/// The luma inside `area` of yuv420p `planes` of `width` columns.
#[must_use]
pub fn luma_of(planes: &[u8], width: usize, area: FaceBox) -> Vec<u8> {
    let rows = planes.chunks_exact(width).skip(area.top).take(area.height());
    rows.flat_map(|row| &row[area.left..area.right]).copied().collect()
}

/// How far each picture is from the one before it: the mean absolute difference, in grey levels.
/// The first has nobody before it and takes no step.
#[must_use]
pub fn steps(pictures: &[Vec<u8>]) -> Vec<f64> {
    let step = |pair: &[Vec<u8>]| {
        let differences = pair[0].iter().zip(&pair[1]).map(|(a, b)| u64::from(a.abs_diff(*b)));
        differences.sum::<u64>() as f64 / pair[0].len() as f64
    };
    std::iter::once(0.0).chain(pictures.windows(2).map(step)).collect()
}

/// A seam beside the chunks that it lies between, in grey levels a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeamMeasure {
    /// The largest step over the seam and the frames that cross-fade around it.
    pub across: f64,
    /// The largest step within half a second on either side of these.
    pub beside: f64,
}

impl SeamMeasure {
    /// Measures the seam whose overlap is `overlap`, in the `steps` of a video at 25 frames a
    /// second.
    ///
    /// # Panics
    /// When half a second on either side is not there.
    #[must_use]
    pub fn new(steps: &[f64], overlap: Range<usize>) -> Self {
        const REACH: usize = 12;
        // The step out of the overlap belongs to it as well.
        let across = overlap.start..overlap.end + 1;
        let largest = |range: Range<usize>| steps[range].iter().copied().fold(0.0, f64::max);
        let before = largest(across.start - REACH..across.start);
        let after = largest(across.end..across.end + REACH);
        Self { across: largest(across), beside: before.max(after) }
    }

    /// Times that the seam's step is that of its surroundings: a jump is well above 1.
    #[must_use]
    pub fn prominence(&self) -> f64 {
        self.across / self.beside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mouth that moves by two grey levels a frame, up and down, and jumps by `jump` at frame 30.
    fn moving(jump: u8) -> Vec<Vec<u8>> {
        (0..60).map(|n| vec![100 + n % 2 * 2 + if n < 30 { 0 } else { jump }; 16]).collect()
    }

    #[test]
    fn a_jump_stands_out_and_none_does_not() {
        let measure = |jump| SeamMeasure::new(&steps(&moving(jump)), 28..33);
        assert_eq!(measure(0), SeamMeasure { across: 2.0, beside: 2.0 });
        let jump = measure(20);
        assert_eq!(jump, SeamMeasure { across: 18.0, beside: 2.0 });
        assert!((jump.prominence() - 9.0).abs() < 1e-9, "{jump:?}");
    }

    #[test]
    fn luma_is_taken_from_the_area_alone() {
        let planes: Vec<u8> = (0..24).collect();
        let area = FaceBox { left: 1, top: 1, right: 3, bottom: 3 };
        assert_eq!(luma_of(&planes, 4, area), [5, 6, 9, 10]);
    }
}
