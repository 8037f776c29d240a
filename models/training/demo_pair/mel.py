"""Wav2Lip's mel spectrogram, and the mel window of each video frame.

Numpy only. The definition is fixed by the checkpoints of Wav2Lip (hparams.py,
audio.py, librosa 0.7); docs/glossary.md calls it `wav2lip`.
"""

import numpy as np

SAMPLE_RATE = 16_000
BANDS = 80
SILENCE = -4.0
WINDOW_STEPS = 16

_FFT_SIZE = 800
_HOP_LENGTH = 200
_LOWEST_HZ, _HIGHEST_HZ = 55.0, 7600.0
_PREEMPHASIS = 0.97
_STEPS_PER_FRAME = 3.2  # 80 mel steps a second over 25 video frames


def _hertz_from_mel(mel):
    """Slaney's scale: linear to 1000 Hz (mel 15), logarithmic above."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def _mel_from_hertz(hertz):
    return hertz * 3 / 200 if hertz < 1000 else 15 + np.log(hertz / 1000) / (np.log(6.4) / 27)


def _filterbank():
    """80 triangles of equal area over 401 FFT bins."""
    edges = _hertz_from_mel(
        np.linspace(_mel_from_hertz(_LOWEST_HZ), _mel_from_hertz(_HIGHEST_HZ), BANDS + 2)
    )
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(_FFT_SIZE // 2 + 1) * SAMPLE_RATE / _FFT_SIZE
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    return (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)


_FILTERBANK = _filterbank()
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT_SIZE) / _FFT_SIZE)


def mel_from_pcm(samples):
    """The log-mel spectrogram of mono samples at 16 kHz, (80, 1 + N // 200), -4..4."""
    emphasised = np.append(samples[0], samples[1:] - _PREEMPHASIS * samples[:-1])
    padded = np.pad(emphasised.astype(np.float64), _FFT_SIZE // 2, mode="reflect")
    slices = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SIZE)[::_HOP_LENGTH]
    magnitude = np.abs(np.fft.rfft(slices * _HANN, axis=1)).astype(np.float32)
    decibels = 20 * np.log10(np.maximum(1e-5, magnitude @ _FILTERBANK.T)) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4).T.astype(np.float32)


def window_starts(frames):
    """First mel step of the window of each video frame at 25 frames a second."""
    return np.floor(np.arange(frames) * _STEPS_PER_FRAME + 1e-9).astype(np.int64)


def pad_to_frames(mel, frames):
    """The spectrogram, padded on the right with silence until every frame has its window."""
    missing = int(window_starts(frames)[-1]) + WINDOW_STEPS - mel.shape[1]
    return np.pad(mel, ((0, 0), (0, max(0, missing))), constant_values=SILENCE)


def resample_to_16k(samples, sample_rate):
    """Band-limited resampling by a windowed sinc, tabulated per output phase."""
    if sample_rate == SAMPLE_RATE:
        return samples
    divisor = np.gcd(sample_rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // divisor, sample_rate // divisor
    cutoff = min(1.0, up / down) * 0.95
    half_taps = int(np.ceil(16 / cutoff))
    taps = np.arange(1 - half_taps, half_taps + 1)
    phases = np.arange(up)[:, None] / up
    distance = taps - phases
    window = np.cos(np.pi * distance / (2 * half_taps)) ** 2
    kernel = cutoff * np.sinc(cutoff * distance) * window
    kernel /= kernel.sum(axis=1, keepdims=True)
    count = len(samples) * up // down
    positions = np.arange(count) * down
    padded = np.pad(samples, (half_taps, 2 * half_taps))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half_taps)
    out = np.empty(count, np.float32)
    for start in range(0, count, 1 << 16):
        at = positions[start : start + (1 << 16)]
        out[start : start + len(at)] = np.einsum(
            "nt,nt->n", windows[at // up + 1], kernel[at % up], optimize=False
        )
    return out
