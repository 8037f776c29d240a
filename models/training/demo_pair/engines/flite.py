"""Flite's built-in voices; `-psdur` prints where each phone ends."""

import subprocess
import tempfile
from pathlib import Path

from demo_pair.engines.segments import ENGLISH, Utterance, read_wav, segments_until

_TIMEOUT = 60


def speak(text, voice, slower=1.0, pitch=None):
    """One utterance; `slower` stretches its durations, `pitch` is its mean in Hz."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "-psdur", "--setf", f"duration_stretch={slower:.3f}"]
        if pitch is not None:
            command += ["--setf", f"int_f0_target_mean={pitch:.0f}"]
        command += ["-t", text, "-o", str(wav)]
        said = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=True, text=True)
        samples, rate = read_wav(wav)
    ends = [phone.rsplit(":", 1) for phone in said.stdout.split()]
    return Utterance(
        samples, rate, segments_until((float(end), ENGLISH.get(phone, "")) for phone, end in ends)
    )
