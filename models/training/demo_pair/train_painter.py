"""Second stage: face encoder and decoder learn to draw a given mouth on a given face.

The mouth comes as the agreed embedding of its true six numbers, not from speech:
what to draw is then never in doubt, and lips get sharp within minutes. The first
steps use BatchNorm; it is then folded away. Nearly all steps paint the lower
half only, which is all that is seen of a painted face.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch

from demo_pair.dataset import Pictures, Speech, mouth_embedding
from demo_pair.network import LipSync, fold_batch_norm
from demo_pair.paste import INPUT_SIZE, MASKED_FROM

BATCH = 16
MOST_WARM_UP_STEPS = 600  # with BatchNorm
WARM_UP_SHARE = 0.1  # of the steps, at most
WARM_UP_RATE = 3e-3
LEARNING_RATE = 1.5e-3
DECAY_SHARE = 0.4  # the last part of the steps, over which the rate falls to nothing
EMBEDDING_NOISE = 0.04
WHOLE_FACE_EVERY = 10
AVERAGE_DECAY = 0.99
REPORT_EVERY = 200
CHECKED = 48  # pictures drawn aside to report on

LIP_ROWS, LIP_COLUMNS = slice(53, 80), slice(23, 73)


def _pixel_weights():
    """Importance of each pixel: the lips most, the upper half least; mean 1 over the lower half."""
    weights = torch.full((1, 1, INPUT_SIZE, INPUT_SIZE), 0.3)
    weights[:, :, MASKED_FROM:] = 1
    weights[:, :, LIP_ROWS, LIP_COLUMNS] = 5
    return weights / weights[:, :, MASKED_FROM:].mean()


PIXEL_WEIGHTS = _pixel_weights()


def picture_error(painted, truth):
    """Weighted L1; `painted` may be the lower half only."""
    rows = slice(INPUT_SIZE - painted.shape[2], INPUT_SIZE)
    difference = (painted.float() - truth[:, :, rows]).abs()
    return (difference * PIXEL_WEIGHTS[:, :, rows]).mean()


class Average:
    """A running average of a network's weights, calmer than the weights themselves."""

    def __init__(self, network):
        self.network = copy.deepcopy(network)

    @torch.no_grad()
    def update(self, network):
        for mine, new in zip(self.network.parameters(), network.parameters()):
            mine.lerp_(new, 1 - AVERAGE_DECAY)


def lip_error(painted, truth):
    """Mean absolute error over the lips, 0..1."""
    area = (slice(None), slice(None), LIP_ROWS, LIP_COLUMNS)
    return float((painted[area] - truth[area]).abs().mean())


def painter_parameters(network):
    return [p for name, p in network.named_parameters() if not name.startswith("audio_encoder")]


def _warm_up_steps(steps):
    return min(MOST_WARM_UP_STEPS, int(WARM_UP_SHARE * steps))


def _rate_at(step, steps):
    """The learning rate; both parts begin gently."""
    warm_up = _warm_up_steps(steps)
    if step <= warm_up:
        return WARM_UP_RATE * min(1, step / 50) * (1 - 0.6 * step / warm_up)
    left = (steps - step) / (DECAY_SHARE * (steps - warm_up))
    return LEARNING_RATE * min(1, (step - warm_up) / 50, left) + 1e-5


def _optimiser(network):
    return torch.optim.Adam(painter_parameters(network), WARM_UP_RATE, fused=True)


def train(work, steps, seed):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    speech = Speech.load(work / "speech-training.npz")
    draw = speech.sampler(random)
    pictures = Pictures(work, random)
    check = Pictures(work, np.random.default_rng(seed + 1))
    check_face, check_truth, check_mouths = check.batch(speech.sampler(check.random)(CHECKED))
    check_embedding = torch.from_numpy(mouth_embedding(check_mouths))
    network = LipSync().to(memory_format=torch.channels_last)
    optimiser = _optimiser(network)
    average = None
    began = time.monotonic()
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = _rate_at(step, steps)
        face, truth, mouths = pictures.batch(draw(BATCH))
        embedding = mouth_embedding(mouths)
        embedding += EMBEDDING_NOISE * random.standard_normal(embedding.shape, np.float32)
        whole = average is not None and step % WHOLE_FACE_EVERY == 0
        with torch.autocast("cpu", torch.bfloat16):
            painted = network.paint(torch.from_numpy(embedding), face, lower_half_only=not whole)
        error = picture_error(painted, truth)
        optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(painter_parameters(network), 1.0)
        optimiser.step()
        if step == _warm_up_steps(steps):
            fold_batch_norm(network)
            optimiser = _optimiser(network)
            average = Average(network)
        elif average:
            average.update(network)
        if step % REPORT_EVERY == 0 or step == steps:
            with torch.no_grad():
                seen = average.network if average else network.eval()
                lips = lip_error(seen.paint(check_embedding, check_face), check_truth)
            network.train()
            print(
                f"painter step {step}, {time.monotonic() - began:.0f} s "
                f"({time.process_time():.0f} s of CPU), error {error.item():.4f}, "
                f"lips {lips:.4f}",
                flush=True,
            )
            if average:
                torch.save(average.network.state_dict(), work / "painter.pt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.work, arguments.steps, arguments.seed)


if __name__ == "__main__":
    main()
