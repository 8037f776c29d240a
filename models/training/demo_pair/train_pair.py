"""Third stage: the halves are joined, and the two looks part.

Audio encoder and painter now learn together from speech, at equal steps and
from the same start:

    nogan   goes on with the weighted L1 between painted and true picture;
    gan     adds a discriminator that judges the lower half of the face.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, leaky_relu, relu
from torch.nn.utils.parametrizations import spectral_norm

from demo_pair.dataset import Pictures, Speech, altered, mel_tensor
from demo_pair.network import LipSync, fold_batch_norm
from demo_pair.train_audio import embedding_error
from demo_pair.train_painter import Average, lip_error, painter_parameters, picture_error

BATCH = 16
LEARNING_RATE = 8e-4
ENCODER_SHARE = 0.4  # of the learning rate, for the audio encoder
EMBEDDING_WEIGHT = 0.2
LISTENING_BATCH = 48  # windows heard each step without a picture
WHOLE_FACE_EVERY = 10
REPORT_EVERY = 100
CHECKED = 48  # pictures drawn aside to report on

JUDGED_ROWS, JUDGED_COLUMNS = slice(0, 48), slice(16, 80)  # of the lower half
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

    def __init__(self):
        self.discriminator = Discriminator()
        self.optimiser = torch.optim.Adam(
            self.discriminator.parameters(), DISCRIMINATOR_RATE, betas=(0.5, 0.99)
        )
        self.loss = 2.0  # running mean; 2 means that it guesses

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
        self.loss += 0.03 * (loss.item() - self.loss)

    def objection(self, painted, face):
        """What the painter has to lower; leaves the discriminator's gradients alone."""
        self.discriminator.requires_grad_(False)
        verdict = -self._judge(painted, face).mean()
        self.discriminator.requires_grad_(True)
        return verdict


def joined(work):
    """The network of both earlier stages, without BatchNorm."""
    network = LipSync()
    network.audio_encoder.load_state_dict(torch.load(work / "audio.pt"))
    fold_batch_norm(network)
    painter = torch.load(work / "painter.pt")
    heard = {f"audio_encoder.{k}": v for k, v in network.audio_encoder.state_dict().items()}
    network.load_state_dict(painter | heard)
    return network.to(memory_format=torch.channels_last)


def train(work, look, steps, seed):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    speech = Speech.load(work / "speech-training.npz")
    draw = speech.sampler(random)
    pictures = Pictures(work, random)
    check = Pictures(work, np.random.default_rng(seed + 1))
    check_frames = speech.sampler(check.random)(CHECKED)
    check_windows = mel_tensor(speech.windows(check_frames))
    check_face, check_truth, _ = check.batch(check_frames)
    network = joined(work)
    encoder = list(network.audio_encoder.parameters())
    painter = painter_parameters(network)
    optimiser = torch.optim.Adam([{"params": painter}, {"params": encoder}], fused=True)
    adversary = Adversary() if look == "gan" else None
    average = Average(network)
    began = time.monotonic()
    for step in range(1, steps + 1):
        rate = LEARNING_RATE * min(1, step / 50) * (1 - (step - 1) / steps)
        for group, share in zip(optimiser.param_groups, (1, ENCODER_SHARE)):
            group["lr"] = rate * share
        frames = draw(BATCH + LISTENING_BATCH)
        windows = mel_tensor(altered(speech.windows(frames), random))
        face, truth, _ = pictures.batch(frames[:BATCH])
        whole = step % WHOLE_FACE_EVERY == 0
        with torch.autocast("cpu", torch.bfloat16):
            embedding = network.speech_embedding(windows)
            painted = network.paint(embedding[:BATCH], face, lower_half_only=not whole)
        painted = painted.float()
        heard = embedding_error(embedding.float(), speech.mouths[frames])
        error = picture_error(painted, truth) + EMBEDDING_WEIGHT * heard
        if adversary:
            lower = painted[:, :, -48:]
            adversary.learn(lower, truth[:, :, -48:], face)
            error = error + ADVERSARIAL_WEIGHT * adversary.objection(lower, face)
        optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update(network)
        if step % REPORT_EVERY == 0 or step == steps:
            with torch.no_grad():
                lips = lip_error(average.network(check_windows, check_face), check_truth)
            verdict = f", discriminator {adversary.loss:.3f}" if adversary else ""
            print(
                f"{look} step {step}, {time.monotonic() - began:.0f} s "
                f"({time.process_time():.0f} s of CPU), error {error.item():.4f}, "
                f"lips from speech {lips:.4f}{verdict}",
                flush=True,
            )
            torch.save(average.network.state_dict(), work / f"{look}.pt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("look", choices=("gan", "nogan"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.work, arguments.look, arguments.steps, arguments.seed)


if __name__ == "__main__":
    main()
