"""An illustrated portrait, drawn with pycairo from an identity and a mouth.

Painted back to front: backdrop, hair behind, neck and clothes, ears, face, nose,
eyes, moustache, mouth, hair in front, glasses. The chin drops as the mouth opens.
"""

import cairo
import numpy as np

from demo_pair.drawing import (
    WHITE,
    blend,
    ellipse,
    linear,
    mirrored,
    path,
    radial,
    shade,
    soft_spot,
)
from demo_pair.mouth_drawing import draw_mouth
from demo_pair.mouth_track import OPEN

_CHIN_DROP = 0.055  # at full opening
_EYE_X, _EYE_Y = 0.40, -0.10
_LASH = (0.10, 0.06, 0.06)
_HAIR_LIGHT = (1.0, 0.85, 0.7)


def _sides():
    return (-1, 1)


def _backdrop(canvas, person):
    centre, rim = person.background
    canvas.set_source(radial(person.light_x, -1, 0.3, 0, 0, 4.2, (0, centre), (1, rim)))
    canvas.paint()


def _hair_behind(canvas, person):
    outline = mirrored(
        (0, -1.45),
        (1.0, -1.5, 1.35, -0.8, 1.25, 0),
        (1.2, 0.7, 1.45, 1.3, 1.12, 1.95),
    )
    path(canvas, (0, -1.45), *outline[:2], (-1.12, 1.95), *outline[2:])
    canvas.set_source_rgb(*shade(person.hair, 0.72))
    canvas.fill()


def _neck(canvas, person, width):
    path(
        canvas,
        (-width, 0.6),
        (-width, 1.4, -width * 1.02, 1.6, -width * 1.5, 1.95),
        (-width * 1.5, 2.4),
        (width * 1.5, 2.4),
        (width * 1.5, 1.95),
        (width * 1.02, 1.6, width, 1.4, width, 0.6),
    )
    skin = person.skin
    canvas.set_source(
        linear(
            0, 0.8, 0, 2, (0, shade(skin, 0.62)), (0.45, shade(skin, 0.8)), (1, shade(skin, 0.92))
        )
    )
    canvas.fill()


def _clothes(canvas, person, neck):
    path(
        canvas,
        (-neck * 1.35, 1.78),
        (-1.0, 1.95, -2.0, 2.05, -2.25, 3.3),
        (2.25, 3.3),
        (2.0, 2.05, 1.0, 1.95, neck * 1.35, 1.78),
        (neck * 0.8, 2.18, -neck * 0.8, 2.18, -neck * 1.35, 1.78),
    )
    light, dark = shade(person.cloth, 1.12), shade(person.cloth, 0.72)
    canvas.set_source(linear(-1.5, 1.6, 1.5, 3, (0, light), (1, dark)))
    canvas.fill()


def _ears(canvas, person):
    for side in _sides():
        canvas.set_source_rgb(*shade(person.skin, 0.86))
        ellipse(canvas, side * 0.99 * person.face_width, 0.05, 0.14, 0.26)
        canvas.fill()
        soft_spot(canvas, side * person.face_width, 0.06, 0.14, shade(person.skin, 0.6), 0.5)


def _face_outline(canvas, person, drop):
    w, chin = person.face_width, person.chin + drop
    jaw_x = 0.62 * w * (0.65 + 0.45 * person.jaw)
    cheek_x = 0.955 * w * (0.72 + 0.30 * person.jaw)
    path(
        canvas,
        (0, -1.02),
        *mirrored(
            (0, -1.02),
            (0.62 * w, -1.02, 1.0 * w, -0.62, 0.985 * w, -0.1),
            (0.975 * w, 0.30, cheek_x, 0.62 + drop * 0.4, jaw_x, 0.90 + drop * 0.8),
            (0.42 * w, 1.10 + drop, 0.24 * w, chin, 0, chin),
        ),
    )


def _shaved_or_bearded(canvas, person):
    if person.stubble > 0:
        cheek = (-1.1, 0.15), (-0.7, 0.55, -0.45, 0.42, 0, 0.42), (0.45, 0.42, 0.7, 0.55, 1.1, 0.15)
        path(canvas, *cheek, (1.1, 1.6), (-1.1, 1.6))
        tone = shade(blend(person.hair, person.skin, 0.35), 0.8)
        canvas.set_source_rgba(*tone, 0.35 * person.stubble)
        canvas.fill()
    if person.beard > 0:
        path(
            canvas,
            (-1.1, 0.05),
            (-0.80, 0.62, -0.52, 0.46, -0.18, 0.43),
            (0.18, 0.43),
            (0.52, 0.46, 0.80, 0.62, 1.1, 0.05),
            (1.1, 1.6),
            (-1.1, 1.6),
        )
        canvas.set_source_rgba(*shade(person.hair, 0.95), person.beard)
        canvas.fill()


