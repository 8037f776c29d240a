"""Can the edge of the painted area be seen? Colour and texture just inside it against outside.

The area is cut into sectors; in each, a drawn photo has its own difference
between inside and outside, and what the painting adds to it is the step.
"""

from dataclasses import dataclass

import numpy as np

from demo_pair.mouth_area import Area
from demo_pair.paste import feather_mask
from demo_pair.sharpness import gradient_energy, luma

SECTORS = 16
_OUTSIDE, _INSIDE = 8, 10  # pixels: how far the two rings reach from the feathered edge
_SMOOTH, _AT_REST = 3.0, 3.0  # levels per pixel, levels: skin has less
_BESIDE_FEATURES = 3  # pixels that a feature's edge may be blurred over
_LEAST_SKIN = 20  # pixels of a sector


def _grown(mask, pixels):
    for axis in (0, 1):
        mask = np.any([np.roll(mask, shift, axis) for shift in range(-pixels, pixels + 1)], axis=0)
    return mask


@dataclass(frozen=True)
class Rings:
    """The pixels just outside and just inside the edge, sector by sector, within `area`."""

    area: Area
    outside: np.ndarray  # (height, width): the sector of a pixel of the ring, -1 for the others
    inside: np.ndarray

    @classmethod
    def of(cls, avatar):
        left, top, right, bottom = avatar.face_box
        margin = 2 * _OUTSIDE
        area = Area(
            (left - margin) & ~1,
            (top - margin) & ~1,
            (right + margin + 1) & ~1,
            (bottom + margin + 1) & ~1,
        )
        opacity = np.zeros((area.height, area.width, 1), np.float32)
        mask = feather_mask(right - left, bottom - top)
        Area(*avatar.face_box).of(opacity, within=area)[:] = mask[:, :, None]
        painted, covered = opacity[:, :, 0] > 0, opacity[:, :, 0] >= 0.5
        outside = _grown(painted, _OUTSIDE) & ~painted
        inside = covered & _grown(~covered, _INSIDE)
        rows, columns = np.indices(painted.shape)
        middle = [float(np.mean(edges)) for edges in np.nonzero(painted)]
        angle = np.arctan2(rows - middle[0], columns - middle[1])
        sector = ((angle / (2 * np.pi) + 0.5) * SECTORS).astype(int) % SECTORS
        return cls(area, np.where(outside, sector, -1), np.where(inside, sector, -1))


def _energy(frames):
    """Gradient energy at every pixel; the outermost repeat their neighbours'."""
    return np.pad(gradient_energy(frames), 1, mode="edge")


def _skin(rings, truth):
    """Where the drawing is smooth and at rest: no lip, jaw or hair, no edge of its own."""
    feature = (_energy(truth) > _SMOOTH**2) | (luma(truth).std(axis=0) > _AT_REST)
    return ~_grown(feature, _BESIDE_FEATURES)


def _by_sector(ring, skin, image):
    """Means over the skin of each sector; not a number where there is hardly any."""
    parts = [image[(ring == sector) & skin] for sector in range(SECTORS)]
    nothing = np.full(image.shape[2:], np.nan)
    return np.stack([p.mean(axis=0) if len(p) >= _LEAST_SKIN else nothing for p in parts])


def colour_step(rings, frames, truth):
    """What painting adds to the colour difference across the edge: mean and worst sector.

    In levels of 255, of the channel that differs most, over the time of the video.
    Frames are (N, height, width, 3) of `rings.area`.
    """
    skin = _skin(rings, truth)

    def differences(video):
        mean = video.mean(axis=0, dtype=np.float64)
        return _by_sector(rings.inside, skin, mean) - _by_sector(rings.outside, skin, mean)

    added = np.abs(differences(frames) - differences(truth)).max(axis=1)
    return float(np.nanmean(added)), float(np.nanmax(added))


def texture_step(rings, frames, truth):
    """What painting adds to (or takes from) the fine texture of the skin inside the edge.

    In levels per pixel of slope, in the worst sector; what the encoder did outside
    the edge is taken off.
    """
    skin = _skin(rings, truth)

    def texture(ring, video):
        return np.sqrt(_by_sector(ring, skin, _energy(video)))

    inside = texture(rings.inside, frames) - texture(rings.inside, truth)
    outside = texture(rings.outside, frames) - texture(rings.outside, truth)
    return float(np.nanmax(np.abs(inside - np.nan_to_num(outside))))
