//! Memory that vectors are read from and written to without crossing lines of the cache.

use std::collections::TryReserveError;

/// Bytes in a line of the cache, and in the largest vector.
const LINE: usize = 64;
/// Values that may lie before the first line.
const SLACK: usize = LINE / size_of::<f32>();

/// Values of which the first lies at the beginning of a line.
#[derive(Debug, Default)]
pub(crate) struct Aligned(Vec<f32>);

impl Aligned {
    /// `count` zeros.
    pub(crate) fn zeros(count: usize) -> Self {
        Self(vec![0.0; count + SLACK])
    }

    /// Makes room for `count` values; those that were there are lost where there was none.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<(), TryReserveError> {
        let wanted = count + SLACK;
        if self.0.len() < wanted {
            self.0 = Vec::new();
            self.0.try_reserve_exact(wanted)?;
            self.0.resize(wanted, 0.0);
        }
        Ok(())
    }

    /// The first `count` values, for which room has been made.
    #[inline(always)]
    pub(crate) fn get(&self, count: usize) -> &[f32] {
        let start = self.start();
        &self.0[start..start + count]
    }

    /// The first `count` values, to be written.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, count: usize) -> &mut [f32] {
        let start = self.start();
        &mut self.0[start..start + count]
    }

    #[inline(always)]
    fn start(&self) -> usize {
        self.0.as_ptr().align_offset(LINE).min(SLACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_cannot_be_had_is_refused_and_less_of_it_is_given_afterwards() {
        let mut aligned = Aligned::default();
        assert!(aligned.reserve(usize::MAX / 8).is_err());
        for count in [1, 1000, 10] {
            aligned.reserve(count).unwrap();
            let values = aligned.get_mut(count);
            assert!((values.len(), values.as_ptr().align_offset(LINE)) == (count, 0));
        }
    }
}
