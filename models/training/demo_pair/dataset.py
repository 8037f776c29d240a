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


# How the six numbers are projected on the embedding, (6, 96).
DIRECTIONS = (
    0.5
    * MOUTH_WEIGHTS[:, None]
    * np.random.default_rng(96).standard_normal((6, EMBEDDING_SIZE), np.float32)
)


def mouth_embedding(mouths):
    """The agreed meaning of the 96 numbers between audio encoder and painter.

    Fixed random projections of the six mouth numbers, raised so that nearly all
    are positive, as behind the encoder's last ReLU. With it the two halves of
    the network can be trained apart, and at the same time.
    """
    return np.maximum(1 + mouths @ DIRECTIONS, 0).astype(np.float32)


# The matrix that reads the six numbers back from an embedding, (96, 6).
READER = np.linalg.pinv(DIRECTIONS).astype(np.float32)


def mouths_from_embedding(embedding):
    """The six numbers of each embedding, read back linearly."""
    return (embedding - 1) @ READER


class Speech:
    """Clips laid end to end, see `speech.build`; held as tensors on a device.

    `mel` (steps, 80), `starts` (frames), `mouths` (frames, 6). More may be added while it is used.
    """

    def __init__(self, device="cpu"):
        self.device = torch.device(device)
        self.steps = self.frames = 0
        self._mel = torch.empty(0, BANDS, dtype=torch.float16, device=device)
        self._starts = torch.empty(0, dtype=torch.int64, device=device)
        self._mouths = torch.empty(0, 6, device=device)
        self.files = set()

    @classmethod
    def load(cls, work, name="training", device="cpu"):
        """Everything that `speech` has made so far in a work folder."""
        speech = cls(device)
        if not speech.add_files(work, name):
            raise FileNotFoundError(f"no speech-{name}*.npz in {work}")
        return speech

    def add_files(self, work, name="training", most=None):
        """Adds what is new in the folder, at most so many files; gives how many."""
        new = sorted(set(work.glob(f"speech-{name}*.npz")) - self.files)[:most]
        for path in new:
            with np.load(path) as stored:
                self._add(*(torch.from_numpy(stored[part]) for part in ("mel", "starts", "mouths")))
            self.files.add(path)
        return len(new)

    def _add(self, mel, starts, mouths):
        self._mel = _with_room(self._mel, self.steps, len(mel))
        self._starts = _with_room(self._starts, self.frames, len(starts))
        self._mouths = _with_room(self._mouths, self.frames, len(mouths))
        self._mel[self.steps : self.steps + len(mel)] = mel.to(self.device)
        frames = slice(self.frames, self.frames + len(starts))
        self._starts[frames] = starts.to(self.device) + self.steps
        self._mouths[frames] = mouths.to(self.device)
        self.steps += len(mel)
        self.frames += len(starts)

    @property
    def mouths(self):
        return self._mouths[: self.frames]

    def windows(self, frames):
        """Mel windows of these frames, (N, 16, 80)."""
        steps = self._starts[frames][:, None] + torch.arange(WINDOW_STEPS, device=self.device)
        return self._mel[steps].float()

    def sampler(self, generator, emphasis=1.0):
        """Draws frames, the telling ones more often: open, wide, rounded and closed mouths."""
        mouths = self.mouths
        weight = 1.2 * mouths[:, OPEN] + 1.5 * mouths[:, WIDE].abs() + 0.6 * (mouths[:, CLOSE] > 0.5)
        cumulative = (1 + emphasis * weight).double().cumsum(0)
        cumulative /= cumulative[-1].clone()

        def draw(count):
            lots = torch.rand(count, generator=generator, device=self.device, dtype=torch.float64)
            return torch.searchsorted(cumulative, lots).clamp_(max=len(cumulative) - 1)

        return draw


def _with_room(values, used, more):
    """The tensor, or a longer one with the same beginning."""
    if used + more <= len(values):
        return values
    longer = values.new_empty((2 * used + more, *values.shape[1:]))
    longer[:used] = values[:used]
    return longer


class _Lots:
    """Random numbers of a generator, on its device."""

    def __init__(self, generator):
        self.place = {"generator": generator, "device": generator.device}

    def normal(self, deviation, *shape):
        return torch.randn(*shape, **self.place) * deviation

    def uniform(self, most, *shape):
        return torch.rand(*shape, **self.place) * most

    def chance(self, share, *shape):
        return torch.rand(*shape, **self.place) < share


def _other_throats(windows, lots):
    """The bands stretched or squeezed: a shorter or a longer throat, a higher or lower voice."""
    count, steps = windows.shape[:2]
    stretch = 1 + lots.normal(0.05, count, 1) * lots.chance(0.6, count, 1)
    shift = lots.normal(1.0, count, 1) * lots.chance(0.4, count, 1)
    bands = torch.arange(BANDS, device=windows.device)
    wanted = (bands * stretch + shift).clamp(0, BANDS - 1.001)
    below = wanted.long()
    share = (wanted - below)[:, None]
    below = below[:, None].expand(-1, steps, -1)
    low, high = windows.gather(2, below), windows.gather(2, below + 1)
    return low + (high - low) * share


def altered(windows, generator, alike=1):
    """Windows as another voice and another microphone would give them.

    Throat, level, tilt and noise change, the same way for `alike` windows in a
    row. Silence stays silence: a value at the floor of the scale is not moved.
    """
    if len(windows) % alike:
        raise ValueError(f"{len(windows)} windows cannot be parted into runs of {alike}")
    runs, lots = len(windows) // alike, _Lots(generator)
    windows = _other_throats(windows.reshape(runs, -1, BANDS), lots)
    level = lots.normal(0.4, runs, 1, 1)
    slope = torch.linspace(-1, 1, BANDS, device=windows.device)
    tilt = lots.normal(0.25, runs, 1, 1) * slope
    roughness = lots.uniform(0.25, runs, 1, 1) * lots.chance(0.5, runs, 1, 1)
    noise = lots.normal(1.0, *windows.shape) * roughness
    moved = (windows + level + tilt + noise).clamp(-4, 4)
    return torch.where(windows > SILENCE + 0.01, moved, windows).reshape(-1, WINDOW_STEPS, BANDS)


def mel_tensor(windows):
    """(N, 16, 80) windows as the network's (N, 1, 80, 16)."""
    return torch.as_tensor(windows, dtype=torch.float32).transpose(1, 2)[:, None].contiguous()


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
