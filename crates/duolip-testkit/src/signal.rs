//! Sound for tests.

use duolip_pipeline::speech::Speech;
use duolip_pipeline::units::SampleRate;

/// `samples` of a voice-like tone whose pitch and loudness wander, so that no two mel windows are
/// alike. The beginning does not depend on the length.
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
            (loudness * (phase.sin() + 0.5 * (3.0 * phase).sin())) as f32
        })
        .collect();
    Speech::new(samples, SampleRate::new(rate_hz).unwrap()).unwrap()
}
