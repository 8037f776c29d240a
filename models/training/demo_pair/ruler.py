"""Measures Anna's mouth in the pixels of a video frame.

A ridge regression from coarse brightness and redness round the mouth to how far
it is open, how wide it is and how firmly it is closed. It knows nothing of any
network: `calibrate.py` fits it on true drawings. Numpy only, for the checker.
"""

import json
from dataclasses import dataclass

import numpy as np

from demo_pair.mouth_track import CLOSE, OPEN, WIDE

# The area measured, in pixels of the photo; even, so that video can be cut there exactly.
LEFT, TOP, WIDTH, HEIGHT = 276, 332, 168, 128
BLOCK_ROWS, BLOCK_COLUMNS = 16, 14
MEASURED = {"open": OPEN, "wide": WIDE, "close": CLOSE}


def features(lips):
    """Block means of brightness and redness of cut-out frames (N, HEIGHT, WIDTH, 3) BGR."""
    blocks = lips.reshape(
        len(lips), BLOCK_ROWS, HEIGHT // BLOCK_ROWS, BLOCK_COLUMNS, WIDTH // BLOCK_COLUMNS, 3
    )
    blue, green, red = np.moveaxis(blocks.mean(axis=(2, 4), dtype=np.float32) / 255, 3, 0)
    brightness, redness = (blue + green + red) / 3, red - green
    return np.stack([brightness, redness], axis=1).reshape(len(lips), -1)


@dataclass(frozen=True)
class Ruler:
    """Coefficients (features, 3) and offsets (3), in the order of MEASURED."""

    coefficients: np.ndarray
    offsets: np.ndarray

    def measure(self, lips):
        """Opening, width and closure of each frame, as a dictionary of arrays."""
        values = features(lips) @ self.coefficients + self.offsets
        return dict(zip(MEASURED, values.T))

    @classmethod
    def fit(cls, lips, mouths, penalty):
        inputs = features(lips)
        targets = mouths[:, list(MEASURED.values())]
        mean, target_mean = inputs.mean(axis=0), targets.mean(axis=0)
        centred = inputs - mean
        gram = centred.T @ centred + penalty * np.eye(centred.shape[1])
        coefficients = np.linalg.solve(gram, centred.T @ (targets - target_mean))
        return cls(coefficients, target_mean - mean @ coefficients)

    def save(self, path):
        rounded = {
            name: {
                "offset": round(float(self.offsets[k]), 5),
                "coefficients": [round(float(c), 5) for c in self.coefficients[:, k]],
            }
            for k, name in enumerate(MEASURED)
        }
        path.write_text(json.dumps(rounded) + "\n")

    @classmethod
    def load(cls, path):
        stored = json.loads(path.read_text())
        return cls(
            np.array([stored[name]["coefficients"] for name in MEASURED]).T,
            np.array([stored[name]["offset"] for name in MEASURED]),
        )
