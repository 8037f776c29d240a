"""The mouth of a portrait, drawn from its six numbers (see `mouth_track`)."""

from dataclasses import dataclass

import cairo

from demo_pair.drawing import blend, ellipse, extend, linear, path, radial, shade, soft_spot

_DARKEST, _THROAT = (0.20, 0.05, 0.06), (0.36, 0.10, 0.11)
_TOOTH_SHADOW, _TOOTH, _TOOTH_EDGE = (0.80, 0.77, 0.74), (0.97, 0.96, 0.94), (0.93, 0.91, 0.89)
_LOWER_TOOTH = (0.90, 0.88, 0.85)
_TONGUE_LIGHT, _TONGUE_DARK = (0.86, 0.45, 0.45), (0.62, 0.26, 0.28)


@dataclass(frozen=True)
class _Geometry:
    """Where the lips are; y = 0 is the line between them at rest."""

    half_width: float
    gap: float  # height of the opening
    upper_edge: float  # inner edge of the upper lip, in the middle
    lower_edge: float  # inner edge of the lower lip, in the middle
    corner: float  # y of the corners
    upper_lip: float
    lower_lip: float


def _geometry(person, opening, wide, close, tuck):
    spread, rounded = max(0.0, wide), max(0.0, -wide)
    pressed = 1 - 0.35 * close
    gap = 0.30 * opening * person.jaw_travel * (1 + 0.15 * rounded)
    upper_edge = -0.24 * gap - 0.032 * tuck
    lower_edge = max(0.76 * gap - 0.030 * tuck, upper_edge + 0.040 * tuck)
    return _Geometry(
        half_width=person.mouth_width * (1 + 0.23 * spread - 0.40 * rounded) * (1 - 0.05 * opening),
        gap=lower_edge - upper_edge,
        upper_edge=upper_edge,
        lower_edge=lower_edge,
        corner=0.10 * gap - person.smile * (1 - 0.5 * rounded),
        upper_lip=person.upper_lip * (1 - 0.12 * opening + 0.30 * rounded) * pressed,
        lower_lip=person.lower_lip
        * (1 - 0.10 * opening + 0.25 * rounded)
        * pressed
        * (1 - 0.35 * tuck),
    )


def _inner_upper(g, opening):
    """Inner edge of the upper lip, from the left corner to the right one."""
    w, y, c = g.half_width, g.upper_edge, g.corner
    dip = y + 0.006 * (1 - opening)
    return (
        (-w * 0.62, y * 1.08 + c * 0.25, -w * 0.25, y, 0, dip),
        (w * 0.25, y, w * 0.62, y * 1.08 + c * 0.25, w * 0.94, c),
    )


def _inner_lower(g):
    """Inner edge of the lower lip, from the right corner back to the left one."""
    w, y, c = g.half_width, g.lower_edge, g.corner
    return (
        (w * 0.60, y * 1.06 + c * 0.15, w * 0.28, y, 0, y),
        (-w * 0.28, y, -w * 0.60, y * 1.06 + c * 0.15, -w * 0.94, c),
    )


def _draw_shadows(canvas, person, g):
    soft_spot(
        canvas, 0, g.lower_edge + g.lower_lip + 0.05, 0.17, shade(person.skin, 0.62), 0.34, 1.5, 0.8
    )
    for side in (-1, 1):
        x = side * (g.half_width + 0.005)
        soft_spot(canvas, x, g.corner + 0.005, 0.07, shade(person.skin, 0.55), 0.38)


def _draw_tongue(canvas, g, tongue):
    y = g.lower_edge - 0.02 - 0.06 * tongue * min(1.0, g.gap / 0.06)
    canvas.set_source(
        radial(0, y + 0.05, 0, 0, y + 0.10, 0.26, (0, _TONGUE_LIGHT), (1, _TONGUE_DARK))
    )
    ellipse(canvas, 0, y + 0.10, g.half_width * 0.62, 0.12 + 0.02 * tongue)
    canvas.fill()


def _draw_lower_teeth(canvas, g, teeth):
    shown = (teeth - 0.5) * 2
    canvas.set_source_rgba(*_LOWER_TOOTH, 0.9 * shown)
    ellipse(canvas, 0, g.lower_edge + 0.015, g.half_width * 0.55, 0.035 + 0.045 * shown)
    canvas.fill()


def _draw_upper_teeth(canvas, g, opening, teeth, tuck):
    """They rest on the lower lip when it is tucked under them."""
    top = g.upper_edge
    length = (0.028 + 0.062 * teeth) * (0.55 + 0.45 * min(1.0, opening * 3))
    length += tuck * max(0.0, g.gap + 0.01 - length)
    w = g.half_width * 0.66
    side, bottom, middle = top + length * 0.55, top + length, top + length * 1.06
    canvas.set_source(
        linear(0, top, 0, bottom, (0, _TOOTH_SHADOW), (0.5, _TOOTH), (1, _TOOTH_EDGE))
    )
    path(
        canvas,
        (-w, top - 0.08),
        (w, top - 0.08),
        (w, side),
        (w * 0.7, bottom, w * 0.3, middle, 0, middle),
        (-w * 0.3, middle, -w * 0.7, bottom, -w, side),
    )
    canvas.fill()


