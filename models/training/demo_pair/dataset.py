"""Training examples: mel windows of the speech, and faces that go with them.

Any mel window pairs with any face: both carry the same six numbers, so the
faces are drawn once per identity for a codebook of mouths (`faces.py`) and
looked up by the nearest mouth.
"""

from dataclasses import dataclass

import numpy as np
import torch

from demo_pair.mel import BANDS, SILENCE, WINDOW_STEPS
from demo_pair.mouth_track import CLOSE, OPEN, WIDE
from demo_pair.paste import MASKED_FROM

EMBEDDING_SIZE = 96
# Importance of open, wide, close, teeth, tongue, tuck.
MOUTH_WEIGHTS = np.array([1.0, 0.8, 0.8, 0.35, 0.35, 0.45], np.float32)
_ANNA_SHARE = 0.5
_ANNA_EXACT_SHARE = 0.6  # of Anna's pictures, those framed by the avatar's own box
_AT_REST_SHARE = 0.6  # of the references, those with the mouth at rest


def mouth_embedding(mouths):
    """The agreed meaning of the 96 numbers between audio encoder and painter.

    Fixed random projections of the six mouth numbers, raised so that nearly all
    are positive, as behind the encoder's last ReLU. With it the two halves of
    the network can be trained apart, and at the same time.
    """
    directions = np.random.default_rng(96).standard_normal((6, EMBEDDING_SIZE), np.float32)
    projected = (mouths * MOUTH_WEIGHTS) @ directions * 0.5
    return np.maximum(1 + projected, 0).astype(np.float32)


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


def altered(windows, random):
    """Windows as another microphone would give them: level, tilt and noise change.

    Silence stays silence: a value at the floor of the scale is not moved.
    """
    count = len(windows)
    level = random.normal(0, 0.35, (count, 1, 1))
    tilt = random.normal(0, 0.25, (count, 1, 1)) * np.linspace(-1, 1, BANDS)
    roughness = random.uniform(0, 0.25, (count, 1, 1)) * (random.random((count, 1, 1)) < 0.5)
    noise = random.standard_normal(windows.shape, dtype=np.float32) * roughness
    moved = np.clip(windows + level + tilt + noise, -4, 4)
    return np.where(windows > SILENCE + 0.01, moved, windows)


def mel_tensor(windows):
    """(N, 16, 80) windows as the network's (N, 1, 80, 16)."""
    return torch.from_numpy(np.ascontiguousarray(windows.transpose(0, 2, 1)[:, None], np.float32))


def _channels_last(images):
    """(N, H, W, C) in memory, seen as (N, C, H, W): the layout torch convolves fastest."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@dataclass
class Faces:
    """The drawn faces of one set, (identities, mouths, 96, 96, 3) BGR, and their codebook."""

    images: np.ndarray
    codebook: np.ndarray
    nearest: np.ndarray  # for every frame of the speech

    @classmethod
    def load(cls, work, name):
        return cls(
            np.load(work / f"faces-{name}.npy", mmap_mode="r"),
            np.load(work / f"mouths-{name}.npy"),
            np.load(work / f"nearest-{name}.npy"),
        )


class Pictures:
    """Draws pairs of (six input channels, true face) for frames of the speech."""

    def __init__(self, work, random):
        self.anna = Faces.load(work, "anna")
        self.others = Faces.load(work, "others")
        self.random = random

    def _pick(self, frame):
        """A truth, a reference of the same person, and the mouth of the truth."""
        random = self.random
        is_anna = random.random() < _ANNA_SHARE
        faces = self.anna if is_anna else self.others
        exact = is_anna and random.random() < _ANNA_EXACT_SHARE
        person = 0 if exact else random.integers(len(faces.images))
        mouth = faces.nearest[frame]
        other = 0 if random.random() < _AT_REST_SHARE else random.integers(len(faces.codebook))
        truth, reference = faces.images[person, mouth], faces.images[person, other]
        if not is_anna and random.random() < 0.3:
            truth, reference = truth[:, ::-1], reference[:, ::-1]
        return truth, reference, faces.codebook[mouth], not is_anna

    def batch(self, frames):
        """Input (N, 6, 96, 96) and truth (N, 3, 96, 96) as tensors 0..1, and the mouths (N, 6)."""
        truths, references, mouths, recolour = zip(*(self._pick(frame) for frame in frames))
        tint = self.random.uniform(0.85, 1.12, (len(frames), 1, 1, 3))
        tint = np.where(np.array(recolour)[:, None, None, None], tint, 1).astype(np.float32) / 255
        truth = np.minimum(np.stack(truths) * tint, 1)
        reference = np.minimum(np.stack(references) * tint, 1)
        masked = truth.copy()
        masked[:, MASKED_FROM:] = 0
        channels = np.concatenate([masked, reference], axis=3)
        return _channels_last(channels), _channels_last(truth), np.stack(mouths)
