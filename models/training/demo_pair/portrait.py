"""An illustrated portrait, drawn with pycairo from an identity and a mouth.

Painted back to front: backdrop, hair behind, neck and clothes, ears, face, nose,
eyes, moustache, mouth, hair in front, glasses. The chin drops as the mouth opens.
"""

import cairo
import numpy as np

from demo_pair.clothes_drawing import draw_clothes
from demo_pair.drawing import radial
from demo_pair.face_drawing import (
    draw_ears,
    draw_eyes,
    draw_face,
    draw_glasses,
    draw_moustache,
    draw_neck,
    draw_nose,
)
from demo_pair.hair_drawing import draw_hair_behind, draw_hair_in_front, draw_locks, shows_ears
from demo_pair.mouth_drawing import draw_mouth
from demo_pair.mouth_track import OPEN

_CHIN_DROP = 0.040  # at full opening
# How far the features move sideways as the head turns, nearer ones further.
_TURN_OF_FACE, _TURN_OF_FEATURES, _TURN_OF_NOSE = 0.03, 0.06, 0.10


def draw_backdrop(canvas, person):
    """Light on a wall behind the person."""
    centre, rim = person.background
    canvas.set_source(radial(person.light_x, -1, 0.3, 0, 0, 4.2, (0, centre), (1, rim)))
    canvas.paint()


def _moved(canvas, distance, draw, *arguments):
    canvas.save()
    canvas.translate(distance, 0)
    draw(canvas, *arguments)
    canvas.restore()


def draw_person(canvas, person, mouth):
    """Head and shoulders, in face units."""
    drop = _CHIN_DROP * max(0.0, float(mouth[OPEN])) * person.jaw_travel
    canvas.save()
    canvas.rotate(person.tilt)
    draw_hair_behind(canvas, person)
    draw_neck(canvas, person)
    draw_clothes(canvas, person)
    draw_locks(canvas, person)
    if shows_ears(person):
        draw_ears(canvas, person)
    _moved(canvas, _TURN_OF_FACE * person.turn, draw_face, person, drop)
    _moved(canvas, _TURN_OF_NOSE * person.turn, draw_nose, person)
    _moved(canvas, _TURN_OF_FEATURES * person.turn, draw_eyes, person)
    if person.moustache:
        _moved(canvas, _TURN_OF_FEATURES * person.turn, draw_moustache, person)
    _moved(canvas, _TURN_OF_FEATURES * person.turn, draw_mouth, person, mouth)
    draw_hair_in_front(canvas, person)
    if person.glasses:
        _moved(canvas, _TURN_OF_FEATURES * person.turn, draw_glasses)
    canvas.restore()


def draw_portrait(person, mouth, width, height, view, supersampling=2, backdrop=draw_backdrop):
    """The part of the portrait within `view`, as (height, width, 3) uint8 BGR.

    `view` is (left, top, right, bottom) in face units.
    """
    scale = supersampling
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, width * scale, height * scale)
    canvas = cairo.Context(surface)
    left, top, right, bottom = view
    canvas.scale(width * scale / (right - left), height * scale / (bottom - top))
    canvas.translate(-left, -top)
    backdrop(canvas, person)
    draw_person(canvas, person, mouth)
    surface.flush()
    pixels = np.ndarray((height * scale, width * scale, 4), np.uint8, surface.get_data())[:, :, :3]
    if scale == 1:
        return pixels.copy()
    blocks = pixels.reshape(height, scale, width, scale, 3).astype(np.uint16).sum(axis=(1, 3))
    return ((blocks + scale * scale // 2) // (scale * scale)).astype(np.uint8)