def _face(canvas, person, drop):
    skin = person.skin
    _face_outline(canvas, person, drop)
    canvas.save()
    canvas.clip()
    warm_shadow = (skin[0] * 0.62, skin[1] * 0.46, skin[2] * 0.42)
    canvas.set_source(
        radial(
            person.light_x * 0.55,
            person.light_y * 0.8 - 0.1,
            0.1,
            person.light_x * 0.2,
            0.05,
            1.55,
            (0, blend(skin, WHITE, 0.16 * person.light)),
            (0.45, skin),
            (1, blend(skin, warm_shadow, 0.35 + 0.45 * person.light)),
        )
    )
    canvas.paint()
    for side in _sides():
        soft_spot(
            canvas, side * 0.55, 0.32, 0.38, (0.90, 0.42, 0.38), 0.12 if person.male else 0.22
        )
    soft_spot(canvas, 0, 1.02 + drop, 0.22, blend(skin, WHITE, 0.5), 0.18)
    _shaved_or_bearded(canvas, person)
    canvas.restore()


def _nose(canvas, person):
    size, skin = person.nose_size, person.skin
    ridge_x = -0.07 * np.sign(person.light_x) * size
    soft_spot(canvas, ridge_x, 0.12, 0.30, shade(skin, 0.70), 0.25, 0.5)
    soft_spot(canvas, 0, 0.40, 0.17 * size, shade(skin, 0.60), 0.42, 1.1, 0.7)
    soft_spot(canvas, 0, 0.30, 0.15 * size, blend(skin, (0.92, 0.5, 0.42), 0.22), 0.8)
    soft_spot(canvas, 0.03 * person.light_x, 0.26, 0.075, WHITE, 0.38)
    canvas.set_source_rgba(*shade(skin, 0.42), 0.75)
    for side in _sides():
        ellipse(canvas, side * 0.078 * size, 0.375, 0.042 * size, 0.018, rotation=-0.35 * side)
        canvas.fill()


def _iris(canvas, person, x):
    size, iris = person.eye_size, person.iris
    y = _EYE_Y - 0.008
    canvas.set_source(
        radial(
            x,
            _EYE_Y + 0.02,
            0.01,
            x,
            y,
            0.098 * size,
            (0, blend(iris, WHITE, 0.30)),
            (0.7, iris),
            (1, shade(iris, 0.45)),
        )
    )
    ellipse(canvas, x, y, 0.096 * size, 0.096 * size)
    canvas.fill()
    canvas.set_source_rgb(0.05, 0.04, 0.05)
    ellipse(canvas, x, y, 0.042 * size, 0.042 * size)
    canvas.fill()
    for dx, dy, radius, opacity in ((0.032, -0.040, 0.021, 0.95), (-0.03, 0.03, 0.012, 0.5)):
        canvas.set_source_rgba(1, 1, 1, opacity)
        ellipse(canvas, x + dx * size, _EYE_Y + dy * size, radius * size, radius * size)
        canvas.fill()


def _eyeball(canvas, person, x, w, h):
    y = _EYE_Y
    path(
        canvas,
        (x - w, y + 0.012),
        (x - w * 0.5, y - h * 1.25, x + w * 0.5, y - h * 1.25, x + w, y + 0.004),
        (x + w * 0.5, y + h * 0.95, x - w * 0.5, y + h * 0.95, x - w, y + 0.012),
    )
    canvas.save()
    canvas.clip()
    canvas.set_source_rgb(0.975, 0.965, 0.955)
    canvas.paint()
    _iris(canvas, person, x)
    canvas.set_source(
        linear(0, y - h, 0, y, (0, (0.2, 0.1, 0.1), 0.5), (0.8, (0.2, 0.1, 0.1), 0.0))
    )
    canvas.paint()
    canvas.restore()


def _lids(canvas, person, x, w, h, side):
    y = _EYE_Y
    canvas.set_line_cap(cairo.LINE_CAP_ROUND)
    canvas.set_source_rgba(*shade(blend(person.hair, _LASH, 0.6), 0.7), 0.95)
    canvas.set_line_width(0.022 if person.male else 0.030)
    upper = (x - w * 0.5, y - h * 1.27, x + w * 0.5, y - h * 1.27, x + w * 1.03, y + 0.002)
    path(canvas, (x - w * 1.02, y + 0.014), upper, close=False)
    canvas.stroke()
    if not person.male:
        out = side * w
        lash = (x + out, y - h * 0.6, x + out * 1.12, y - h * 0.8, x + out * 1.22, y - h * 1.05)
        canvas.set_line_width(0.020)
        path(canvas, (x + out * 0.85, y - h * 0.45), lash, close=False)
        canvas.stroke()
    canvas.set_source_rgba(*shade(person.skin, 0.55), 0.45)
    canvas.set_line_width(0.014)
    arch = y - h * 1.75 - 0.01
    crease = (x - w * 0.4, arch, x + w * 0.4, arch, x + w * 0.98, y - h * 0.85)
    path(canvas, (x - w * 0.95, y - h * 0.95), crease, close=False)
    canvas.stroke()


