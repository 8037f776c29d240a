"""Wav2Lip's topology with narrow layers.

The blocks, their order and every `state_dict` name are those of Wav2Lip
(`models/wav2lip.py`), so whatever loads an official checkpoint loads this one;
only the widths are cut, to 2.4 million parameters (under 5 MB in fp16).
"""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Widths:
    """Channels of each part, in the order the data flows through it."""

    face: tuple[int, ...] = (16, 24, 32, 40, 48, 88)
    audio: tuple[int, ...] = (24, 48, 128, 224, 96)
    decoder: tuple[int, ...] = (88, 88, 88, 64, 40, 24, 16)
    output: int = 12

    @classmethod
    def hearing_as(cls, encoder):
        """With the audio widths of this `state_dict` of an audio encoder: older ones are narrower."""
        blocks = [name.split(".")[0] for name in encoder if name.endswith("conv_block.0.bias")]
        sizes = [len(encoder[f"{block}.conv_block.0.bias"]) for block in blocks]
        return cls(audio=tuple(sizes[first] for first in _FIRST_OF_WIDTH))


# Where a width of the audio encoder begins, among its convolutions.
_FIRST_OF_WIDTH = (0, 3, 6, 9, 11)


class Convolution(nn.Module):
    """Convolution, BatchNorm, an optional residual, ReLU."""

    def __init__(self, inputs, outputs, kernel, stride, padding, residual=False):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.BatchNorm2d(outputs)
        )
        self.residual = residual

    def forward(self, x):
        out = self.conv_block(x)
        return torch.relu(out + x if self.residual else out)


class TransposedConvolution(nn.Module):
    """Transposed convolution, BatchNorm, ReLU."""

    def __init__(self, inputs, outputs, kernel, stride, padding, output_padding=0):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, output_padding),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x):
        return torch.relu(self.conv_block(x))


# First row kept of a decoder feature of this height when only the lower half is painted:
# rows above it cannot reach row 48 of the picture.
_FIRST_NEEDED_ROW = {12: 4, 24: 10, 48: 22, 96: 44}


def residuals(channels, count):
    """`count` residual 3x3 blocks that keep the shape."""
    return [Convolution(channels, channels, 3, 1, 1, residual=True) for _ in range(count)]


