//! Sound for tests.

use duolip_pipeline::speech::Speech;
use duolip_pipeline::units::SampleRate;

/// `samples` of a voice-like tone with some breath, whose pitch and loudness wander: every mel band
/// moves, and no two mel windows are alike. The beginning does not depend on the length.
///
/// # Panics
/// Without samples or with a rate of zero.
#[must_use]
pub fn babble(samples: usize, rate_hz: u32) -> Speech {
    let mut phase = 0.0_f64;
    let samples: Vec<f32> = (0..samples)
        .map(|n| {
            let seconds = n as f64 / f64::from(rate_hz);
            let loudness = 0.2 + 0.15 * (seconds * 17.0).sin() + 0.1 * (seconds * 1.3).sin();
            let hz = 400.0 + 250.0 * (seconds * 2.9).sin() + 100.0 * (seconds * 0.71).sin();
            phase += std::f64::consts::TAU * hz / f64::from(rate_hz);
            (loudness * (phase.sin() + 0.5 * (3.0 * phase).sin() + 0.1 * noise(n))) as f32
        })
        .collect();
    Speech::new(samples, SampleRate::new(rate_hz).unwrap()).unwrap()
}

/// White noise in -1..1 by sample number: the finishing steps of the `SplitMix64` generator.
fn noise(n: usize) -> f64 {
    let mut bits = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    bits as f64 / u64::MAX as f64 * 2.0 - 1.0
}
