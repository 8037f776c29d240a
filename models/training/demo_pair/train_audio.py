"""First stage: the audio encoder alone learns the mouth from the mel window.

It learns to give the agreed embedding of the six mouth numbers
(`dataset.mouth_embedding`), which the painter learns to draw at the same time,
in another process. Two neighbouring frames are always heard together: their
difference is learned as well, so that the mouth does not tremble.

With `--minutes` it ends by the clock instead of by a count of steps, and speech that
`speech` goes on making in the work folder meanwhile is taken up as it comes: so it is
run on a GPU (`--device cuda`), which hears speech faster than two cores can make it.
"""

import argparse
import copy
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

from demo_pair import hearing, precision
from demo_pair.dataset import Speech, altered, mel_tensor, mouth_embedding, mouths_from_embedding
from demo_pair.mouth_track import CLOSE, WIDE
from demo_pair.network import LipSync, fold_batch_norm, normalised
from demo_pair.plan import Plan

BATCH = 128  # windows: half as many pairs of neighbours
PEAK_RATE = 2e-3
WARM_UP = 300  # steps
REPORT_EVERY = 30  # seconds
NEW_SPEECH_EVERY = 10  # seconds
NEW_FILES = 80  # at most, at a time
_AVERAGE = 0.998  # of the weights, per step
_EMPHASIS = 0.5  # of telling frames, where they are drawn by lot
_SIX_WEIGHT = 2.0  # of the error in the six numbers, beside that in the embedding
_MOVEMENT_WEIGHT = 0.25
_CLOSED_WEIGHT, _WIDTH_WEIGHT = 2.0, 0.7  # of a frame, beside 1
# Importance of open, wide, close, teeth, tongue, tuck.
_SIX_WEIGHTS = (2.0, 1.5, 1.0, 0.2, 0.2, 0.4)


@cache
def _weights_of_six(device):
    return torch.tensor(_SIX_WEIGHTS, device=device)


def _pairs_error(embedding, mouths):
    """The error of frames that come in neighbouring pairs."""
    weight, of_six = _importance(mouths), _weights_of_six(mouths.device)
    wanted, heard = mouth_embedding(mouths), mouths_from_embedding(embedding)
    numbers = smooth_l1_loss(embedding, wanted, beta=0.2, reduction="none").mean(dim=1)
    six = (smooth_l1_loss(heard, mouths, beta=0.3, reduction="none") * of_six).mean(dim=1)
    moved, should = heard[1::2] - heard[::2], mouths[1::2] - mouths[::2]
    movement = (smooth_l1_loss(moved, should, beta=0.03, reduction="none") * of_six).mean()
    return ((numbers + _SIX_WEIGHT * six) * weight).mean() + _MOVEMENT_WEIGHT * movement


def _importance(mouths):
    """How much a frame counts: closed, rounded and spread mouths are few and seen at once."""
    weight = 1 + _CLOSED_WEIGHT * mouths[:, CLOSE] + _WIDTH_WEIGHT * mouths[:, WIDE].abs()
    return weight / weight.mean()


def fresh_encoder():
    """An audio encoder whose last BatchNorm begins at the spread of the embedding."""
    encoder = LipSync().audio_encoder.to(memory_format=torch.channels_last)
    last = encoder[-1].conv_block[1]
    nn.init.constant_(last.weight, 0.2)
    nn.init.constant_(last.bias, 1.0)
    return encoder


def _rate(plan, step):
    """The learning rate: up to its peak, then down a cosine to nothing."""
    warm_up = min(1, (step + 1) / WARM_UP)
    return float(plan.peak_rate * warm_up * 0.5 * (1 + np.cos(np.pi * plan.done(step))))


