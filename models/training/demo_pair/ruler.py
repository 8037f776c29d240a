"""Measures an avatar's mouth in the pixels of a video frame.

A ridge regression from coarse brightness and redness round the mouth to how far
it is open, how wide it is and how firmly it is closed. It knows nothing of any
network: `calibrate.py` fits it on true drawings. Numpy only, for the checker.
"""

import json
from dataclasses import dataclass

import numpy as np

from demo_pair.mouth_area import BLOCK_COLUMNS, BLOCK_ROWS, Area
from demo_pair.mouth_track import CLOSE, OPEN, WIDE

MEASURED = {"open": OPEN, "wide": WIDE, "close": CLOSE}


def features(lips):
    """Block means of brightness and redness of cut-out frames (N, height, width, 3) BGR."""
    count, height, width, _ = lips.shape
    rows, columns = height // BLOCK_ROWS, width // BLOCK_COLUMNS
    blocks = lips.reshape(count, BLOCK_ROWS, rows, BLOCK_COLUMNS, columns, 3)
    blue, green, red = np.moveaxis(blocks.mean(axis=(2, 4), dtype=np.float32) / 255, 3, 0)
    brightness, redness = (blue + green + red) / 3, red - green
    return np.stack([brightness, redness], axis=1).reshape(count, -1)


@dataclass(frozen=True)
class Ruler:
    """The area it measures; coefficients (features, 3) and offsets (3), as in MEASURED."""

    area: Area
    coefficients: np.ndarray
    offsets: np.ndarray

    def measure(self, lips):
        """Opening, width and closure of each frame's area, as a dictionary of arrays."""
        values = features(lips) @ self.coefficients + self.offsets
        return dict(zip(MEASURED, values.T))

    @classmethod
    def fit(cls, area, lips, mouths, penalty):
        inputs = features(lips)
        targets = mouths[:, list(MEASURED.values())]
        mean, target_mean = inputs.mean(axis=0), targets.mean(axis=0)
        centred = inputs - mean
        gram = centred.T @ centred + penalty * np.eye(centred.shape[1])
        coefficients = np.linalg.solve(gram, centred.T @ (targets - target_mean))
        return cls(area, coefficients, target_mean - mean @ coefficients)

    def save(self, path):
        stored = {"area": [int(edge) for edge in self.area.box]}
        for k, name in enumerate(MEASURED):
            stored[name] = {
                "offset": round(float(self.offsets[k]), 5),
                "coefficients": [round(float(c), 5) for c in self.coefficients[:, k]],
            }
        path.write_text(json.dumps(stored) + "\n")

    @classmethod
    def load(cls, path):
        stored = json.loads(path.read_text())
        return cls(
            Area(*stored["area"]),
            np.array([stored[name]["coefficients"] for name in MEASURED]).T,
            np.array([stored[name]["offset"] for name in MEASURED]),
        )
