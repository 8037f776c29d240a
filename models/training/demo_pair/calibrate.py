"""Fits the ruler of the lip-sync checker on true drawings of Anna.

Each drawing is pasted into the photo behind the feather mask, as the runtime
pastes a painted mouth: half of them sharp, half through the network's 96 pixels.
A fifth of the drawings is kept out to check the ruler.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from demo_pair.avatar import FACE_BOX, REST, draw_anna
from demo_pair.paste import face_crop, feather_mask, pasted
from demo_pair.ruler import HEIGHT, LEFT, MEASURED, TOP, WIDTH, Ruler
from demo_pair.speech import build

DRAWINGS = 1200
KEPT_OUT = 240
PENALTY = 0.05
SPEECH_MINUTES = 10
# The checker compares `open` and `wide`. `close` is hard to see between lips that already
# touch, depends more on the drawings that were drawn by lot, and is compared by nobody.
LEAST_CORRELATION = {"open": 0.98, "wide": 0.98, "close": 0.95}


@cache
def _photo():
    return draw_anna(REST)


def _lips_of(photo):
    return photo[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]


def _pasted_lips(task):
    mouth, sharp = task
    photo, drawing = _photo().copy(), draw_anna(mouth, FACE_BOX)
    if not sharp:
        whole = (0, 0, drawing.shape[1], drawing.shape[0])
        return _lips_of(pasted(photo, FACE_BOX, face_crop(drawing, whole)))
    left, top, right, bottom = FACE_BOX
    mask = feather_mask(right - left, bottom - top)[:, :, None]
    face = photo[top:bottom, left:right]
    photo[top:bottom, left:right] = np.rint(face * (1 - mask) + drawing * mask).astype(np.uint8)
    return _lips_of(photo)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    spoken = build(SPEECH_MINUTES, arguments.seed)["mouths"]
    random = np.random.default_rng(arguments.seed)
    mouths = spoken[random.choice(len(spoken), DRAWINGS, replace=False)]
    with ProcessPoolExecutor() as pool:
        tasks = [(mouth, index % 2 == 0) for index, mouth in enumerate(mouths)]
        lips = np.stack(list(pool.map(_pasted_lips, tasks, chunksize=20)))
    ruler = Ruler.fit(lips[KEPT_OUT:], mouths[KEPT_OUT:], PENALTY)
    measured = ruler.measure(lips[:KEPT_OUT])
    for name, column in MEASURED.items():
        r = np.corrcoef(measured[name], mouths[:KEPT_OUT, column])[0, 1]
        print(f"{name}: r {r:.4f} on {KEPT_OUT} drawings kept out")
        if r < LEAST_CORRELATION[name]:
            raise SystemExit(f"the ruler does not measure {name} well enough")
    ruler.save(arguments.output)


if __name__ == "__main__":
    main()
