"""The page docs/demo-pair.md, made from the JSON of its figures and from nothing else.

    python -m demo_pair.table docs/demo-pair.md

makes the page again from docs/demo-pair.json.
"""

import json
import sys
from pathlib import Path

from demo_pair.thresholds import MODEL, MOTION, PICTURE, STILLNESS, kind_of

_DIGITS = {"lag": 0, "colour_step": 2, "mean_colour_step": 2, "closed": 2, "falsely_closed": 2}
_DIGITS |= {
    "bytes": 0,
    "amplitude": 2,
    "gradient": 2,
    "texture_step": 2,
    "jitter": 2,
    "mouths_per_second": 0,
}
_MOTION = {
    "opening": "opening r",
    "width": "width r",
    "closed": "closed on p b m",
    "falsely_closed": "closed on vowels",
    "lag": "lag",
    "shuffled": "shuffled",
    "amplitude": "amplitude",
}
_PICTURE = {
    "gradient": "gradient energy",
    "ssim": "SSIM",
    "colour_step": "colour step",
    "texture_step": "texture step",
    "jitter": "jitter",
}
_LABELS = _MOTION | _PICTURE
LOOKS = ("gan", "nogan")
_INTRODUCTION = """\
# The demo pair, measured

`models/demo` as it stands, in MP4s rendered by `duolip render`. Made by

```sh
make demo-pair-table
```

which renders, measures, and writes this page, its figures ([{stem}.json]({stem}.json)) and the
contact sheet. Nothing here is written by hand. **Bold** is a figure that does not reach its bound;
the bounds stand in `models/training/demo_pair/thresholds.py`, and the tests assert them.
"""
_SUMMARY_TEXT = """
## In short

The worst figure of each model over all that was measured; the tables below have every one.
"""
_SHEET = """
## To look at

![mouths under their sounds]({stem}-sheet.png)

Of each sound the longest, in the frame in which the true mouth is most like it: painted by GAN, by
NOGAN, and as drawn; one avatar below the other.
"""
_MOTION_TEXT = """
## Does the mouth follow the speech?

The mouth is measured in the pixels of every frame by a ruler fitted on drawings of the same avatar,
and compared with the mouth that the phonemes ask for. **Opening** and **width** are correlations.
Lips are **closed** below an opening of 0.12: on p, b and m they should be, on open vowels not.
**Lag** is in frames, **shuffled** the correlation of opening with the wrong moments, **amplitude**
how far the mouth opens (1 is right). The **worst voice** is that of the lowest opening, beside the
lowest width of any. The rows of the drawing are the control: true drawings in an MP4, measured
alike.
"""
_STILLNESS_TEXT = """
## Is it still when nobody speaks?

Movement of the pixels round the mouth as a share of that in speech: in digital silence, in white
noise at -60 dB, in the noise of a quiet room at -50 dB, and in music without a singer, of which
nothing is demanded.
"""
_PICTURE_TEXT = """
## Is the picture as good as the drawing?

Against drawings of the same avatar with the true mouth, through the same encoder. **Gradient
energy** (Sobel, squared) and **SSIM** are of lips and teeth. The **colour step** is what painting
adds to the colour difference across the edge of the painted area, in levels of 255; the **texture
step** what it adds to the slopes of the skin just inside, in levels per pixel; both on skin, in the
worst of 16 sectors. **Jitter** is how much the picture trembles, as a share of the drawing's.
"Drawing at 96 px" is the best that a network of 96 pixels could paint without sharpening, pasted as
the program pastes.
"""
_MODEL_TEXT = """
## Size and speed

Mouths a second: `duolip bench lipsync` with the model, two threads, on the machine that made this
page ({processor}).
"""


def _json_path(page):
    return page.with_suffix(".json")


def _rounded(value):
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def _cell(name, value, bound=None):
    text = f"{value:.{_DIGITS.get(name, 3)}f}"
    return text if bound is None or bound.holds(value) else f"**{text}**"


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _motion_rows(rows, bounds):
    wanted = ["wanted", "", "", *(str(bounds[name]) if name in bounds else "" for name in _MOTION)]
    yield wanted + [""]
    for row in rows:
        checked = {} if row["look"].startswith("drawing") else bounds
        cells = [_cell(name, row[name], checked.get(name)) for name in _MOTION]
        speech = f"{row['engine']}, {row['language']}"
        worst = f"{row['worst_voice']} {row['worst_opening']:.2f} / {row['worst_width']:.2f}"
        yield [row["look"], row["avatar"], speech, *cells, worst]


