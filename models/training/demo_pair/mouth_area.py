"""Where an avatar's mouth is in its photo, found by drawing it with different mouths.

Nothing here knows how a mouth is drawn or pasted: an area is where drawings differ.
"""

from dataclasses import dataclass

import numpy as np

from demo_pair.avatar import REST

BLOCK_ROWS, BLOCK_COLUMNS = 16, 14  # of the ruler: the measured area divides into them

_CLEARLY = 24  # levels of 255 by which a lip differs from what was there before it moved
_BARELY = 2
_SPREAD, _ROUNDED = (0, 1, 0, 0, 0, 0), (0, -1, 0, 0, 0, 0)
_PRESSED, _TUCKED = (0, 0, 1, 0, 0, 0), (0.14, 0.15, 0, 0.8, 0, 1)
_WIDE_OPEN, _SHOUTED = (1, 0, 0, 0.4, 0, 0), (0.95, 0.6, 0, 1, 0.2, 0)
_MARGIN = 4


@dataclass(frozen=True)
class Area:
    """A half-open rectangle of a photo, in pixels; its edges are even."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self):
        return self.right - self.left

    @property
    def height(self):
        return self.bottom - self.top

    @property
    def box(self):
        return self.left, self.top, self.right, self.bottom

    def of(self, frames, within=None):
        """This part of frames (..., H, W, C), which show the photo or its part `within`."""
        left, top = (within.left, within.top) if within else (0, 0)
        rows = slice(self.top - top, self.bottom - top)
        return frames[..., rows, self.left - left : self.right - left, :]


def _differences(avatar, mouths):
    """For each mouth how far each pixel of the face box is from the mouth at rest."""
    rest = avatar.draw(REST, avatar.face_box).astype(np.int16)
    drawn = [avatar.draw(np.array(mouth, float), avatar.face_box) for mouth in mouths]
    return [np.abs(one - rest).max(axis=2) for one in drawn]


def _bounds(differs):
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _in_photo(avatar, left, top, right, bottom):
    """Bounds within the face box as an area of the photo, with a margin."""
    x, y = avatar.face_box[0], avatar.face_box[1]
    left, top = left + x - _MARGIN, top + y - _MARGIN
    right, bottom = right + x + _MARGIN, bottom + y + _MARGIN
    return Area(left & ~1, top & ~1, right + 1 & ~1, bottom + 1 & ~1)


def changing_area(avatar):
    """All that moves with the mouth: lips, cheeks and chin."""
    mouths = (_SPREAD, _ROUNDED, _PRESSED, _TUCKED, _WIDE_OPEN, _SHOUTED)
    return _in_photo(avatar, *_bounds(np.max(_differences(avatar, mouths), axis=0) > _BARELY))


def lips_area(avatar):
    """Lips and teeth, however wide or open: the mouth box of the sharpness figures."""
    spread, wide_open = _differences(avatar, (_SPREAD, _WIDE_OPEN))
    left, top, right, lowest = _bounds(spread > _CLEARLY)
    quarter = (right - left) // 4
    middle = wide_open[:, left + quarter : right - quarter].max(axis=1) > _CLEARLY
    top = min(top, int(np.flatnonzero(middle)[0]))
    bottom = lowest + int(np.argmin(middle[lowest:]))
    return _in_photo(avatar, left, top, right, bottom)


def measured_area(avatar):
    """The lips with some skin around them, in a size that the ruler's blocks divide."""
    lips = lips_area(avatar)
    width = -(-int(1.15 * lips.width) // (2 * BLOCK_COLUMNS)) * 2 * BLOCK_COLUMNS
    height = -(-int(1.15 * lips.height) // (2 * BLOCK_ROWS)) * 2 * BLOCK_ROWS
    left = (lips.left + lips.right - width) // 2 & ~1
    top = (lips.top + lips.bottom - height) // 2 & ~1
    return Area(left, top, left + width, top + height)