def _draw_inside(canvas, g, opening, teeth, tongue, tuck):
    path(canvas, (-g.half_width * 0.94, g.corner), *_inner_upper(g, opening), *_inner_lower(g))
    canvas.save()
    canvas.clip()
    canvas.set_source(linear(0, g.upper_edge, 0, g.lower_edge + 0.001, (0, _DARKEST), (1, _THROAT)))
    canvas.paint()
    _draw_tongue(canvas, g, tongue)
    if teeth > 0.5:
        _draw_lower_teeth(canvas, g, teeth)
    _draw_upper_teeth(canvas, g, opening, teeth, tuck)
    soft_spot(canvas, 0, g.upper_edge - 0.03, 0.10, (0.10, 0.02, 0.03), 0.5, 2.4)
    for side in (-1, 1):
        x = side * g.half_width * 0.95
        soft_spot(canvas, x, g.corner, g.half_width * 0.5, (0.15, 0.03, 0.04), 0.75)
    canvas.restore()


def _draw_lower_lip(canvas, person, g):
    w, c, inner = g.half_width, g.corner, g.lower_edge
    outer = inner + g.lower_lip
    shoulder = inner + g.lower_lip * 0.78 + c * 0.2
    bend = inner * 1.06 + c * 0.15 + 0.004
    path(
        canvas,
        (-w * 0.97, c),
        (-w * 0.60, bend, -w * 0.28, inner, 0, inner),
        (w * 0.28, inner, w * 0.60, bend, w * 0.97, c),
        (w * 0.72, shoulder, w * 0.36, outer, 0, outer),
        (-w * 0.36, outer, -w * 0.72, shoulder, -w * 0.97, c),
    )
    lip = person.lip
    canvas.set_source(
        linear(
            0,
            inner - 0.01,
            0,
            outer,
            (0, shade(lip, 0.82)),
            (0.35, blend(lip, (1, 0.9, 0.88), 0.14)),
            (1, blend(shade(lip, 0.93), person.skin, 0.15)),
        )
    )
    canvas.fill_preserve()
    canvas.save()
    canvas.clip()
    gleam = (1, 0.95, 0.93)
    soft_spot(
        canvas, person.light_x * 0.05, inner + g.lower_lip * 0.42, 0.10, gleam, 0.34, 1.6, 0.7
    )
    canvas.restore()


def _draw_upper_lip(canvas, person, g, opening):
    w, c, inner, lip = g.half_width, g.corner, g.upper_edge, g.upper_lip
    bow, peak, slope = inner - lip * 0.80, inner - lip * 1.02, inner - lip * 0.55 + c * 0.3
    arch = inner - lip * 1.05
    path(
        canvas,
        (-w, c),
        (-w * 0.66, slope, -w * 0.36, arch, -w * 0.17, peak),
        (-w * 0.08, inner - lip, -w * 0.05, bow, 0, bow),
        (w * 0.05, bow, w * 0.08, inner - lip, w * 0.17, peak),
        (w * 0.36, arch, w * 0.66, slope, w, c),
        (w * 0.94, c),
        close=False,
    )
    dip = inner + 0.006 * (1 - opening)
    bend = inner * 1.08 + c * 0.25
    extend(
        canvas,
        (w * 0.62, bend, w * 0.25, inner, 0, dip),
        (-w * 0.25, inner, -w * 0.62, bend, -w * 0.94, c),
    )
    canvas.close_path()
    canvas.set_source(
        linear(
            0,
            inner - lip,
            0,
            inner + 0.01,
            (0, blend(shade(person.lip, 0.97), person.skin, 0.12)),
            (1, shade(person.lip, 0.74)),
        )
    )
    canvas.fill()


def _draw_lip_line(canvas, person, g, opening, close):
    path(
        canvas,
        (-g.half_width * 0.97, g.corner),
        *_inner_upper(g, opening)[:1],
        (*_inner_upper(g, opening)[1][:4], g.half_width * 0.97, g.corner),
        close=False,
    )
    canvas.set_source_rgba(*shade(person.lip, 0.42), 0.85 if g.gap < 0.03 else 0.30)
    canvas.set_line_width(0.014 + 0.008 * close)
    canvas.set_line_cap(cairo.LINE_CAP_ROUND)
    canvas.stroke()


def draw_mouth(canvas, person, mouth):
    """Draws the mouth where the person's mouth is."""
    opening, wide, close, teeth, tongue, tuck = (float(number) for number in mouth)
    opening = max(0.0, opening)
    g = _geometry(person, opening, wide, close, tuck)
    canvas.save()
    canvas.translate(0, person.mouth_height)
    _draw_shadows(canvas, person, g)
    if g.gap > 0.004:
        _draw_inside(canvas, g, opening, teeth, tongue, tuck)
    _draw_lower_lip(canvas, person, g)
    _draw_upper_lip(canvas, person, g, opening)
    _draw_lip_line(canvas, person, g, opening, close)
    canvas.restore()
