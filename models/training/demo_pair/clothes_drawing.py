"""Shoulders and clothes of a portrait: a crew-neck, a shirt with a collar, or a blazer."""

import cairo

from demo_pair.drawing import WHITE, blend, linear, path, shade, soft_spot
from demo_pair.face_drawing import neck_tones, neck_width

_SIDES = (-1, 1)
_BLOUSE = (0.95, 0.94, 0.91)


def _shoulders(canvas, neck, neckline):
    """The outline of the body; `neckline` is how deep it is cut."""
    path(
        canvas,
        (-neck * 1.42, 1.80),
        (-1.15, 2.02, -1.75, 2.12, -2.02, 3.4),
        (2.02, 3.4),
        (1.75, 2.12, 1.15, 2.02, neck * 1.42, 1.80),
        (neck * 0.9, neckline, -neck * 0.9, neckline, -neck * 1.42, 1.80),
    )


def _fill_cloth(canvas, tone):
    canvas.set_source(
        linear(-1.6, 1.6, 1.6, 3.2, (0, shade(tone, 1.12)), (0.5, tone), (1, shade(tone, 0.68)))
    )
    canvas.fill_preserve()
    canvas.save()
    canvas.clip()
    for side in _SIDES:
        soft_spot(canvas, side * 1.45, 3.0, 0.55, shade(tone, 0.55), 0.10, 0.4, 1.6)
    canvas.restore()
    canvas.new_path()


def _draw_crew(canvas, person, neck):
    _shoulders(canvas, neck, 2.30)
    _fill_cloth(canvas, person.cloth)
    rim = (neck * 0.9, 2.30, -neck * 0.9, 2.30, -neck * 1.42, 1.80)
    path(canvas, (neck * 1.42, 1.80), rim, close=False)
    canvas.set_source_rgba(*shade(person.cloth, 0.62), 0.8)
    canvas.set_line_width(0.045)
    canvas.stroke()


def _draw_shirt(canvas, person, neck):
    tone = person.cloth
    _shoulders(canvas, neck, 2.30)
    _fill_cloth(canvas, tone)
    path(canvas, (-neck * 1.10, 1.80), (0, 2.64), (neck * 1.10, 1.80))
    canvas.set_source(neck_tones(person))
    canvas.fill()
    for side in _SIDES:
        path(
            canvas,
            (side * neck * 1.16, 1.70),
            (side * neck * 1.46, 1.84),
            (side * 0.50, 2.50),
            (side * 0.05, 2.62),
            (side * neck * 0.70, 1.98, side * neck * 1.0, 1.90, side * neck * 1.16, 1.70),
        )
        canvas.set_source(
            linear(0, 1.7, 0, 2.6, (0, shade(tone, 0.88)), (1, blend(tone, WHITE, 0.35)))
        )
        canvas.fill_preserve()
        canvas.set_source_rgba(*shade(tone, 0.55), 0.5)
        canvas.set_line_width(0.016)
        canvas.stroke()
    canvas.set_source_rgba(*shade(tone, 0.6), 0.6)
    path(canvas, (0.0, 2.62), (0.02, 3.4), close=False)
    canvas.stroke()


def _draw_blazer(canvas, person, neck):
    tone = person.cloth
    _shoulders(canvas, neck, 2.30)
    _fill_cloth(canvas, tone)
    path(
        canvas,
        (-neck * 1.15, 1.84),
        (-neck * 0.6, 2.20, neck * 0.6, 2.20, neck * 1.15, 1.84),
        (0.52, 2.4),
        (0, 3.3),
        (-0.52, 2.4),
    )
    canvas.set_source(linear(0, 1.9, 0, 3.2, (0, shade(_BLOUSE, 0.86)), (0.4, _BLOUSE)))
    canvas.fill()
    for side in _SIDES:
        path(
            canvas,
            (side * neck * 1.40, 1.74),
            (side * 0.98, 2.16),
            (side * 0.78, 2.34),
            (side * 0.92, 2.44),
            (side * 0.06, 3.34),
            (side * 0.22, 2.7, side * 0.48, 2.2, side * neck * 1.12, 1.80),
        )
        canvas.set_source(
            linear(side * 0.2, 2, side, 2.6, (0, shade(tone, 0.85)), (1, shade(tone, 1.25)))
        )
        canvas.fill_preserve()
        canvas.set_source_rgba(*shade(tone, 0.5), 0.7)
        canvas.set_line_width(0.018)
        canvas.set_line_join(cairo.LINE_JOIN_ROUND)
        canvas.stroke()


def draw_clothes(canvas, person):
    draw = {"crew": _draw_crew, "shirt": _draw_shirt, "blazer": _draw_blazer}[person.garment]
    draw(canvas, person, neck_width(person))
