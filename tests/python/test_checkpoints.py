"""A checkpoint as large as the published ones, in their container: imported, named, rendered."""

import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "models" / "training"))

PROGRAMS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
DUOLIP = PROGRAMS / "duolip"
MOST_BYTES = 1_000_000_000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Wav2Lip's network at its full width with random weights, traced and saved by PyTorch."""
    import torch
    from demo_pair.network import LipSync, Widths

    torch.manual_seed(1)
    widths = Widths(
        face=(16, 32, 64, 128, 256, 512),
        audio=(32, 64, 128, 256, 512),
        decoder=(512, 512, 512, 384, 256, 128, 64),
        output=32,
    )
    network = LipSync(widths).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    assert sum(weight.numel() for weight in network.parameters()) == 36_298_035
    example = torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)
    file = tmp_path_factory.mktemp("checkpoint") / "Wav2Lip-SD-GAN.pt"
    torch.jit.save(torch.jit.trace(network, example), str(file))
    return file


def run(arguments, environment, folder):
    """Runs to its end; gives its output, its peak memory in bytes and its seconds."""
    began = time.monotonic()
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return said, usage.ru_maxrss * 1024, time.monotonic() - began


def test_a_full_width_torchscript_checkpoint_is_imported_in_little_memory(checkpoint, tmp_path):
    command = [DUOLIP, "import-model", checkpoint, "--output", "gan", "--accept-license"]
    said, peak, seconds = run(command, {"DUOLIP_CACHE_DIR": str(tmp_path)}, tmp_path)
    print(f"import: {seconds:.1f} s, peak {peak / 1e6:.0f} MB\n{said}")
    assert "a TorchScript archive: 36298035 parameters, 96 px" in said
    assert peak < MOST_BYTES
    assert float(re.search(r"\((\S+) times less\)", said)[1]) > 2


def test_make_demo_renders_with_a_checkpoint_named_by_its_variable(checkpoint, tmp_path):
    settings = {
        "CHECKPOINT_PATH_GAN": str(checkpoint),
        "DUOLIP_ACCEPT_LICENSE": "true",
        "DUOLIP_CACHE_DIR": str(tmp_path),
    }
    said, _, _ = run([DUOLIP, "doctor"], settings, ROOT)
    assert re.search(r"^model gan +ok +Wav2Lip-SD-GAN on ", said, re.MULTILINE), said
    said, _, _ = run(["make", "demo"], settings | {"DEMO_TEXT": "Привет! " * 12}, ROOT)
    chunks = re.findall(r"^ *chunk \d+ .* (gan|nogan) +frames", said, re.MULTILINE)
    assert chunks == ["gan", "nogan"], said
