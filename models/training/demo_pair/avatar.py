"""The gallery of drawn avatars: their photos, and where the face is in each.

`GALLERY` holds the avatars that are shipped and trained on; `held_out_avatar`
makes one of somebody whom no training has seen.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cairo
import numpy as np

from demo_pair.drawing import linear, path, radial, soft_spot
from demo_pair.identity import ANNA, MIRA, PAVEL, Identity, held_out_person
from demo_pair.portrait import draw_backdrop, draw_portrait

REST = np.zeros(6)
PHOTO_SIZE = 720
_PIXELS_PER_UNIT = 136
_TOP = -2.08  # y of the upper edge of a portrait, in face units
# The face box in face units, from the middle of the mouth: brows to just below the chin,
# so that the lips fill the part that is painted.
_BOX_HALF_WIDTH, _BOX_ABOVE, _BOX_BELOW = 0.82, 1.28, 0.72
# A photo is as soft as a lens would make it: no crisper than the mouths pasted into it can be.
_SOFTNESS = 0.65  # pixels, standard deviation
_SOFT_REACH = 3  # pixels


def _softened(image):
    """A Gaussian blur; the image loses its outermost pixels."""
    kernel = np.exp(-0.5 * (np.arange(-_SOFT_REACH, _SOFT_REACH + 1) / _SOFTNESS) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(image, len(kernel), axis)
        image = windows @ kernel
    return np.rint(image).astype(np.uint8)


@dataclass(frozen=True)
class Avatar:
    """A person in a photo of `width` x `height` pixels."""

    name: str
    person: Identity
    width: int = PHOTO_SIZE
    height: int = PHOTO_SIZE
    middle: int = PHOTO_SIZE // 2  # column of the middle of the face
    backdrop: object = draw_backdrop

    def view_of(self, box):
        """A box in pixels of the photo as a view in face units."""
        left, top, right, bottom = box
        return (
            (left - self.middle) / _PIXELS_PER_UNIT,
            top / _PIXELS_PER_UNIT + _TOP,
            (right - self.middle) / _PIXELS_PER_UNIT,
            bottom / _PIXELS_PER_UNIT + _TOP,
        )

    @property
    def face_box(self):
        """Left, top, right, bottom; half-open, in pixels of the photo."""
        mouth = self.person.mouth_height - _TOP
        return (
            self.middle - round(_BOX_HALF_WIDTH * _PIXELS_PER_UNIT),
            round((mouth - _BOX_ABOVE) * _PIXELS_PER_UNIT),
            self.middle + round(_BOX_HALF_WIDTH * _PIXELS_PER_UNIT),
            round((mouth + _BOX_BELOW) * _PIXELS_PER_UNIT),
        )

    def draw(self, mouth, box=None, supersampling=2):
        """The part of the photo within `box` (all of it), with this mouth; BGR."""
        left, top, right, bottom = box or (0, 0, self.width, self.height)
        reach = _SOFT_REACH
        size = right - left + 2 * reach, bottom - top + 2 * reach
        view = self.view_of((left - reach, top - reach, right + reach, bottom + reach))
        drawing = draw_portrait(self.person, mouth, *size, view, supersampling, self.backdrop)
        return _softened(drawing)


def _draw_studio(canvas, person):
    """A presenter's studio: a wall, a window to the left, a blank board to the right."""
    wall, shade_of_wall = person.background
    canvas.set_source(linear(-3, -2, 6, 3, (0, wall), (1, shade_of_wall)))
    canvas.paint()
    path(canvas, (1.75, -1.62), (5.75, -1.62), (5.75, 1.55), (1.75, 1.55))
    canvas.set_source_rgba(0.25, 0.28, 0.33, 0.16)
    canvas.translate(0.04, 0.06)
    canvas.fill_preserve()
    canvas.translate(-0.04, -0.06)
    canvas.new_path()
    path(canvas, (1.75, -1.62), (5.75, -1.62), (5.75, 1.55), (1.75, 1.55))
    canvas.set_source(
        linear(1.75, -1.6, 5.75, 1.5, (0, (0.24, 0.42, 0.52)), (1, (0.14, 0.27, 0.37)))
    )
    canvas.fill()
    canvas.set_source(radial(2.8, -1.2, 0, 2.8, -1.2, 3, (0, (1, 1, 1), 0.16), (1, (1, 1, 1), 0)))
    path(canvas, (1.75, -1.62), (5.75, -1.62), (5.75, 1.55), (1.75, 1.55))
    canvas.fill()
    soft_spot(canvas, -1.9, -0.8, 2.4, (1, 1, 1), 0.5)


GALLERY = {
    avatar.name: avatar
    for avatar in (
        Avatar("anna", ANNA),
        Avatar("pavel", PAVEL),
        Avatar("mira", MIRA, width=1280, middle=400, backdrop=_draw_studio),
    )
}
FACE_BOX = GALLERY["anna"].face_box


def held_out_avatar(number):
    """A portrait of somebody whom no training has seen."""
    return Avatar(f"held-out-{number}", held_out_person(number))


def draw_anna(mouth, box=None):
    """The part of Anna's photo within `box`, with this mouth; BGR."""
    return GALLERY["anna"].draw(mouth, box)


def write_png(path, image):
    """Writes BGR pixels."""
    height, width, _ = image.shape
    opaque = np.zeros((height, width, 4), np.uint8)
    opaque[:, :, :3] = image
    cairo.ImageSurface.create_for_data(opaque, cairo.FORMAT_RGB24, width, height).write_to_png(path)


def _write(avatar, folder):
    folder.mkdir(parents=True, exist_ok=True)
    write_png(str(folder / "photo.png"), avatar.draw(REST))
    left, top, right, bottom = avatar.face_box
    (folder / "avatar.toml").write_text(
        f'name = "{avatar.name.title()}"\n'
        'licence = "MIT; drawn by models/training"\n'
        "frame_rate = 25\n"
        "# Pixels of the photo, half-open.\n"
        f"face_box = {{ left = {left}, top = {top}, right = {right}, bottom = {bottom} }}\n"
    )


def main():
    parser = argparse.ArgumentParser(description="Draws the gallery of avatars.")
    parser.add_argument("--output", type=Path, required=True, help="a folder for each is made here")
    arguments = parser.parse_args()
    for name, avatar in GALLERY.items():
        _write(avatar, arguments.output / name)


if __name__ == "__main__":
    main()
