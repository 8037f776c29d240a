"""Fits the ruler of the lip-sync checker on true drawings of an avatar.

Half of the drawings are as drawn, half went through the network's 96 pixels and
the paste of the runtime. A fifth is kept out to check the ruler.

    python -m demo_pair.calibrate --output tests/python/lipsync_ruler.json
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from demo_pair.avatar import GALLERY
from demo_pair.drawn import Sitter
from demo_pair.mouth_area import measured_area
from demo_pair.recordings import espeak_recording
from demo_pair.ruler import MEASURED, Ruler

DRAWINGS = 600
PENALTY = 0.05
# The checker compares `open` and `wide`. `close` is hard to see between lips that already
# touch, depends more on the drawings that were drawn by lot, and is compared by nobody.
LEAST_CORRELATION = {"open": 0.98, "wide": 0.98, "close": 0.90}


def _lips(area, sitter, task):
    mouth, through_96_pixels = task
    photo = sitter.photo_through_96_pixels(mouth) if through_96_pixels else sitter.photo(mouth)
    return area.of(photo)


def fitted_ruler(avatar, mouths, seed=5, drawings=DRAWINGS):
    """A ruler for the avatar, and how well it measures drawings kept out of the fit.

    `mouths` (N, 6) are those to be measured; the drawings have some of them.
    """
    random = np.random.default_rng(seed)
    chosen = mouths[random.choice(len(mouths), min(drawings, len(mouths)), replace=False)]
    area = measured_area(avatar)
    with ProcessPoolExecutor(2) as pool:
        tasks = [(mouth, index % 2 == 0) for index, mouth in enumerate(chosen)]
        lips = np.stack(list(pool.map(partial(_lips, area, Sitter(avatar)), tasks, chunksize=20)))
    kept_out = len(chosen) // 5
    ruler = Ruler.fit(area, lips[kept_out:], chosen[kept_out:], PENALTY)
    measured = ruler.measure(lips[:kept_out])
    correlations = {
        name: float(np.corrcoef(measured[name], chosen[:kept_out, column])[0, 1])
        for name, column in MEASURED.items()
    }
    for name, r in correlations.items():
        if r < LEAST_CORRELATION[name]:
            raise RuntimeError(f"the ruler of {avatar.name} measures {name} with r {r:.3f} only")
    return ruler, correlations


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--avatar", default="anna", choices=GALLERY)
    arguments = parser.parse_args()
    mouths = np.concatenate([espeak_recording(language).mouths for language in ("ru", "en")])
    ruler, correlations = fitted_ruler(GALLERY[arguments.avatar], mouths)
    for name, r in correlations.items():
        print(f"{name}: r {r:.4f} on drawings kept out")
    ruler.save(arguments.output)


if __name__ == "__main__":
    main()