def _brow(canvas, person, x, side):
    y, thick = _EYE_Y - 0.27, person.brow
    path(
        canvas,
        (x - side * 0.20, y + 0.03 + thick * 0.6),
        (x - side * 0.10, y - 0.05, x + side * 0.12, y - 0.08, x + side * 0.27, y + 0.035),
        (
            x + side * 0.12,
            y - 0.08 + thick * 1.2,
            x - side * 0.08,
            y - 0.04 + thick * 1.9,
            x - side * 0.20,
            y + 0.03 + thick * 1.5,
        ),
    )
    canvas.set_source_rgba(*shade(person.hair, 0.80), 0.9)
    canvas.set_line_width(0.012)
    canvas.fill_preserve()
    canvas.stroke()


def _eyes(canvas, person):
    w, h = 0.185 * person.eye_size, 0.095 * person.eye_size
    for side in _sides():
        x = side * _EYE_X
        soft_spot(canvas, x, _EYE_Y - 0.05, 0.28, shade(person.skin, 0.66), 0.32, 1.1, 0.9)
        _eyeball(canvas, person, x, w, h)
        _lids(canvas, person, x, w, h, side)
        _brow(canvas, person, x, side)


def _moustache(canvas, person):
    y = person.mouth_height - person.upper_lip - 0.03
    path(
        canvas,
        (0, y - 0.10),
        (0.15, y - 0.12, 0.30, y - 0.02, 0.40, y + 0.07),
        (0.25, y + 0.05, 0.1, y + 0.02, 0, y),
        (-0.1, y + 0.02, -0.25, y + 0.05, -0.40, y + 0.07),
        (-0.30, y - 0.02, -0.15, y - 0.12, 0, y - 0.10),
    )
    canvas.set_source_rgba(*shade(person.hair, 0.9), 0.92)
    canvas.fill()


def _hair_in_front(canvas, person):
    w, hair = person.face_width, person.hair
    parting = person.fringe * 0.45
    temple = 0.35 if person.long_hair else -0.15
    path(
        canvas,
        (-1.08 * w, temple),
        (-1.30 * w, -0.7, -1.0, -1.50, 0, -1.48),
        (1.0, -1.50, 1.30 * w, -0.7, 1.08 * w, temple),
        (1.0 * w, -0.20, 0.96 * w, -0.60, parting + 0.06, -1.02),
        (parting * 0.3 - 0.35, -0.86, -0.98 * w, -0.55, -1.08 * w, temple),
    )
    light = blend(hair, _HAIR_LIGHT, 0.22)
    canvas.set_source(linear(-1, -1.5, 0.8, 0.3, (0, light), (0.5, hair), (1, shade(hair, 0.7))))
    canvas.save()
    canvas.clip()
    canvas.paint()
    soft_spot(canvas, -0.35, -1.15, 0.55, blend(hair, _HAIR_LIGHT, 0.5), 0.30, 1.2, 0.45)
    canvas.restore()


def _glasses(canvas):
    canvas.set_source_rgba(0.12, 0.12, 0.14, 0.9)
    canvas.set_line_width(0.035)
    for side in _sides():
        canvas.new_path()
        ellipse(canvas, side * 0.41, -0.08, 0.27, 0.22)
        canvas.stroke()
    path(canvas, (-0.14, -0.1), (-0.06, -0.15, 0.06, -0.15, 0.14, -0.1), close=False)
    canvas.stroke()


def _portrait(canvas, person, mouth):
    drop = _CHIN_DROP * max(0.0, float(mouth[OPEN])) * person.jaw_travel
    _backdrop(canvas, person)
    canvas.rotate(person.tilt)
    if person.long_hair:
        _hair_behind(canvas, person)
    neck = 0.52 if person.male else 0.42
    _neck(canvas, person, neck)
    _clothes(canvas, person, neck)
    if not person.long_hair:
        _ears(canvas, person)
    _face(canvas, person, drop)
    _nose(canvas, person)
    _eyes(canvas, person)
    if person.moustache:
        _moustache(canvas, person)
    draw_mouth(canvas, person, mouth)
    _hair_in_front(canvas, person)
    if person.glasses:
        _glasses(canvas)


def draw_portrait(person, mouth, width, height, view, supersampling=2):
    """The part of the portrait within `view`, as (height, width, 3) uint8 BGR.

    `view` is (left, top, right, bottom) in face units.
    """
    scale = supersampling
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, width * scale, height * scale)
    canvas = cairo.Context(surface)
    left, top, right, bottom = view
    canvas.scale(width * scale / (right - left), height * scale / (bottom - top))
    canvas.translate(-left, -top)
    _portrait(canvas, person, mouth)
    surface.flush()
    pixels = np.ndarray((height * scale, width * scale, 4), np.uint8, surface.get_data())[:, :, :3]
    if scale == 1:
        return pixels.copy()
    blocks = pixels.reshape(height, scale, width, scale, 3).astype(np.uint16).sum(axis=(1, 3))
    return ((blocks + scale * scale // 2) // (scale * scale)).astype(np.uint8)
