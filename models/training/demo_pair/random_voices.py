"""Random espeak-ng voice variants: the training speech must not be known voices only.

Every property that a variant file can set is drawn from a wide range, so that a
voice that was never heard lies between voices that were.
"""

import numpy as np

COUNT = 60  # espeak-ng keeps a list of 349 voices at most, and has 250 of its own
_FORMANTS = 9


def _numbers(values):
    return " ".join(str(int(round(value))) for value in values)


def random_variant(random):
    """The text of a variant file."""
    lines = ["language variant"]
    base = random.uniform(60, 200)
    lines.append(f"pitch {_numbers((base, base * random.uniform(1.1, 1.9)))}")
    size = random.uniform(0.86, 1.2)  # of the speaker: small heads have high formants
    for formant in range(_FORMANTS):
        frequency = 100 * size * random.normal(1, 0.04)
        strength, width = random.uniform(40, 150), random.uniform(75, 170)
        lines.append(f"formant {formant} {_numbers((frequency, strength, width))}")

    def sometimes(share, text):
        if random.random() < share:
            lines.append(text)

    sometimes(0.7, f"voicing {random.integers(15, 150)}")
    sometimes(0.7, f"consonants {_numbers(random.uniform(30, 150, 2))}")
    sometimes(0.5, f"flutter {random.integers(0, 20)}")
    sometimes(0.5, f"roughness {random.integers(0, 7)}")
    sometimes(0.4, f"intonation {random.integers(1, 5)}")
    sometimes(0.3, f"echo {_numbers((random.uniform(10, 140), random.uniform(5, 40)))}")
    sometimes(0.3, f"stressAdd {_numbers(random.uniform(-30, 70, 8))}")
    sometimes(0.3, f"stressAmp {_numbers(random.uniform(12, 24, 8))}")
    sometimes(0.15, f"klatt {random.integers(1, 7)}")
    if random.random() < 0.4:
        hertz = np.sort(random.uniform(100, 5000, 3))
        strength = random.uniform(30, 255, 3)
        lines.append(f"tone {_numbers(np.stack([hertz, strength], axis=1).ravel())}")
    if random.random() < 0.4:
        loudest = 10 ** random.uniform(0.5, 1.9)
        lines.append(f"breath {_numbers(random.uniform(0, loudest, 8))}")
        lines.append(f"breathw {_numbers(random.uniform(100, 400, 6))}")
    return "\n".join(lines) + "\n"


def random_variants(seed):
    """Variant files by name."""
    random = np.random.default_rng(seed)
    return {f"random{index}": random_variant(random) for index in range(COUNT)}
