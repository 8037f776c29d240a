"""Does the mouth follow the speech? Measured in the pixels of rendered MP4s.

Sentences that were never trained on are spoken by espeak-ng voices that were
never trained on; Duolip renders them; the mouth is measured in every decoded
frame and compared with the mouth that the phonemes ask for. Needs numpy,
ffmpeg and libespeak-ng.

    python tests/python/lipsync.py gan nogan

prints the table for these models. `DUOLIP_BIN` names the binary
(default: target/debug/duolip in the repository).
"""

import os
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models/training"))

from demo_pair import ruler  # noqa: E402
from demo_pair.espeak import Phoneme, speak  # noqa: E402
from demo_pair.mouth_track import CLOSE, OPEN, WIDE, mouth_track  # noqa: E402
from demo_pair.speech import HELD_OUT_VARIANTS  # noqa: E402

RULER = ruler.Ruler.load(Path(__file__).with_name("lipsync_ruler.json"))
PAUSE_SECONDS = 0.56  # before, between and after the sentences: 14 video frames
PEAK = 0.6

SENTENCES = {
    "ru": (
        "Мама мыла раму, а папа читал большую книгу.",
        "Добрый вечер! Сегодня хорошая погода, и мы пойдём гулять в парк.",
        "Пожалуйста, повторите ваш вопрос ещё раз.",
        "Юный музыкант быстро выучил новую пьесу для фортепиано.",
    ),
    "en": (
        "Good morning, my name is Emma and I am happy to help you.",
        "Please remember to bring the blue umbrella before the meeting.",
        "Would you like to know more about the weather in Boston?",
        "Five very old people walked slowly over the wooden bridge.",
    ),
}
VOICES = {"ru": ("ru+Denis", "ru+aunty"), "en": ("en-us+antonio", "en-us+victor")}

LARGEST_LAG = 5
CLOSED_BELOW = 0.12  # an opening under this is a closed mouth
SILENCE_MARGIN = 3  # frames: the mel window reaches 0.2 s ahead, lips prepare in it


@dataclass(frozen=True)
class Recording:
    """Speech with the mouth that each of its video frames should show."""

    samples: np.ndarray
    sample_rate: int
    mouths: np.ndarray

    def write(self, path):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate)
            file.writeframes(np.rint(self.samples * 32767).astype("<i2").tobytes())


@dataclass(frozen=True)
class Agreement:
    """How the mouth of one model follows the speech of one language."""

    opening: float  # correlation with the phonemes' mouth
    width: float
    lag: int  # frames by which the picture is late
    shuffled: float  # opening's correlation with the wrong moments
    gain: float  # how far the mouth opens, 1 is right
    closed_on_bilabials: float  # share of p, b, m on which the lips meet
    closed_on_vowels: float  # share of open vowels on which they do, wrongly
    silent_opening: float
    silent_movement: float  # of the pixels, as a share of that in speech


def recording(language):
    """All sentences of a language by all its voices, with silence between them."""
    silence, pieces, phonemes, offset = None, [], [], 0
    for voice in VOICES[language]:
        assert voice.partition("+")[2] in HELD_OUT_VARIANTS, f"{voice} was trained on"
        for sentence in SENTENCES[language]:
            speech = speak(sentence, voice, words_per_minute=150)
            silence = np.zeros(int(PAUSE_SECONDS * speech.sample_rate), np.float32)
            offset += len(silence)
            pieces += [silence, speech.samples * (PEAK / np.abs(speech.samples).max())]
            at = offset / speech.sample_rate
            phonemes += [Phoneme(at + phoneme.start, phoneme.ipa) for phoneme in speech.phonemes]
            phonemes.append(Phoneme(at + speech.duration, "_"))
            offset += len(speech.samples)
    samples = np.concatenate([*pieces, silence])
    duration = len(samples) / speech.sample_rate
    return Recording(samples, speech.sample_rate, mouth_track(phonemes, duration))


def render(model, audio, output):
    """Renders the default avatar with the binary under test."""
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug/duolip")
    binary = os.environ.get("DUOLIP_BIN", built)
    command = [binary, "render", "--audio", audio, "--avatar", "anna", "--models", model]
    command += ["--num-workers", "1", "--output", output]
    subprocess.run(command, check=True, cwd=ROOT)


