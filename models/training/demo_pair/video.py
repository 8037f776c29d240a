"""MP4s: made by the program under test, or of drawings by the same encoder settings; and read."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo_pair.mouth_track import VIDEO_RATE

ROOT = Path(__file__).resolve().parents[3]
LOOKS = ("gan", "nogan")

# Those of crates/duolip-media/src/encode.rs.
_ENCODER = "-an -c:v libx264 -pix_fmt yuv420p -preset veryfast -crf 18 -threads 1".split()
_ENCODER += f"-bf 0 -sc_threshold 0 -g {2 * VIDEO_RATE} -flags +cgop+bitexact".split()
_COLOURS = "-color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709".split()


@dataclass(frozen=True)
class Program:
    """The command line under test, with a pair of model folders `pair/gan` and `pair/nogan`."""

    pair: Path

    @property
    def binary(self):
        built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug/duolip")
        return Path(os.environ.get("DUOLIP_BIN", built))

    def render(self, looks, audio, avatar, output, chunks=1):
        """Renders speech with these looks, in this order; `avatar` is a name or a folder."""
        arguments = ["render", "--audio", audio, "--avatar", avatar, "--models", looks]
        for look in LOOKS:
            arguments += [f"--checkpoint-{look}", self.pair / look]
        self.run(*arguments, "--num-workers", str(chunks), "--output", output)
        return output

    def run(self, *arguments):
        """What the program says on stdout."""
        command = [self.binary, *arguments]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise RuntimeError(f"{self.binary} ended with {ended.returncode}: {ended.stderr}")
        return ended.stdout


def _yuv420_from_bgr(photo):
    """BT.709, limited range, chroma averaged over 2x2, as crates/duolip-pipeline does it."""
    blue, green, red = np.moveaxis(photo.astype(np.float32), 2, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    planes = [16 + luma * 219 / 255]
    for colour, weight in ((blue, 0.0722), (red, 0.2126)):
        chroma = (colour - luma) / (2 * (1 - weight)) * 224 / 255
        height, width = chroma.shape
        planes.append(128 + chroma.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)))
    return b"".join(np.rint(plane).astype(np.uint8).tobytes() for plane in planes)


def encode(photos, output):
    """Writes BGR photos as an MP4, with the program's encoder settings."""
    photos = iter(photos)
    first = next(photos)
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s"]
    command += [f"{first.shape[1]}x{first.shape[0]}", "-r", str(VIDEO_RATE), *_COLOURS, "-i", "-"]
    command += [*_ENCODER, *_COLOURS, output]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        encoder.stdin.write(_yuv420_from_bgr(first))
        for photo in photos:
            encoder.stdin.write(_yuv420_from_bgr(photo))
        encoder.stdin.close()
    if encoder.returncode != 0:
        raise RuntimeError(f"ffmpeg ended with status {encoder.returncode}")
    return output


def decode(video, area):
    """This area of every frame of an MP4, (N, height, width, 3) BGR."""
    cut = f"crop={area.width}:{area.height}:{area.left}:{area.top}:exact=1"
    command = ["ffmpeg", "-v", "error", "-i", video, "-vf", cut, "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    decoded = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(decoded, np.uint8).reshape(-1, area.height, area.width, 3)
