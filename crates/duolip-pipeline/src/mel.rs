//! Mel: speech at 16 kHz → mel spectrogram, computed once over the whole speech.
//!
//! The numbers are those that Wav2Lip was trained on; another mel scale or normalisation makes the
//! mouth mumble without any error being raised. Knows nothing of chunks.

use std::sync::{Arc, LazyLock};

use realfft::{RealFftPlanner, RealToComplex};

use crate::error::{Classify, ErrorKind};
use crate::speech::Speech;
use crate::units::{FrameRate, SampleRate};

/// Mel bands; row 0 is the lowest.
pub const BANDS: usize = 80;
/// Mel steps in the window of one video frame: 0.2 s.
pub const WINDOW_STEPS: usize = 16;
/// Values in one mel window.
pub const WINDOW_VALUES: usize = BANDS * WINDOW_STEPS;
/// Mel steps per second.
const STEPS_PER_SECOND: f64 = 80.0;
/// Audio samples between two mel steps.
pub const HOP_LENGTH: usize = 200;
/// What silence looks like, and the least value there is.
pub const SILENCE: f32 = -4.0;

const FFT_SIZE: usize = 800;
const FFT_BINS: usize = FFT_SIZE / 2 + 1;
const HZ_PER_BIN: f64 = 20.0;
const LOWEST_HZ: f64 = 55.0;
const HIGHEST_HZ: f64 = 7600.0;
const PREEMPHASIS: f64 = 0.97;
const FLOOR_MAGNITUDE: f64 = 1e-5;
const REFERENCE_DB: f64 = 20.0;

/// The log-mel spectrogram of a speech.
///
/// # Shape
/// `[80, steps]`, row-major, f32 in -4..=4.
///
/// # Units
/// One step is 12.5 ms (200 samples of 16 kHz).
#[derive(Debug, Clone, PartialEq)]
pub struct MelSpectrogram {
    values: Vec<f32>,
    steps: usize,
}

/// Why there is no mel spectrogram.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MelError {
    /// The speech has another rate.
    #[error("the mel spectrogram needs speech at 16000 Hz; it has {0} Hz")]
    WrongRate(u32),
}

impl Classify for MelError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Computes the mel spectrogram of a whole speech.
///
/// # Shape
/// In: mono f32 at 16 kHz, at least one sample. Out: `[80, 1 + floor(samples / 200)]`.
///
/// # Errors
/// [`MelError::WrongRate`] unless the speech is at 16 kHz.
///
/// # Panics
/// Never: the FFT is given the buffers that its planner made.
///
/// # Performance
/// The speech is not copied: pre-emphasis and reflection happen sample by sample.
///
/// # Source
/// Wav2Lip `audio.py::melspectrogram` with librosa 0.7 defaults (reflect padding, Slaney scale and
/// area normalisation). Checked against librosa to 1e-3.
pub fn mel_from_speech(speech: &Speech) -> Result<MelSpectrogram, MelError> {
    if speech.rate != SampleRate::MEL {
        return Err(MelError::WrongRate(speech.rate.hz()));
    }
    let samples = &speech.samples;
    let steps = 1 + samples.len() / HOP_LENGTH;
    let analysis = &*ANALYSIS;

    let mut values = vec![0.0; BANDS * steps];
    let mut signal = analysis.fft.make_input_vec();
    let mut spectrum = analysis.fft.make_output_vec();
    let mut scratch = analysis.fft.make_scratch_vec();
    let mut magnitudes = [0.0_f64; FFT_BINS];
    for step in 0..steps {
        let first = (step * HOP_LENGTH) as isize - (FFT_SIZE / 2) as isize;
        for (offset, (value, window)) in signal.iter_mut().zip(&analysis.window).enumerate() {
            let at = reflected(first + offset as isize, samples.len());
            *value = preemphasised(samples, at) * window;
        }
        analysis
            .fft
            .process_with_scratch(&mut signal, &mut spectrum, &mut scratch)
            .expect("the planner made these buffers");
        for (magnitude, bin) in magnitudes.iter_mut().zip(&spectrum) {
            *magnitude = bin.norm_sqr().sqrt();
        }
        for (band, filter) in analysis.filterbank.iter().enumerate() {
            values[band * steps + step] = normalised(filter.apply(&magnitudes));
        }
    }
    Ok(MelSpectrogram { values, steps })
}

/// Pre-emphasis at one sample: `y[0] = x[0]`, `y[n] = x[n] - 0.97 x[n-1]`.
fn preemphasised(samples: &[f32], at: usize) -> f64 {
    let previous = if at == 0 { 0.0 } else { f64::from(samples[at - 1]) };
    f64::from(samples[at]) - PREEMPHASIS * previous
}

/// The index that `index` shows when a signal of `length` is mirrored at its ends, the end sample
/// not repeated.
fn reflected(index: isize, length: usize) -> usize {
    // Nearly all are inside, and a division for each would be most of the spectrogram's time.
    if (0..length as isize).contains(&index) {
        return index as usize;
    }
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let at = index.rem_euclid(period as isize) as usize;
    at.min(period - at)
}