def lips_of(video):
    """The area of the mouth in every frame of an MP4, (N, height, width, 3) BGR."""
    area = f"crop={ruler.WIDTH}:{ruler.HEIGHT}:{ruler.LEFT}:{ruler.TOP}:exact=1"
    command = ["ffmpeg", "-v", "error", "-i", video, "-vf", area, "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    decoded = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(decoded, np.uint8).reshape(-1, ruler.HEIGHT, ruler.WIDTH, 3)


def _correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-6 and b.std() > 1e-6 else 0.0


def _lag(measured, truth):
    """The shift of the picture against the speech at which they agree best, in frames."""
    inner = slice(LARGEST_LAG, len(truth) - LARGEST_LAG)
    shifts = range(-LARGEST_LAG, LARGEST_LAG + 1)
    return max(
        shifts, key=lambda shift: _correlation(np.roll(measured, -shift)[inner], truth[inner])
    )


def _shuffled(measured, truth):
    """Mean correlation when the picture is moved to moments it does not belong to."""
    shifts = np.linspace(0.1, 0.9, 17) * len(truth)
    return float(np.mean([_correlation(np.roll(measured, int(shift)), truth) for shift in shifts]))


def _narrowest(opening, frames):
    return np.array([opening[max(0, frame - 1) : frame + 2].min() for frame in frames])


def agreement(lips, mouths):
    """Compares decoded lips with the mouths that the speech asks for."""
    assert len(lips) == len(mouths), f"{len(lips)} frames rendered, {len(mouths)} expected"
    measured = RULER.measure(lips)
    opening, truth, closure = measured["open"], mouths[:, OPEN], mouths[:, CLOSE]

    peaks = (closure[1:-1] > 0.8) & (closure[1:-1] >= closure[:-2]) & (closure[1:-1] > closure[2:])
    bilabials, vowels = np.flatnonzero(peaks) + 1, np.flatnonzero(truth > 0.5)

    at_rest = (np.abs(mouths).max(axis=1) < 0.02).astype(float)
    around = np.ones(2 * SILENCE_MARGIN + 1)
    silent = np.convolve(at_rest, around, "same") > len(around) - 0.5
    movement = np.abs(np.diff(lips.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    both_silent, both_speak = silent[1:] & silent[:-1], (at_rest[1:] == 0) & (at_rest[:-1] == 0)
    assert both_silent.any(), "the recording has no silence"

    return Agreement(
        opening=_correlation(opening, truth),
        width=_correlation(measured["wide"], mouths[:, WIDE]),
        lag=_lag(opening, truth),
        shuffled=_shuffled(opening, truth),
        gain=float(opening.std() / truth.std()),
        closed_on_bilabials=float((_narrowest(opening, bilabials) < CLOSED_BELOW).mean()),
        closed_on_vowels=float((_narrowest(opening, vowels) < CLOSED_BELOW).mean()),
        silent_opening=float(opening[silent].mean()),
        silent_movement=float(movement[both_silent].mean() / movement[both_speak].mean()),
    )


def measure(model, render=render):
    """The agreement of a model in each language; `render` makes an MP4 from a WAV."""
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for language in SENTENCES:
            spoken = recording(language)
            audio, video = Path(folder, f"{language}.wav"), Path(folder, f"{language}.mp4")
            spoken.write(audio)
            render(model, audio, video)
            result[language] = agreement(lips_of(video), spoken.mouths)
    return result


COLUMNS = ("opening r", "width r", "lag", "shuffled", "gain", "p b m", "vowels", "at rest", "moves")


def table(agreements):
    """The agreements of `measure`, by model, as lines of text."""
    lines = [f"{'model':8}{'speech':8}" + "".join(f"{column:>11}" for column in COLUMNS)]
    for model, languages in agreements.items():
        for language, a in languages.items():
            numbers = (a.opening, a.width, a.lag, a.shuffled, a.gain)
            numbers += (
                a.closed_on_bilabials,
                a.closed_on_vowels,
                a.silent_opening,
                a.silent_movement,
            )
            cells = (f"{n:>11}" if isinstance(n, int) else f"{n:>11.3f}" for n in numbers)
            lines.append(f"{model:8}{language:8}" + "".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    print(table({model: measure(model) for model in sys.argv[1:] or ("gan", "nogan")}))
