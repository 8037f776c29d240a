"""The avatar of the baseline: a photo and its face box, prepared once."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

INPUT_SIZE = 96
MASKED_FROM = INPUT_SIZE // 2  # first row of the crop that the network does not see


@dataclass(frozen=True)
class Avatar:
    """`face` is what the networks take: masked copy, then reference; (6, 96, 96), BGR, 0..1."""

    photo: np.ndarray
    box: tuple[int, int, int, int]  # left, top, right, bottom; half-open
    face: np.ndarray
    frame_rate: int

    @classmethod
    def load(cls, folder: Path) -> "Avatar":
        described = tomllib.loads((folder / "avatar.toml").read_text())
        box = tuple(described["face_box"][side] for side in ("left", "top", "right", "bottom"))
        photo = cv2.imread(str(folder / "photo.png"), cv2.IMREAD_COLOR)
        left, top, right, bottom = box
        crop = cv2.resize(photo[top:bottom, left:right], (INPUT_SIZE, INPUT_SIZE))
        reference = crop.transpose(2, 0, 1).astype(np.float32) / 255
        masked = reference.copy()
        masked[:, MASKED_FROM:] = 0
        return cls(photo, box, np.concatenate([masked, reference]), described["frame_rate"])

    def with_mouth(self, mouth: np.ndarray) -> np.ndarray:
        """A copy of the photo with a painted mouth (96, 96, 3; bytes) in its face box."""
        left, top, right, bottom = self.box
        frame = self.photo.copy()
        frame[top:bottom, left:right] = cv2.resize(mouth, (right - left, bottom - top))
        return frame
