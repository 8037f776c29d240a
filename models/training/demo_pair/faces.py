"""The pictures of the training set: every identity with every mouth of a codebook.

Two sets. `anna` is the default avatar with a fine codebook, through the very path
of the runtime (photo, box, bilinear crop) and with the box moved a little.
`others` are random people with a coarser codebook, framed less exactly.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from demo_pair.avatar import FACE_BOX, REST, draw_anna, view_of
from demo_pair.dataset import Speech
from demo_pair.identity import random_identity
from demo_pair.paste import INPUT_SIZE, face_crop
from demo_pair.portrait import draw_portrait

ANNA_MOUTHS = 600
ANNA_BOXES = 6
OTHER_MOUTHS = 160
OTHER_PEOPLE = 100

# Importance of open, wide, close, teeth, tongue, tuck when mouths are compared.
_DISTANCE_WEIGHTS = np.array([2.2, 1.4, 1.0, 0.35, 0.4, 0.6], np.float32)
_KMEANS_ROUNDS = 10
_KMEANS_SAMPLE = 20_000
_MARGIN = 16  # pixels round the box that its moved copies may reach


def nearest_mouths(codebook, mouths):
    """Index of the nearest codebook entry of each mouth."""
    scaled = codebook * _DISTANCE_WEIGHTS
    lengths = (scaled**2).sum(axis=1)
    parts = np.array_split(mouths * _DISTANCE_WEIGHTS, len(mouths) // 8192 + 1)
    return np.concatenate([(lengths - 2 * part @ scaled.T).argmin(axis=1) for part in parts])


def mouth_codebook(mouths, size, random):
    """k-means of the mouths of the speech; entry 0 is the mouth at rest.

    The start favours wide-open and strongly rounded or spread mouths, which are rare.
    """
    sample = mouths[random.choice(len(mouths), _KMEANS_SAMPLE, replace=False)]
    rarity = 0.15 + sample[:, 0] + 0.6 * np.abs(sample[:, 1])
    start = random.choice(len(sample), size, replace=False, p=rarity / rarity.sum())
    codebook = sample[start].copy()
    codebook[0] = REST
    for _ in range(_KMEANS_ROUNDS):
        nearest = nearest_mouths(codebook, sample)
        for entry in range(1, size):
            members = sample[nearest == entry]
            if len(members):
                codebook[entry] = members.mean(axis=0)
    return codebook.astype(np.float32)


def _moved(box, random, shift, scale):
    """A box shifted and scaled at random, by these standard deviations in pixels."""
    left, top, right, bottom = box
    dx, dy = random.normal(0, shift, 2)
    grow = random.normal(0, scale)
    return tuple(
        int(round(v))
        for v in (left + dx - grow, top + dy - grow, right + dx + grow, bottom + dy + grow)
    )


def _anna_boxes():
    """The avatar's own box twice, then boxes as a face detector might find them."""
    random = np.random.default_rng(7)
    boxes = [FACE_BOX, FACE_BOX]
    while len(boxes) < ANNA_BOXES:
        box = _moved(FACE_BOX, random, 4, 3)
        if all(abs(a - b) <= _MARGIN for a, b in zip(box, FACE_BOX)):
            boxes.append(box)
    return boxes


def _anna_with(mouth):
    """Anna's crops with one mouth, one for each box."""
    left, top, right, bottom = FACE_BOX
    outer = (left - _MARGIN, top - _MARGIN, right + _MARGIN, bottom + _MARGIN)
    photo = draw_anna(mouth, outer)
    inner = [np.subtract(box, (*outer[:2], *outer[:2])) for box in _anna_boxes()]
    return np.stack([face_crop(photo, box) for box in inner])


def _somebody(task):
    """All mouths of one random person."""
    seed, codebook = task
    random = np.random.default_rng(1000 + seed)
    person = random_identity(random)
    view = view_of(_moved(FACE_BOX, random, 7, 7))
    width, height = random.integers(120, 260), random.integers(150, 330)
    whole = (0, 0, width, height)
    images = np.empty((len(codebook), INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    for index, mouth in enumerate(codebook):
        drawn = draw_portrait(person, mouth, width, height, view, supersampling=1)
        images[index] = face_crop(drawn, whole)
    return images


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--people", type=int, default=OTHER_PEOPLE)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    work = arguments.work
    began = time.monotonic()
    mouths = Speech.load(work / "speech-training.npz").mouths
    random = np.random.default_rng(arguments.seed)
    codebooks = {
        "anna": mouth_codebook(mouths, ANNA_MOUTHS, random),
        "others": mouth_codebook(mouths, OTHER_MOUTHS, random),
    }
    with ProcessPoolExecutor() as pool:
        crops = np.stack(list(pool.map(_anna_with, codebooks["anna"], chunksize=20)))
        np.save(work / "faces-anna.npy", crops.transpose(1, 0, 2, 3, 4))
        tasks = [(seed, codebooks["others"]) for seed in range(arguments.people)]
        np.save(work / "faces-others.npy", np.stack(list(pool.map(_somebody, tasks))))
    for name, codebook in codebooks.items():
        np.save(work / f"mouths-{name}.npy", codebook)
        nearest = nearest_mouths(codebook, mouths)
        np.save(work / f"nearest-{name}.npy", nearest.astype(np.int16))
        error = codebook[nearest] - mouths
        spread = " ".join(f"{value:.3f}" for value in np.sqrt((error**2).mean(axis=0)))
        print(f"{name}: {len(codebook)} mouths, rms distance of the speech to them {spread}")
    print(f"faces drawn in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
