"""The training in miniature, every stage of it, some minutes long: what it makes is a pair, and hears.

Chance is what the same mouths reach at the wrong moments: a correlation near 0. After 150 steps
the opening that the encoder hears in voices it was never trained on has to follow the true one
with r of at least 0.5 (0.7 to 0.8 is usual; the pair in models/demo has about 0.95), and the
margin over the wrong moments has to be 0.4.
"""

import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import ROOT
from demo_pair import hearing
from demo_pair.mouth_track import OPEN
from demo_pair.thresholds import MODEL

LEAST_OPENING, LEAST_MARGIN = 0.5, 0.4
STAGES = (
    "speech --minutes 10 --engine-minutes 0",
    "faces --people 2 --gallery-mouths 24",
    "train_audio --steps 150",
    "train_painter --steps 60",
    "train_pair nogan --steps 3",
    "train_pair gan --steps 3",
)


def run(work, stage):
    module, *arguments = stage.split()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "models/training"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", f"demo_pair.{module}", *arguments, "--work", str(work)]
    ended = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert ended.returncode == 0, f"{stage}:\n{ended.stdout[-3000:]}"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder in which every stage has run."""
    folder = tmp_path_factory.mktemp("training")
    for stage in STAGES:
        run(folder, stage)
    return folder


def test_opening_follows_voices_never_trained_better_than_chance(work):
    torch.set_num_threads(1)
    clips = hearing.clips(sentences=1)
    heard = hearing.hear(
        hearing.encoder_of(work / "audio.pt"), np.concatenate([clip.windows for clip in clips])
    )[:, OPEN]
    truth = np.concatenate([clip.mouths for clip in clips])[:, OPEN]
    wrong_moments = np.random.default_rng(1).permutation(truth)
    follows, chance = (np.corrcoef(heard, mouths)[0, 1] for mouths in (truth, wrong_moments))
    assert follows > LEAST_OPENING
    assert follows - chance > LEAST_MARGIN
    assert abs(chance) < 0.1


@pytest.mark.parametrize("look", ["nogan", "gan"])
def test_both_looks_are_exported_and_paint(work, look):
    run(work, f"export {look} --output {work / look}")
    model = work / look / "lipsync.onnx"
    assert MODEL["bytes"].holds(model.stat().st_size)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(1)
    shapes = {"mel_spectrogram": (2, 1, 80, 16), "video_frames": (2, 6, 96, 96)}
    (painted,) = session.run(None, {k: random.random(v, np.float32) for k, v in shapes.items()})
    assert painted.shape == (2, 3, 96, 96)
    assert np.isfinite(painted).all()
