"""Between a photo and the network: the face crop, and the painted mouth put back.

The same arithmetic as the runtime: crops are resized bilinearly with half-pixel
centres and no antialiasing; painted mouths are enlarged with a Catmull-Rom kernel,
and only a rounded patch over mouth and chin is blended into the photo, whose detail is
given back to mouths where they hardly move. Numpy only.
"""

from functools import cache

import numpy as np

INPUT_SIZE = 96
MASKED_FROM = 48  # first row of the crop that the network does not see

# The feather mask, in shares of the face box: a superellipse. What the kernel reads under it
# keeps to the part that imported models paint: rows 50..95 and columns 12..84 of 96.
MASK_CENTRE = (0.5, 0.755)
MASK_RADII = (0.359, 0.2185)
MASK_SOFTNESS = 0.5  # depth, 1 in the centre and 0 at the rim, from which it covers the photo

# In levels of 255: from where on a pixel has moved, and up to where the photo shows the same as the
# mouth at rest, as means of five by five pixels.
MOVED, ALIKE = 32, 12
_NEIGHBOURHOOD = 2
# The rows and columns that the paste reads: a painter need not fill the others.
_READ = (slice(50, 95), slice(12, 84))


def _taps(source, target):
    """For each target pixel: the two source pixels it lies between, and the share of the second."""
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    first = np.floor(position).astype(int)
    second = np.minimum(first + 1, source - 1)
    return first, second, (position - first).astype(np.float32)


def resize_bilinear(image, width, height):
    """Like OpenCV's INTER_LINEAR; float32 in the range of the input."""
    top, bottom, down = _taps(image.shape[0], height)
    left, right, across = _taps(image.shape[1], width)
    down, across = down[:, None, None], across[:, None]
    image = image.astype(np.float32)
    columns = image[:, left] * (1 - across) + image[:, right] * across
    return columns[top] * (1 - down) + columns[bottom] * down


def face_crop(photo, box):
    """The box (left, top, right, bottom) of a photo as the network takes it, uint8 BGR."""
    left, top, right, bottom = box
    resized = resize_bilinear(photo[top:bottom, left:right], INPUT_SIZE, INPUT_SIZE)
    return np.rint(resized).astype(np.uint8)


def face_input(crop):
    """A crop as the network's six channels: masked copy, then reference; (6, 96, 96), 0..1."""
    reference = crop.transpose(2, 0, 1).astype(np.float32) / 255
    masked = reference.copy()
    masked[:, MASKED_FROM:] = 0
    return np.concatenate([masked, reference])


def _catmull_rom(x):
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


@cache
def enlargement(source, target):
    """The Catmull-Rom kernel as a matrix (target, source); the edges are repeated."""
    position = (np.arange(target) + 0.5) * source / target - 0.5
    matrix = np.zeros((target, source), np.float32)
    for offset in range(-1, 3):
        at = np.floor(position).astype(int) + offset
        weight = _catmull_rom(at - position).astype(np.float32)
        np.add.at(matrix, (np.arange(target), np.clip(at, 0, source - 1)), weight)
    return matrix


def _separably(down, across, image):
    """(h', h) and (w', w) matrices applied to the rows and columns of (h, w, c)."""
    rows = np.tensordot(down, image, (1, 0))
    return np.tensordot(across, rows, (1, 1)).transpose(1, 0, 2)


def enlarge(painted, width, height):
    """A painted crop at the size of its face box, as the paste enlarges it; 0..255."""
    down, across = enlargement(INPUT_SIZE, height), enlargement(INPUT_SIZE, width)
    return np.clip(_separably(down, across, painted.astype(np.float32)), 0, 255)


@cache
def _reduction(source):
    return np.linalg.pinv(enlargement(INPUT_SIZE, source).astype(np.float64)).astype(np.float32)


def ideal_crop(drawing):
    """The 96-pixel picture that comes nearest to a drawing when it is enlarged, float32 0..255.

    What a painter should aim at: it holds all that 96 pixels can, and no jaggies.
    """
    down, across = _reduction(drawing.shape[0]), _reduction(drawing.shape[1])
    return np.clip(_separably(down, across, drawing.astype(np.float32)), 0, 255)


def feather_mask(width, height):
    """Opacity of the painted mouth within the face box, (height, width)."""
    x = np.abs((np.arange(width) + 0.5) / width - MASK_CENTRE[0]) / MASK_RADII[0]
    y = np.abs((np.arange(height) + 0.5) / height - MASK_CENTRE[1]) / MASK_RADII[1]
    depth = (1 - x[None] ** 2.5 - y[:, None] ** 2.5) / MASK_SOFTNESS
    share = np.clip(depth, 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _neighbourhood_means(image):
    """Means of five by five pixels of (h, w, c); fewer at the edges."""
    around = (_NEIGHBOURHOOD, _NEIGHBOURHOOD)
    padded = np.pad(np.dstack([image, np.ones(image.shape[:2])]), (around, around, (0, 0)))
    size = 2 * _NEIGHBOURHOOD + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (0, 1))
    sums = windows.sum(axis=(3, 4))
    return sums[:, :, :-1] / sums[:, :, -1:]


class Paste:
    """How the mouths of one painter come into one photo.

    `rest` is the crop (96, 96, 3; 0..255) painted for silence. What the photo shows beyond it
    is given back to every mouth where it is like the one at rest, and that like the photo.
    """

    def __init__(self, photo, box, rest):
        left, top, right, bottom = box
        self._photo, self._face = photo, (slice(top, bottom), slice(left, right))
        self._size = right - left, bottom - top
        self._mask = feather_mask(*self._size)[:, :, None]
        apart = np.zeros_like(rest, np.float32)
        seen = face_crop(photo, box)[_READ].astype(np.float32) - rest[_READ]
        apart[_READ] = np.abs(_neighbourhood_means(seen))
        apart = enlarge(apart, *self._size).max(axis=2, keepdims=True)
        self._rest = enlarge(rest, *self._size)
        self._lost = (photo[self._face] - self._rest) * np.clip(2 - apart / ALIKE, 0, 1)

    def pasted(self, painted):
        """The photo with a painted crop (96, 96, 3; 0..255)."""
        mouth = enlarge(painted, *self._size)
        moved = np.abs(mouth - self._rest).max(axis=2, keepdims=True)
        mouth = np.clip(mouth + self._lost * np.clip(1 - moved / MOVED, 0, 1), 0, 255)
        result = self._photo.copy()
        result[self._face] = np.rint(result[self._face] * (1 - self._mask) + mouth * self._mask)
        return result
