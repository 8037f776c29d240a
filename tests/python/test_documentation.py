"""Every command of the documentation is run as written, and every setting is in it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT

PROGRAMS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(document, language):
    """The fenced blocks of `language` in `document`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


def commands():
    """Every shell block but `make serve`, which the fixture runs, `make demo`, tested alone, and the
    emulator of Lambda, for which see test_lambda."""
    for document in DOCUMENTS:
        for number, block in enumerate(blocks(document, "sh")):
            if not block.startswith("make ") and "cargo lambda" not in block:
                yield pytest.param(block, id=f"{document.name}-{number}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with models and avatars, as a user has it, that tests may write to."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "models").symlink_to(ROOT / "models")
    (folder / "target").symlink_to(PROGRAMS.parent)
    shutil.copytree(ROOT / "avatars", folder / "avatars")
    # What a user has downloaded; this one has Wav2Lip's layers, only narrower.
    checkpoints = ROOT / "crates" / "duolip-checkpoint" / "tests" / "fixtures"
    shutil.copy(checkpoints / "traced.pt", folder / "Wav2Lip-SD-GAN.pt")
    return folder


def run(arguments, folder):
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def probe(video, entries):
    return run(["ffprobe", "-v", "error", "-show_entries", entries, "-of", "csv=p=0", video], ROOT)


def test_the_documents_have_commands_to_run():
    assert len(list(commands())) >= 4
    assert "make demo\n" in blocks(ROOT / "README.md", "sh")
    assert "make serve\n" in blocks(ROOT / "README.md", "sh")


@pytest.mark.parametrize("block", list(commands()))
def test_a_command_works_as_written(server, folder, block):
    run(["bash", "-euo", "pipefail", "-c", block], folder)
    for video in re.findall(r"\S+\.mp4", block):
        assert probe(str(folder / video), "stream=codec_name").split() == ["h264", "aac"]


def test_the_python_of_the_readme_works_as_written(server, folder):
    (program,) = blocks(ROOT / "README.md", "python")
    run([sys.executable, "-c", program], folder)
    video = str(folder / "avatar_parallel.mp4")
    assert probe(video, "stream=codec_name").split() == ["h264", "aac"]
    assert probe(video, "stream=pix_fmt").split()[0] == "yuv420p"


def test_make_demo_leaves_a_video_of_both_models_and_prints_what_it_cost():
    video = ROOT / "out" / "demo.mp4"
    video.unlink(missing_ok=True)
    said = run(["make", "demo"], ROOT)
    chunks = re.findall(r"^ *chunk \d+ .* (gan|nogan) +frames", said, re.MULTILINE)
    assert chunks == ["gan", "nogan"], said
    assert "real-time factor" in said and "measured speed-up" in said
    assert probe(str(video), "stream=codec_name").split() == ["h264", "aac"]
    durations = [float(text) for text in probe(str(video), "stream=duration").split()]
    assert 0 <= durations[0] - durations[1] < 0.04, durations


def test_every_setting_is_in_the_operations_page():
    page = (ROOT / "docs" / "operations.md").read_text()
    settings = set(re.findall(r"\[env: (\w+)=", run([str(PROGRAMS / "duolip-http"), "--help"], ROOT)))
    assert len(settings) > 20
    missing = sorted(name for name in settings if f"`{name}`" not in page)
    assert not missing, f"not in docs/operations.md: {missing}"


def test_the_links_of_the_documents_lead_somewhere():
    pages = [*DOCUMENTS, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
