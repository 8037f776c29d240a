"""Third stage: the two looks part, from the same painter, at equal steps.

The audio encoder is joined on and stays as it is, so that a better one can take
its place later without touching the painters. Both are shown the mouth that the
encoder heard: shown the one that was spoken, a painter mixes all that it might have
been, and neither picture nor motion gain by it.

    nogan   counts above all how much of each small block is lip, tooth or throat,
            and nothing but that and the pixels: the truer motion.
    gan     is shown slightly sharpened edges, and a discriminator judges the detail:
            the crisper picture.

Broken off, each goes on from `gan-state.pt` or `nogan-state.pt` in the work folder.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, leaky_relu, relu
from torch.nn.utils.parametrizations import spectral_norm

from demo_pair import checkpoint, hearing, precision
from demo_pair.dataset import (
    Pictures,
    Speech,
    altered,
    mel_tensor,
    mouth_embedding,
    mouths_from_embedding,
)
from demo_pair.network import LipSync, Widths, fold_batch_norm
from demo_pair.picture_losses import (
    edge_error,
    lip_energy,
    lip_error,
    picture_error,
    shape_error,
    sharpened,
    structure_error,
    tone_error,
)
from demo_pair.plan import Plan
from demo_pair.train_painter import Average, painter_parameters, painter_state

BATCH = 16
LEARNING_RATE = 8e-4
STRUCTURE_WEIGHT = 0.1
TONE_WEIGHT = 1.0
EDGE_WEIGHT = 1.0  # of GAN
SHAPE_WEIGHT = 4.0  # of NOGAN
SHARPENING = 0.15  # of the pictures that GAN is shown: what painting loses of their edges
WHOLE_FACE_EVERY = 20
REPORT_EVERY = 100
CHECKED = 64  # pictures drawn aside to report on

JUDGED_ROWS, JUDGED_COLUMNS = slice(0, 48), slice(12, 84)  # of the lower half
DISCRIMINATOR_RATE = 2e-3
# Spectral norm allows the verdict to change no faster than its input, and painted lips are
# within a few hundredths of the drawn ones: without contrast they cannot be told apart.
DETAIL_CONTRAST, CHANGE_CONTRAST = 40.0, 10.0
ADVERSARIAL_WEIGHT = 0.001  # its gradient on the picture is then a third of that of the L1


def _detail(picture):
    """What a small blur takes away."""
    return picture - avg_pool2d(picture, 5, 1, 2)


class Discriminator(nn.Module):
    """Tells drawn lower halves from painted ones, patch by patch.

    It sees the fine detail of the picture, and where the picture departs from
    the reference: it need not guess skin or light, and can look at sharpness.
    On whole colours it never did better than guessing.
    """

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [
                spectral_norm(nn.Conv2d(6, 16, 3, 1, 1)),
                spectral_norm(nn.Conv2d(16, 32, 4, 2, 1)),
                spectral_norm(nn.Conv2d(32, 64, 4, 2, 1)),
            ]
        )
        self.verdict = spectral_norm(nn.Conv2d(64, 1, 3, 1, 1))

    def forward(self, picture, reference):
        detail, change = _detail(picture), picture - reference
        x = torch.cat((DETAIL_CONTRAST * detail, CHANGE_CONTRAST * change), dim=1)
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.2)
        return self.verdict(x)


class Adversary:
    """The discriminator with its own optimiser and the hinge losses of both sides."""

    def __init__(self, device):
        self.discriminator = Discriminator().to(device)
        self.optimiser = torch.optim.Adam(
            self.discriminator.parameters(), DISCRIMINATOR_RATE, betas=(0.5, 0.99)
        )
        self.loss = torch.tensor(2.0, device=device)  # running mean; 2 means that it guesses

    def _judge(self, picture, face):
        reference = face[:, 3:, -picture.shape[2] :]
        area = (slice(None), slice(None), JUDGED_ROWS, JUDGED_COLUMNS)
        return self.discriminator(picture[area], reference[area])

    def learn(self, painted, truth, face):
        real = self._judge(truth, face)
        painted = self._judge(painted.detach(), face)
        loss = relu(1 - real).mean() + relu(1 + painted).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.loss = torch.lerp(self.loss, loss.detach(), 0.03)

    def objection(self, painted, face):
        """What the painter has to lower; leaves the discriminator's gradients alone."""
        self.discriminator.requires_grad_(False)
        verdict = -self._judge(painted, face).mean()
        self.discriminator.requires_grad_(True)
        return verdict

    def state(self):
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "loss": self.loss,
        }

    def load(self, state):
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.loss = state["loss"]


def joined(encoder, painter):
    """The network of a trained encoder and a painter without BatchNorm, from their files."""
    hears, paints = hearing.encoder_of(encoder), torch.load(painter, map_location="cpu")
    fold_batch_norm(hears)
    heard = {f"audio_encoder.{name}": value for name, value in hears.state_dict().items()}
    network = LipSync(Widths.hearing_as(hears.state_dict()))
    fold_batch_norm(network)
    network.load_state_dict(paints | heard)
    network.eval().audio_encoder.requires_grad_(False)
    return network.to(memory_format=torch.channels_last)


