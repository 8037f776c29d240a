"""Writes a trained network as a lip-sync model folder: lipsync.onnx and manifest.toml."""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from demo_pair.network import LipSync, fold_batch_norm, unfolded
from demo_pair.train_pair import joined

INPUTS = ("mel_spectrogram", "video_frames")
OUTPUT = "predicted_frames"
OPSET = 17
MOST_BYTES = 5_000_000
_MANIFEST = """\
name = "demo-{look}"
look = "{look}"
input_size = 96
mel = "wav2lip"
licence = "MIT"
source = "trained from scratch by models/training (seed {seed}); synthetic speech, drawn faces"

[files]
"lipsync.onnx" = "{sha256}"
"""


def _load(work, look):
    """The trained network of a look; before its stage has begun, that of the first two stages."""
    state = work / f"{look}.pt"
    if not state.exists():
        return joined(work)
    network = LipSync()
    fold_batch_norm(network)
    network.load_state_dict(torch.load(state))
    return network


def _check(path, network):
    """The graph is valid, small, and gives what the network gives, for any batch size."""
    onnx.checker.check_model(onnx.load(path))
    if path.stat().st_size > MOST_BYTES:
        raise RuntimeError(f"{path} is larger than {MOST_BYTES} bytes")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        mel, face = torch.randn(count, 1, 80, 16), torch.rand(count, 6, 96, 96)
        with torch.no_grad():
            expected = network(mel, face).numpy()
        feeds = dict(zip(INPUTS, (mel.numpy(), face.numpy())))
        difference = np.abs(session.run([OUTPUT], feeds)[0] - expected).max()
        if difference > 1e-4:
            raise RuntimeError(f"{path} differs from the network by {difference}")


def export(work, look, output, seed):
    network = unfolded(_load(work, look))
    output.mkdir(parents=True, exist_ok=True)
    path = output / "lipsync.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(2, 1, 80, 16), torch.zeros(2, 6, 96, 96)),
        path,
        opset_version=OPSET,
        input_names=list(INPUTS),
        output_names=[OUTPUT],
        dynamic_axes={name: {0: "N"} for name in (*INPUTS, OUTPUT)},
        dynamo=False,
    )
    _check(path, network)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = _MANIFEST.format(look=look, seed=seed, sha256=sha256)
    (output / "manifest.toml").write_text(manifest)
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("look", choices=("gan", "nogan"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    export(arguments.work, arguments.look, arguments.output, arguments.seed)


if __name__ == "__main__":
    main()
