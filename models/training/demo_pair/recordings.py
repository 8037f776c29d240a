"""What the avatars are made to say: speech with the mouth that each video frame should show.

Three kinds: espeak-ng voices that training never heard, speech engines that it
never heard (`demo_pair.clips`), and sounds that are no speech.
"""

import json
import subprocess
import wave
from dataclasses import dataclass
from functools import cache

import numpy as np

from demo_pair import espeak
from demo_pair.engines.segments import Segment, Utterance
from demo_pair.engines.sentences import NEVER_TRAINED
from demo_pair.mouth_track import VIDEO_RATE, mouth_track
from demo_pair.speech import HELD_OUT_VARIANTS

ESPEAK_LANGUAGES = {"ru": "ru", "en": "en-us"}
_SENTENCES_EACH = 2
_PAUSE_FRAMES = 14
_PEAK = 0.6


@dataclass(frozen=True)
class Part:
    """Frames `first` to `last` (half-open) of a recording, by one voice."""

    voice: str
    first: int
    last: int


@dataclass(frozen=True)
class Recording:
    """Mono samples in -1..1, the mouth of each frame (N, 6), and whose they are."""

    name: str
    language: str
    samples: np.ndarray
    sample_rate: int
    mouths: np.ndarray
    parts: tuple[Part, ...]
    sounds: tuple = ()  # (second, IPA) where the engine tells

    def write(self, path):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate)
            file.writeframes(np.rint(self.samples * 32767).astype("<i2").tobytes())
        return path


def _spoken_between_pauses(text, voice):
    """Samples over whole frames, the mouth of each frame, and the sounds."""
    speech = espeak.speak(text, voice, words_per_minute=150)
    rate = speech.sample_rate
    frames = int(np.ceil(speech.duration * VIDEO_RATE))
    before = _PAUSE_FRAMES * rate // VIDEO_RATE
    total = (frames + 2 * _PAUSE_FRAMES) * rate // VIDEO_RATE
    samples = speech.samples * (_PEAK / np.abs(speech.samples).max())
    samples = np.pad(samples, (before, total - before - len(samples)))
    start = before / rate
    sounds = [espeak.Phoneme(start + sound.start, sound.ipa) for sound in speech.phonemes]
    sounds.append(espeak.Phoneme(start + speech.duration, "_"))
    return samples, mouth_track(sounds, total / rate), sounds


def _joined(name, language, rate, clips):
    """One recording of (voice, samples, mouths, sounds) clips."""
    parts, sounds, first = [], [], 0
    for voice, _, mouths, heard in clips:
        sounds += [(first / VIDEO_RATE + sound.start, sound.ipa) for sound in heard]
        parts.append(Part(voice, first, first + len(mouths)))
        first += len(mouths)
    samples = np.concatenate([clip[1] for clip in clips])
    mouths = np.concatenate([clip[2] for clip in clips])
    return Recording(name, language, samples, rate, mouths, tuple(parts), tuple(sounds))


@cache
def espeak_recording(language, sentences_each=_SENTENCES_EACH, voices=tuple(HELD_OUT_VARIANTS)):
    """Every held-out voice variant of espeak-ng with some sentences of its own."""
    texts, clips = NEVER_TRAINED[language], []
    for number, voice in enumerate(voices):
        for sentence in range(sentences_each):
            text = texts[(number * sentences_each + sentence) % len(texts)]
            spoken = _spoken_between_pauses(text, f"{ESPEAK_LANGUAGES[language]}+{voice}")
            clips.append((voice, *spoken))
    rate = espeak.speak(".", ESPEAK_LANGUAGES[language]).sample_rate
    return _joined("espeak-ng", language, rate, clips)


@cache
def brief_recording():
    """One sentence by each held-out voice variant, Russian and English by turns."""
    clips = []
    for number, voice in enumerate(HELD_OUT_VARIANTS):
        language = ("ru", "en")[number % 2]
        text = NEVER_TRAINED[language][number]
        spoken = _spoken_between_pauses(text, f"{ESPEAK_LANGUAGES[language]}+{voice}")
        clips.append((voice, *spoken))
    return _joined("espeak-ng", "ru, en", espeak.speak(".", "ru").sample_rate, clips)


def _read(path, rate):
    """An audio file as mono samples at `rate`."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        path,
        "-ac",
        "1",
        "-ar",
        str(rate),
        "-f",
        "f32le",
        "-",
    ]
    return np.frombuffer(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout, "<f4")


def engine_recording(folder):
    """The clips of one engine; their mouths follow from the sounds spoken in them."""
    clips, described = [], None
    for path in sorted(folder.glob("*.json")):
        described = json.loads(path.read_text(encoding="utf-8"))
        rate = described["sample_rate"]
        (audio,) = (file for file in path.parent.glob(f"{path.stem}.*") if file != path)
        samples = _read(audio, rate)
        segments = tuple(Segment(*segment) for segment in described["segments"])
        frames = round(len(samples) * VIDEO_RATE / rate)
        samples = np.pad(samples, (0, rate))[: frames * rate // VIDEO_RATE]
        mouths = Utterance(samples, rate, segments).track()
        sounds = [espeak.Phoneme(segment.start, segment.ipa) for segment in segments]
        clips.append((described["engine"], samples, mouths, sounds))
    if not clips:
        raise FileNotFoundError(f"{folder} holds no clips")
    return _joined(described["engine"], described["language"], rate, clips)


def _music(random, rate, seconds):
    """A small band: plucked chords, a bass and a drum, at -20 dB."""
    time = np.arange(int(rate * seconds)) / rate
    music = np.zeros(len(time))
    for beat, start in enumerate(np.arange(0, seconds, 0.5)):
        since = time[time >= start] - start
        tail = slice(len(time) - len(since), None)
        root = 110 * 2 ** ((0, 5, 7, 3)[beat // 4 % 4] / 12)
        for note in (0.5, 1, 1.25, 1.5, 2):
            overtones = sum(np.sin(2 * np.pi * root * note * k * since) / k for k in range(1, 7))
            music[tail] += 0.2 * np.exp(-3 * since) * overtones
        music[tail] += random.standard_normal(len(since)) * np.exp(-40 * since)
    return music * 0.1 / np.sqrt((music**2).mean())


def _room(random, count):
    """Noise with the spectrum of a quiet room (falling by 3 dB an octave) at -50 dB."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, count)
    return noise * 10 ** (-50 / 20) / noise.std()


@cache
def stillness_recording(seconds=6, seed=3):
    """No speech: digital silence, faint noise (white at -60 dB, a room's) and music."""
    random, rate = np.random.default_rng(seed), 16_000
    count = rate * seconds
    sounds = {
        "digital silence": np.zeros(count),
        "white noise": random.standard_normal(count) * 10 ** (-60 / 20),
        "room noise": _room(random, count),
        "music": _music(random, rate, seconds),
    }
    still = np.zeros((seconds * VIDEO_RATE, 6), np.float32)
    clips = [(name, samples, still, ()) for name, samples in sounds.items()]
    return _joined("no speech", "", rate, clips)
