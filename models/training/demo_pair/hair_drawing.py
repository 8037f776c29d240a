"""The hair of a portrait: what hangs behind the head, and what lies in front of the face."""

import cairo
import numpy as np

from demo_pair.drawing import blend, ellipse, linear, path, shade, soft_spot

_LIGHT = (1.0, 0.85, 0.7)
_SIDES = (-1, 1)


def shows_ears(person):
    return person.hair_style not in ("long", "bob", "curls")


def draw_hair_behind(canvas, person):
    style, w = person.hair_style, person.face_width
    dark = shade(person.hair, 0.70)
    canvas.set_source_rgb(*dark)
    if style == "long":
        path(
            canvas,
            (0, -1.45),
            (1.0, -1.5, 1.35, -0.8, 1.24, 0),
            (1.18, 0.7, 1.42, 1.4, 1.26, 2.10),
            (0.5, 2.2),
            (-0.5, 2.2),
            (-1.26, 2.10),
            (-1.42, 1.4, -1.18, 0.7, -1.24, 0),
            (-1.35, -0.8, -1.0, -1.5, 0, -1.45),
        )
        canvas.fill()
    elif style == "bob":
        path(
            canvas,
            (0, -1.45),
            (1.0, -1.5, 1.36, -0.8, 1.26, 0),
            (1.24, 0.5, 1.34, 0.9, 1.20, 1.22),
            (0.9, 1.42, 0.5, 1.2, 0.3, 1.1),
            (-0.3, 1.1),
            (-0.5, 1.2, -0.9, 1.42, -1.20, 1.22),
            (-1.34, 0.9, -1.24, 0.5, -1.26, 0),
            (-1.36, -0.8, -1.0, -1.5, 0, -1.45),
        )
        canvas.fill()
    elif style == "curls":
        for angle in np.linspace(-0.35, np.pi + 0.35, 17):
            x, y = 1.08 * w * np.cos(angle), -0.35 - 1.0 * np.sin(angle)
            ellipse(canvas, x, y, 0.36, 0.36)
            canvas.fill()
        for side in _SIDES:
            for y in (0.25, 0.6, 0.9):
                ellipse(canvas, side * 1.05, y, 0.30, 0.32)
                canvas.fill()
    elif style == "bun":
        ellipse(canvas, 0, -1.52, 0.46, 0.36)
        canvas.fill()
        soft_spot(canvas, -0.1, -1.64, 0.36, blend(person.hair, _LIGHT, 0.35), 0.5, 1.0, 0.6)


def _crown(canvas, person, temple, parting):
    """A parted crown down to the temples; `parting` is where it leaves the forehead."""
    w = person.face_width
    path(
        canvas,
        (-1.06 * w, temple),
        (-1.30 * w, -0.7, -1.0, -1.50, 0, -1.48),
        (1.0, -1.50, 1.30 * w, -0.7, 1.06 * w, temple),
        (1.0 * w, -0.20, 0.96 * w, -0.62, parting + 0.06, -1.04),
        (parting * 0.3 - 0.35, -0.88, -0.98 * w, -0.55, -1.06 * w, temple),
    )


def _cap(canvas, person, top, temple):
    """Short hair: a crown with an even hairline and sideburns."""
    w, lean = person.face_width, 0.12 * person.fringe
    path(
        canvas,
        (-1.02 * w, temple),
        (-1.16 * w, -0.5, -1.06, top, lean, top),
        (1.06, top, 1.16 * w, -0.5, 1.02 * w, temple),
        (0.97 * w, -0.10, 0.93 * w, -0.30, 0.86 * w, -0.52),
        (0.70 * w, -0.80, 0.25, -0.84, lean, -0.80),
        (-0.25, -0.84, -0.70 * w, -0.80, -0.86 * w, -0.52),
        (-0.93 * w, -0.30, -0.97 * w, -0.10, -1.02 * w, temple),
    )


