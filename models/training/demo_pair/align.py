"""Phoneme times for speech whose engine, or mouth, does not tell them.

A small network learns from the engines that do tell which sound each mel step
is; the best path through a known sequence of sounds then gives the segments
(Viterbi, pauses allowed between words). Used for voices to measure with only.

    python -m demo_pair.align --engines DIR --output ALIGNER.pt

learns from `engines.in_training`'s files and prints how far it is from a voice
whose times are known and which it has not heard.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from demo_pair.engines.segments import Segment, Utterance, read_wav, segments_until
from demo_pair.mel import BANDS, SAMPLE_RATE, mel_from_pcm, resample_to_16k

STEPS_PER_SECOND = 80
_CONTEXT = (-6, -4, -2, -1, 0, 1, 2, 4, 6)  # mel steps
_PAUSE = ""
# Sounds that one network output stands for; a name is its first symbol.
_ALIKE = (
    "p", "b", "m", "f", "v", "w", "t", "d", "n ɲ ŋ", "s", "z", "ʃ ɕ ʂ", "ʒ ʑ ʐ", "l ɫ ɭ ʎ", "θ", "ð",
    "ɹ r ɾ ɚ ɝ", "k c", "ɡ", "h x", "j", "a ɑ ɐ ʌ", "æ", "e ɛ", "ə ɜ ᵻ ɨ", "i ɪ", "o ɔ ɒ", "u ʊ",
)  # fmt: skip
_CLASS = {symbol: index + 1 for index, alike in enumerate(_ALIKE) for symbol in alike.split()}
_CLASSES = len(_ALIKE) + 1  # 0 is a pause
_SHORTEST = 2  # mel steps of a sound
_STEP_SHARE_OF_PRIOR = 0.8


def classes_of(ipa):
    """The outputs a phoneme passes through, one after the other."""
    if not any(symbol in _CLASS for symbol in ipa):
        return [0]
    found = []
    for symbol in ipa:
        number = _CLASS.get(symbol)
        if number is not None and (not found or found[-1] != number):
            found.append(number)
    return found


def _features(samples):
    """(steps, features) of samples at 16 kHz: mel steps around each, level taken out."""
    mel = mel_from_pcm(samples).T
    loud = mel[mel.mean(axis=1) > np.quantile(mel.mean(axis=1), 0.4)]
    mel = (mel - loud.mean(axis=0)) / 1.5
    steps = np.clip(np.arange(len(mel))[:, None] + np.array(_CONTEXT), 0, len(mel) - 1)
    return mel[steps].reshape(len(mel), -1).astype(np.float32)


def _targets(segments, steps):
    """The class of each mel step; a step lies at the middle of its window."""
    target = np.zeros(steps, np.int64)
    for segment in segments:
        numbers = classes_of(segment.ipa)
        first, last = (round(t * STEPS_PER_SECOND) for t in (segment.start, segment.end))
        for number, part in zip(numbers, np.array_split(np.arange(first, last), len(numbers))):
            target[part[part < steps]] = number
    return target


class Aligner(nn.Module):
    """Mel steps to sounds, and sounds to times."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(BANDS * len(_CONTEXT), 192), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(192, 128), nn.ReLU(), nn.Linear(128, _CLASSES),
        )  # fmt: skip
        self.register_buffer("prior", torch.zeros(_CLASSES))

    @classmethod
    def load(cls, path):
        aligner = cls()
        aligner.load_state_dict(torch.load(path, map_location="cpu"))
        return aligner

    @torch.no_grad()
    def _scores(self, samples):
        self.eval()
        logits = self.layers(torch.from_numpy(_features(samples)))
        return (torch.log_softmax(logits, 1) - _STEP_SHARE_OF_PRIOR * self.prior).numpy()

    def segments(self, samples, sounds):
        """The segments of `samples` (16 kHz), which say `sounds`: IPA, "" where a pause may be."""
        scores = self._scores(np.asarray(samples, np.float64))
        sounds = ["", *sounds, ""]
        states = []  # (sound, class, may be left out)
        for index, ipa in enumerate(sounds):
            states += [(index, number, ipa == _PAUSE) for number in classes_of(ipa)]
        ends = _best_path(scores, states)
        until = {}
        for (index, _, _), end in zip(states, ends):
            until[index] = end
        return segments_until((until[i] / STEPS_PER_SECOND, ipa) for i, ipa in enumerate(sounds))


