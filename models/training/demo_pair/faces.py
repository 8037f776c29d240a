"""The pictures of the training set: people with many mouths each.

Two sets. `gallery` are the shipped avatars, framed by their own boxes. `others`
are random people, framed as a face detector might, each with mouths of their own.
A set is three files: `references-*.npy` (people, REFERENCES, 96, 96, 3), the crops
that the runtime takes from a photo, of which the first is at rest; `truths-*.npy`
(people, mouths, 48, 96, 3), the lower halves that a painter should give; and
`mouths-*.npy` (people, mouths, 6). The first truths show the mouths of the references.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from demo_pair.avatar import GALLERY, REST, Avatar
from demo_pair.identity import trained_person
from demo_pair.mouth_track import CLOSE, OPEN, TUCK, WIDE
from demo_pair.paste import INPUT_SIZE, MASKED_FROM, face_crop, ideal_crop
from demo_pair.portrait import draw_portrait

GALLERY_MOUTHS = 640
OTHER_MOUTHS = 64
OTHER_PEOPLE = 300
REFERENCES = 8

_EXAGGERATED_SHARE, _MOST_EXAGGERATION = 0.4, 1.25
_DRAWN_FROM = 0.40  # share of the box above which no mouth changes anything
# What is asked of every person: a, o, u, i, m, f.
_SHAPES = np.array(
    [
        [0.95, 0.10, 0.0, 0.35, 0.15, 0.0],
        [0.58, -0.65, 0.0, 0.15, 0.05, 0.0],
        [0.24, -1.00, 0.0, 0.00, 0.00, 0.0],
        [0.30, 0.85, 0.0, 0.75, 0.10, 0.0],
        [0.00, 0.00, 1.0, 0.00, 0.00, 0.0],
        [0.14, 0.15, 0.0, 0.80, 0.00, 1.0],
    ]
)


def _spoken(work):
    """Every mouth of the speech that there is, (frames, 6)."""
    mouths = []
    for path in sorted(work.glob("speech-training*.npz")):
        with np.load(path) as stored:
            mouths.append(stored["mouths"])
    return np.concatenate(mouths)


def sample_mouths(spoken, count, random):
    """Mouths of the speech, rare ones more often and some exaggerated; the first is at rest."""
    importance = 0.2 + spoken[:, OPEN] + 0.9 * np.abs(spoken[:, WIDE])
    importance += 0.5 * spoken[:, CLOSE] + 0.8 * spoken[:, TUCK]
    chosen = random.choice(len(spoken), count, replace=False, p=importance / importance.sum())
    mouths = spoken[chosen].astype(np.float64)
    more = random.random(count) < _EXAGGERATED_SHARE
    mouths[more] *= random.uniform(1, _MOST_EXAGGERATION, (more.sum(), 1))
    mouths[0] = REST
    mouths[1 : 1 + len(_SHAPES)] = _SHAPES
    return np.clip(mouths, -1, 1).astype(np.float32)


def _pictures(draw, mouths, height):
    """References and truths of somebody; `draw(mouth, first_row)` gives the box from that row."""
    first = int(_DRAWN_FROM * height)
    at_rest = draw(REST, 0)
    references = np.empty((REFERENCES, INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    truths = np.empty((len(mouths), INPUT_SIZE - MASKED_FROM, INPUT_SIZE, 3), np.uint8)
    for index, mouth in enumerate(mouths):
        drawing = np.concatenate([at_rest[:first], draw(mouth, first)])
        truths[index] = np.rint(ideal_crop(drawing)[MASKED_FROM:])
        if index < REFERENCES:
            references[index] = face_crop(drawing, (0, 0, drawing.shape[1], height))
    return references, truths


def _of_gallery(task):
    name, mouths = task
    avatar = GALLERY[name]
    left, top, right, bottom = avatar.face_box

    def draw(mouth, first_row):
        return avatar.draw(mouth, (left, top + first_row, right, bottom))

    return _pictures(draw, mouths, bottom - top)


def _detected(box, random):
    """A face box as a detector might find it: moved, and sometimes wider than the avatars'."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    dx, dy = random.normal(0, 0.02, 2)
    wider, higher = random.uniform(-0.03, 0.14, 2)
    return (
        left + (dx - wider) * width,
        top + (dy - 1.3 * higher) * height,
        right + (dx + wider) * width,
        bottom + (dy + 0.5 * higher) * height,
    )


def _of_somebody(task):
    number, mouths = task
    random = np.random.default_rng(5000 + number)
    avatar = Avatar(str(number), trained_person(number))
    left, top, right, bottom = avatar.view_of(_detected(avatar.face_box, random))
    height = int(random.integers(120, 330))
    width = int(height * random.uniform(0.76, 0.86))

    def draw(mouth, first_row):
        view = (left, top + (bottom - top) * first_row / height, right, bottom)
        return draw_portrait(avatar.person, mouth, width, height - first_row, view, supersampling=1)

    return _pictures(draw, mouths, height)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--people", type=int, default=OTHER_PEOPLE)
    parser.add_argument("--gallery-mouths", type=int, default=GALLERY_MOUTHS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    spoken = _spoken(arguments.work)
    random = np.random.default_rng(arguments.seed)
    sets = {
        "gallery": (_of_gallery, list(GALLERY), arguments.gallery_mouths),
        "others": (_of_somebody, range(arguments.people), OTHER_MOUTHS),
    }
    with ProcessPoolExecutor() as pool:
        for name, (pictures_of, people, count) in sets.items():
            mouths = [sample_mouths(spoken, count, random) for _ in people]
            drawn = list(pool.map(pictures_of, zip(people, mouths)))
            np.save(arguments.work / f"references-{name}.npy", np.stack([d[0] for d in drawn]))
            np.save(arguments.work / f"truths-{name}.npy", np.stack([d[1] for d in drawn]))
            np.save(arguments.work / f"mouths-{name}.npy", np.stack(mouths))
            print(f"{name}: {len(drawn)} people, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
