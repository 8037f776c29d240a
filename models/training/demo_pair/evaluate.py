"""Measures a pair in MP4s that the program renders, and writes docs/demo-pair.md.

    python -m demo_pair.evaluate --pair models/demo --output docs/demo-pair.md

The figures go to a JSON file beside the page, and the page is made from that
file alone (`table.py`). Needs the built program, ffmpeg and libespeak-ng.
"""

import argparse
import hashlib
import pickle
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from demo_pair import table
from demo_pair.avatar import GALLERY, held_out_avatar
from demo_pair.calibrate import fitted_ruler
from demo_pair.clips import VOICES
from demo_pair.contact_sheet import contact_sheet, frames_of_sounds, shown_area
from demo_pair.drawn import Sitter
from demo_pair.edge import Rings, colour_step, texture_step
from demo_pair.motion import agreement, agreement_by_voice
from demo_pair.mouth_area import lips_area
from demo_pair.recordings import (
    brief_recording,
    engine_recording,
    espeak_recording,
    stillness_recording,
)
from demo_pair.sharpness import gradient_ratio, ssim
from demo_pair.speed import mouths_per_second
from demo_pair.steadiness import jitter, movement_by_sound, movement_in_speech
from demo_pair.video import LOOKS, ROOT, Program, decode, encode

DEFAULT_AVATAR = "anna"
HELD_OUT_AVATARS = 3
DRAWN, THROUGH_96_PIXELS = "drawing", "drawing at 96 px"
_PICTURES = 300  # frames of a video whose sharpness and edges are measured


class Bench:
    """The folder of an evaluation: what was made there once is not made again."""

    def __init__(self, work, pair, voices):
        self.work, self.voices = work, voices
        self.program = Program(pair.resolve())
        self.recordings = self._kept("recordings", self._speak)

    def _kept(self, name, make):
        path = self.work / f"{name}.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
        return pickle.loads(path.read_bytes())

    def _speak(self):
        engines = [engine_recording(folder) for folder in sorted(self.voices.iterdir())]
        return {
            "whole": [espeak_recording("ru"), espeak_recording("en"), *engines],
            "brief": brief_recording(),
            "still": stillness_recording(),
        }

    def ruler(self, avatar):
        mouths = np.concatenate([spoken.mouths for spoken in self.recordings["whole"]])
        return self._kept(f"ruler-{avatar.name}", lambda: fitted_ruler(avatar, mouths))

    def drawn(self, sitter, name, photos):
        """The brief recording as a video of drawings."""
        output = self.work / f"{sitter.avatar.name}-{name}.mp4"
        if not output.exists():
            encode(photos, output.with_suffix(".part.mp4"))
            output.with_suffix(".part.mp4").rename(output)
        return output

    def rendered(self, sitter, recording, look):
        name = f"{recording.name}-{recording.language}".replace(" ", "-").replace(",", "")
        audio = self.work / f"{name}.wav"
        if not audio.exists():
            recording.write(audio)
        folder = sitter.write(self.work / sitter.avatar.name)
        output = self.work / f"{sitter.avatar.name}-{name}-{look}.mp4"
        return self.program.render(look, audio, folder, output)


