"""Training examples: mel windows of the speech, and faces that go with them.

Any mel window pairs with any face: both carry the same six numbers, so everybody
is drawn once with a number of mouths (`faces.py`), and the nearest is looked up.
"""

from dataclasses import dataclass

import numpy as np
import torch

from demo_pair.mel import BANDS, SILENCE, WINDOW_STEPS
from demo_pair.mouth_track import CLOSE, OPEN, WIDE
from demo_pair.paste import INPUT_SIZE, MASKED_FROM

EMBEDDING_SIZE = 96
# Importance of open, wide, close, teeth, tongue, tuck.
MOUTH_WEIGHTS = np.array([1.0, 0.8, 0.8, 0.35, 0.35, 0.45], np.float32)
_GALLERY_SHARE = 0.35  # of the pictures
_AT_REST_SHARE = 0.75  # of the references, those with the mouth at rest
_REST_SHARE = 0.05  # of the truths, beside those drawn by lot
# Importance of the six when mouths are compared.
_DISTANCE_WEIGHTS = np.array([2.2, 1.4, 1.0, 0.35, 0.4, 0.6], np.float32)


def mouth_embedding(mouths):
    """The agreed meaning of the 96 numbers between audio encoder and painter.

    Fixed random projections of the six mouth numbers, raised so that nearly all
    are positive, as behind the encoder's last ReLU. With it the two halves of
    the network can be trained apart, and at the same time.
    """
    directions = np.random.default_rng(96).standard_normal((6, EMBEDDING_SIZE), np.float32)
    projected = (mouths * MOUTH_WEIGHTS) @ directions * 0.5
    return np.maximum(1 + projected, 0).astype(np.float32)


def mouths_from_embedding(embedding):
    """The six numbers of each embedding, read back linearly."""
    unit = np.eye(6, dtype=np.float32) / (4 * MOUTH_WEIGHTS)
    directions = (mouth_embedding(unit) - 1) * 4
    return (embedding - 1) @ np.linalg.pinv(directions) / MOUTH_WEIGHTS


@dataclass
class Speech:
    """Clips laid end to end, see `speech.build`."""

    mel: np.ndarray
    starts: np.ndarray
    mouths: np.ndarray

    @classmethod
    def load(cls, path):
        with np.load(path) as stored:
            return cls(stored["mel"], stored["starts"], stored["mouths"])

    def windows(self, frames):
        """Mel windows of these frames, (N, 16, 80)."""
        steps = self.starts[frames][:, None] + np.arange(WINDOW_STEPS)
        return self.mel[steps].astype(np.float32)

    def sampler(self, random):
        """Draws frames, the telling ones more often: open, wide, rounded and closed mouths."""
        weight = 1 + 1.2 * self.mouths[:, OPEN] + 1.5 * np.abs(self.mouths[:, WIDE])
        weight += 0.6 * (self.mouths[:, CLOSE] > 0.5)
        cumulative = np.cumsum(weight / weight.sum())

        def draw(count):
            return np.minimum(np.searchsorted(cumulative, random.random(count)), len(weight) - 1)

        return draw


def _other_throats(windows, random):
    """The bands stretched or squeezed: a shorter or a longer throat, a higher or lower voice."""
    count = len(windows)
    stretch = 1 + random.normal(0, 0.05, (count, 1)) * (random.random((count, 1)) < 0.6)
    shift = random.normal(0, 1.0, (count, 1)) * (random.random((count, 1)) < 0.4)
    wanted = np.clip(np.arange(BANDS) * stretch + shift, 0, BANDS - 1.001)
    below = wanted.astype(np.int64)
    share = (wanted - below).astype(np.float32)[:, None]
    rows = np.arange(count)[:, None]
    low = windows[rows, :, below].transpose(0, 2, 1)
    high = windows[rows, :, below + 1].transpose(0, 2, 1)
    return low + (high - low) * share


def altered(windows, random, alike=1):
    """Windows as another voice and another microphone would give them.

    Throat, level, tilt and noise change, the same way for `alike` windows in a
    row. Silence stays silence: a value at the floor of the scale is not moved.
    """
    if len(windows) % alike:
        raise ValueError(f"{len(windows)} windows cannot be parted into runs of {alike}")
    runs = len(windows) // alike
    windows = _other_throats(windows.reshape(runs, -1, BANDS), random)
    level = random.normal(0, 0.4, (runs, 1, 1))
    tilt = random.normal(0, 0.25, (runs, 1, 1)) * np.linspace(-1, 1, BANDS)
    roughness = random.uniform(0, 0.25, (runs, 1, 1)) * (random.random((runs, 1, 1)) < 0.5)
    noise = random.standard_normal(windows.shape, dtype=np.float32) * roughness
    moved = np.clip(windows + level + tilt + noise, -4, 4)
    return np.where(windows > SILENCE + 0.01, moved, windows).reshape(-1, WINDOW_STEPS, BANDS)


