"""More voices for espeak-ng: variants drawn by lot, beside those that it brings.

A variant is a few lines that move formants, pitch, voicing and breath.
"""

from pathlib import Path

from demo_pair import espeak

_VARIANTS = Path("voices/!v")
_FORMANTS = 9  # 0 is the murmur below the first, 6..8 are faint ones above the fifth


def _formants(random):
    throat = random.normal(1.03, 0.10)  # longer below 1, shorter above
    odd = random.random() < 0.4  # formants that no throat would give
    slope = random.normal(0, 0.08) if random.random() < 0.5 else 0  # the higher ones further up
    for number in range(_FORMANTS):
        apart = random.normal(0, 0.15 if odd and number else 0.05) + slope * (min(number, 4) - 2)
        place = 100 * min(max(throat + apart, 0.7), 1.5)
        if number in (0, 4, 5):
            strength = random.uniform(30, 170)
        elif number < 4:
            strength = random.uniform(60, 160)
        else:
            strength = random.uniform(5, 110)
        yield f"formant {number} {place:.0f} {strength:.0f} {random.uniform(65, 180):.0f}"


def drawn_variant(random, name):
    """The text of a variant file."""
    low = random.uniform(62, 230)
    lines = ["language variant", f"name {name}"]
    lines += [f"pitch {low:.0f} {low + random.uniform(15, 110):.0f}", *_formants(random)]
    if random.random() < 0.75:
        lines.append(f"voicing {30 * 7 ** random.random():.0f}")  # 30 to 210 %
    if random.random() < 0.5:
        lines.append(f"consonants {random.uniform(40, 130):.0f} {random.uniform(40, 130):.0f}")
    if random.random() < 0.5:
        lines += [f"flutter {random.integers(0, 30)}", f"roughness {random.integers(0, 5)}"]
    if random.random() < 0.12:
        breath = " ".join(str(random.integers(2, 80)) for _ in range(6))
        width = " ".join(str(random.integers(100, 400)) for _ in range(6))
        lines += [f"breath {breath}", f"breathw {width}"]
    if random.random() < 0.35:
        bass, middle, treble = random.integers(60, 256, 3)
        lines.append(f"tone 600 {bass} 1200 {middle} 2000 {treble}")
    if random.random() < 0.12:
        lines.append(f"echo {random.integers(10, 120)} {random.integers(5, 50)}")
    if random.random() < 0.12:
        lines.append(f"klatt {random.integers(1, 6)}")
    if random.random() < 0.4:
        lines.append(f"intonation {random.integers(1, 5)}")
    return "\n".join(lines) + "\n"


class DrawnVariant:
    """A variant of the engine that is another one whenever `draw` is called.

    espeak-ng reads the file of a variant each time a voice is chosen. Made before
    anything is spoken: it moves the engine's data to links in `folder`.
    """

    name = "drawn"

    def __init__(self, folder):
        data, copy = espeak.data_folder(), folder / "espeak-ng-data"
        self.file = copy / _VARIANTS / self.name
        self.file.parent.mkdir(parents=True, exist_ok=True)
        for inner in (Path(), Path("voices"), _VARIANTS):
            for original in (data / inner).iterdir():
                link = copy / inner / original.name
                if not link.exists():
                    link.symlink_to(original)
        self.file.write_text(f"language variant\nname {self.name}\n", encoding="utf-8")
        espeak.use_data_in(folder)

    def draw(self, random):
        self.file.write_text(drawn_variant(random, self.name), encoding="utf-8")
