"""Training examples: mel windows of the speech, and faces that go with them.

Any mel window pairs with any face: both carry the same six numbers, so everybody
is drawn once with a number of mouths (`faces.py`), and the nearest is looked up.
"""

from dataclasses import dataclass
from functools import cache

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



@cache
def _on(device):
    """How the six numbers are projected on the embedding, (6, 96), and how they are read back."""
    directions = np.random.default_rng(96).standard_normal((6, EMBEDDING_SIZE), np.float32)
    projection = 0.5 * MOUTH_WEIGHTS[:, None] * directions
    reader = np.linalg.pinv(projection).astype(np.float32)
    return torch.from_numpy(projection).to(device), torch.from_numpy(reader).to(device)


def mouth_embedding(mouths):
    """The agreed meaning of the 96 numbers between audio encoder and painter.

    Fixed random projections of the six mouth numbers, raised so that nearly all
    are positive, as behind the encoder's last ReLU. With it the two halves of
    the network can be trained apart, and at the same time.
    """
    return torch.relu(1 + mouths @ _on(mouths.device)[0])


def mouths_from_embedding(embedding):
    """The six numbers of each embedding, read back linearly."""
    return (embedding - 1) @ _on(embedding.device)[1]


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

    def below(self, most, count):
        return torch.randint(most, (count,), **self.place)

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


@dataclass
class Faces:
    """One set of drawn people, see `faces`; tensors."""

    references: torch.Tensor
    truths: torch.Tensor
    mouths: torch.Tensor

    @classmethod
    def load(cls, work, name, device="cpu"):
        files = (work / f"{part}-{name}.npy" for part in ("references", "truths", "mouths"))
        return cls(*(torch.from_numpy(np.load(file)).to(device) for file in files))

    def nearest(self, people, mouths):
        """Of each person the picture whose mouth comes nearest."""
        weights = torch.from_numpy(_DISTANCE_WEIGHTS).to(mouths.device)
        difference = (self.mouths[people] - mouths[:, None]) * weights
        return (difference**2).sum(dim=2).argmin(dim=1)


def _other_light(count, lots):
    """Factors (count, 96, 1 or 96, 3) by which pictures are lit: another colour, or one side."""
    tint = 0.82 + lots.uniform(0.3, count, 1, 1, 3)
    tint = tint * (0.7 + lots.uniform(0.4, count, 1, 1, 1))
    across = torch.linspace(-1, 1, INPUT_SIZE, device=tint.device)[:, None]
    return tint * (1 + lots.normal(0.18, count, 1, 1, 1) * across)


class Pictures:
    """Draws (six input channels, true face, mouth) by lot.

    Random people are mirrored, lit otherwise, and seen through a noisy camera by
    turns; the gallery is shown as it is.
    """

    def __init__(self, work, generator):
        self.generator = generator
        self.gallery = Faces.load(work, "gallery", generator.device)
        self.others = Faces.load(work, "others", generator.device)

    def _of(self, faces, count, wanted, lots):
        """References, truths, 0..255, and mouths of some people of a set."""
        people = lots.below(len(faces.truths), count)
        if wanted is not None:
            index = faces.nearest(people, wanted)
        else:
            index = lots.below(faces.truths.shape[1], count) * ~lots.chance(_REST_SHARE, count)
        other = lots.below(faces.references.shape[1], count) * ~lots.chance(_AT_REST_SHARE, count)
        upper = faces.references[people, 0, :MASKED_FROM]
        truth = torch.cat([upper, faces.truths[people, index]], dim=1)
        return faces.references[people, other].float(), truth.float(), faces.mouths[people, index]

    def _seen_otherwise(self, reference, truth, lots):
        count = len(truth)
        mirrored = lots.chance(0.5, count, 1, 1, 1)
        light = _other_light(count, lots)
        reference, truth = (
            (torch.where(mirrored, picture.flip(2), picture) * light).clamp_(max=255)
            for picture in (reference, truth)
        )
        return reference, truth

    def batch(self, count, wanted=None):
        """Input (N, 6, 96, 96) and truth (N, 3, 96, 96), 0..1, and the mouths (N, 6).

        With `wanted` mouths (N, 6) the pictures are those that come nearest to them. A
        share of them, the first, are of the gallery.
        """
        lots = _Lots(self.generator)
        of_gallery = int(lots.chance(_GALLERY_SHARE, count).sum())
        nearest = (None, None) if wanted is None else wanted.tensor_split([of_gallery])
        known = self._of(self.gallery, of_gallery, nearest[0], lots)
        *random, mouths = self._of(self.others, count - of_gallery, nearest[1], lots)
        random = self._seen_otherwise(*random, lots)
        reference, truth = (torch.cat(both) / 255 for both in zip(known, random))
        masked = truth.clone()
        masked[:, MASKED_FROM:] = 0
        channels = torch.cat([masked, reference], dim=3)
        noisy = lots.chance(0.3, count, 1, 1, 1)
        noisy[:of_gallery] = False
        level = lots.uniform(0.03, count, 1, 1, 1) * noisy
        channels = (channels + level * lots.normal(1.0, *channels.shape)).clamp_(0, 1)
        channels[:, MASKED_FROM:, :, :3] = 0
        mouths = torch.cat([known[2], mouths])
        # The layout in memory that torch convolves fastest: channels last.
        return channels.permute(0, 3, 1, 2), truth.permute(0, 3, 1, 2), mouths