class Examples:
    """Speech as the encoder hears it, with the pictures of what it heard."""

    def __init__(self, work, network, generator):
        self.speech = Speech.load(work, device=generator.device)
        self.draw = self.speech.sampler(generator)
        self.pictures = Pictures(work, generator)
        self.network = network
        self.generator = generator

    @torch.no_grad()
    def batch(self, count):
        """Face, truth and embedding.

        The drawn mouths are not quite those heard: the embedding is moved by the
        difference.
        """
        frames = self.draw(count)
        windows = mel_tensor(altered(self.speech.windows(frames), self.generator))
        with precision.fast(windows.device):
            embedding = self.network.speech_embedding(windows).float()
        heard = mouths_from_embedding(embedding)
        face, truth, drawn = self.pictures.batch(count, heard)
        moved = embedding + mouth_embedding(drawn) - mouth_embedding(heard)
        return face, truth, torch.relu(moved)


class Training:
    """The painter of one look, with all it needs to go on."""

    def __init__(self, look, network, plan):
        self.look, self.plan, self.step = look, plan, 0
        self.network = network
        self.optimiser = torch.optim.Adam(painter_parameters(network), fused=True)
        self.adversary = Adversary(plan.device) if look == "gan" else None
        self.average = Average(network)

    def resume(self, path):
        stored = checkpoint.load(path)
        if stored is None:
            return
        self.step = stored["step"]
        self.network.load_state_dict(stored["network"], strict=False)
        self.average.network.load_state_dict(stored["average"], strict=False)
        self.optimiser.load_state_dict(stored["optimiser"])
        if self.adversary:
            self.adversary.load(stored["adversary"])

    def save(self, path):
        checkpoint.save(
            path,
            step=self.step,
            network=painter_state(self.network),
            average=painter_state(self.average.network),
            optimiser=self.optimiser.state_dict(),
            adversary=self.adversary and self.adversary.state(),
        )

    def _error(self, painted, truth, face):
        error = picture_error(painted, truth)
        error = error + STRUCTURE_WEIGHT * structure_error(painted, truth)
        error = error + TONE_WEIGHT * tone_error(painted, truth)
        if not self.adversary:
            return error + SHAPE_WEIGHT * shape_error(painted, truth)
        lower = painted[:, :, -48:]
        self.adversary.learn(lower, truth[:, :, -48:], face)
        objection = self.adversary.objection(lower, face)
        error = error + EDGE_WEIGHT * edge_error(painted, truth)
        return error + ADVERSARIAL_WEIGHT * objection

    def learn(self, face, truth, embedding):
        self.step += 1
        rate = self.plan.peak_rate * min(1, self.step / 50) * (1 - self.plan.done(self.step - 1))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        whole = self.step % WHOLE_FACE_EVERY == 0
        with precision.fast(self.plan.device):
            painted = self.network.paint(embedding, face, lower_half_only=not whole)
        error = self._error(painted.float(), truth, face)
        self.optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(painter_parameters(self.network), 1.0)
        self.optimiser.step()
        self.average.update(self.network)
        return error.detach()


def train(work, look, encoder, painter, plan, seed):
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = True
    network = joined(encoder, painter).to(plan.device)
    training = Training(look, network, plan)
    training.resume(work / f"{look}-state.pt")
    generator = torch.Generator(plan.device).manual_seed(seed + 1)
    examples = Examples(work, network, generator)
    check_face, check_truth, check_embedding = examples.batch(CHECKED)
    generator.manual_seed(1000 * seed + training.step)
    plan.begin()
    done = plan.done(training.step)
    while done < 1:
        face, truth, embedding = examples.batch(plan.batch)
        if look == "gan":
            truth = sharpened(truth, SHARPENING)
        error = training.learn(face, truth, embedding)
        done = plan.done(training.step)
        if training.step % REPORT_EVERY == 0 or done >= 1:
            with torch.no_grad():
                painted = training.average.network.paint(check_embedding, check_face)
            verdict = f", discriminator {training.adversary.loss:.3f}" if look == "gan" else ""
            print(
                f"{look} step {training.step}, {plan.seconds():.0f} s "
                f"({time.process_time():.0f} s of CPU), error {error:.4f}, "
                f"lips {lip_error(painted, check_truth):.4f}, "
                f"their gradient energy {lip_energy(painted, check_truth):.2f}{verdict}",
                flush=True,
            )
            training.save(work / f"{look}-state.pt")
            torch.save(painter_state(training.average.network), work / f"{look}.pt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("look", choices=("gan", "nogan"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, help="default: audio.pt in the work folder")
    parser.add_argument("--painter", type=Path, help="default: painter.pt in the work folder")
    Plan.add_arguments(parser, steps=2000, batch=BATCH, peak_rate=LEARNING_RATE)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder = arguments.encoder or arguments.work / "audio.pt"
    painter = arguments.painter or arguments.work / "painter.pt"
    plan = Plan.of(arguments)
    train(arguments.work, arguments.look, encoder, painter, plan, arguments.seed)


if __name__ == "__main__":
    main()
