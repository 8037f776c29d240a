"""Writes an encoder and a painter as a lip-sync model folder: lipsync.onnx and manifest.toml.

The two come from files of their own, so that a better encoder can be put before a
painter that is already trained. The weights are stored as fp16 and widened when the
graph is loaded: half the file, the same arithmetic.

With `--checkpoint` the same network is also written the way Wav2Lip's own checkpoints
are, for whatever reads those.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from demo_pair.network import unfolded
from demo_pair.train_pair import joined

INPUTS = ("mel_spectrogram", "video_frames")
OUTPUT = "predicted_frames"
OPSET = 17
MOST_BYTES = 5_000_000
_HALVED_FROM = 256  # smaller tensors, the biases, stay fp32
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


def _halve_weights(model):
    """Stores large weights as fp16, each with a Cast back to fp32 before its use."""
    graph = model.graph
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < _HALVED_FROM:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_fp16"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


@torch.no_grad()
def _round_weights(network):
    """What fp16 storage does to the weights."""
    for parameter in network.parameters():
        if parameter.numel() >= _HALVED_FROM:
            parameter.copy_(parameter.half().float())


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


def export(look, encoder, painter, output, seed, checkpoint=None):
    network = unfolded(joined(encoder, painter))
    _round_weights(network)
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
    model = onnx.load(path)
    _halve_weights(model)
    onnx.save(model, path)
    _check(path, network)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = _MANIFEST.format(look=look, seed=seed, sha256=sha256)
    (output / "manifest.toml").write_text(manifest)
    if checkpoint:
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        torch.save({"state_dict": state, "global_step": 0, "global_epoch": 0}, checkpoint)
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("look", choices=("gan", "nogan"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, help="default: audio.pt in the work folder")
    parser.add_argument("--painter", type=Path, help="default: that of the look, else painter.pt")
    parser.add_argument("--checkpoint", type=Path, help="also write a .pth like Wav2Lip's")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    work = arguments.work
    of_look = work / f"{arguments.look}.pt"
    export(
        arguments.look,
        arguments.encoder or work / "audio.pt",
        arguments.painter or (of_look if of_look.exists() else work / "painter.pt"),
        arguments.output,
        arguments.seed,
        arguments.checkpoint,
    )


if __name__ == "__main__":
    main()