def _sample(frames):
    return frames[:: max(1, len(frames) // _PICTURES)]


def _motion(avatar, look, recording, measured):
    voices = agreement_by_voice(measured, recording)
    worst = min(voices, key=lambda voice: voices[voice].opening)
    return {
        "avatar": avatar.name,
        "look": look,
        "engine": recording.name,
        "language": recording.language,
        **asdict(agreement(measured, recording.mouths)),
        "worst_voice": worst,
        "worst_opening": voices[worst].opening,
        "worst_width": min(voice.width for voice in voices.values()),
    }


def _picture(avatar, look, video, truth, lips, rings):
    painted, drawn = decode(video, lips), decode(truth, lips)
    edge, drawn_edge = _sample(decode(video, rings.area)), _sample(decode(truth, rings.area))
    mean_step, worst_step = colour_step(rings, edge, drawn_edge)
    return {
        "avatar": avatar.name,
        "look": look,
        "gradient": gradient_ratio(_sample(painted), _sample(drawn)),
        "ssim": ssim(_sample(painted), _sample(drawn)),
        "colour_step": worst_step,
        "mean_colour_step": mean_step,
        "texture_step": texture_step(rings, edge, drawn_edge),
        "jitter": jitter(painted, drawn),
    }


def _measure_avatar(bench, avatar, figures):
    """Adds the figures of one avatar; returns what the contact sheet needs."""
    sitter, (ruler, correlations) = Sitter(avatar), bench.ruler(avatar)
    figures["ruler"][avatar.name] = correlations
    lips, rings = lips_area(avatar), Rings.of(avatar)
    brief, still = bench.recordings["brief"], bench.recordings["still"]
    truth = bench.drawn(sitter, DRAWN, sitter.photos(brief.mouths))
    small = bench.drawn(sitter, "96", map(sitter.photo_through_96_pixels, brief.mouths))
    videos = {DRAWN: truth, THROUGH_96_PIXELS: small}
    videos |= {look: bench.rendered(sitter, brief, look) for look in LOOKS}
    for look, video in videos.items():
        measured = ruler.measure(decode(video, ruler.area))
        figures["motion"].append(_motion(avatar, look, brief, measured))
        if look != DRAWN:
            figures["picture"].append(_picture(avatar, look, video, truth, lips, rings))
    for look in LOOKS:
        spoken = movement_in_speech(decode(videos[look], ruler.area), brief.mouths)
        silent = decode(bench.rendered(sitter, still, look), ruler.area)
        shares = {sound: m / spoken for sound, m in movement_by_sound(silent, still).items()}
        figures["stillness"].append({"avatar": avatar.name, "look": look, **shares})
        if avatar.name == DEFAULT_AVATAR:
            for recording in bench.recordings["whole"]:
                video = bench.rendered(sitter, recording, look)
                measured = ruler.measure(decode(video, ruler.area))
                figures["motion"].append(_motion(avatar, look, recording, measured))
    return {look: decode(videos[look], shown_area(lips)) for look in (*LOOKS, DRAWN)}


def _sheet(bench, videos, output):
    at = frames_of_sounds(bench.recordings["brief"])
    rows = [
        (f"{avatar}\n{look}", [frames[frame] for frame in at.values()])
        for avatar, looks in videos.items()
        for look, frames in looks.items()
    ]
    contact_sheet(rows, list(at), output)


def evaluate(bench, avatars, page):
    pair = bench.program.pair
    figures = {"model": {}, "ruler": {}, "motion": [], "stillness": [], "picture": []}
    for look in LOOKS:
        graph = pair / look / "lipsync.onnx"
        figures["processor"], rate = mouths_per_second(bench.program, pair / look)
        figures["model"][look] = {
            "sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
            "bytes": graph.stat().st_size,
            "mouths_per_second": rate,
        }
    videos = {}
    for avatar in avatars:
        videos[avatar.name] = _measure_avatar(bench, avatar, figures)
        print(f"measured {avatar.name}", flush=True)
    # On the sheet: the default avatar and the first that was never trained.
    shown = dict.fromkeys([next(iter(videos)), next((n for n in videos if n not in GALLERY), None)])
    _sheet(bench, {n: videos[n] for n in shown if n}, page.with_name(f"{page.stem}-sheet.png"))
    table.save(figures, page)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", type=Path, default=ROOT / "models/demo")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/demo-pair.md")
    parser.add_argument("--work", type=Path, help="keeps drawings, speech and videos there")
    parser.add_argument("--voices", type=Path, default=VOICES, help="clips of engines never heard")
    parser.add_argument("--avatars", nargs="*", help="of the gallery, or held-out-<number>")
    arguments = parser.parse_args()
    held_out = [held_out_avatar(number) for number in range(HELD_OUT_AVATARS)]
    known = GALLERY | {avatar.name: avatar for avatar in held_out}
    avatars = [known[name] for name in arguments.avatars or known]
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        bench = Bench(work, arguments.pair, arguments.voices)
        evaluate(bench, avatars, arguments.output)
    print(table.page(table.load(arguments.output)))


if __name__ == "__main__":
    main()
