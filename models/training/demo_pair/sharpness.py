"""Is the painted mouth as crisp as the drawing, and is it the same picture?

Both videos went through the same encoder. Frames are (N, H, W, 3) BGR of the
mouth box: lips and teeth.
"""

import numpy as np

_GAUSSIAN = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2).astype(np.float32)
_GAUSSIAN /= _GAUSSIAN.sum()
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def luma(frames):
    return frames.astype(np.float32) @ np.array([0.0722, 0.7152, 0.2126], np.float32)


def _slopes(brightness):
    """Sobel's slopes of (..., H, W), across and down, in levels per pixel, where they fit."""
    down = brightness[..., :-2, :] + 2 * brightness[..., 1:-1, :] + brightness[..., 2:, :]
    across = brightness[..., :-2] + 2 * brightness[..., 1:-1] + brightness[..., 2:]
    return (down[..., 2:] - down[..., :-2]) / 8, (across[..., 2:, :] - across[..., :-2, :]) / 8


def gradient_energy(frames):
    """Squared slope of brightness at each inner pixel, its mean over time: (H - 2, W - 2)."""
    energy = 0.0
    for brightness in luma(frames):
        across, down = _slopes(brightness)
        energy = energy + across**2 + down**2
    return energy / len(frames)


def gradient_ratio(frames, truth):
    """The rendered mouths' gradient energy as a share of the drawn ones'."""
    return float(gradient_energy(frames).mean() / gradient_energy(truth).mean())


def _blurred(images):
    """Gaussian, 11 taps, where it fits."""
    for axis in (-1, -2):
        windows = np.lib.stride_tricks.sliding_window_view(images, len(_GAUSSIAN), axis)
        images = windows @ _GAUSSIAN
    return images


def ssim(frames, truth):
    """Mean structural similarity of brightness (Wang and others, 2004: 11 taps, sigma 1.5)."""
    total = 0.0
    for one, other in zip(luma(frames), luma(truth)):
        means = _blurred(np.stack([one, other]))
        squares = _blurred(np.stack([one * one, other * other, one * other]))
        variances, covariance = squares[:2] - means**2, squares[2] - means.prod(axis=0)
        alike = (2 * means.prod(axis=0) + _C1) * (2 * covariance + _C2)
        alike /= ((means**2).sum(axis=0) + _C1) * (variances.sum(axis=0) + _C2)
        total += float(alike.mean())
    return total / len(frames)
