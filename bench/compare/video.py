"""What can be measured in an MP4: length, freezes, and whether two show the same mouths."""

import json
import subprocess
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from compare.systems import AVATAR, ROOT

FRAME_RATE = 25
# Frames that both systems paint alike: in the first chunk, and away from its seam.
_COMPARED = slice(5, 100, 5)


def _probe(video: Path, entries: str, stream: str) -> dict:
    command = ["ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", entries]
    said = subprocess.run([*command, "-of", "json", video], check=True, capture_output=True)
    return json.loads(said.stdout)


@dataclass(frozen=True)
class Soundness:
    """What of the speech is missing in the pictures and in the sound, and the longest freeze: how
    much longer than its turn a picture is shown before the next comes. Milliseconds."""

    frames: int
    speech_lost_ms: float
    audio_lost_ms: float
    seam_freeze_ms: float

    @classmethod
    def of(cls, video: Path, speech_seconds: float) -> dict:
        packets = _probe(video, "packet=pts_time", "v")["packets"]
        shown = np.sort([float(packet["pts_time"]) for packet in packets])
        (audio,) = _probe(video, "stream=duration", "a")["streams"]
        freeze = np.diff(shown).max(initial=1 / FRAME_RATE) - 1 / FRAME_RATE
        pictures = len(shown) / FRAME_RATE
        # To the nearest tenth: time stamps are rounded.
        return asdict(
            cls(
                len(shown),
                round(max(0.0, speech_seconds - pictures) * 1000, 1),
                round(max(0.0, speech_seconds - float(audio["duration"])) * 1000, 1),
                round(max(0.0, float(freeze)) * 1000, 1),
            )
        )


def mouth_difference(one: Path, other: Path) -> float:
    """Mean difference, of 255, between two videos in the middle of the mouth, where a painted
    mouth covers the photo whole, whatever its edge is."""
    described = tomllib.loads((ROOT / "avatars" / AVATAR / "avatar.toml").read_text())
    box = described["face_box"]
    width, height = box["right"] - box["left"], box["bottom"] - box["top"]
    left, top = box["left"] + int(0.3 * width), box["top"] + int(0.66 * height)
    area = (left, top, int(0.4 * width), int(0.2 * height))
    first, second = (_decoded(video, area)[_COMPARED].astype(int) for video in (one, other))
    return float(np.abs(first - second).mean())


def _decoded(video: Path, area: tuple[int, int, int, int]) -> np.ndarray:
    """A part (left, top, width, height) of the first frames, BGR."""
    left, top, width, height = area
    command = ["ffmpeg", "-v", "error", "-i", video, "-fps_mode", "passthrough"]
    command += ["-frames:v", str(_COMPARED.stop)]
    command += ["-vf", f"crop={width}:{height}:{left}:{top}:exact=1"]
    command += ["-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    decoded = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(decoded, np.uint8).reshape(-1, height, width, 3)
