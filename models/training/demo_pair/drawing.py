"""Small vocabulary over pycairo: colours, gradients, soft spots, ellipses."""

import cairo

FULL_TURN = 6.2832

WHITE = (1.0, 1.0, 1.0)


def colour(code):
    """`f3c7a8` as three numbers 0..1."""
    return tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))


def blend(first, second, share):
    return tuple(a + (b - a) * share for a, b in zip(first, second))


def shade(base, factor):
    return tuple(min(1.0, channel * factor) for channel in base)


def linear(x0, y0, x1, y1, *stops):
    """A linear gradient; each stop is (offset, colour) or (offset, colour, opacity)."""
    return _with_stops(cairo.LinearGradient(x0, y0, x1, y1), stops)


def radial(x0, y0, r0, x1, y1, r1, *stops):
    return _with_stops(cairo.RadialGradient(x0, y0, r0, x1, y1, r1), stops)


def _with_stops(gradient, stops):
    for offset, base, *opacity in stops:
        gradient.add_color_stop_rgba(offset, *base, *(opacity or (1.0,)))
    return gradient


def soft_spot(canvas, x, y, radius, base, opacity, stretch_x=1.0, stretch_y=1.0):
    """A round patch of colour that fades to nothing at its rim."""
    canvas.save()
    canvas.translate(x, y)
    canvas.scale(stretch_x, stretch_y)
    fade = ((0, base, opacity), (0.5, base, opacity * 0.45), (1, base, 0))
    canvas.set_source(radial(0, 0, 0, 0, 0, radius, *fade))
    canvas.rectangle(-radius, -radius, 2 * radius, 2 * radius)
    canvas.fill()
    canvas.restore()


def ellipse(canvas, x, y, radius_x, radius_y, rotation=0.0):
    """Adds an ellipse to the path."""
    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(rotation)
    canvas.scale(radius_x, radius_y)
    canvas.new_sub_path()
    canvas.arc(0, 0, 1, 0, FULL_TURN)
    canvas.restore()


def path(canvas, start, *pieces, close=True):
    """A new path: each piece is a point (line) or three points (Bezier curve), flat."""
    canvas.new_path()
    canvas.move_to(*start)
    extend(canvas, *pieces)
    if close:
        canvas.close_path()


def extend(canvas, *pieces):
    for piece in pieces:
        if len(piece) == 2:
            canvas.line_to(*piece)
        else:
            canvas.curve_to(*piece)


def mirrored(start, *curves):
    """Curves from `start` on the axis x = 0, then their mirror image back to it.

    Lets a symmetrical outline be written once, for its right side.
    """
    points = [start]
    for curve in curves:
        points += [curve[0:2], curve[2:4], curve[4:6]]
    back = [(-x, y) for x, y in reversed(points)]
    returning = [(*back[i], *back[i + 1], *back[i + 2]) for i in range(1, len(back) - 1, 3)]
    return [*curves, *returning]