def _motion(figures):
    head = ["model", "avatar", "speech", *_MOTION.values(), "worst voice"]
    for kind, bounds in MOTION.items():
        rows = [row for row in figures["motion"] if kind_of(row["engine"]) == kind]
        if rows:
            yield f"\n### {kind}\n\n" + _table(head, _motion_rows(rows, bounds))


def _stillness(figures):
    sounds = [*STILLNESS, "music"]
    rows = [["wanted", "", *(str(STILLNESS.get(sound, "")) for sound in sounds)]]
    for row in figures["stillness"]:
        cells = [_cell(sound, row[sound], STILLNESS.get(sound)) for sound in sounds]
        rows.append([row["look"], row["avatar"], *cells])
    return _table(["model", "avatar", *sounds], rows)


def _picture(figures):
    rows = [
        [f"wanted of {look}", "", *(str(bounds.get(name, "")) for name in _PICTURE)]
        for look, bounds in PICTURE.items()
    ]
    for row in figures["picture"]:
        bounds = PICTURE.get(row["look"], {})
        cells = [_cell(name, row[name], bounds.get(name)) for name in _PICTURE]
        rows.append([row["look"], row["avatar"], *cells])
    return _table(["model", "avatar", *_PICTURE.values()], rows)


def _model(figures):
    rows = [["wanted", str(MODEL["bytes"]), str(MODEL["mouths_per_second"]), ""]]
    for look, model in figures["model"].items():
        cells = [_cell(name, model[name], bound) for name, bound in MODEL.items()]
        rows.append([look, cells[0], cells[1], f"`{model['sha256'][:16]}`"])
    return _table(["model", "bytes", "mouths a second", "sha256 begins"], rows)


def _bounded(figures):
    """Every figure that has a bound: (what it is of, its name, look, value, bound)."""
    for row in figures["motion"]:
        kind = kind_of(row["engine"])
        for name, bound in MOTION[kind].items() if row["look"] in LOOKS else ():
            yield kind, name, row["look"], row[name], bound
    for row in figures["stillness"]:
        for name, bound in STILLNESS.items():
            yield "no speech", name, row["look"], row[name], bound
    for row in figures["picture"]:
        for name, bound in PICTURE.get(row["look"], {}).items():
            yield "picture", name, row["look"], row[name], bound
    for look, model in figures["model"].items():
        for name, bound in MODEL.items():
            yield "model", name, look, model[name], bound


def _summary(figures):
    """Each bound with the worst figure of each look, over all speech and all faces."""
    worst = {}
    for what, name, look, value, bound in _bounded(figures):
        row = worst.setdefault((what, name, str(bound)), {})
        if look not in row or bound.excess(value) > bound.excess(row[look][0]):
            row[look] = value, bound
    rows = []
    for (what, name, bound), looks in worst.items():
        cells = [_cell(name, *looks[look]) if look in looks else "" for look in LOOKS]
        rows.append([what, _LABELS.get(name, name.replace("_", " ")), bound, *cells])
    return _table(["", "", "wanted", *LOOKS], rows)


def misses(figures):
    """The figures that do not reach their bounds, as (what, name, look, value, bound)."""
    return [found for found in _bounded(figures) if not found[4].holds(found[3])]


def page(figures, stem="demo-pair"):
    """The page as text."""
    text = _INTRODUCTION.format(stem=stem) + _SUMMARY_TEXT + "\n" + _summary(figures)
    text += _SHEET.format(stem=stem)
    text += _MOTION_TEXT + "".join(_motion(figures))
    text += _STILLNESS_TEXT + "\n" + _stillness(figures)
    text += _PICTURE_TEXT + "\n" + _picture(figures)
    text += _MODEL_TEXT.format(processor=figures["processor"])
    return text + "\n" + _model(figures)


def load(page_path):
    return json.loads(_json_path(page_path).read_text())


def save(figures, page_path):
    """Writes the figures, and the page from what was written."""
    _json_path(page_path).write_text(json.dumps(_rounded(figures), indent=1) + "\n")
    page_path.write_text(page(load(page_path), page_path.stem))


def main():
    page_path = Path(sys.argv[1])
    page_path.write_text(page(load(page_path), page_path.stem))


if __name__ == "__main__":
    main()
