"""The contact sheet: mouths under their sounds, painted by both models, the drawing below."""

import subprocess

import cairo
import numpy as np

from demo_pair.avatar import write_png
from demo_pair.espeak import Phoneme
from demo_pair.mouth_area import Area
from demo_pair.mouth_track import VIDEO_RATE, mouth_track

# Label: the IPA symbols that espeak-ng may write for it.
SHOWN = {
    "a": "aɑ", "o": "oɔ", "u": "uʊ", "i": "i", "e": "eɛ",
    "m": "m", "f": "fv", "s": "sz", "ʃ": "ʃʂ", "l": "lɭʎɫ", "w": "w",
}  # fmt: skip
_ABOVE, _BELOW, _BESIDE = 70, 92, 84  # pixels round the middle of the lips
_LABELS, _HEADING = 96, 30


def _held(symbol):
    """The mouth of a sound that is held for a second."""
    return mouth_track([Phoneme(0, symbol), Phoneme(1, "_")], 1)[VIDEO_RATE // 2]


def frames_of_sounds(recording):
    """For each label the frame in which the true mouth comes nearest to it, where it is longest.

    Labels that are never spoken are left out.
    """
    longest = {}  # label: seconds, frames
    ends = [start for start, _ in recording.sounds[1:]] + [recording.sounds[-1][0]]
    for (start, ipa), end in zip(recording.sounds, ends):
        for label, symbols in SHOWN.items():
            if ipa[:1] and ipa[0] in symbols:
                if end - start > longest.get(label, (0,))[0]:
                    frames = range(int(start * VIDEO_RATE), int(end * VIDEO_RATE) + 1)
                    longest[label] = end - start, frames
    return {
        label: min(
            longest[label][1], key=lambda at: np.abs(recording.mouths[at] - _held(symbols[0])).sum()
        )
        for label, symbols in SHOWN.items()
        if label in longest
    }


def shown_area(lips):
    """What the sheet shows of a photo whose lips are in this area."""
    x, y = (lips.left + lips.right) // 2 & ~1, (lips.top + lips.bottom) // 2 & ~1
    return Area(x - _BESIDE, y - _ABOVE, x + _BESIDE, y + _BELOW)


def _with_text(sheet, texts):
    height, width, _ = sheet.shape
    pixels = np.full((height, width, 4), 255, np.uint8)
    pixels[:, :, :3] = sheet
    surface = cairo.ImageSurface.create_for_data(pixels, cairo.FORMAT_RGB24, width, height)
    canvas = cairo.Context(surface)
    canvas.select_font_face("sans-serif")
    for x, y, size, text in texts:
        canvas.set_font_size(size)
        canvas.move_to(x, y)
        canvas.show_text(text)
    surface.flush()
    return pixels[:, :, :3]


def contact_sheet(rows, labels, output):
    """Writes a PNG: `rows` is (text, [picture for each label]); pictures are BGR."""
    height, width, _ = rows[0][1][0].shape
    sheet = np.full(
        (_HEADING + len(rows) * height, _LABELS + len(labels) * width, 3), 255, np.uint8
    )
    texts = [
        (_LABELS + k * width + width // 2 - 6, 22, 20, label) for k, label in enumerate(labels)
    ]
    for r, (text, pictures) in enumerate(rows):
        top = _HEADING + r * height
        sheet[top : top + height, _LABELS:] = np.concatenate(pictures, axis=1)
        for line, word in enumerate(text.split("\n")):
            texts.append((6, top + height // 2 + 16 * line, 14, word))
    whole = output.with_suffix(".whole.png")
    write_png(str(whole), np.ascontiguousarray(_with_text(sheet, texts)))
    # 256 colours are enough for the sheet, at a third of the size.
    palette = (
        "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=dither=floyd_steinberg"
    )
    command = ["ffmpeg", "-v", "error", "-y", "-i", whole, "-vf", palette, output]
    subprocess.run(command, check=True)
    whole.unlink()
