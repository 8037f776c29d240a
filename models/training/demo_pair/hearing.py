"""How well an audio encoder hears voices it was not trained on, before any picture.

    python -m demo_pair.hearing ENCODER.pt [--voices DIR]

ENCODER.pt is a `state_dict` of the audio encoder; DIR is what
`python -m demo_pair.engines` wrote. The mouth is read back from the embedding;
closures and lag are counted as the lip-sync checker counts them in pixels.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from demo_pair import augment, espeak
from demo_pair.dataset import mel_tensor, mouths_from_embedding
from demo_pair.engines.segments import read_wav
from demo_pair.engines.sentences import NEVER_TRAINED
from demo_pair.mel import (
    SAMPLE_RATE,
    WINDOW_STEPS,
    mel_from_pcm,
    pad_to_frames,
    resample_to_16k,
    window_starts,
)
from demo_pair.mouth_track import CLOSE, OPEN, VIDEO_RATE, WIDE, mouth_track
from demo_pair.network import LipSync, Widths, fold_batch_norm
from demo_pair.speech import HELD_OUT_VARIANTS

PEAK = 0.6
PAUSE_FRAMES = 14
CLOSED_BELOW = 0.12
_ESPEAK_VOICES = {"ru": "ru", "en": "en-us"}
_LARGEST_LAG = 5


@dataclass
class Clip:
    """Speech of one voice: mel windows (frames, 16, 80) and the true mouths (frames, 6)."""

    group: str
    windows: np.ndarray
    mouths: np.ndarray


def _windows(samples, frames):
    mel = pad_to_frames(mel_from_pcm(samples), frames).T
    return mel[window_starts(frames)[:, None] + np.arange(WINDOW_STEPS)]


def _espeak_clips(sentences):
    for language, voice in _ESPEAK_VOICES.items():
        for variant in HELD_OUT_VARIANTS:
            for text in NEVER_TRAINED[language][:sentences]:
                speech = espeak.speak(text, f"{voice}+{variant}", words_per_minute=150)
                pause = PAUSE_FRAMES / VIDEO_RATE
                heard = resample_to_16k(speech.samples, speech.sample_rate)
                heard = np.pad(heard * (PEAK / np.abs(heard).max()), int(pause * SAMPLE_RATE))
                phonemes = [espeak.Phoneme(p.start + pause, p.ipa) for p in speech.phonemes]
                phonemes.append(espeak.Phoneme(speech.duration + pause, "_"))
                mouths = mouth_track(phonemes, len(heard) / SAMPLE_RATE)
                yield Clip(f"espeak {language} {variant}", _windows(heard, len(mouths)), mouths)


def _stored_clips(folder):
    for description in sorted(folder.glob("*/*.json")):
        told = json.loads(description.read_text(encoding="utf-8"))
        heard = resample_to_16k(*read_wav(description.with_suffix(".wav")))
        mouths = np.array(told["mouths"], np.float32)
        yield Clip(told["engine"], _windows(heard, len(mouths)), mouths)


def clips(voices=None, sentences=4):
    """The held-out espeak-ng voices, `sentences` each, and the stored voices of a folder."""
    return [*_espeak_clips(sentences), *(_stored_clips(voices) if voices else ())]


def quiet_clips():
    """What must leave the mouth still, by name."""
    random = np.random.default_rng(7)
    count = 6 * SAMPLE_RATE
    return {
        "silence": np.zeros(count),
        "faint noise": augment.noise(random, count) * 10 ** (-55 / 20),
        "noise": augment.noise(random, count) * 10 ** (-32 / 20),
        "music": augment.music(random, count) * 10 ** (-22 / 20),
    }


@torch.no_grad()
def hear(encoder, windows):
    """The six numbers heard in each window."""
    device = next(encoder.parameters()).device
    parts = np.array_split(windows, len(windows) // 256 + 1)
    embedding = [encoder(mel_tensor(part).to(device)).flatten(1) for part in parts]
    return mouths_from_embedding(torch.cat(embedding)).cpu().numpy()


def _correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-6 and b.std() > 1e-6 else 0.0


def _lag(heard, truth):
    inner = slice(_LARGEST_LAG, len(truth) - _LARGEST_LAG)
    return max(
        range(-_LARGEST_LAG, _LARGEST_LAG + 1),
        key=lambda shift: _correlation(np.roll(heard, -shift)[inner], truth[inner]),
    )


def _narrowest(opening, frames):
    return np.array([opening[max(0, frame - 1) : frame + 2].min() for frame in frames])


def agreement(heard, truth):
    """The figures of one group, `heard` and `truth` (frames, 6)."""
    closure, opening = truth[:, CLOSE], heard[:, OPEN]
    peaks = (closure[1:-1] > 0.8) & (closure[1:-1] >= closure[:-2]) & (closure[1:-1] > closure[2:])
    bilabials, vowels = np.flatnonzero(peaks) + 1, np.flatnonzero(truth[:, OPEN] > 0.5)

    def closed(frames, mouth):
        return float((_narrowest(mouth, frames) < CLOSED_BELOW).mean()) if len(frames) else 1.0

    moved, should = np.diff(heard[:, :3], axis=0), np.diff(truth[:, :3], axis=0)
    return {
        "open": _correlation(opening, truth[:, OPEN]),
        "wide": _correlation(heard[:, WIDE], truth[:, WIDE]),
        "close": _correlation(heard[:, CLOSE], closure),
        "lag": _lag(opening, truth[:, OPEN]),
        "gain": float(opening.std() / truth[:, OPEN].std()),
        "p b m": closed(bilabials, opening),
        "on vowels": closed(vowels, opening),
        "(truth)": closed(vowels, truth[:, OPEN]),
        "jitter": float(np.abs(moved).mean() / np.abs(should).mean()),
    }


def measure(encoder, speech):
    """Figures by group, and the mean over the groups of a language of espeak-ng."""
    heard = hear(encoder, np.concatenate([clip.windows for clip in speech]))
    truth = np.concatenate([clip.mouths for clip in speech])
    ends = np.cumsum([len(clip.mouths) for clip in speech])[:-1]
    groups = {}
    for clip, part, mouths in zip(speech, np.split(heard, ends), np.split(truth, ends)):
        names = [clip.group]
        if clip.group.startswith("espeak"):
            names.append(clip.group.rpartition(" ")[0])
        for name in names:
            groups.setdefault(name, []).append((part, mouths))
    return {
        name: agreement(*(np.concatenate(side) for side in zip(*parts)))
        for name, parts in groups.items()
    }


def stillness(encoder, speech):
    """Movement of the mouth where nobody speaks, as a share of that in speech."""

    def moves(mouths):
        return float(np.abs(np.diff(mouths[:, :3], axis=0)).mean())

    in_speech = np.mean([moves(hear(encoder, clip.windows)) for clip in speech[:8]])
    result = {}
    for name, samples in quiet_clips().items():
        heard = hear(encoder, _windows(samples, len(samples) * VIDEO_RATE // SAMPLE_RATE - 5))
        result[name] = moves(heard) / in_speech
    return result


def table(figures):
    """Figures by group as lines of text."""
    columns = list(next(iter(figures.values())))
    lines = [f"{'voice':22}" + "".join(f"{column:>11}" for column in columns)]
    for name, row in figures.items():
        cells = (f"{n:>11}" if isinstance(n, int) else f"{n:>11.3f}" for n in row.values())
        lines.append(f"{name:22}" + "".join(cells))
    return "\n".join(lines)


def encoder_of(path):
    """The audio encoder of a `state_dict`, with BatchNorm or, of `reopened`, without."""
    state = torch.load(path, map_location="cpu")
    network = LipSync(Widths.hearing_as(state))
    if not any(name.endswith("running_var") for name in state):
        fold_batch_norm(network)
    network.audio_encoder.load_state_dict(state)
    return network.audio_encoder.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--voices", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder, speech = encoder_of(arguments.encoder), clips(arguments.voices)
    print(table(measure(encoder, speech)))
    for name, share in stillness(encoder, speech).items():
        print(f"movement in {name}: {share:.1%} of that in speech")


if __name__ == "__main__":
    main()