def _best_path(scores, states):
    """Where each state ends, in steps, on the most likely path; a skipped state has no length."""
    # Each state is a chain of _SHORTEST copies, the last of which may repeat.
    chain = [(s, c) for s in range(len(states)) for c in range(_SHORTEST)]
    emission = scores[:, [states[s][1] for s, _ in chain]]
    count, steps = len(chain), len(scores)
    previous = []  # of every copy: where a path may have come from, beside itself
    for at, (state, copy) in enumerate(chain):
        if copy:
            previous.append([at - 1])
            continue
        came, before = [], state - 1
        while before >= 0:
            came.append(before * _SHORTEST + _SHORTEST - 1)
            if not states[before][2]:
                break
            before -= 1
        previous.append(came)
    width = max(2, max(len(came) for came in previous) + 1)
    table = np.full((count, width), -1)
    for at, came in enumerate(previous):
        stays = [at] if chain[at][1] == _SHORTEST - 1 else []
        table[at, : len(stays + came)] = stays + came
    best = np.full(count + 1, -np.inf)  # the last entry stands for "nowhere"
    for at, (state, copy) in enumerate(chain):
        if copy == 0 and all(states[s][2] for s in range(state)):
            best[at] = emission[0, at]
    back = np.zeros((steps, count), np.int64)
    for step in range(1, steps):
        options = best[table]
        choice = options.argmax(axis=1)
        back[step] = table[np.arange(count), choice]
        best[:count] = options[np.arange(count), choice] + emission[step]
    finals = [
        s * _SHORTEST + _SHORTEST - 1
        for s in range(len(states))
        if all(states[later][2] for later in range(s + 1, len(states)))
    ]
    at = max(finals, key=lambda final: best[final])
    path = [at]
    for step in range(steps - 1, 0, -1):
        at = back[step, at]
        path.append(at)
    of_step = np.array([chain[at][0] for at in reversed(path)])
    return np.searchsorted(of_step, np.arange(len(states)), side="right")


def _voices(folder, keep):
    for path in sorted(folder.glob("*.npz")):
        if keep(path.stem):
            with np.load(path) as stored:
                pieces = np.split(stored["samples"], np.cumsum(stored["lengths"])[:-1])
                told = json.loads(str(stored["segments"]))
            yield [
                (piece / 32768, [Segment(*row) for row in rows])
                for piece, rows in zip(pieces, told)
            ]


def learn(engines, steps, seed, utterances_per_voice=60):
    """An aligner that has heard every voice of the folder."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    features, targets = [], []
    for voice in _voices(engines, lambda name: True):
        for chosen in random.permutation(len(voice))[:utterances_per_voice]:
            samples, segments = voice[chosen]
            features.append(_features(samples))
            targets.append(_targets(segments, len(features[-1])))
    features = torch.from_numpy(np.concatenate(features).astype(np.float16))
    targets = torch.from_numpy(np.concatenate(targets))
    aligner = Aligner()
    aligner.prior.copy_(
        torch.log(torch.bincount(targets, minlength=_CLASSES) / len(targets) + 1e-6)
    )
    optimiser = torch.optim.Adam(aligner.parameters(), 1.5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    aligner.train()
    for _ in range(steps):
        chosen = torch.from_numpy(random.integers(len(targets), size=1024))
        error = cross_entropy(
            aligner.layers(features[chosen].float()), targets[chosen], label_smoothing=0.05
        )
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        schedule.step()
    return aligner


def quality(aligner, voices):
    """Against stored sentences with known times: median and worst tenth of the borders' error in
    seconds, and the correlation of opening, width and closure between the two mouth tracks."""
    errors, tracks = [], []
    for description in sorted(voices.glob("*.json")):
        told = json.loads(description.read_text(encoding="utf-8"))
        samples = resample_to_16k(*read_wav(description.with_suffix(".wav")))
        known = [Segment(*row) for row in told["segments"]]
        inner = known[1:-1] if known and not known[-1].ipa else known[1:]
        found = aligner.segments(samples, [segment.ipa for segment in inner])
        spoken = [s for s in found if s.ipa]
        wanted = [s for s in inner if s.ipa]
        if len(spoken) == len(wanted):
            errors += [abs(a.start - b.start) for a, b in zip(spoken, wanted)]
        mouths = np.array(told["mouths"])
        tracks.append((Utterance(samples, SAMPLE_RATE, found).track()[: len(mouths)], mouths))
    found, known = (np.concatenate(side) for side in zip(*tracks))
    agree = [float(np.corrcoef(found[:, k], known[:, k])[0, 1]) for k in range(3)]
    return float(np.median(errors)), float(np.quantile(errors, 0.9)), agree


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--check", type=Path, nargs="*", default=[], help="stored never-heard voices"
    )
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    aligner = learn(arguments.engines, arguments.steps, 1)
    torch.save(aligner.state_dict(), arguments.output)
    for folder in arguments.check:
        median, tenth, agree = quality(aligner, folder)
        print(
            f"{folder.name}: borders off by {median * 1000:.0f} ms (median), "
            f"{tenth * 1000:.0f} ms (worst tenth); r open wide close "
            + " ".join(f"{r:.3f}" for r in agree)
        )


if __name__ == "__main__":
    main()
