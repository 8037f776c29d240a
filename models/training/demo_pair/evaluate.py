"""Runs the lip-sync checker on model folders without the Duolip binary.

A small renderer of its own stands in for it: the same mel windows, crop and
feather mask, onnxruntime and ffmpeg.

    python -m demo_pair.evaluate models/demo/gan models/demo/nogan
"""

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

from demo_pair.avatar import FACE_BOX, PHOTO_SIZE, REST, draw_anna
from demo_pair.mel import (
    SAMPLE_RATE,
    WINDOW_STEPS,
    mel_from_pcm,
    pad_to_frames,
    resample_to_16k,
    window_starts,
)
from demo_pair.mouth_track import VIDEO_RATE
from demo_pair.paste import face_crop, face_input, pasted

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests/python"))

import lipsync  # noqa: E402

BATCH = 16


def _samples_at_16k(path):
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        return resample_to_16k(pcm, file.getframerate())


def painted_mouths(folder, samples):
    """The network's crop for each video frame of the speech, (N, 96, 96, 3), 0..255 BGR."""
    session = onnxruntime.InferenceSession(
        folder / "lipsync.onnx", providers=["CPUExecutionProvider"]
    )
    frames = int(np.ceil(round(len(samples) / SAMPLE_RATE * VIDEO_RATE, 3)))
    mel = pad_to_frames(mel_from_pcm(samples), frames)
    windows = np.stack([mel[:, s : s + WINDOW_STEPS] for s in window_starts(frames)])[:, None]
    face = face_input(face_crop(draw_anna(REST), FACE_BOX))[None]
    for start in range(0, frames, BATCH):
        part = windows[start : start + BATCH]
        faces = np.repeat(face, len(part), axis=0)
        feeds = {"mel_spectrogram": part, "video_frames": faces}
        yield from session.run(None, feeds)[0].transpose(0, 2, 3, 1) * 255


def render(model, audio, output):
    """Makes an MP4 as `duolip render` would."""
    photo = draw_anna(REST)
    size = f"{PHOTO_SIZE}x{PHOTO_SIZE}"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", size]
    command += ["-r", str(VIDEO_RATE), "-i", "-", "-c:v", "libx264", "-preset", "veryfast"]
    command += ["-pix_fmt", "yuv420p", output]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        for painted in painted_mouths(Path(model), _samples_at_16k(audio)):
            encoder.stdin.write(pasted(photo, FACE_BOX, painted).tobytes())
        encoder.stdin.close()
    if encoder.returncode != 0:
        raise RuntimeError(f"ffmpeg ended with status {encoder.returncode}")


if __name__ == "__main__":
    print(lipsync.table({Path(m).name: lipsync.measure(m, render) for m in sys.argv[1:]}))
