"""Measures model folders without the program: a quick look, and the end of a training.

    python -m demo_pair.preview --ruler tests/python/lipsync_ruler.json models/demo/gan

A small renderer of its own stands in for the program: the same mel windows, crop
and paste, but no MP4. What counts is measured by `evaluate`.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime

from demo_pair.avatar import FACE_BOX, REST, draw_anna
from demo_pair.mel import (
    SILENCE,
    WINDOW_STEPS,
    mel_from_pcm,
    pad_to_frames,
    resample_to_16k,
    window_starts,
)
from demo_pair.motion import agreement
from demo_pair.paste import Paste, face_crop, face_input
from demo_pair.recordings import espeak_recording
from demo_pair.ruler import Ruler

_BATCH = 16


def painted_mouths(folder, recording, photo):
    """The network's crop for silence, then for each video frame, (96, 96, 3), 0..255 BGR."""
    session = onnxruntime.InferenceSession(
        folder / "lipsync.onnx", providers=["CPUExecutionProvider"]
    )
    frames = len(recording.mouths)
    mel = mel_from_pcm(resample_to_16k(recording.samples, recording.sample_rate))
    mel = pad_to_frames(mel, frames)
    spoken = [mel[:, s : s + WINDOW_STEPS] for s in window_starts(frames)]
    windows = np.stack([np.full_like(spoken[0], SILENCE), *spoken])[:, None]
    face = face_input(face_crop(photo, FACE_BOX))[None]
    for start in range(0, len(windows), _BATCH):
        part = windows[start : start + _BATCH]
        faces = np.repeat(face, len(part), axis=0)
        feeds = {"mel_spectrogram": part, "video_frames": faces}
        yield from session.run(None, feeds)[0].transpose(0, 2, 3, 1) * 255


def previewed(folder, recording, ruler):
    """The agreement of a model folder's mouths, pasted into Anna's photo."""
    photo = draw_anna(REST)
    mouths = painted_mouths(folder, recording, photo)
    paste = Paste(photo, FACE_BOX, next(mouths))
    lips = np.stack([ruler.area.of(paste.pasted(mouth)) for mouth in mouths])
    return agreement(ruler.measure(lips), recording.mouths)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--ruler", type=Path, required=True)
    arguments = parser.parse_args()
    ruler = Ruler.load(arguments.ruler)
    for folder in arguments.models:
        for language in ("ru", "en"):
            spoken = espeak_recording(language, sentences_each=1)
            measured = asdict(previewed(folder, spoken, ruler))
            figures = "  ".join(f"{name} {value:.3f}" for name, value in measured.items())
            print(f"{folder.name} {language}: {figures}", flush=True)


if __name__ == "__main__":
    main()
