//! Comparers with a tolerance. They name the first value that is off.

/// Asserts that every value of `actual` lies within `tolerance` of `expected`.
///
/// # Panics
/// When one does not, or the lengths differ; `what` is named.
pub fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: the number of values");
    let off = actual
        .iter()
        .zip(expected)
        // NaN lies in no range.
        .position(|(actual, expected)| !(0.0..=tolerance).contains(&(actual - expected).abs()));
    if let Some(at) = off {
        panic!("{what}: value {at} is {}; wanted is {} ± {tolerance}", actual[at], expected[at]);
    }
}

/// Asserts that every byte of `actual` is at most `levels` away from `expected`.
///
/// # Panics
/// When one is not, or the lengths differ; `what` is named.
pub fn assert_levels_close(actual: &[u8], expected: &[u8], levels: u8, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: the number of bytes");
    let off = actual
        .iter()
        .zip(expected)
        .position(|(actual, expected)| actual.abs_diff(*expected) > levels);
    if let Some(at) = off {
        panic!("{what}: byte {at} is {}; wanted is {} ± {levels}", actual[at], expected[at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_the_tolerance_pass() {
        assert_close(&[1.0, -0.5], &[1.5, -0.5], 0.5, "values");
        assert_levels_close(&[7, 9], &[8, 9], 1, "bytes");
    }

    #[test]
    #[should_panic(expected = "values: value 1 is 0.75; wanted is 0 ± 0.5")]
    fn a_value_beyond_the_tolerance_is_named() {
        assert_close(&[0.0, 0.75], &[0.0, 0.0], 0.5, "values");
    }

    #[test]
    #[should_panic(expected = "value 0 is NaN")]
    fn nan_is_close_to_nothing() {
        assert_close(&[f32::NAN], &[f32::NAN], 1.0, "values");
    }

    #[test]
    #[should_panic(expected = "the number of bytes")]
    fn a_missing_byte_is_told() {
        assert_levels_close(&[1], &[1, 2], 255, "bytes");
    }
}
