"""First stage: the audio encoder alone learns the mouth from the mel window.

It learns to give the agreed embedding of the six mouth numbers
(`dataset.mouth_embedding`), which the painter learns to draw at the same time,
in another process. Two neighbouring frames are always heard together: their
difference is learned as well, so that the mouth does not tremble.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

from demo_pair import hearing, precision
from demo_pair.dataset import MOUTH_WEIGHTS, Speech, altered, mel_tensor, mouth_embedding
from demo_pair.mouth_track import CLOSE, WIDE
from demo_pair.network import LipSync, fold_batch_norm
from demo_pair.reopened import normalised

BATCH = 128  # windows: half as many pairs of neighbours
PEAK_RATE = 2e-3
WARM_UP = 300  # steps
REPORT_EVERY = 400
SAVE_EVERY = 100
_AVERAGE = 0.998  # of the weights, per step
_SIX_WEIGHT = 1.0  # of the error in the six numbers, beside that in the embedding
_MOVEMENT_WEIGHT = 0.25
_CLOSED_WEIGHT, _WIDTH_WEIGHT = 2.5, 1.0  # of a frame, beside 1
# Importance of open, wide, close, teeth, tongue, tuck.
_SIX_WEIGHTS = torch.tensor([1.6, 1.3, 1.0, 0.3, 0.3, 0.4])


def embedding_error(embedding, mouths):
    """Distance between what the encoder hears and the true mouths."""
    return smooth_l1_loss(embedding, torch.from_numpy(mouth_embedding(mouths)), beta=0.2)


def _reader():
    """The matrix that reads the six numbers back from an embedding."""
    unit = np.eye(6, dtype=np.float32) / (4 * MOUTH_WEIGHTS)
    directions = (mouth_embedding(unit) - 1) * 4
    return torch.from_numpy((np.linalg.pinv(directions) / MOUTH_WEIGHTS).astype(np.float32))


def _importance(mouths):
    """How much a frame counts: closed, rounded and spread mouths are few and seen at once."""
    weight = 1 + _CLOSED_WEIGHT * mouths[:, CLOSE] + _WIDTH_WEIGHT * np.abs(mouths[:, WIDE])
    return torch.from_numpy(weight / weight.mean())


def _pairs_error(embedding, mouths, reader):
    """The error of frames that come in neighbouring pairs."""
    weight = _importance(mouths)
    wanted, truth = torch.from_numpy(mouth_embedding(mouths)), torch.from_numpy(mouths)
    heard = (embedding - 1) @ reader
    numbers = smooth_l1_loss(embedding, wanted, beta=0.2, reduction="none").mean(dim=1)
    six = (smooth_l1_loss(heard, truth, beta=0.3, reduction="none") * _SIX_WEIGHTS).mean(dim=1)
    moved, should = heard[1::2] - heard[::2], truth[1::2] - truth[::2]
    movement = (smooth_l1_loss(moved, should, beta=0.03, reduction="none") * _SIX_WEIGHTS).mean()
    return ((numbers + _SIX_WEIGHT * six) * weight).mean() + _MOVEMENT_WEIGHT * movement


def fresh_encoder():
    """An audio encoder whose last BatchNorm begins at the spread of the embedding."""
    encoder = LipSync().audio_encoder.to(memory_format=torch.channels_last)
    last = encoder[-1].conv_block[1]
    nn.init.constant_(last.weight, 0.2)
    nn.init.constant_(last.bias, 1.0)
    return encoder


def _rate(step, steps):
    """The learning rate: up to its peak, then down a cosine to nothing."""
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / WARM_UP
    return PEAK_RATE * 0.5 * (1 + np.cos(np.pi * (step - WARM_UP) / max(1, steps - WARM_UP)))


class Training:
    """Encoder, optimiser and running average; all of it is in its checkpoint."""

    def __init__(self, encoder, keep=0):
        self.encoder = encoder
        self.kept = copy.deepcopy(encoder[:keep])
        fold_batch_norm(self.kept)
        self.learning = encoder[keep:]
        self.average = fresh_encoder()
        self.average.load_state_dict(self.encoder.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.learning.parameters(), PEAK_RATE, weight_decay=1e-3, fused=True
        )
        self.step = 0

    def save(self, path):
        state = {
            "step": self.step,
            "encoder": self.encoder.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        unfinished = path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def load(self, path):
        state = torch.load(path, map_location="cpu")
        self.encoder.load_state_dict(state["encoder"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]

    def hear(self, windows):
        with torch.no_grad():
            windows = self.kept(windows)
        return self.learning(windows).flatten(1)

    @torch.no_grad()
    def follow(self):
        """The average takes a small step towards the encoder."""
        keep = min(_AVERAGE, (self.step + 1) / (self.step + 10))
        for slow, fast in zip(
            self.average.state_dict().values(), self.encoder.state_dict().values()
        ):
            if slow.dtype.is_floating_point:
                slow.lerp_(fast, 1 - keep)
            else:
                slow.copy_(fast)


def _report(training, clips, began, error):
    training.average.eval()
    figures = hearing.measure(training.average, clips)
    shown = {k: v for k, v in figures.items() if k.count(" ") < 2}
    print(
        f"audio step {training.step}, {time.monotonic() - began:.0f} s, error {error:.4f}\n"
        + hearing.table(shown),
        flush=True,
    )


def _begun(path, speech, random):
    """The encoder of a pair that is there already, or one that knows nothing."""
    if path is None:
        return fresh_encoder()
    frames = random.integers(0, len(speech.mouths), 1024)
    encoder = normalised(torch.load(path), mel_tensor(speech.windows(frames)))
    return encoder.train().to(memory_format=torch.channels_last)


def train(work, steps, seed, voices, resume=True, encoder=None, keep=0):
    checkpoint, best = work / "audio-training.pt", work / "audio.pt"
    speech = Speech.load(work / "speech-training.npz")
    torch.manual_seed(seed)
    training = Training(_begun(encoder, speech, np.random.default_rng(seed)), keep)
    if resume and checkpoint.exists():
        training.load(checkpoint)
        print(f"audio encoder goes on from step {training.step}", flush=True)
    clips = hearing.clips(voices, sentences=1)
    random = np.random.default_rng([seed, training.step])
    draw, reader = speech.sampler(random), _reader()
    began, errors = time.monotonic(), []
    while training.step < steps:
        for group in training.optimiser.param_groups:
            group["lr"] = float(_rate(training.step, steps))
        first = np.minimum(draw(BATCH // 2), len(speech.mouths) - 2)
        frames = np.stack([first, first + 1], axis=1).ravel()
        windows = mel_tensor(altered(speech.windows(frames), random, alike=2))
        with precision.fast():
            embedding = training.hear(windows)
        error = _pairs_error(embedding.float(), speech.mouths[frames], reader)
        training.optimiser.zero_grad()
        error.backward()
        training.optimiser.step()
        training.step += 1
        training.follow()
        errors.append(error.item())
        if training.step % SAVE_EVERY == 0 or training.step == steps:
            training.save(checkpoint)
        if training.step % REPORT_EVERY == 0 or training.step == steps:
            _report(training, clips, began, float(np.mean(errors)))
            errors.clear()
            torch.save(training.average.state_dict(), best)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--voices", type=Path, help="voices never heard, to report on as well")
    parser.add_argument("--encoder", type=Path, help="goes on from this one, of `reopened`")
    parser.add_argument("--keep", type=int, default=0, help="how many of its blocks do not change")
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(
        arguments.work,
        arguments.steps,
        arguments.seed,
        arguments.voices,
        resume=arguments.resume,
        encoder=arguments.encoder,
        keep=arguments.keep,
    )


if __name__ == "__main__":
    main()