class Training:
    """Encoder, optimiser and running average; all of it is in its checkpoint."""

    def __init__(self, encoder, keep=0):
        self.encoder = encoder
        self.device = next(encoder.parameters()).device
        self.kept = copy.deepcopy(encoder[:keep])
        fold_batch_norm(self.kept)
        self.learning = encoder[keep:]
        self.average = copy.deepcopy(encoder)
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
        state = torch.load(path, map_location=self.device)
        self.encoder.load_state_dict(state["encoder"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]

    def hear(self, windows):
        with torch.no_grad():
            windows = self.kept(windows)
        return self.learning(windows).flatten(1)

    def learn(self, windows, mouths, rate):
        """One step; gives the error, still on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with precision.fast(self.device):
            embedding = self.hear(windows)
        error = _pairs_error(embedding.float(), mouths)
        self.optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(self.learning.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self.follow()
        return error.detach()

    @torch.no_grad()
    def follow(self):
        """The average takes a small step towards the encoder."""
        keep = min(_AVERAGE, (self.step + 1) / (self.step + 10))
        slow, fast = (
            [value for value in network.state_dict().values() if value.dtype.is_floating_point]
            for network in (self.average, self.encoder)
        )
        torch._foreach_lerp_(slow, fast, 1 - keep)


def _report(training, clips, plan, speech, errors):
    training.average.eval()
    figures = hearing.measure(training.average, clips)
    shown = {k: v for k, v in figures.items() if k.count(" ") < 2}
    print(
        f"audio step {training.step}, {plan.seconds():.0f} s, {speech.frames / 1500:.0f} minutes "
        f"of speech, error {torch.stack(errors).mean():.4f}\n" + hearing.table(shown),
        flush=True,
    )


def _begun(path, speech, generator):
    """The encoder of a pair that is there already, or one that knows nothing."""
    if path is None:
        return fresh_encoder().to(speech.device)
    windows = mel_tensor(speech.windows(speech.sampler(generator)(4096)))
    state = torch.load(path, map_location=speech.device)
    return normalised(state, windows).train().to(memory_format=torch.channels_last)


def _pairs(speech, draw, count, generator):
    """Windows and mouths of neighbouring frames."""
    first = draw(count // 2).clamp_(max=speech.frames - 2)
    frames = torch.stack([first, first + 1], dim=1).ravel()
    windows = altered(speech.windows(frames), generator, alike=2)
    return mel_tensor(windows), speech.mouths[frames]


def train(work, plan, seed, voices, resume=True, encoder=None, keep=0):
    checkpoint, best = work / "audio-training.pt", work / "audio.pt"
    speech = Speech.load(work, device=plan.device)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = True
    generator = torch.Generator(plan.device).manual_seed(seed)
    training = Training(_begun(encoder, speech, generator), keep)
    if resume and checkpoint.exists():
        training.load(checkpoint)
        generator.manual_seed(seed + training.step)
        print(f"audio encoder goes on from step {training.step}", flush=True)
    clips = hearing.clips(voices, sentences=1)
    draw, errors = speech.sampler(generator, _EMPHASIS), []
    plan.begin()
    reported = looked = 0
    done = plan.done(training.step)
    while done < 1:
        windows, mouths = _pairs(speech, draw, plan.batch, generator)
        errors.append(training.learn(windows, mouths, _rate(plan, training.step)))
        done = plan.done(training.step)
        if plan.seconds() - looked > NEW_SPEECH_EVERY and done < 0.95:
            looked = plan.seconds()
            if speech.add_files(work, most=NEW_FILES):
                draw = speech.sampler(generator, _EMPHASIS)
        if plan.seconds() - reported > REPORT_EVERY or done >= 1:
            reported = plan.seconds()
            training.save(checkpoint)
            torch.save(training.average.state_dict(), best)
            _report(training, clips, plan, speech, errors)
            errors.clear()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    Plan.add_arguments(parser, steps=6300, batch=BATCH, peak_rate=PEAK_RATE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--voices", type=Path, help="voices never heard, to report on as well")
    parser.add_argument("--encoder", type=Path, help="goes on from this one, of `reopened`")
    parser.add_argument("--keep", type=int, default=0, help="how many of its blocks do not change")
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(
        arguments.work,
        Plan.of(arguments),
        arguments.seed,
        arguments.voices,
        resume=arguments.resume,
        encoder=arguments.encoder,
        keep=arguments.keep,
    )


if __name__ == "__main__":
    main()
