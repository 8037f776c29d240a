"""Anna, the default avatar: her photo, and where her face is in it."""

import argparse
from pathlib import Path

import cairo
import numpy as np

from demo_pair.identity import ANNA
from demo_pair.portrait import draw_portrait

REST = np.zeros(6)
PHOTO_SIZE = 720
_PIXELS_PER_UNIT = 136
_TOP = -2.08  # y of the upper edge of the photo, in face units

# Cheeks, nose and chin: the lips and the dropped jaw lie well within the feather mask.
FACE_BOX = (238, 166, 482, 482)


def view_of(box):
    """A box in pixels of the photo as a view in face units."""
    left, top, right, bottom = box
    half = PHOTO_SIZE / 2
    return (
        (left - half) / _PIXELS_PER_UNIT,
        top / _PIXELS_PER_UNIT + _TOP,
        (right - half) / _PIXELS_PER_UNIT,
        bottom / _PIXELS_PER_UNIT + _TOP,
    )


def draw_anna(mouth, box=(0, 0, PHOTO_SIZE, PHOTO_SIZE)):
    """The part of Anna's photo within `box`, with this mouth; BGR."""
    left, top, right, bottom = box
    return draw_portrait(ANNA, mouth, right - left, bottom - top, view_of(box))


def write_png(path, image):
    """Writes BGR pixels."""
    height, width, _ = image.shape
    opaque = np.zeros((height, width, 4), np.uint8)
    opaque[:, :, :3] = image
    cairo.ImageSurface.create_for_data(opaque, cairo.FORMAT_RGB24, width, height).write_to_png(path)


def main():
    parser = argparse.ArgumentParser(description="Draws the default avatar.")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_png(str(arguments.output / "photo.png"), draw_anna(REST))
    left, top, right, bottom = FACE_BOX
    (arguments.output / "avatar.toml").write_text(
        'name = "Anna"\n'
        'licence = "MIT; drawn by models/training"\n'
        "frame_rate = 25\n"
        "# Pixels of the photo, half-open.\n"
        f"face_box = {{ left = {left}, top = {top}, right = {right}, bottom = {bottom} }}\n"
    )


if __name__ == "__main__":
    main()
