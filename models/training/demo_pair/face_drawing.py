"""Head, skin and features of a portrait: everything of the face but mouth and hair."""

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

_EYE_X, _EYE_Y = 0.40, -0.10
_LASH = (0.10, 0.06, 0.06)
_SIDES = (-1, 1)


def neck_width(person):
    return 0.52 if person.male else 0.42


def neck_tones(person):
    """Dark under the chin, lighter down to the collar."""
    tones = ((0, 0.64), (0.45, 0.80), (1, 0.93))
    stops = [(offset, shade(person.skin, factor)) for offset, factor in tones]
    return linear(0, 0.9, 0, 2.1, *stops)


def draw_neck(canvas, person):
    width, skin = neck_width(person), person.skin
    path(
        canvas,
        (-width, 0.6),
        (-width, 1.4, -width * 1.02, 1.6, -width * 1.6, 1.98),
        (-width * 1.6, 2.5),
        (width * 1.6, 2.5),
        (width * 1.6, 1.98),
        (width * 1.02, 1.6, width, 1.4, width, 0.6),
    )
    canvas.set_source(neck_tones(person))
    canvas.fill_preserve()
    canvas.save()
    canvas.clip()
    for side in _SIDES:
        soft_spot(canvas, side * width * 0.95, 1.5, 0.30, shade(skin, 0.5), 0.30, 0.5, 1.6)
        soft_spot(canvas, side * 0.30, 2.02, 0.24, shade(skin, 0.55), 0.22, 1.3, 0.25)
    canvas.restore()


def draw_ears(canvas, person):
    for side in _SIDES:
        canvas.set_source_rgb(*shade(person.skin, 0.88))
        ellipse(canvas, side * 0.99 * person.face_width, 0.06, 0.12, 0.24, rotation=0.12 * side)
        canvas.fill()
        soft_spot(canvas, side * person.face_width, 0.07, 0.13, shade(person.skin, 0.58), 0.55)


def _outline(canvas, person, drop):
    """Only the chin drops: the jaw's corners lie outside the part that is painted."""
    w, chin = person.face_width, person.chin + drop
    jaw_x = 0.62 * w * (0.65 + 0.45 * person.jaw)
    cheek_x = 0.955 * w * (0.72 + 0.30 * person.jaw)
    path(
        canvas,
        (0, -1.02),
        *mirrored(
            (0, -1.02),
            (0.62 * w, -1.02, 1.0 * w, -0.62, 0.985 * w, -0.1),
            (0.975 * w, 0.30, cheek_x, 0.62, jaw_x, 0.90),
            (0.42 * w, 1.10 + 0.6 * drop, 0.24 * w, chin, 0, chin),
        ),
    )


def _draw_beard(canvas, person):
    """Soft-edged growth along jaw and chin; `stubble` is the same, thinly."""
    tone = shade(blend(person.hair, person.skin, 0.15), 0.9)
    growths = ((0.30 * person.stubble, 0.0), (person.beard, 0.06))
    canvas.save()
    canvas.scale(1.22, 1)
    for opacity, lift in growths:
        inner, outer = 0.84 - lift, 1.20 - lift
        soft = ((0, tone, 0.0), (0.6, tone, 0.7 * opacity), (1, tone, opacity))
        canvas.set_source(radial(0, -0.35, inner, 0, -0.35, outer, *soft))
        canvas.rectangle(-1.0, -0.1, 2.0, 1.8)
        canvas.fill()
    canvas.restore()


def _draw_folds(canvas, person):
    """What age writes: forehead, crow's feet, and folds from nose to mouth."""
    if person.age < 0.3:
        return
    canvas.set_line_cap(cairo.LINE_CAP_ROUND)
    canvas.set_source_rgba(*shade(person.skin, 0.55), 0.45 * (person.age - 0.2))
    canvas.set_line_width(0.020)
    for y in (-0.74, -0.62):
        path(canvas, (-0.34, y), (-0.12, y - 0.04, 0.12, y - 0.04, 0.34, y), close=False)
        canvas.stroke()
    for side in _SIDES:
        path(
            canvas,
            (side * 0.17, 0.36),
            (side * 0.30, 0.42, side * 0.42, 0.52, side * 0.47, 0.66),
            close=False,
        )
        canvas.stroke()
        for dy in (-0.03, 0.04):
            x = side * 0.64
            path(canvas, (x, -0.10 + dy), (x + side * 0.10, -0.10 + 2.2 * dy), close=False)
            canvas.stroke()


