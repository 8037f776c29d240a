"""Between a photo and the network: the face crop, and the painted mouth put back.

The same arithmetic as the runtime: crops are resized bilinearly with half-pixel
centres and no antialiasing, and only an ellipse round mouth and chin is blended
into the photo. Numpy only.
"""

import numpy as np

INPUT_SIZE = 96
MASKED_FROM = 48  # first row of the crop that the network does not see

# The feather mask, in shares of the face box.
MASK_CENTRE = (0.5, 0.73)
MASK_RADII = (0.40, 0.26)
MASK_SOFT_SHARE = 0.30


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


def feather_mask(width, height):
    """Opacity of the painted mouth within the face box, (height, width)."""
    x = (np.arange(width) + 0.5) / width - MASK_CENTRE[0]
    y = (np.arange(height) + 0.5) / height - MASK_CENTRE[1]
    radius = np.hypot(x[None] / MASK_RADII[0], y[:, None] / MASK_RADII[1])
    return np.clip((1 - radius) / MASK_SOFT_SHARE, 0, 1).astype(np.float32)


def pasted(photo, box, painted):
    """The photo with a painted crop (96, 96, 3; 0..255) blended into its face box."""
    left, top, right, bottom = box
    mask = feather_mask(right - left, bottom - top)[:, :, None]
    enlarged = resize_bilinear(painted, right - left, bottom - top)
    result = photo.copy()
    face = result[top:bottom, left:right]
    result[top:bottom, left:right] = np.rint(face * (1 - mask) + enlarged * mask).astype(np.uint8)
    return result
