"""What happens to speech between a mouth and a file: rooms, microphones, codecs, noise, music.

Every function takes and gives mono samples at 16 kHz and moves nothing in time:
the mouths stay true. Lips have no part in music or noise.
"""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from demo_pair.mel import SAMPLE_RATE, resample_to_16k

_CODECS = (  # ffmpeg's encoder, file type, bit rates in kbit/s
    ("libmp3lame", "mp3", (16, 24, 32, 48, 64)),
    ("libopus", "ogg", (6, 8, 12, 16, 24)),
    ("aac", "m4a", (16, 24, 32, 48)),
)

_CLEAN_SHARE = 0.25


def _decibels(level):
    return 10 ** (level / 20)


def _rms(samples):
    return float(np.sqrt(np.mean(samples**2) + 1e-12))


def partly_whispered(random, samples):
    """Some of the voice replaced by noise of the same spectral envelope."""
    size, hop = 400, 100
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    padded = np.pad(samples, (size, 2 * size))

    def spectra(signal):
        return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(signal, size)[::hop] * hann)

    magnitude = np.pad(np.abs(spectra(padded)), ((0, 0), (4, 3)))
    sums = np.cumsum(magnitude, axis=1)
    envelope = (sums[:, 7:] - sums[:, :-7]) / 7  # 7 bins: 280 Hz, wider than harmonics are apart
    noise = spectra(random.standard_normal(len(padded)))
    slices = np.fft.irfft(noise * envelope) * hann
    whisper = np.zeros(len(padded))
    for offset in range(size // hop):
        part = slices[offset :: size // hop]
        start = offset * hop
        whisper[start : start + part.size] += part.ravel()
    whisper = whisper[size : size + len(samples)]
    whisper *= _rms(samples) / _rms(whisper)
    share = random.uniform(0.15, 0.95)
    return (1 - share) * samples + share * whisper


def through_microphone(random, samples):
    """A tilt, a band limit, resonances and dips, done on the spectrum."""
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    octaves = np.log2(np.maximum(hertz, 60) / 1000)
    gain = np.zeros_like(hertz)
    if random.random() < 0.6:
        gain += random.uniform(-6, 6) * octaves
    if random.random() < 0.2:  # a telephone, or a muffled or a thin microphone
        lowest, highest = random.uniform(60, 400), random.uniform(2800, 8000)
        gain -= 24 * np.maximum(0, np.log2(lowest / np.maximum(hertz, 20)))
        gain -= 24 * np.maximum(0, np.log2(np.maximum(hertz, 20) / highest))
    for _ in range(random.integers(0, 4)):
        centre = np.log2(random.uniform(200, 5000) / 1000)
        spread = random.uniform(0.15, 0.6)
        gain += random.uniform(-9, 9) * np.exp(-0.5 * ((octaves - centre) / spread) ** 2)
    return np.fft.irfft(np.fft.rfft(samples) * _decibels(gain), len(samples))


def in_room(random, samples):
    """The direct sound, a few early reflections and a decaying tail."""
    seconds = random.uniform(0.05, 0.45)  # until the tail has fallen by 60 dB
    size = int(seconds * SAMPLE_RATE)
    time = np.arange(size) / SAMPLE_RATE
    response = random.standard_normal(size) * np.exp(-6.9 * time / seconds)
    response[: int(0.003 * SAMPLE_RATE)] = 0
    response *= _decibels(random.uniform(-14, -2)) / np.sqrt((response**2).sum() + 1e-12)
    for _ in range(random.integers(1, 6)):
        at = int(random.uniform(0.001, min(0.03, 0.9 * seconds)) * SAMPLE_RATE)
        response[at] += random.choice([-1, 1]) * random.uniform(0.1, 0.45)
    response[0] = 1
    length = len(samples) + size
    spectrum = np.fft.rfft(samples, length) * np.fft.rfft(response, length)
    return np.fft.irfft(spectrum, length)[: len(samples)]


@cache
def _ffmpeg_is_there():
    return shutil.which("ffmpeg") is not None


def through_codec(random, samples):
    """Coded and decoded by ffmpeg at a low bit rate; its own delay is taken out."""
    encoder, kind, rates = _CODECS[random.integers(len(_CODECS))]
    scale = 0.5 / max(np.abs(samples).max(), 1e-6)
    raw = (samples * scale * 32767).astype("<i2").tobytes()
    pcm = ["-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1"]
    with tempfile.TemporaryDirectory() as folder:
        coded = str(Path(folder) / f"speech.{kind}")
        ffmpeg = ["ffmpeg", "-v", "error"]
        encode = [*ffmpeg, *pcm, "-i", "-", "-c:a", encoder]
        encode += ["-b:a", f"{random.choice(rates)}k", coded]
        subprocess.run(encode, input=raw, check=True)
        decode = [*ffmpeg, "-nostdin", "-i", coded, *pcm, "-"]
        decoded = subprocess.run(decode, check=True, stdout=subprocess.PIPE).stdout
    heard = np.frombuffer(decoded, "<i2").astype(np.float64) / 32767 / scale
    return np.pad(heard, (0, max(0, len(samples) - len(heard))))[: len(samples)]


def by_telephone(samples):
    """8 kHz and eight bits, mu-law."""
    narrow = resample_to_16k(samples.astype(np.float32), 2 * SAMPLE_RATE)  # every other sample
    peak = max(np.abs(narrow).max(), 1e-6)
    coded = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow) / peak) / np.log(256) * 127)
    heard = np.sign(coded) * (256 ** (np.abs(coded) / 127) - 1) / 255 * peak
    wide = resample_to_16k(heard.astype(np.float32), SAMPLE_RATE // 2)
    return np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]


