"""What makes one drawn person differ from another.

Lengths are in face units: x = 0 is the middle of the face, y = 0 a little below
the eyes, and the face is about 2 wide and 2.2 high.
"""

import colorsys
from dataclasses import dataclass

from demo_pair.drawing import blend, colour, shade

SKINS = [
    colour(code)
    for code in "f6d3bd f1c4a6 e9b48f dca27a c68a5f a8714b 85553a 643d2a fbe0d0 f3c9b5".split()
]
HAIRS = [
    colour(code)
    for code in "2b1d17 3d2719 5a3a22 7d5530 b08a4e d8b773 8e4526 1b1a20 6b6560 b9b4ae".split()
]
IRISES = [colour(code) for code in "5b3a22 3f2a1c 4d7391 6f8f5c 7f8a94 2f6f74".split()]


@dataclass(frozen=True)
class Identity:
    """One drawn person and the light they stand in."""

    skin: tuple
    lip: tuple
    hair: tuple
    iris: tuple
    cloth: tuple
    background: tuple  # centre and rim
    male: bool
    long_hair: bool
    jaw: float  # 0 pointed .. 1 square
    face_width: float
    chin: float  # y of its lowest point
    mouth_width: float  # half of it, at rest
    mouth_height: float  # y of the line between the lips
    upper_lip: float
    lower_lip: float
    smile: float  # how far the corners are raised
    jaw_travel: float  # how far the jaw opens, 1 is usual
    eye_size: float
    brow: float
    nose_size: float
    fringe: float
    light_x: float
    light_y: float
    light: float
    beard: float = 0.0
    stubble: float = 0.0
    moustache: bool = False
    glasses: bool = False
    tilt: float = 0.0


def _any_colour(random, saturation, value):
    return colorsys.hsv_to_rgb(random.random(), random.uniform(*saturation), random.uniform(*value))


def _between_two(random, palette, most):
    first, second = random.integers(len(palette), size=2)
    return blend(palette[first], palette[second], random.uniform(0, most))


def random_identity(random):
    """Somebody else."""
    male = random.random() < 0.5
    skin = _between_two(random, SKINS, 0.4)
    redness = random.uniform(0.25, 0.6) if male else random.uniform(0.12, 0.35)
    return Identity(
        skin=skin,
        lip=blend(shade(skin, 0.86), (random.uniform(0.68, 0.85), 0.30, 0.34), redness),
        hair=_between_two(random, HAIRS, 0.3),
        iris=IRISES[random.integers(len(IRISES))],
        cloth=_any_colour(random, (0.1, 0.7), (0.2, 0.85)),
        background=tuple(_any_colour(random, (0.05, 0.45), (0.35, 0.95)) for _ in range(2)),
        male=male,
        long_hair=not male and random.random() < 0.75,
        jaw=random.uniform(0.66, 0.95) if male else random.uniform(0.55, 0.80),
        face_width=random.uniform(0.90, 1.04),
        chin=random.uniform(1.16, 1.32),
        mouth_width=random.uniform(0.29, 0.38),
        mouth_height=random.uniform(0.60, 0.68),
        upper_lip=random.uniform(0.055, 0.085),
        lower_lip=random.uniform(0.075, 0.115),
        smile=random.uniform(-0.01, 0.05),
        jaw_travel=random.uniform(0.85, 1.12),
        eye_size=random.uniform(0.85, 1.15),
        brow=random.uniform(0.035, 0.070) if male else random.uniform(0.022, 0.045),
        nose_size=random.uniform(0.85, 1.20),
        fringe=random.uniform(-1, 1),
        light_x=random.uniform(-1, 1),
        light_y=random.uniform(-0.8, 0.2),
        light=random.uniform(0.4, 1.0),
        beard=random.uniform(0.25, 0.95) if male and random.random() < 0.4 else 0.0,
        stubble=random.uniform(0.1, 0.4) if male else 0.0,
        moustache=bool(male and random.random() < 0.25),
        glasses=bool(random.random() < 0.12),
        tilt=random.normal(0, 0.025),
    )


ANNA = Identity(
    skin=colour("f3c7a8"),
    lip=colour("c9625f"),
    hair=colour("4a2c1c"),
    iris=colour("4d7a6a"),
    cloth=colour("2f5d73"),
    background=(colour("cfe3ea"), colour("7fa6b8")),
    male=False,
    long_hair=True,
    jaw=0.68,
    face_width=0.97,
    chin=1.22,
    mouth_width=0.335,
    mouth_height=0.63,
    upper_lip=0.066,
    lower_lip=0.092,
    smile=0.028,
    jaw_travel=1.0,
    eye_size=1.05,
    brow=0.034,
    nose_size=0.95,
    fringe=0.55,
    light_x=-0.5,
    light_y=-0.45,
    light=0.75,
)