def mel_tensor(windows):
    """(N, 16, 80) windows as the network's (N, 1, 80, 16)."""
    return torch.from_numpy(np.ascontiguousarray(windows.transpose(0, 2, 1)[:, None], np.float32))


def _channels_last(images):
    """(N, H, W, C) in memory, seen as (N, C, H, W): the layout torch convolves fastest."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@dataclass
class Faces:
    """One set of drawn people, see `faces`."""

    references: np.ndarray
    truths: np.ndarray
    mouths: np.ndarray

    @classmethod
    def load(cls, work, name):
        files = (work / f"{part}-{name}.npy" for part in ("references", "truths", "mouths"))
        return cls(*(np.load(file) for file in files))

    def nearest(self, person, mouth):
        """The person's picture whose mouth comes nearest."""
        difference = (self.mouths[person] - mouth) * _DISTANCE_WEIGHTS
        return int((difference**2).sum(axis=1).argmin())


def _other_light(count, random):
    """Factors (count, 1, 96, 3) by which pictures are lit: another colour, more from one side."""
    tint = random.uniform(0.82, 1.12, (count, 1, 1, 3)) * random.uniform(0.7, 1.1, (count, 1, 1, 1))
    slope = random.normal(0, 0.18, (count, 1, 1, 1)) * np.linspace(-1, 1, INPUT_SIZE)[:, None]
    return (tint * (1 + slope)).astype(np.float32)


class Pictures:
    """Draws (six input channels, true face, mouth) by lot.

    Random people are mirrored, lit otherwise, and seen through a noisy camera by
    turns; the gallery is shown as it is.
    """

    def __init__(self, work, random):
        self.gallery = Faces.load(work, "gallery")
        self.others = Faces.load(work, "others")
        self.random = random

    def _somebody(self):
        of_gallery = self.random.random() < _GALLERY_SHARE
        faces = self.gallery if of_gallery else self.others
        return of_gallery, faces, self.random.integers(len(faces.truths))

    def _pick(self, wanted):
        """Whether of the gallery; reference, truth and mouth; `wanted` may be None."""
        random = self.random
        of_gallery, faces, person = self._somebody()
        if wanted is not None:
            index = faces.nearest(person, wanted)
        else:
            at_rest = random.random() < _REST_SHARE
            index = 0 if at_rest else random.integers(len(faces.truths[person]))
        known = len(faces.references[person])
        other = 0 if random.random() < _AT_REST_SHARE else random.integers(known)
        reference, truth = faces.references[person, other], faces.truths[person, index]
        upper = faces.references[person, 0][:MASKED_FROM]
        truth = np.concatenate([upper, truth])
        if not of_gallery and random.random() < 0.5:
            truth, reference = truth[:, ::-1], reference[:, ::-1]
        return of_gallery, reference, truth, faces.mouths[person, index]

    def batch(self, count, wanted=None):
        """Input (N, 6, 96, 96) and truth (N, 3, 96, 96) as tensors 0..1, and the mouths (N, 6).

        With `wanted` mouths (N, 6) the pictures are those that come nearest to them.
        """
        wanted = [None] * count if wanted is None else wanted
        of_gallery, references, truths, mouths = zip(*(self._pick(mouth) for mouth in wanted))
        plain = np.array(of_gallery)[:, None, None, None]
        light = np.where(plain, 1, _other_light(count, self.random)).astype(np.float32) / 255
        truth = np.minimum(np.stack(truths) * light, 1)
        reference = np.minimum(np.stack(references) * light, 1)
        masked = truth.copy()
        masked[:, MASKED_FROM:] = 0
        channels = np.concatenate([masked, reference], axis=3)
        noisy = ~plain & (self.random.random((count, 1, 1, 1)) < 0.3)
        level = np.where(noisy, self.random.uniform(0, 0.03, (count, 1, 1, 1)), 0)
        if noisy.any():
            noise = self.random.standard_normal(channels.shape, np.float32)
            channels = np.clip(channels + level.astype(np.float32) * noise, 0, 1)
            channels[:, MASKED_FROM:, :, :3] = 0
        return _channels_last(channels), _channels_last(truth), np.stack(mouths)
