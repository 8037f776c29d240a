"""Second stage: face encoder and decoder learn to draw a given mouth on a given face.

The mouth comes as the agreed embedding of its true six numbers, not from speech:
what to draw is then never in doubt, and lips get sharp within minutes. The first
steps use BatchNorm; it is then folded away. Nearly all steps paint the lower
half only, which is all that is seen of a painted face.

Broken off, it goes on from `painter-state.pt` in the work folder.
"""

import argparse
import copy
import time
from pathlib import Path

import torch

from demo_pair import checkpoint, precision
from demo_pair.dataset import Pictures, mouth_embedding
from demo_pair.network import LipSync, fold_batch_norm
from demo_pair.picture_losses import edge_error, lip_energy, lip_error, picture_error

BATCH = 16
MOST_WARM_UP_STEPS = 600  # with BatchNorm
WARM_UP_SHARE = 0.1  # of the steps, at most
WARM_UP_RATE = 3e-3
LEARNING_RATE = 1.5e-3
DECAY_SHARE = 0.4  # the last part of the steps, over which the rate falls to nothing
EDGE_WEIGHT = 0.5
EMBEDDING_NOISE = 0.04
WHOLE_FACE_EVERY = 20
AVERAGE_DECAY = 0.99
REPORT_EVERY = 200
CHECKED = 64  # pictures drawn aside to report on


class Average:
    """A running average of a network's weights, calmer than the weights themselves."""

    def __init__(self, network):
        self.network = copy.deepcopy(network)

    @torch.no_grad()
    def update(self, network):
        mine, new = list(self.network.parameters()), list(network.parameters())
        torch._foreach_lerp_(mine, new, 1 - AVERAGE_DECAY)


def painter_parameters(network):
    return [p for name, p in network.named_parameters() if not name.startswith("audio_encoder")]


def painter_state(network):
    """The weights of all but the audio encoder."""
    state = network.state_dict()
    return {name: value for name, value in state.items() if not name.startswith("audio_encoder")}


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


class Training:
    """The painter, its average and its optimiser, at some step."""

    def __init__(self, steps, device):
        self.steps, self.device = steps, device
        self.step = 0
        self.network = LipSync().to(device, memory_format=torch.channels_last)
        self.optimiser = _optimiser(self.network)
        self.average = None

    def fold(self):
        """Ends the part with BatchNorm."""
        fold_batch_norm(self.network)
        self.optimiser = _optimiser(self.network)
        self.average = Average(self.network)

    def resume(self, path):
        stored = checkpoint.load(path)
        if stored is None:
            return
        self.step = stored["step"]
        if stored["average"] is not None:
            self.fold()
            self.average.network.load_state_dict(stored["average"], strict=False)
        self.network.load_state_dict(stored["network"], strict=False)
        self.optimiser.load_state_dict(stored["optimiser"])

    def save(self, path):
        checkpoint.save(
            path,
            step=self.step,
            network=painter_state(self.network),
            average=self.average and painter_state(self.average.network),
            optimiser=self.optimiser.state_dict(),
        )

    def learn(self, face, truth, embedding):
        """One step; gives the error."""
        self.step += 1
        for group in self.optimiser.param_groups:
            group["lr"] = _rate_at(self.step, self.steps)
        whole = self.average is not None and self.step % WHOLE_FACE_EVERY == 0
        with precision.fast(self.device):
            painted = self.network.paint(embedding, face, lower_half_only=not whole)
        painted = painted.float()
        error = picture_error(painted, truth) + EDGE_WEIGHT * edge_error(painted, truth)
        self.optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(painter_parameters(self.network), 1.0)
        self.optimiser.step()
        if self.step == _warm_up_steps(self.steps):
            self.fold()
        elif self.average:
            self.average.update(self.network)
        return error.item()


def train(work, steps, batch, seed, device):
    torch.manual_seed(seed)
    training = Training(steps, device)
    training.resume(work / "painter-state.pt")
    generator = torch.Generator(device).manual_seed(seed + 1)
    pictures = Pictures(work, generator)
    check_face, check_truth, check_mouths = pictures.batch(CHECKED)
    check_embedding = mouth_embedding(check_mouths)
    generator.manual_seed(1000 * seed + training.step)
    began = time.monotonic()
    while training.step < steps:
        face, truth, mouths = pictures.batch(batch)
        embedding = mouth_embedding(mouths)
        noise = torch.randn(embedding.shape, generator=generator, device=device)
        error = training.learn(face, truth, embedding + EMBEDDING_NOISE * noise)
        if training.step % REPORT_EVERY == 0 or training.step == steps:
            seen = training.average.network if training.average else training.network.eval()
            with torch.no_grad():
                painted = seen.paint(check_embedding, check_face)
            training.network.train()
            print(
                f"painter step {training.step}, {time.monotonic() - began:.0f} s "
                f"({time.process_time():.0f} s of CPU), error {error:.4f}, "
                f"lips {lip_error(painted, check_truth):.4f}, "
                f"their gradient energy {lip_energy(painted, check_truth):.2f}",
                flush=True,
            )
            training.save(work / "painter-state.pt")
            if training.average:
                torch.save(painter_state(training.average.network), work / "painter.pt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.work, arguments.steps, arguments.batch, arguments.seed, arguments.device)


if __name__ == "__main__":
    main()
