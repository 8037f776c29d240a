"""First stage: the audio encoder alone learns the mouth from the mel window.

It learns to give the agreed embedding of the six mouth numbers
(`dataset.mouth_embedding`), which the painter learns to draw at the same time,
in another process.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

from demo_pair.dataset import MOUTH_WEIGHTS, Speech, altered, mel_tensor, mouth_embedding
from demo_pair.network import LipSync

BATCH = 96
PEAK_RATES = (2e-3, 1.5e-3)  # one cycle each
REPORT_EVERY = 200


def embedding_error(embedding, mouths):
    """Distance between what the encoder hears and the true mouths."""
    return smooth_l1_loss(embedding, torch.from_numpy(mouth_embedding(mouths)), beta=0.2)


def _mouths_from_embedding(embedding):
    """The six numbers, read back linearly."""
    unit = np.eye(6, dtype=np.float32) / (4 * MOUTH_WEIGHTS)
    directions = (mouth_embedding(unit) - 1) * 4
    return (embedding - 1) @ np.linalg.pinv(directions) / MOUTH_WEIGHTS


@torch.no_grad()
def correlations(encoder, speech, every=5):
    """Correlation of each of the six numbers with the truth."""
    encoder.eval()
    frames = np.arange(0, len(speech.mouths), every)
    parts = np.array_split(frames, len(frames) // 256 + 1)
    heard = [encoder(mel_tensor(speech.windows(part))).flatten(1).numpy() for part in parts]
    encoder.train()
    read, truth = _mouths_from_embedding(np.concatenate(heard)), speech.mouths[frames]
    return [float(np.corrcoef(read[:, k], truth[:, k])[0, 1]) for k in range(6)]


def _encoder():
    """A fresh audio encoder whose last BatchNorm begins at the spread of the embedding."""
    encoder = LipSync().audio_encoder.to(memory_format=torch.channels_last)
    last = encoder[-1].conv_block[1]
    nn.init.constant_(last.weight, 0.2)
    nn.init.constant_(last.bias, 1.0)
    return encoder


def _learn(encoder, speech, validation, steps, peak_rate, random, save_to):
    """One cycle: the learning rate rises to its peak and falls to nothing."""
    draw = speech.sampler(random)
    optimiser = torch.optim.Adam(encoder.parameters(), peak_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peak_rate, total_steps=steps, pct_start=0.1
    )
    began = time.monotonic()
    for step in range(1, steps + 1):
        frames = draw(BATCH)
        windows = mel_tensor(altered(speech.windows(frames), random))
        with torch.autocast("cpu", torch.bfloat16):
            embedding = encoder(windows).flatten(1)
        error = embedding_error(embedding.float(), speech.mouths[frames])
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        schedule.step()
        if step % REPORT_EVERY == 0 or step == steps:
            measured = " ".join(f"{r:.3f}" for r in correlations(encoder, validation))
            print(
                f"audio step {step}, {time.monotonic() - began:.0f} s, error {error.item():.4f}, "
                f"r open wide close teeth tongue tuck: {measured}",
                flush=True,
            )
            torch.save(encoder.state_dict(), save_to)


def train(work, steps, seed):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    speech = Speech.load(work / "speech-training.npz")
    validation = Speech.load(work / "speech-validation.npz")
    encoder = _encoder()
    for peak_rate in PEAK_RATES:
        cycle = steps // len(PEAK_RATES)
        _learn(encoder, speech, validation, cycle, peak_rate, random, work / "audio.pt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.work, arguments.steps, arguments.seed)


if __name__ == "__main__":
    main()
