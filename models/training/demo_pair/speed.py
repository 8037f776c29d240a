"""How many mouths a second the program paints with a model, on two threads of the CPU."""

import re
import subprocess

THREADS = 2
# What `duolip bench lipsync` calls the part that the program paints by itself, after what it does
# where the processor has no vector instructions that it knows.
_PAINTERS = ("feathered rectangle", "feathered chain")


def mouths_per_second(program, folder):
    """The processor's name and the median of some rounds."""
    command = [program.binary, "bench", "lipsync", folder / "lipsync.onnx"]
    command += ["--intra-op-threads", str(THREADS)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"{program.binary} ended with {ended.returncode}: {ended.stderr}")
    rates = {}
    for painter in _PAINTERS:
        row = re.search(rf"^{painter} +[\d.]+ +[\d.]+ +([\d.]+)", ended.stdout, re.MULTILINE)
        if row:
            rates[painter] = float(row[1])
    if not rates:
        raise RuntimeError(f"no rate of {_PAINTERS} in: {ended.stdout}")
    return ended.stdout.split(",")[0], rates[max(rates, key=_PAINTERS.index)]
