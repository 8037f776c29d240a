//! Units: numbers that may not be mistaken for one another.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// Audio samples per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// 16 kHz: the rate of the mel spectrogram.
    pub const MEL: Self = Self(NonZeroU32::new(16_000).unwrap());

    /// `hz` samples per second; `None` for zero.
    #[must_use]
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    /// Samples per second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// How long `samples` audio samples last.
    #[must_use]
    pub fn duration(self, samples: usize) -> Duration {
        let nanoseconds = samples as u128 * 1_000_000_000 / u128::from(self.hz());
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// Video frames per second, as an exact fraction: 25, 30000/1001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

/// A frame rate that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("frame rate {0:?} is not a number or fraction from 1 to 120, such as 25 or 30000/1001")]
pub struct NotAFrameRate(String);

impl FrameRate {
    /// 25 frames a second: Wav2Lip's own.
    pub const DEFAULT: Self = Self { numerator: 25, denominator: 1 };

    /// `numerator / denominator` frames per second, from 1 to 120.
    ///
    /// # Errors
    /// [`NotAFrameRate`] outside that range.
    pub fn new(numerator: u32, denominator: u32) -> Result<Self, NotAFrameRate> {
        let per_second = f64::from(numerator) / f64::from(denominator);
        if denominator == 0 || numerator > 1_000_000 || !(1.0..=120.0).contains(&per_second) {
            return Err(NotAFrameRate(format!("{numerator}/{denominator}")));
        }
        Ok(Self { numerator, denominator })
    }

    /// Frames per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// The numerator of the fraction.
    #[must_use]
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// The denominator of the fraction.
    #[must_use]
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// The number of frames that show `samples` audio samples: ceil(duration · frame rate), exact.
    ///
    /// # Source
    /// Our own rule; Wav2Lip drops the last 0.12 s.
    #[must_use]
    pub fn frames_for(self, samples: usize, rate: SampleRate) -> usize {
        let numerator = samples as u128 * u128::from(self.numerator);
        let denominator = u128::from(rate.hz()) * u128::from(self.denominator);
        numerator.div_ceil(denominator) as usize
    }

    /// When frame number `frame` begins, in seconds.
    #[must_use]
    pub fn seconds_at(self, frame: usize) -> f64 {
        frame as f64 * f64::from(self.denominator) / f64::from(self.numerator)
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(formatter, "{}", self.numerator)
        } else {
            write!(formatter, "{}/{}", self.numerator, self.denominator)
        }
    }
}

impl FromStr for FrameRate {
    type Err = NotAFrameRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        match (numerator.trim().parse(), denominator.trim().parse()) {
            (Ok(numerator), Ok(denominator)) => Self::new(numerator, denominator),
            _ => Err(NotAFrameRate(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for FrameRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Self::new(number, 1),
            Written::Text(text) => text.parse(),
        }
        .map_err(serde::de::Error::custom)
    }
}

/// A half-open range of video frames, counted over the whole job.
pub type FrameRange = Range<usize>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_ceiling_of_the_duration_times_the_rate() {
        let at_16k = |samples| FrameRate::DEFAULT.frames_for(samples, SampleRate::MEL);
        assert_eq!(at_16k(0), 0);
        assert_eq!(at_16k(1), 1);
        assert_eq!(at_16k(640), 1);
        assert_eq!(at_16k(641), 2);
        assert_eq!(at_16k(16_000), 25);
        assert_eq!(at_16k(16_000 * 7200 + 1), 25 * 7200 + 1);
    }

    #[test]
    fn fractional_rates_are_exact() {
        let ntsc: FrameRate = "30000/1001".parse().unwrap();
        assert_eq!(ntsc.frames_for(48_000 * 1001, SampleRate::new(48_000).unwrap()), 30_000);
        assert_eq!(ntsc.to_string(), "30000/1001");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for text in ["0", "25/0", "-1", "1000", "fast", ""] {
            assert!(text.parse::<FrameRate>().is_err(), "{text}");
        }
    }
}
