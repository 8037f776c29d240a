"""What both systems are given: speech of any length, and the two pairs of networks."""

import re
import subprocess
from pathlib import Path

from compare.systems import BASELINE, LOOKS, OURS, ROOT, Pair

_SENTENCES = (
    "The quick brown fox jumps over the lazy dog. Peter Piper picked a peck of pickled peppers, "
    "and nobody knows why. We walk by the river before the bakery opens. "
)


def speech(folder: Path, seconds: int) -> Path:
    """Mono WAV at 16 kHz, exactly as long."""
    wav = folder / f"speech-{seconds}.wav"
    if not wav.exists():
        spoken, part = folder / "spoken.wav", folder / "speech.part.wav"
        text = _SENTENCES * (2 + seconds // 8)
        subprocess.run(
            ["espeak-ng", "-v", "en-us", "--stdin", "-w", spoken], input=text.encode(), check=True
        )
        cut = ["-t", str(seconds), "-ac", "1", "-ar", "16000", part]
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", spoken, *cut], check=True)
        expected = seconds * 16_000 * 2
        if part.stat().st_size < expected:
            raise RuntimeError(f"the speech is shorter than {seconds} s")
        part.rename(wav)
    return wav


def demo_pair() -> Pair:
    graphs = {look: ROOT / "models/demo" / look / "lipsync.onnx" for look in LOOKS}
    return Pair("demo", graphs, {look: graph.parent for look, graph in graphs.items()})


def full_pair(folder: Path, duolip: Path, env: dict) -> tuple[Pair, dict[str, float]]:
    """Full-width networks, and the billions of multiply-adds that a mouth costs each system, as
    the import counts them. Made anew for every run: what an import makes depends on the program."""
    folder.mkdir()
    graphs = {look: folder / f"{look}.onnx" for look in LOOKS}
    models = {look: folder / look for look in LOOKS}
    for look in LOOKS:
        write = [duolip, "bench", "random-network", "--look", look, "--output", graphs[look]]
        subprocess.run(write, check=True, env=env, cwd=folder)
        licence = ["--look", look, "--licence", "none: random weights"]
        command = [duolip, "import-model", graphs[look], *licence, "--output", models[look]]
        said = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=env, cwd=folder
        ).stdout
    work = re.search(r"^work +([\d.]+) to ([\d.]+) billion multiply-adds", said, re.MULTILINE)
    return Pair("full", graphs, models), {BASELINE: float(work[1]), OURS: float(work[2])}
