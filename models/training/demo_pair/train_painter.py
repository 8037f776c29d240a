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
from demo_pair.plan import Plan

BATCH = 16
MOST_WARM_UP_STEPS = 600  # with BatchNorm
WARM_UP_SHARE = 0.1  # of the stage, at most
WARM_UP_RATE = 2.0  # of the peak rate
LEARNING_RATE = 1.5e-3
DECAY_SHARE = 0.4  # the last part of the stage, over which the rate falls to nothing
GENTLE_STEPS = 50  # at the beginning of either part
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


def _optimiser(network):
    return torch.optim.Adam(painter_parameters(network), LEARNING_RATE, fused=True)


class Training:
    """The painter, its average and its optimiser, at some step."""

    def __init__(self, plan):
        self.plan = plan
        self.step = self.folded_at = 0
        self.network = LipSync().to(plan.device, memory_format=torch.channels_last)
        self.optimiser = _optimiser(self.network)
        self.average = None

    def fold(self):
        """Ends the part with BatchNorm."""
        self.folded_at = self.step
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
            self.folded_at = stored["folded_at"]
            self.average.network.load_state_dict(stored["average"], strict=False)
        self.network.load_state_dict(stored["network"], strict=False)
        self.optimiser.load_state_dict(stored["optimiser"])

    def save(self, path):
        checkpoint.save(
            path,
            step=self.step,
            folded_at=self.folded_at,
            network=painter_state(self.network),
            average=self.average and painter_state(self.average.network),
            optimiser=self.optimiser.state_dict(),
        )

    def _rate(self, done):
        """The learning rate; both parts begin gently."""
        gently = min(1, (self.step - self.folded_at) / GENTLE_STEPS)
        if self.average is None:
            warm = min(1, max(self.step / MOST_WARM_UP_STEPS, done / WARM_UP_SHARE))
            return self.plan.peak_rate * WARM_UP_RATE * gently * (1 - 0.6 * warm)
        return self.plan.peak_rate * min(gently, (1 - done) / DECAY_SHARE) + 1e-5

    def learn(self, face, truth, embedding):
        """One step; gives the error."""
        done = self.plan.done(self.step)
        self.step += 1
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(done)
        whole = self.average is not None and self.step % WHOLE_FACE_EVERY == 0
        with precision.fast(self.plan.device):
            painted = self.network.paint(embedding, face, lower_half_only=not whole)
        painted = painted.float()
        error = picture_error(painted, truth) + EDGE_WEIGHT * edge_error(painted, truth)
        self.optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(painter_parameters(self.network), 1.0)
        self.optimiser.step()
        if self.average:
            self.average.update(self.network)
        elif self.step >= MOST_WARM_UP_STEPS or self.plan.done(self.step) >= WARM_UP_SHARE:
            self.fold()
        return error.detach()


def train(work, plan, seed):
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = True
    device = plan.device
    training = Training(plan)
    training.resume(work / "painter-state.pt")
    generator = torch.Generator(device).manual_seed(seed + 1)
    pictures = Pictures(work, generator)
    check_face, check_truth, check_mouths = pictures.batch(CHECKED)
    check_embedding = mouth_embedding(check_mouths)
    generator.manual_seed(1000 * seed + training.step)
    plan.begin()
    done = plan.done(training.step)
    while done < 1:
        face, truth, mouths = pictures.batch(plan.batch)
        embedding = mouth_embedding(mouths)
        noise = torch.randn(embedding.shape, generator=generator, device=device)
        error = training.learn(face, truth, embedding + EMBEDDING_NOISE * noise)
        done = plan.done(training.step)
        if training.step % REPORT_EVERY == 0 or done >= 1:
            seen = training.average.network if training.average else training.network.eval()
            with torch.no_grad():
                painted = seen.paint(check_embedding, check_face)
            training.network.train()
            print(
                f"painter step {training.step}, {plan.seconds():.0f} s "
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
    Plan.add_arguments(parser, steps=12000, batch=BATCH, peak_rate=LEARNING_RATE)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.work, Plan.of(arguments), arguments.seed)


if __name__ == "__main__":
    main()