/// Magnitude → decibels → -4..=4.
fn normalised(magnitude: f64) -> f32 {
    let decibels = 20.0 * magnitude.max(FLOOR_MAGNITUDE).log10() - REFERENCE_DB;
    (8.0 * (decibels + 100.0) / 100.0 - 4.0).clamp(-4.0, 4.0) as f32
}

impl MelSpectrogram {
    /// How many mel steps it has.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The values, `[80, steps]`, row-major.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Appends the mel window of video frame `frame` to `windows`: `[80, 16]`, row-major. Beyond
    /// the end of the speech it is silence, so that every frame has its window.
    ///
    /// # Source
    /// Wav2Lip inference.py: the window starts at floor(frame · 80 / fps). The original gives its
    /// last frames the last 16 steps and ends the video early; padding with silence is our rule.
    pub fn append_window(&self, frame: usize, frame_rate: FrameRate, windows: &mut Vec<f32>) {
        let start = window_start(frame, frame_rate).min(self.steps);
        let end = (start + WINDOW_STEPS).min(self.steps);
        for band in self.values.chunks_exact(self.steps) {
            windows.extend_from_slice(&band[start..end]);
            windows.extend(std::iter::repeat_n(SILENCE, WINDOW_STEPS - (end - start)));
        }
    }

    /// How loud video frame `frame` is: the mean of the mel steps it lasts. Silence is -4.
    #[must_use]
    pub fn loudness(&self, frame: usize, frame_rate: FrameRate) -> f32 {
        let start = window_start(frame, frame_rate).min(self.steps);
        let end = window_start(frame + 1, frame_rate).max(start + 1).min(self.steps);
        if start == end {
            return SILENCE;
        }
        let sum: f32 = self
            .values
            .chunks_exact(self.steps)
            .map(|band| band[start..end].iter().sum::<f32>())
            .sum();
        sum / ((end - start) * BANDS) as f32
    }
}

/// The first mel step of a video frame's window.
fn window_start(frame: usize, frame_rate: FrameRate) -> usize {
    // Multiplied in this order and in f64, as the original does: 3.2 · frame, then floor.
    (frame as f64 * (STEPS_PER_SECOND / frame_rate.per_second())) as usize
}

/// One triangle of the filterbank, without its zeros.
#[derive(Debug)]
struct Filter {
    first_bin: usize,
    weights: Vec<f32>,
}

impl Filter {
    fn apply(&self, magnitudes: &[f64; FFT_BINS]) -> f64 {
        self.weights
            .iter()
            .zip(&magnitudes[self.first_bin..])
            .map(|(&weight, magnitude)| f64::from(weight) * magnitude)
            .sum()
    }
}

struct Analysis {
    fft: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    filterbank: Vec<Filter>,
}

/// The FFT plan, window and filterbank, made once per process.
static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| Analysis {
    fft: RealFftPlanner::new().plan_fft_forward(FFT_SIZE),
    window: (0..FFT_SIZE)
        .map(|n| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / FFT_SIZE as f64).cos())
        .collect(),
    filterbank: (0..BANDS).map(filter).collect(),
});

/// The triangle of band `band`: Slaney area normalisation, weight · 2 / (upper - lower edge).
fn filter(band: usize) -> Filter {
    let [lower, centre, upper] = [band, band + 1, band + 2].map(edge_hz);
    let weight = |bin: usize| {
        let hz = bin as f64 * HZ_PER_BIN;
        let rising = (hz - lower) / (centre - lower);
        let falling = (upper - hz) / (upper - centre);
        rising.min(falling).max(0.0) * 2.0 / (upper - lower)
    };
    let first_bin = (0..FFT_BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
    let weights =
        (first_bin..FFT_BINS).map(weight).take_while(|&weight| weight > 0.0).map(|w| w as f32);
    Filter { first_bin, weights: weights.collect() }
}

/// Edge `index` of the 82: equally spaced on the Slaney scale from 55 to 7600 Hz.
fn edge_hz(index: usize) -> f64 {
    let (lowest, highest) = (slaney_from_hz(LOWEST_HZ), slaney_from_hz(HIGHEST_HZ));
    hz_from_slaney(lowest + (highest - lowest) * index as f64 / (BANDS + 1) as f64)
}

/// Where the Slaney scale turns from linear to logarithmic: 1000 Hz, 15 mel.
const SLANEY_BREAK_HZ: f64 = 1000.0;
const SLANEY_BREAK: f64 = 15.0;
const SLANEY_HZ_PER_MEL: f64 = 200.0 / 3.0;

fn slaney_log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn slaney_from_hz(hz: f64) -> f64 {
    if hz < SLANEY_BREAK_HZ {
        hz / SLANEY_HZ_PER_MEL
    } else {
        SLANEY_BREAK + (hz / SLANEY_BREAK_HZ).ln() / slaney_log_step()
    }
}

fn hz_from_slaney(mel: f64) -> f64 {
    if mel < SLANEY_BREAK {
        mel * SLANEY_HZ_PER_MEL
    } else {
        SLANEY_BREAK_HZ * ((mel - SLANEY_BREAK) * slaney_log_step()).exp()
    }
}

#[cfg(test)]
mod tests;
