"""Full-width Wav2Lip networks with fixed random weights, as a checkpoint that both systems take.

The arithmetic of a network does not depend on its weights, so random ones cost what trained ones
cost. BatchNorm is folded, as exporters leave it: the baseline runs the graph as it is, Duolip runs
what its import makes of it.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MEL_SHAPE, FACE_SHAPE, MOUTH_SHAPE = (1, 80, 16), (6, 96, 96), (3, 96, 96)
_OPSET, _IR_VERSION = 17, 8

# Channels of the blocks; a block begins with a convolution and goes on with residual ones.
FACE_WIDTHS, FACE_RESIDUALS = (16, 32, 64, 128, 256, 512), (0, 2, 3, 2, 2, 1)
DECODER_WIDTHS, DECODER_RESIDUALS = (512, 512, 384, 256, 128, 64), (1, 2, 2, 2, 2, 2)
# Channels, strides and number of residual layers.
AUDIO_BLOCKS = ((32, (1, 1), 2), (64, (3, 1), 2), (128, (3, 3), 2), (256, (3, 2), 1))
BOTTOM = 512


class _Graph:
    """Nodes and weights, one layer after the other."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights = [], []

    def node(self, operator: str, inputs: list[str], **attributes) -> str:
        output = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def _keep(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def layer(self, given, inputs, outputs, kernel=3, stride=(1, 1), padding=1, residual=False,
              transposed=False, activated=True) -> str:  # fmt: skip
        """A convolution with bias; then, where wanted, its input added, and ReLU."""
        fan_in = inputs * kernel**2 / (stride[0] * stride[1] if transposed else 1)
        shape = (inputs, outputs) if transposed else (outputs, inputs)
        weight = self.random.standard_normal((*shape, kernel, kernel))
        weight *= (0.3 if residual else 1) * np.sqrt(2 / fan_in)
        at = len(self.weights)
        names = [self._keep(f"weight_{at}", weight), self._keep(f"bias_{at}", np.zeros(outputs))]
        more = {"output_padding": [side - 1 for side in stride]} if transposed else {}
        value = self.node(
            "ConvTranspose" if transposed else "Conv",
            [given, *names],
            kernel_shape=[kernel] * 2,
            strides=list(stride),
            pads=[padding] * 4,
            **more,
        )
        if residual:
            value = self.node("Add", [value, given])
        return self.node("Relu", [value]) if activated else value

    def residuals(self, value: str, width: int, count: int) -> str:
        for _ in range(count):
            value = self.layer(value, width, width, residual=True)
        return value

    def face_encoder(self, value: str) -> list[tuple[str, int]]:
        """The output of every block, with its channels."""
        channels, found = FACE_SHAPE[0], []
        for block, (width, count) in enumerate(zip(FACE_WIDTHS, FACE_RESIDUALS)):
            if block == 0:
                value = self.layer(value, channels, width, kernel=7, padding=3)
            else:
                value = self.layer(value, channels, width, stride=(2, 2))
            value, channels = self.residuals(value, width, count), width
            found.append((value, width))
        value = self.layer(value, channels, BOTTOM, padding=0)
        return [*found, (self.layer(value, BOTTOM, BOTTOM, kernel=1, padding=0), BOTTOM)]

    def audio_encoder(self, value: str) -> str:
        channels = MEL_SHAPE[0]
        for width, stride, count in AUDIO_BLOCKS:
            value = self.layer(value, channels, width, stride=stride)
            value, channels = self.residuals(value, width, count), width
        value = self.layer(value, channels, BOTTOM, padding=0)
        return self.layer(value, BOTTOM, BOTTOM, kernel=1, padding=0)

    def decoder(self, value: str, skips: list[tuple[str, int]]) -> str:
        value = self.layer(value, BOTTOM, BOTTOM, kernel=1, padding=0)
        channels = BOTTOM
        for block, (width, count) in enumerate(zip(DECODER_WIDTHS, DECODER_RESIDUALS)):
            value, channels = self._joined(value, channels, skips)
            if block == 0:
                value = self.layer(value, channels, width, padding=0, transposed=True)
            else:
                value = self.layer(value, channels, width, stride=(2, 2), transposed=True)
            value, channels = self.residuals(value, width, count), width
        value, channels = self._joined(value, channels, skips)
        value = self.layer(value, channels, 32)
        value = self.layer(value, 32, MOUTH_SHAPE[0], kernel=1, padding=0, activated=False)
        return self.node("Sigmoid", [value])

    def _joined(self, value, channels, skips) -> tuple[str, int]:
        skip, more = skips.pop()
        return self.node("Concat", [value, skip], axis=1), channels + more


def network(seed: int) -> onnx.ModelProto:
    graph = _Graph(seed)
    skips = graph.face_encoder("video_frames")
    value = graph.decoder(graph.audio_encoder("mel_spectrogram"), skips)
    graph.nodes.append(helper.make_node("Identity", [value], ["predicted_frames"]))

    def open_batch(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])

    whole = helper.make_graph(
        graph.nodes,
        "wav2lip",
        [open_batch("mel_spectrogram", MEL_SHAPE), open_batch("video_frames", FACE_SHAPE)],
        [open_batch("predicted_frames", MOUTH_SHAPE)],
        graph.weights,
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=_IR_VERSION)


def write(path: Path, seed: int) -> None:
    onnx.save(network(seed), path)