def _swept(canvas, person):
    """Short at the sides, longer on top and combed to one side."""
    w, side = person.face_width, np.sign(person.fringe) or 1.0
    path(
        canvas,
        (-1.01 * w * side, -0.02),
        (-1.16 * w * side, -0.5, -1.12 * side, -1.28, -0.30 * side, -1.46),
        (0.30 * side, -1.62, 1.02 * side, -1.42, 1.08 * w * side, -0.72),
        (1.10 * w * side, -0.40, 1.05 * w * side, -0.2, 1.01 * w * side, -0.02),
        (0.97 * w * side, -0.2, 0.95 * w * side, -0.42, 0.84 * w * side, -0.60),
        (0.50 * side, -0.70, -0.15 * side, -0.76, -0.52 * side, -0.84),
        (-0.78 * w * side, -0.70, -0.92 * w * side, -0.40, -1.01 * w * side, -0.02),
    )


def _paint(canvas, person, strand_from, strand_to):
    """Fills the path: gradient, gleam, and a few strands between two arcs."""
    hair = person.hair
    light = blend(hair, _LIGHT, 0.22)
    canvas.save()
    canvas.clip()
    canvas.set_source(linear(-1, -1.5, 0.8, 0.3, (0, light), (0.5, hair), (1, shade(hair, 0.7))))
    canvas.paint()
    soft_spot(canvas, 0.7 * person.light_x, -1.18, 0.60, blend(hair, _LIGHT, 0.5), 0.32, 1.3, 0.42)
    canvas.set_line_cap(cairo.LINE_CAP_ROUND)
    for index, share in enumerate(np.linspace(0.05, 0.95, 15)):
        tone = blend(hair, _LIGHT, 0.35) if index % 2 else shade(hair, 0.55)
        canvas.set_source_rgba(*tone, 0.16)
        canvas.set_line_width(0.018 + 0.012 * (index % 3))
        start = (strand_from, -1.20 + 0.10 * share)
        x = -strand_to + 2 * strand_to * share
        bend = (0.5 * (strand_from + x), -1.50, 1.1 * x, -1.2, 1.05 * x, -0.1)
        path(canvas, start, bend, close=False)
        canvas.stroke()
    canvas.restore()


def draw_hair_in_front(canvas, person):
    style, parting = person.hair_style, person.fringe * 0.45
    if style == "bald":
        soft_spot(canvas, 0.35 * person.light_x, -0.80, 0.34, (1, 1, 1), 0.20, 1.3, 0.6)
        return
    if style in ("long", "bob"):
        _crown(canvas, person, 0.34, parting)
    elif style == "short":
        _cap(canvas, person, -1.40, -0.02)
    elif style == "swept":
        _swept(canvas, person)
    elif style == "curls":
        canvas.set_source_rgb(*person.hair)
        for x in np.linspace(-0.85, 0.85, 8):
            ellipse(canvas, x, -0.98 - 0.12 * np.cos(1.5 * x), 0.24, 0.21)
            canvas.fill()
        _cap(canvas, person, -1.42, -0.25)
    else:
        _cap(canvas, person, -1.36, -0.10)
    combed_from = -0.75 * np.sign(person.fringe) if style == "swept" else parting
    _paint(canvas, person, combed_from, 1.15)


def draw_locks(canvas, person):
    """Long hair falls over the shoulders, in front of the clothes."""
    if person.hair_style != "long":
        return
    for side in _SIDES:
        path(
            canvas,
            (side * 1.02, 0.2),
            (side * 1.20, 0.9, side * 1.40, 1.5, side * 1.28, 2.10),
            (side * 1.24, 2.36, side * 1.12, 2.56, side * 0.94, 2.66),
            (side * 1.00, 2.40, side * 0.72, 1.7, side * 0.78, 1.0),
            (side * 0.88, 0.7, side * 0.98, 0.5, side * 1.02, 0.2),
        )
        tone = person.hair
        canvas.set_source(
            linear(
                side * 0.75,
                0,
                side * 1.35,
                0,
                (0, shade(tone, 0.72)),
                (0.6, shade(tone, 0.95)),
                (1, shade(tone, 0.75)),
            )
        )
        canvas.fill()
        canvas.set_line_width(0.02)
        for share in (0.25, 0.5, 0.75):
            canvas.set_source_rgba(*blend(tone, _LIGHT, 0.3), 0.16)
            x = side * (0.84 + 0.36 * share)
            strand = (x + side * 0.05, 1.0, x + side * 0.14, 1.6, x + side * 0.02, 2.3)
            path(canvas, (side * (0.98 + 0.05 * share), 0.5), strand, close=False)
            canvas.stroke()
