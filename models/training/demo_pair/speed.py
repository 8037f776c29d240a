"""How many mouths a second the program paints with a model, on two threads of the CPU."""

import re

_THREADS = "2"
# What `duolip bench lipsync` calls the part that the program paints by itself; then what it does
# where the processor has no vector instructions that it knows.
_PAINTERS = ("feathered chain", "feathered rectangle")


def mouths_per_second(program, folder):
    """The processor's name and the median of some rounds."""
    graph = folder / "lipsync.onnx"
    said = program.run("bench", "lipsync", graph, "--intra-op-threads", _THREADS)
    for painter in _PAINTERS:
        row = re.search(rf"^{painter} +[\d.]+ +[\d.]+ +([\d.]+)", said, re.MULTILINE)
        if row:
            return said.split(",")[0], float(row[1])
    raise RuntimeError(f"no rate of {_PAINTERS} in: {said}")
