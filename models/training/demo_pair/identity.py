"""What makes one drawn person differ from another.

Lengths are in face units: x = 0 is the middle of the face, y = 0 a little below
the eyes, and the face is about 2 wide and 2.2 high.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

from demo_pair.drawing import blend, colour, shade

SKINS = [
    colour(code)
    for code in "f6d3bd f1c4a6 e9b48f dca27a c68a5f a8714b 85553a 643d2a fbe0d0 f3c9b5".split()
]
HAIRS = [
    colour(code)
    for code in "2b1d17 3d2719 5a3a22 7d5530 b08a4e d8b773 8e4526 1b1a20 6b6560 b9b4ae".split()
]
GREY_HAIR = colour("c9c6c2")
IRISES = [colour(code) for code in "5b3a22 3f2a1c 4d7391 6f8f5c 7f8a94 2f6f74".split()]
LONG_STYLES = ("long", "bob", "bun", "curls")
SHORT_STYLES = ("short", "short", "swept", "bald")
GARMENTS = ("crew", "shirt", "blazer")

_HELD_OUT_FROM = 100_000  # seeds from here on are never trained on


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
    hair_style: str  # one of LONG_STYLES or SHORT_STYLES
    garment: str  # one of GARMENTS
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
    side_light: float = 0.0  # 0 none .. 1 half of the face in shadow
    age: float = 0.0  # 0 young .. 1 old: folds and grey hair
    beard: float = 0.0
    stubble: float = 0.0
    moustache: bool = False
    glasses: bool = False
    turn: float = 0.0  # -1 .. 1: the features move sideways on the face
    tilt: float = 0.0  # radians


def _any_colour(random, saturation, value):
    return colorsys.hsv_to_rgb(random.random(), random.uniform(*saturation), random.uniform(*value))


def _between_two(random, palette, most):
    first, second = random.integers(len(palette), size=2)
    return blend(palette[first], palette[second], random.uniform(0, most))


def _lips_of(random, skin, male):
    """Close to the skin for many, painted for some women."""
    redness = random.uniform(0.25, 0.6) if male else random.uniform(0.2, 0.45)
    tone = blend(shade(skin, 0.84), (random.uniform(0.68, 0.85), 0.30, 0.34), redness)
    if not male and random.random() < 0.2:
        tone = blend(tone, (random.uniform(0.6, 0.8), 0.16, 0.24), 0.6)
    return tone


def random_identity(random):
    """Somebody else."""
    male = random.random() < 0.5
    age = random.uniform(0, 1) ** 1.5
    skin = _between_two(random, SKINS, 0.4)
    styles = SHORT_STYLES if male else (*LONG_STYLES, "short", "swept")
    return Identity(
        skin=skin,
        lip=_lips_of(random, skin, male),
        hair=blend(_between_two(random, HAIRS, 0.3), GREY_HAIR, max(0.0, age - 0.35)),
        iris=IRISES[random.integers(len(IRISES))],
        cloth=_any_colour(random, (0.1, 0.7), (0.2, 0.85)),
        background=tuple(_any_colour(random, (0.05, 0.45), (0.35, 0.95)) for _ in range(2)),
        male=male,
        hair_style=styles[random.integers(len(styles))],
        garment=GARMENTS[random.integers(len(GARMENTS))],
        jaw=random.uniform(0.66, 0.95) if male else random.uniform(0.55, 0.80),
        face_width=random.uniform(0.90, 1.04),
        chin=random.uniform(1.16, 1.32),
        mouth_width=random.uniform(0.30, 0.40),
        mouth_height=random.uniform(0.60, 0.68),
        upper_lip=random.uniform(0.055, 0.090),
        lower_lip=random.uniform(0.080, 0.120),
        smile=random.uniform(-0.01, 0.05),
        jaw_travel=random.uniform(0.88, 1.12),
        eye_size=random.uniform(0.85, 1.15),
        brow=random.uniform(0.035, 0.070) if male else random.uniform(0.022, 0.045),
        nose_size=random.uniform(0.85, 1.20),
        fringe=random.uniform(-1, 1),
        light_x=random.uniform(-1, 1),
        light_y=random.uniform(-0.8, 0.2),
        light=random.uniform(0.3, 1.0),
        side_light=max(0.0, random.uniform(-0.6, 0.8)),
        age=age,
        beard=random.uniform(0.3, 0.95) if male and random.random() < 0.4 else 0.0,
        stubble=random.uniform(0.1, 0.5) if male else 0.0,
        moustache=bool(male and random.random() < 0.25),
        glasses=bool(random.random() < 0.2),
        turn=float(np.clip(random.normal(0, 0.4), -1, 1)),
        tilt=random.normal(0, 0.035),
    )


def trained_person(number):
    """One of the people of the training set."""
    return random_identity(np.random.default_rng(1000 + number))


def held_out_person(number):
    """Somebody whom no training has seen."""
    return random_identity(np.random.default_rng(_HELD_OUT_FROM + number))


ANNA = Identity(
    skin=colour("f3c7a8"),
    lip=colour("c9625f"),
    hair=colour("4a2c1c"),
    iris=colour("4d7a6a"),
    cloth=colour("2f5d73"),
    background=(colour("dbe9ee"), colour("86abbb")),
    male=False,
    hair_style="long",
    garment="crew",
    jaw=0.66,
    face_width=0.95,
    chin=1.22,
    mouth_width=0.350,
    mouth_height=0.63,
    upper_lip=0.072,
    lower_lip=0.102,
    smile=0.030,
    jaw_travel=1.0,
    eye_size=1.08,
    brow=0.032,
    nose_size=0.95,
    fringe=0.55,
    light_x=-0.5,
    light_y=-0.45,
    light=0.75,
)

PAVEL = Identity(
    skin=colour("e8b48f"),
    lip=colour("b96a5c"),
    hair=colour("3a2a20"),
    iris=colour("4f6f8c"),
    cloth=colour("e7e4dc"),
    background=(colour("e9e2d6"), colour("b39d86")),
    male=True,
    hair_style="swept",
    garment="shirt",
    jaw=0.86,
    face_width=0.98,
    chin=1.27,
    mouth_width=0.365,
    mouth_height=0.65,
    upper_lip=0.060,
    lower_lip=0.094,
    smile=0.024,
    jaw_travel=1.0,
    eye_size=0.95,
    brow=0.052,
    nose_size=1.08,
    fringe=-0.6,
    light_x=0.55,
    light_y=-0.4,
    light=0.7,
    stubble=0.35,
    glasses=True,
)

MIRA = Identity(
    skin=colour("b57f58"),
    lip=colour("a84f4c"),
    hair=colour("211612"),
    iris=colour("4a2f1d"),
    cloth=colour("2c3550"),
    background=(colour("f1ede6"), colour("c9cfd6")),
    male=False,
    hair_style="bun",
    garment="blazer",
    jaw=0.70,
    face_width=0.96,
    chin=1.23,
    mouth_width=0.365,
    mouth_height=0.63,
    upper_lip=0.080,
    lower_lip=0.112,
    smile=0.032,
    jaw_travel=1.0,
    eye_size=1.08,
    brow=0.036,
    nose_size=1.05,
    fringe=0.3,
    light_x=-0.45,
    light_y=-0.5,
    light=0.7,
)
