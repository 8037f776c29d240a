"""The training speech: random sentences by many espeak-ng voices, with their mouths.

Each clip is a few sentences with pauses before, between and after them, so that
a quarter of the frames are silent and the network learns to hold the mouth shut
and still: in digital silence, and in silence with faint noise. The held-out
variants are never spoken here; the lip-sync checker speaks with them.
"""

import argparse
import time
from functools import cache
from pathlib import Path

import numpy as np

from demo_pair import espeak
from demo_pair.mel import SAMPLE_RATE, mel_from_pcm, pad_to_frames, resample_to_16k, window_starts
from demo_pair.mouth_track import VIDEO_RATE, mouth_track

WORDS = Path(__file__).parent.parent / "words"

# espeak-ng voice: (word list, share of the speech)
VOICES = {
    "ru": ("ru", 0.34),
    "en-us": ("en", 0.40),
    "en-gb-x-rp": ("en", 0.08),
    "en-gb-scotland": ("en", 0.03),
    "de": ("de", 0.03),
    "es": ("es", 0.03),
    "fr": ("fr", 0.03),
    "pl": ("pl", 0.03),
    "it": ("it", 0.03),
}
VARIANTS = (
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 croak whisperf adam Alex Alicia Andrea Andy Annie "
    "anika belinda benjamin boris caleb david ed edward Gene gustave Henrique Hugo iven Jacky "
    "john Lee linda marcelo Marco Mario max Michael michel miguel Mike norbert pablo paul pedro "
    "quincy rob robert sandro steph travis zac grandpa Diogo"
).split()
HELD_OUT_VARIANTS = "antonio aunty Denis grandma shelby Storm victor".split()

_BLENDED_WORDS_SHARE = 0.25
_WHISPERED_SHARE = 0.3  # of the clips, those that are partly whispered

_SAMPLES_PER_FRAME = SAMPLE_RATE // VIDEO_RATE


@cache
def _words(language):
    return (WORDS / f"{language}.txt").read_text(encoding="utf-8").split()


