"""An exported model taken apart again, so that training can go on where a shipped pair stands.

    python -m demo_pair.reopened models/demo/gan --work DIR

writes DIR/encoder.pt and DIR/painter.pt: the halves of the network without BatchNorm.
`train_audio --encoder` goes on from the one, `export` and `train_pair` from the other. What
fp16 storage rounded off their weights is lost.
"""

import argparse
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from demo_pair.network import LipSync, Widths, fold_batch_norm

_AUDIO = "audio_encoder."


def _stored(graph):
    """Every constant of the graph by the name under which a node reads it."""
    values = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]].astype("float32")
    return values


def _module_name(node):
    """The module a convolution was exported from: the graph keeps it as a path of scopes."""
    scopes = node.name.split("/")
    return f"{scopes[-4]}.{scopes[-2]}" if scopes[-2] == "conv_block.0" else scopes[-2]


def state_of(path):
    """The `state_dict` of the folded network in an exported lipsync.onnx."""
    graph = onnx.load(path).graph
    values, state = _stored(graph), {}
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            _, weight, bias = node.input
            state[f"{_module_name(node)}.weight"] = torch.tensor(values[weight])
            state[f"{_module_name(node)}.bias"] = torch.tensor(values[bias])
    return state


def reopened(path):
    """The network of an exported lipsync.onnx, its BatchNorms folded away."""
    state = state_of(path)
    network = LipSync(Widths.hearing_as(_of_encoder(state)))
    fold_batch_norm(network)
    network.load_state_dict(state)
    return network.eval()


def _of_encoder(state):
    return {k.removeprefix(_AUDIO): v for k, v in state.items() if k.startswith(_AUDIO)}


def halves(network):
    """The encoder's and the painter's part of a network's state."""
    state = network.state_dict()
    painter = {name: value for name, value in state.items() if not name.startswith(_AUDIO)}
    return _of_encoder(state), painter


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the folder of an exported model")
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    encoder, painter = halves(reopened(arguments.model / "lipsync.onnx"))
    torch.save(encoder, arguments.work / "encoder.pt")
    torch.save(painter, arguments.work / "painter.pt")


if __name__ == "__main__":
    main()