def noise(random, count):
    """Noise of unit loudness: white to brown, perhaps humming, perhaps swelling."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    spectrum *= np.maximum(hertz, 40) ** -random.uniform(0, 1.1)
    heard = np.fft.irfft(spectrum, count)
    time = np.arange(count) / SAMPLE_RATE
    if random.random() < 0.25:
        hum = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, random.integers(2, 8)))
        heard = heard / _rms(heard) + random.uniform(0.3, 3) * hum
    if random.random() < 0.3:
        heard *= 1 + random.uniform(0.2, 0.9) * np.sin(
            2 * np.pi * random.uniform(0.1, 3) * time + random.uniform(0, 6)
        )
    return heard / _rms(heard)


def music(random, count):
    """A synthesised tune of unit loudness: chords, a melody, perhaps a drum."""
    heard = np.zeros(count)
    beat = int(SAMPLE_RATE * random.uniform(0.25, 0.7))
    root = random.uniform(80, 220)
    scale = (
        np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])
        if random.random() < 0.5
        else np.array([0, 2, 3, 5, 7, 8, 10, 12, 14, 15])
    )
    overtones = np.arange(1, random.integers(3, 9))
    loudness = overtones ** -random.uniform(0.8, 2.2)
    decay = random.uniform(0.5, 6)
    drums = random.random() < 0.5
    for start in range(0, count, beat):
        chord = start % (4 * beat) == 0
        length = min(count - start, (4 if chord else 1) * beat)
        time = np.arange(length) / SAMPLE_RATE
        fade = np.minimum(time / 0.01, 1) * np.exp(-decay * time)
        degrees = random.choice(scale, 3) if chord else [random.choice(scale) + 12]
        for degree in degrees:
            pitch = root * 2 ** (degree / 12)
            for overtone, level in zip(overtones, loudness):
                if pitch * overtone < 7500:
                    heard[start : start + length] += (
                        fade * level * np.sin(2 * np.pi * pitch * overtone * time)
                    )
        if drums:
            heard[start : start + length] += (
                random.standard_normal(length) * np.exp(-time / 0.03) * random.uniform(0.3, 1.5)
            )
    return heard / _rms(heard)


def breath(random, count):
    """Air drawn in, `count` samples, at about the loudness of a quiet consonant (peak 1)."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    for _ in range(3):
        centre = random.uniform(500, 4500)
        spectrum *= 0.4 + np.exp(-0.5 * ((hertz - centre) / random.uniform(300, 900)) ** 2)
    rise = np.sin(np.pi * np.linspace(0, 1, count) ** random.uniform(0.6, 1.6)) ** 2
    heard = np.fft.irfft(spectrum, count) * rise
    return heard / max(np.abs(heard).max(), 1e-9)


def recorded(random, samples):
    """The clip as some recording would have it, at a random level; some as they are."""
    loud = np.abs(samples).max() > 0
    if loud and random.random() < _CLEAN_SHARE:
        return samples / np.abs(samples).max() * _decibels(random.uniform(-14, -0.5))
    if loud:
        if random.random() < 0.75:
            samples = through_microphone(random, samples)
        if random.random() < 0.35:
            samples = in_room(random, samples)
        samples = samples / np.abs(samples).max() * _decibels(random.uniform(-20, -0.5))
        speech = _rms(samples)
        if random.random() < 0.14:
            samples = samples + music(random, len(samples)) * speech * _decibels(
                random.uniform(-30, -7)
            )
        if random.random() < 0.25:  # noise that is heard
            samples = samples + noise(random, len(samples)) * speech * _decibels(
                random.uniform(-40, -8)
            )
    if random.random() < 0.55:  # noise that is nearly not
        samples = samples + noise(random, len(samples)) * _decibels(random.uniform(-90, -52))
    if loud and random.random() < 0.05 and _ffmpeg_is_there():
        samples = through_codec(random, samples)
    elif loud and random.random() < 0.04:
        samples = by_telephone(samples)
    return np.clip(samples, -1, 1)


def without_speech(random, count):
    """Music, noise or hardly anything."""
    kind = random.random()
    if kind < 0.4:
        return music(random, count) * _decibels(random.uniform(-45, -12))
    if kind < 0.8:
        return noise(random, count) * _decibels(random.uniform(-75, -18))
    return np.zeros(count)