class LipSync(nn.Module):
    """Mel window and face crop in, the same crop with the spoken mouth out.

    Shapes: mel (N, 1, 80, 16); face (N, 6, 96, 96), masked BGR then reference
    BGR, 0..1; result (N, 3, 96, 96), BGR, 0..1.
    """

    def __init__(self, widths=Widths()):
        super().__init__()
        self.widths = widths
        f, a, d = widths.face, widths.audio, widths.decoder
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(Convolution(6, f[0], 7, 1, 3)),
                nn.Sequential(Convolution(f[0], f[1], 3, 2, 1), *residuals(f[1], 2)),
                nn.Sequential(Convolution(f[1], f[2], 3, 2, 1), *residuals(f[2], 3)),
                nn.Sequential(Convolution(f[2], f[3], 3, 2, 1), *residuals(f[3], 2)),
                nn.Sequential(Convolution(f[3], f[4], 3, 2, 1), *residuals(f[4], 2)),
                nn.Sequential(Convolution(f[4], f[5], 3, 2, 1), *residuals(f[5], 1)),
                nn.Sequential(Convolution(f[5], f[5], 3, 1, 0), Convolution(f[5], f[5], 1, 1, 0)),
            ]
        )
        self.audio_encoder = nn.Sequential(
            Convolution(1, a[0], 3, 1, 1),
            *residuals(a[0], 2),
            Convolution(a[0], a[1], 3, (3, 1), 1),
            *residuals(a[1], 2),
            Convolution(a[1], a[2], 3, 3, 1),
            *residuals(a[2], 2),
            Convolution(a[2], a[3], 3, (3, 2), 1),
            *residuals(a[3], 1),
            Convolution(a[3], a[4], 3, 1, 0),
            Convolution(a[4], a[4], 1, 1, 0),
        )
        skips = (f[5], f[5], f[4], f[3], f[2], f[1])
        decoder = [nn.Sequential(Convolution(a[4], d[0], 1, 1, 0))]
        for level, skip in enumerate(skips):
            inputs, outputs = d[level] + skip, d[level + 1]
            first = level == 0
            up = TransposedConvolution(
                inputs, outputs, 3, 1 if first else 2, 0 if first else 1, 0 if first else 1
            )
            decoder.append(nn.Sequential(up, *residuals(outputs, 1 if first else 2)))
        self.face_decoder_blocks = nn.ModuleList(decoder)
        self.output_block = nn.Sequential(
            Convolution(d[6] + f[0], widths.output, 3, 1, 1),
            nn.Conv2d(widths.output, 3, 1, 1, 0),
            nn.Sigmoid(),
        )
        self.embedding_size = a[4]

    def speech_embedding(self, mel):
        """What the audio encoder hears in each window, (N, embedding_size)."""
        return self.audio_encoder(mel).flatten(1)

    def paint(self, embedding, face, lower_half_only=False):
        """The face with the mouth of each embedding.

        `lower_half_only` leaves out the arithmetic that rows 48..95 do not need
        and returns just those rows, (N, 3, 48, 96); their values are the same.
        """
        features = []
        x = face
        for block in self.face_encoder_blocks:
            x = block(x)
            features.append(x)
        x = embedding[:, :, None, None]
        for block in self.face_decoder_blocks:
            x, skip = block(x), features.pop()
            if lower_half_only:
                first = _FIRST_NEEDED_ROW.get(skip.shape[2], 0)
                x, skip = x[:, :, first - skip.shape[2] :], skip[:, :, first:]
            x = torch.cat((x, skip), dim=1)
        painted = self.output_block(x)
        return painted[:, :, 48 - 96 :] if lower_half_only else painted

    def forward(self, mel, face):
        return self.paint(self.speech_embedding(mel), face)


@torch.no_grad()
def fold_batch_norm(network):
    """Moves every BatchNorm that is still there into the convolution before it, in place.

    Later steps are half as long again without it, and no longer depend on
    which faces share a batch.
    """
    for block in network.modules():
        if not isinstance(block, (Convolution, TransposedConvolution)):
            continue
        convolution, norm = block.conv_block
        if isinstance(norm, nn.Identity):
            continue
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        outputs = 1 if isinstance(block, TransposedConvolution) else 0
        shape = [1, 1, 1, 1]
        shape[outputs] = -1
        convolution.weight.mul_(scale.view(shape))
        convolution.bias.copy_((convolution.bias - norm.running_mean) * scale + norm.bias)
        block.conv_block[1] = nn.Identity()


@torch.no_grad()
def unfolded(network):
    """A copy in evaluation mode whose BatchNorms are there again, and change nothing.

    Its `state_dict` has every name of an official checkpoint.
    """
    complete = LipSync(network.widths)
    for module in complete.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(1 - module.eps)
    complete.load_state_dict(network.state_dict(), strict=False)
    return complete.eval()


@torch.no_grad()
def normalised(encoder, mel):
    """An encoder that gives the same, with a BatchNorm again behind every convolution.

    `encoder` is a `state_dict` without them. They take their means and variances from `mel`
    (N, 1, 80, 16), so that in training they change nothing but what they are for.
    """
    network = LipSync(Widths.hearing_as(encoder)).audio_encoder.to(mel.device)
    network.load_state_dict(encoder, strict=False)
    x = mel
    for block in network:
        convolution, norm = block.conv_block
        before = convolution(x)
        norm.running_mean.copy_(before.mean((0, 2, 3)))
        norm.running_var.copy_(before.var((0, 2, 3)))
        norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
        norm.bias.copy_(norm.running_mean)
        x = nn.functional.relu(before + x if block.residual else before)
    return network.eval()
