//! Interleaved audio samples → speech: the one place where decoded audio is mixed down and checked,
//! whatever it came from.

use duolip_pipeline::CancellationToken;
use duolip_pipeline::speech::{Speech, SpeechError};
use duolip_pipeline::units::SampleRate;

/// The sample rates that are read, in Hz. Below, no speech can be understood; above, no recorder
/// works.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// The highest rate at which speech may be as long as its limit: beyond, silence of a few kilobytes
/// could fill gigabytes with samples.
const USUAL_HZ: u32 = 48_000;

/// How many samples of one channel are mixed between two looks at the cancellation token.
const BLOCK: usize = 1 << 15;

/// How audio samples are interleaved, and how many of them speech may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    channels: u16,
    rate: SampleRate,
    limit_seconds: u32,
}

impl Layout {
    /// `channels` channels at `rate_hz`, of which at most `limit_seconds` are taken.
    ///
    /// # Errors
    /// [`SpeechError::NotAudio`] without channels or with a rate that is not read.
    pub(crate) fn new(
        channels: u16,
        rate_hz: u32,
        limit_seconds: u32,
    ) -> Result<Self, SpeechError> {
        let rate = SampleRate::new(rate_hz).filter(|rate| RATES_HZ.contains(&rate.hz()));
        match rate {
            Some(rate) if channels > 0 => Ok(Self { channels, rate, limit_seconds }),
            Some(_) => Err(SpeechError::NotAudio { reason: "it has 0 channels".to_owned() }),
            None => Err(SpeechError::NotAudio {
                reason: format!(
                    "its sample rate is {rate_hz} Hz; {} to {} Hz are read",
                    RATES_HZ.start(),
                    RATES_HZ.end()
                ),
            }),
        }
    }

    /// Refuses a promise of more samples per channel than the limit allows.
    ///
    /// # Errors
    /// [`SpeechError::TooLong`], [`SpeechError::TooManySamples`].
    pub(crate) fn check_length(self, samples_per_channel: u64) -> Result<(), SpeechError> {
        let (limit_seconds, rate_hz) = (self.limit_seconds, self.rate.hz());
        let limit = u64::from(limit_seconds) * u64::from(rate_hz.min(USUAL_HZ));
        if samples_per_channel <= limit {
            return Ok(());
        }
        if rate_hz <= USUAL_HZ {
            return Err(SpeechError::TooLong { limit_seconds });
        }
        let limit_seconds = limit / u64::from(rate_hz);
        Err(SpeechError::TooManySamples { limit_seconds, rate_hz, usual_hz: USUAL_HZ })
    }

    /// Averages the channels of `samples`, which are interleaved, into speech. A last sample that
    /// is not there for every channel is dropped, as players do with a file cut off.
    ///
    /// # Errors
    /// Those of [`Layout::check_length`] as soon as the limit is passed; [`SpeechError::NotFinite`],
    /// [`SpeechError::Empty`], [`SpeechError::Cancelled`].
    pub(crate) fn mix(
        self,
        mut samples: impl Iterator<Item = f32>,
        cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError> {
        let mut mono = Vec::new();
        while let Some(sample) = self.next_average(&mut samples) {
            mono.push(sample);
            if mono.len().is_multiple_of(BLOCK) {
                self.check_length(mono.len() as u64)?;
                if cancel.is_cancelled() {
                    return Err(SpeechError::Cancelled);
                }
            }
        }
        self.check_length(mono.len() as u64)?;
        Speech::new(mono, self.rate)
    }

    /// In f64: the sum of finite f32 samples stays finite, so that NaN and infinity in the average
    /// always come from the file.
    fn next_average(self, samples: &mut impl Iterator<Item = f32>) -> Option<f32> {
        let mut sum = 0.0;
        for _ in 0..self.channels {
            sum += f64::from(samples.next()?);
        }
        Some((sum / f64::from(self.channels)) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(channels: u16, samples: &[f32]) -> Result<Speech, SpeechError> {
        Layout::new(channels, 16_000, 1)?.mix(samples.iter().copied(), &CancellationToken::new())
    }

    #[test]
    fn channels_are_averaged_and_a_sample_cut_off_is_dropped() {
        let speech = mix(2, &[1.0, 0.0, -0.5, -0.25, 0.125]).unwrap();
        assert_eq!(&speech.samples[..], [0.5, -0.375]);
    }

    #[test]
    fn loud_finite_channels_do_not_add_up_to_infinity_and_are_cut_off_at_full_scale() {
        let speech = mix(6, &[f32::MAX; 6]).unwrap();
        assert_eq!(&speech.samples[..], [1.0]);
    }

    #[test]
    fn opposite_infinities_are_refused_by_sample_number() {
        let error = mix(2, &[0.0, 0.0, f32::INFINITY, f32::NEG_INFINITY]).unwrap_err();
        assert!(matches!(error, SpeechError::NotFinite { index: 1, .. }), "{error}");
    }

    #[test]
    fn one_sample_over_the_limit_is_too_long_and_the_limit_itself_is_not() {
        assert!(mix(1, &vec![0.0; 16_000]).is_ok());
        let error = mix(1, &vec![0.0; 16_001]).unwrap_err();
        assert!(matches!(error, SpeechError::TooLong { limit_seconds: 1 }));
    }

    #[test]
    fn endless_samples_are_given_up_at_the_limit() {
        let layout = Layout::new(1, 16_000, 1).unwrap();
        let error = layout.mix(std::iter::repeat(0.0), &CancellationToken::new()).unwrap_err();
        assert!(matches!(error, SpeechError::TooLong { .. }));
    }

    #[test]
    fn a_high_rate_has_no_more_samples_than_a_usual_one() {
        let mix = |samples| {
            let layout = Layout::new(1, 192_000, 8).unwrap();
            layout.mix(std::iter::repeat_n(0.0, samples), &CancellationToken::new())
        };
        assert!(mix(8 * 48_000).is_ok());
        let error = mix(8 * 48_000 + 1).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("longer than 2 s") && text.contains("192000 Hz"), "{text}");
    }

    #[test]
    fn a_cancelled_job_mixes_no_further() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let layout = Layout::new(1, 16_000, u32::MAX).unwrap();
        let error = layout.mix(std::iter::repeat(0.0), &cancel).unwrap_err();
        assert!(matches!(error, SpeechError::Cancelled));
    }

    #[test]
    fn an_unusual_rate_is_refused_with_its_value_and_the_limits() {
        for hz in [0, 3_999, 384_001] {
            let text = Layout::new(1, hz, 1).unwrap_err().to_string();
            assert!(text.contains(&format!("{hz} Hz; 4000 to 384000 Hz")), "{text}");
        }
    }
}
