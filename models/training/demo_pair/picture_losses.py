"""How far a painted face is from the true one, counted where the paste shows it.

All take pictures (N, 3, H, 96), 0..1, whose last row is row 95 of the crop.
"""

from functools import cache

import torch
from torch.nn.functional import avg_pool2d, conv2d, pad

from demo_pair.paste import INPUT_SIZE, MASKED_FROM, feather_mask

# The lips of people framed in any of the ways of `faces`.
LIP_ROWS, LIP_COLUMNS = slice(54, 84), slice(22, 74)
_SHAPE_PIXELS = 4
_TONE_PIXELS = 8
# Of structural similarity: those of `sharpness` for brightness of 0..1.
_C1, _C2 = 0.01**2, 0.03**2


@cache
def _pixel_weights(device):
    """The lips most, then what the feather mask shows; mean 1 over the lower half."""
    weights = torch.full((1, 1, INPUT_SIZE, INPUT_SIZE), 0.1)
    weights[:, :, MASKED_FROM:] = 0.2
    weights += torch.from_numpy(feather_mask(INPUT_SIZE, INPUT_SIZE))
    weights[:, :, LIP_ROWS, LIP_COLUMNS] += 3
    return (weights / weights[:, :, MASKED_FROM:].mean()).to(device)


def _rows(picture, of):
    return picture[:, :, picture.shape[2] - of.shape[2] :]


def picture_error(painted, truth):
    """Weighted L1."""
    difference = (painted - _rows(truth, painted)).abs()
    return (difference * _rows(_pixel_weights(painted.device), painted)).mean()


def edge_error(painted, truth):
    """Weighted L1 of the differences between neighbouring pixels: are edges as steep?"""
    difference = painted - _rows(truth, painted)
    weights = _rows(_pixel_weights(painted.device), painted)
    down = (difference[:, :, 1:] - difference[:, :, :-1]).abs() * weights[:, :, 1:]
    across = (difference[..., 1:] - difference[..., :-1]).abs() * weights[..., 1:]
    return down.mean() + across.mean()


def shape_error(painted, truth):
    """L1 of blocks of 4 x 4 pixels: how much is lip, tooth or throat, and where."""
    weights = _rows(_pixel_weights(painted.device), painted)
    difference = (painted - _rows(truth, painted)) * weights
    return avg_pool2d(difference, _SHAPE_PIXELS).abs().mean()


@cache
def _shown(device):
    """How much of each block of the lower half the feather mask shows."""
    mask = torch.from_numpy(feather_mask(INPUT_SIZE, INPUT_SIZE))[None, None]
    return avg_pool2d(mask[:, :, MASKED_FROM:], _TONE_PIXELS).to(device)


def tone_error(painted, truth):
    """L1 of blocks of 8 x 8 pixels of all that is shown: is the skin of the right colour?"""
    painted = painted[:, :, MASKED_FROM - INPUT_SIZE :]
    difference = avg_pool2d(painted - _rows(truth, painted), _TONE_PIXELS)
    return (difference.abs() * _shown(painted.device)).mean()


def structure_error(painted, truth):
    """1 - structural similarity of the brightness of the lips (5 taps)."""
    rows = slice(LIP_ROWS.start - INPUT_SIZE, LIP_ROWS.stop - INPUT_SIZE)
    one, other = (
        picture.mean(dim=1, keepdim=True)[:, :, rows, LIP_COLUMNS] for picture in (painted, truth)
    )
    kernel = _SIMILAR.to(painted.device)
    mean_one, mean_other, square_one, square_other, product = (
        conv2d(image, kernel) for image in (one, other, one * one, other * other, one * other)
    )
    means = mean_one * mean_other
    alike = (2 * means + _C1) * (2 * (product - means) + _C2)
    squares = mean_one**2 + mean_other**2
    alike = alike / ((squares + _C1) * (square_one + square_other - squares + _C2))
    return 1 - alike.mean()


def lip_error(painted, truth):
    """Mean absolute error over the lips, for reports; whole pictures."""
    area = (slice(None), slice(None), LIP_ROWS, LIP_COLUMNS)
    return float((painted[area] - truth[area]).abs().mean())


def lip_energy(painted, truth):
    """Energy of the lips' brightness gradients against the truth's, for reports."""

    def energy(picture):
        grey = picture.mean(dim=1)[:, LIP_ROWS, LIP_COLUMNS]
        return (grey.diff(dim=1) ** 2).mean() + (grey.diff(dim=2) ** 2).mean()

    return float(energy(painted) / energy(truth))


def _gauss(sigma):
    line = torch.exp(-0.5 * (torch.arange(-2, 3) / sigma) ** 2)
    return (line / line.sum()).outer(line / line.sum()).expand(3, 1, 5, 5)


_BLUR = _gauss(1.0)
_SIMILAR = _gauss(0.75)[:1]


def sharpened(picture, amount):
    """What a small blur takes away, added once more, `amount` times."""
    blurred = conv2d(pad(picture, (2, 2, 2, 2), "replicate"), _BLUR.to(picture.device), groups=3)
    return (picture + amount * (picture - blurred)).clamp(0, 1)