def draw_face(canvas, person, drop):
    skin = person.skin
    _outline(canvas, person, drop)
    canvas.save()
    canvas.clip()
    shadow = (skin[0] * 0.62, skin[1] * 0.46, skin[2] * 0.42)
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
            (1, blend(skin, shadow, 0.35 + 0.45 * person.light)),
        )
    )
    canvas.paint()
    for side in _SIDES:
        blush = 0.10 if person.male else 0.17
        soft_spot(canvas, side * 0.56, 0.30, 0.38, (0.90, 0.42, 0.38), blush)
    soft_spot(canvas, 0, 1.02 + drop, 0.22, blend(skin, WHITE, 0.5), 0.18)
    if person.side_light > 0:
        away = -np.sign(person.light_x) or 1.0
        dark = shade(shadow, 0.7)
        canvas.set_source(
            linear(
                -0.1 * away, 0, 0.95 * away, 0.1, (0, dark, 0.0), (1, dark, 0.6 * person.side_light)
            )
        )
        canvas.paint()
    _draw_beard(canvas, person)
    canvas.restore()
    _draw_folds(canvas, person)


def draw_nose(canvas, person):
    size, skin = person.nose_size, person.skin
    shaded = -np.sign(person.light_x) or 1.0
    soft_spot(canvas, 0.07 * shaded * size, 0.10, 0.32, shade(skin, 0.70), 0.30, 0.45)
    soft_spot(canvas, 0, 0.41, 0.17 * size, shade(skin, 0.60), 0.42, 1.1, 0.55)
    soft_spot(canvas, 0, 0.29, 0.15 * size, blend(skin, (0.92, 0.5, 0.42), 0.22), 0.8)
    soft_spot(canvas, 0.03 * person.light_x, 0.25, 0.08, WHITE, 0.36)
    canvas.set_source_rgba(*shade(skin, 0.42), 0.75)
    for side in _SIDES:
        ellipse(canvas, side * 0.075 * size, 0.368, 0.042 * size, 0.018, rotation=-0.35 * side)
        canvas.fill()
    canvas.set_line_cap(cairo.LINE_CAP_ROUND)
    canvas.set_line_width(0.014)
    canvas.set_source_rgba(*shade(skin, 0.50), 0.42)
    for side in _SIDES:
        x = side * size
        wing = (x * 0.150, 0.27, x * 0.175, 0.36, x * 0.125, 0.385)
        path(canvas, (x * 0.125, 0.275), wing, close=False)
        canvas.stroke()


def _draw_iris(canvas, person, x):
    size, iris = person.eye_size, person.iris
    y = _EYE_Y - 0.008
    canvas.set_source(
        radial(
            x,
            _EYE_Y + 0.02,
            0.01,
            x,
            y,
            0.100 * size,
            (0, blend(iris, WHITE, 0.35)),
            (0.7, iris),
            (1, shade(iris, 0.42)),
        )
    )
    ellipse(canvas, x, y, 0.099 * size, 0.099 * size)
    canvas.fill()
    canvas.set_source_rgb(0.05, 0.04, 0.05)
    ellipse(canvas, x, y, 0.042 * size, 0.042 * size)
    canvas.fill()
    for dx, dy, radius, opacity in ((0.032, -0.040, 0.021, 0.95), (-0.03, 0.03, 0.012, 0.5)):
        canvas.set_source_rgba(1, 1, 1, opacity)
        ellipse(canvas, x + dx * size, _EYE_Y + dy * size, radius * size, radius * size)
        canvas.fill()


def _draw_eyeball(canvas, person, x, w, h):
    y = _EYE_Y
    path(
        canvas,
        (x - w, y + 0.012),
        (x - w * 0.5, y - h * 1.25, x + w * 0.5, y - h * 1.25, x + w, y + 0.004),
        (x + w * 0.5, y + h * 0.95, x - w * 0.5, y + h * 0.95, x - w, y + 0.012),
    )
    canvas.save()
    canvas.clip()
    canvas.set_source_rgb(0.965, 0.955, 0.945)
    canvas.paint()
    for side in _SIDES:
        soft_spot(canvas, x + side * w, y, 0.09, shade(person.skin, 0.6), 0.5)
    _draw_iris(canvas, person, x)
    canvas.set_source(
        linear(0, y - h, 0, y, (0, (0.2, 0.1, 0.1), 0.55), (0.8, (0.2, 0.1, 0.1), 0.0))
    )
    canvas.paint()
    canvas.restore()


