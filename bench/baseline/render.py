"""Speech → chunks → MP4s → one MP4, and how long each step took."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from demo_pair.mel import SAMPLE_RATE, mel_from_pcm
from pydub import AudioSegment

from baseline.avatar import Avatar
from baseline.chunks import cut, mel_windows, number_of_chunks
from baseline.painter import Painter

X264 = "-c:v libx264 -preset ultrafast -tune zerolatency -crf 23 -g 60 -bf 0 -pix_fmt yuv420p"
AAC = "-c:a aac -b:a 128k -shortest -movflags +faststart"


@contextmanager
def clocked(times: Counter, step: str) -> Iterator[None]:
    """Adds the milliseconds that the block takes."""
    begin = time.perf_counter()
    yield
    times[step] += (time.perf_counter() - begin) * 1000


def run_ffmpeg(arguments: list) -> None:
    command = ["ffmpeg", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def render_chunk(wav: Path, painter: Painter, avatar: Avatar) -> tuple[Path, Counter]:
    """The whole pipeline for one piece of speech."""
    times, output = Counter(), wav.with_suffix(".mp4")
    with clocked(times, "total"):
        with clocked(times, "mel"):
            samples = AudioSegment.from_wav(wav).get_array_of_samples()
            mel = mel_from_pcm(np.array(samples, np.float32) / 32768)
            windows = mel_windows(mel, avatar.frame_rate)
        height, width = avatar.photo.shape[:2]
        command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24"]
        command += ["-s", f"{width}x{height}", "-r", str(avatar.frame_rate), "-i", "-", "-i", wav]
        command += [*X264.split(), *AAC.split(), output]
        with clocked(times, "encode"):
            encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
        with encoder:
            for start in range(0, len(windows), painter.batch_size):
                with clocked(times, "lip_sync"):
                    batch = windows[start : start + painter.batch_size]
                    mouths = painter.paint(batch, avatar.face)
                for mouth in mouths:
                    with clocked(times, "paste"):
                        frame = avatar.with_mouth(mouth)
                    with clocked(times, "encode"):
                        encoder.stdin.write(frame)
            with clocked(times, "encode"):
                encoder.stdin.close()
                encoder.wait()
        if encoder.returncode != 0:
            raise RuntimeError(f"the encoder ended with status {encoder.returncode}")
    return output, times


def render(audio: Path, painters: dict[str, Painter], avatar: Avatar) -> tuple[Path, dict]:
    """Writes `video.mp4` beside the audio; returns it and the milliseconds of every step."""
    times, folder = Counter(), audio.parent
    with clocked(times, "total"):
        with clocked(times, "convert"):
            speech = AudioSegment.from_file(audio).set_frame_rate(SAMPLE_RATE)
            speech = speech.set_channels(1).set_sample_width(2)
        with clocked(times, "split"):
            pieces = cut(speech, number_of_chunks(speech.duration_seconds, len(painters)))
            wavs = [folder / f"chunk-{index}.wav" for index in range(len(pieces))]
            for piece, wav in zip(pieces, wavs):
                piece.export(wav, format="wav")
        names = [list(painters)[index % len(painters)] for index in range(len(wavs))]
        with clocked(times, "render"), ThreadPoolExecutor(len(painters)) as pool:
            chosen = (painters[name] for name in names)
            chunks = list(
                pool.map(lambda wav, painter: render_chunk(wav, painter, avatar), wavs, chosen)
            )
        with clocked(times, "concat"):
            videos = [video for video, _ in chunks]
            video = videos[0] if len(videos) == 1 else joined(videos, folder / "video.mp4")
    details = [{"model": name, **spent} for name, (_, spent) in zip(names, chunks)]
    return video, {**times, "chunks": details}


def joined(videos: list[Path], output: Path) -> Path:
    listed = output.with_suffix(".txt")
    listed.write_text("".join(f"file '{video.resolve()}'\n" for video in videos))
    copy = ["-c", "copy", "-movflags", "+faststart", output]
    run_ffmpeg(["-f", "concat", "-safe", "0", "-i", listed, *copy])
    return output