def _blended(random, words):
    """The head of one word with the tail of another: sounds meet that never met in the list."""
    head, tail = (str(word) for word in random.choice(words, 2))
    return head[: (len(head) + 1) // 2] + tail[len(tail) // 2 :]


def _random_sentence(random, words):
    chosen = [
        _blended(random, words)
        if random.random() < _BLENDED_WORDS_SHARE
        else str(random.choice(words))
        for _ in range(random.integers(2, 10))
    ]
    commas = random.random(len(chosen)) < 0.12
    text = " ".join(word + ("," if comma else "") for word, comma in zip(chosen, commas))
    return text.rstrip(",") + str(random.choice([".", ".", "!", "?"]))


def _random_voice(random):
    names = list(VOICES)
    voice = str(random.choice(names, p=[share for _, share in VOICES.values()]))
    words = _words(VOICES[voice][0])
    if random.random() < 0.9:
        voice += "+" + str(random.choice(VARIANTS))
    return voice, words


def _silence(random, longest):
    frames = int(random.integers(2, longest))
    return np.zeros(frames * _SAMPLES_PER_FRAME, np.float32), np.zeros((frames, 6), np.float32)


def _spoken(random, voice, words, speed):
    """A sentence; played at another speed, as a tape, it has another throat."""
    speech = espeak.speak(
        _random_sentence(random, words),
        voice,
        words_per_minute=random.integers(105, 215) / speed,
        pitch=random.integers(15, 90),
        pitch_range=random.integers(25, 85),
    )
    played_at = int(round(speech.sample_rate * speed / 50)) * 50
    slower = speech.sample_rate / played_at
    phonemes = [espeak.Phoneme(phoneme.start * slower, phoneme.ipa) for phoneme in speech.phonemes]
    track = mouth_track(phonemes, speech.duration * slower)
    samples = resample_to_16k(speech.samples, played_at)
    length = len(track) * _SAMPLES_PER_FRAME
    return np.pad(samples, (0, max(0, length - len(samples))))[:length], track


def _partly_whispered(random, samples):
    """Some of the voice replaced by noise of the same spectral envelope."""
    size, hop = 400, 100
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    padded = np.pad(samples, (size, 2 * size))

    def spectra(signal):
        return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(signal, size)[::hop] * hann)

    magnitude = np.abs(spectra(padded))
    smooth = np.ones(7) / 7  # bins: 280 Hz, wider than the harmonics are apart
    envelope = np.apply_along_axis(np.convolve, 1, magnitude, smooth, "same")
    noise = spectra(random.standard_normal(len(padded)))
    slices = np.fft.irfft(noise * envelope) * hann
    whisper = np.zeros(len(padded))
    for offset in range(size // hop):
        part = slices[offset :: size // hop]
        start = offset * hop
        whisper[start : start + part.size] += part.ravel()
    whisper = whisper[size : size + len(samples)]
    loudness = np.sqrt((samples**2).mean() / max((whisper**2).mean(), 1e-12))
    share = random.uniform(0.15, 0.95)
    return (1 - share) * samples + share * loudness * whisper


def _shaped(random, samples):
    """Another microphone and room: a tilt, a resonance, a short echo, done on the spectrum."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    octaves = np.log2(np.maximum(hertz, 60) / 1000)
    gain = np.zeros_like(hertz)
    if random.random() < 0.6:
        gain += random.uniform(-6, 6) * octaves
    if random.random() < 0.15:  # a telephone, or a muffled or a thin microphone
        lowest, highest = random.uniform(60, 400), random.uniform(2800, 8000)
        gain -= 24 * np.maximum(0, np.log2(lowest / np.maximum(hertz, 20)))
        gain -= 24 * np.maximum(0, np.log2(np.maximum(hertz, 20) / highest))
    if random.random() < 0.4:
        centre = np.log2(random.uniform(200, 5000) / 1000)
        gain += random.uniform(-9, 9) * np.exp(-0.5 * ((octaves - centre) / 0.35) ** 2)
    spectrum *= 10 ** (gain / 20)
    shaped = np.fft.irfft(spectrum, len(samples))
    if random.random() < 0.3:
        tail = int(random.uniform(0.02, 0.10) * SAMPLE_RATE)
        echo = random.standard_normal(tail) * np.exp(-np.arange(tail) / (tail / 4))
        echo *= random.uniform(0.02, 0.10)
        echo[0] = 1
        size = len(samples) + tail
        shaped = np.fft.irfft(np.fft.rfft(shaped, size) * np.fft.rfft(echo, size), size)[
            : len(samples)
        ]
    return shaped


def _recorded(random, samples):
    """The clip at a random level; half of the clips over faint noise."""
    peak = np.abs(samples).max()
    if peak > 0:
        samples = _shaped(random, samples)
        samples = samples / np.abs(samples).max() * 10 ** (random.uniform(-14, -0.5) / 20)
    if random.random() < 0.5:
        samples = samples + random.standard_normal(len(samples)) * 10 ** (
            random.uniform(-85, -45) / 20
        )
    return samples


def random_clip(random):
    """One training clip: samples at 16 kHz and the mouth of each of its frames."""
    if random.random() < 0.02:
        samples, track = _silence(random, 4 * VIDEO_RATE)
        return _recorded(random, samples), track
    voice, words = _random_voice(random)
    speed = random.uniform(0.9, 1.1) if random.random() < 0.4 else 1.0
    parts = [_silence(random, 16)]
    for _ in range(random.integers(1, 4)):
        parts.append(_spoken(random, voice, words, speed))
        parts.append(_silence(random, 26))
    samples = np.concatenate([part[0] for part in parts])
    track = np.concatenate([part[1] for part in parts])
    if random.random() < _WHISPERED_SHARE:
        samples = _partly_whispered(random, samples)
    return _recorded(random, samples), track


def build(minutes, seed):
    """`minutes` of speech as arrays: mel (steps, 80), starts (frames), mouths (frames, 6)."""
    random = np.random.default_rng(seed)
    mels, starts, tracks = [], [], []
    steps = frames = 0
    while frames < minutes * 60 * VIDEO_RATE:
        samples, track = random_clip(random)
        mel = pad_to_frames(mel_from_pcm(samples), len(track))
        mels.append(mel.T.astype(np.float16))
        starts.append(window_starts(len(track)) + steps)
        tracks.append(track)
        steps += mel.shape[1]
        frames += len(track)
    return {
        "mel": np.concatenate(mels),
        "starts": np.concatenate(starts),
        "mouths": np.concatenate(tracks),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name, minutes, seed in (
        ("training", arguments.minutes, arguments.seed),
        ("validation", arguments.minutes / 20, arguments.seed + 1000),
    ):
        began = time.monotonic()
        speech = build(minutes, seed)
        np.savez(arguments.work / f"speech-{name}.npz", **speech)
        still = float((np.abs(speech["mouths"]).max(axis=1) < 0.02).mean())
        print(
            f"{name} speech: {len(speech['mouths'])} frames, {still:.0%} at rest, "
            f"made in {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    main()