def _draw_lids(canvas, person, x, w, h, side):
    y = _EYE_Y
    canvas.set_line_cap(cairo.LINE_CAP_ROUND)
    canvas.set_source_rgba(*shade(blend(person.hair, _LASH, 0.6), 0.7), 0.95)
    canvas.set_line_width(0.022 if person.male else 0.030)
    upper = (x - w * 0.5, y - h * 1.27, x + w * 0.5, y - h * 1.27, x + w * 1.03, y + 0.002)
    path(canvas, (x - w * 1.02, y + 0.014), upper, close=False)
    canvas.stroke()
    if not person.male:
        out = side * w
        lash = (x + out, y - h * 0.55, x + out * 1.10, y - h * 0.65, x + out * 1.17, y - h * 0.85)
        canvas.set_line_width(0.020)
        path(canvas, (x + out * 0.85, y - h * 0.42), lash, close=False)
        canvas.stroke()
    canvas.set_source_rgba(*shade(person.skin, 0.55), 0.45)
    canvas.set_line_width(0.014)
    arch = y - h * 1.75 - 0.01
    crease = (x - w * 0.4, arch, x + w * 0.4, arch, x + w * 0.98, y - h * 0.85)
    path(canvas, (x - w * 0.95, y - h * 0.95), crease, close=False)
    canvas.stroke()
    lower = (x - w * 0.4, y + h * 0.98, x + w * 0.5, y + h * 0.98, x + w * 0.92, y + 0.03)
    canvas.set_source_rgba(*shade(person.skin, 0.5), 0.35)
    path(canvas, (x - w * 0.85, y + h * 0.35), lower, close=False)
    canvas.stroke()
    if person.age > 0.4:
        bag = (x - w * 0.4, y + h * 1.9, x + w * 0.4, y + h * 1.9, x + w * 0.8, y + h * 1.2)
        path(canvas, (x - w * 0.8, y + h * 1.2), bag, close=False)
        canvas.stroke()


def _draw_brow(canvas, person, x, side):
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
    tone = shade(person.hair, 0.80)
    inner, outer = x - side * 0.22, x + side * 0.27
    canvas.set_source(
        linear(inner, 0, outer, 0, (0, tone, 0.55), (0.3, tone, 0.92), (1, tone, 0.8))
    )
    canvas.set_line_width(0.012)
    canvas.fill_preserve()
    canvas.stroke()


def draw_eyes(canvas, person):
    w, h = 0.185 * person.eye_size, 0.100 * person.eye_size
    for side in _SIDES:
        x = side * _EYE_X
        soft_spot(canvas, x, _EYE_Y - 0.05, 0.28, shade(person.skin, 0.66), 0.30, 1.1, 0.9)
        _draw_eyeball(canvas, person, x, w, h)
        _draw_lids(canvas, person, x, w, h, side)
        _draw_brow(canvas, person, x, side)


def draw_moustache(canvas, person):
    y = person.mouth_height - person.upper_lip - 0.035
    path(
        canvas,
        (0, y - 0.09),
        (0.15, y - 0.11, 0.30, y - 0.02, 0.42, y + 0.08),
        (0.25, y + 0.05, 0.1, y + 0.015, 0, y),
        (-0.1, y + 0.015, -0.25, y + 0.05, -0.42, y + 0.08),
        (-0.30, y - 0.02, -0.15, y - 0.11, 0, y - 0.09),
    )
    canvas.set_source_rgba(*shade(person.hair, 0.9), 0.92)
    canvas.fill()


def draw_glasses(canvas):
    canvas.set_line_cap(cairo.LINE_CAP_ROUND)
    for side in _SIDES:
        x = side * 0.41
        path(
            canvas,
            (x - 0.27, -0.20),
            (x - 0.26, -0.27, x + 0.26, -0.27, x + 0.27, -0.20),
            (x + 0.27, 0.06, x + 0.18, 0.12, x, 0.12),
            (x - 0.18, 0.12, x - 0.27, 0.06, x - 0.27, -0.20),
        )
        canvas.set_source_rgba(1, 1, 1, 0.08)
        canvas.fill_preserve()
        canvas.set_source_rgba(0.12, 0.12, 0.14, 0.92)
        canvas.set_line_width(0.034)
        canvas.stroke()
        path(canvas, (side * 0.68, -0.19), (side * 0.95, -0.14), close=False)
        canvas.stroke()
    path(canvas, (-0.14, -0.15), (-0.06, -0.20, 0.06, -0.20, 0.14, -0.15), close=False)
    canvas.stroke()
