"""`make bench` in its quick size, for real: what it tells, and nothing about how long it took."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT

CASES = ("demo_two_models_10s", "demo_one_model_10s")
# Of 255, in the middle of the mouth. The mouth of the next frame differs by about 10.
SAME_MOUTHS = 5
NUMBER = r"(\d+\.\d+)"


@pytest.fixture(scope="module")
def said():
    command = ["make", "bench", "BENCH=quick", "PROFILE=dev"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def figures(said):
    lines = re.findall(rf"^figure (\w+) (\w+) {NUMBER}$", said, re.MULTILINE)
    return {(measure, case): float(value) for measure, case, value in lines}


def test_every_case_has_its_ratios_with_their_spread(said):
    ratios = re.findall(rf"^ratio (\w+) (\w+) {NUMBER} {NUMBER} {NUMBER}$", said, re.MULTILINE)
    assert len(ratios) == said.count("\nratio ")
    told = {(measure, case) for measure, case, *_ in ratios}
    renders = {"frames_per_second", "real_time_factor", "cpu_seconds", "peak_memory"}
    assert {(measure, case) for measure in renders for case in CASES} <= told
    if len(os.sched_getaffinity(0)) > 1:
        assert ("frames_per_second", "demo_two_models_10s_1_core") in told
    for seconds in (5, 10):
        assert ("real_time_factor", f"demo_growth_{seconds}s") in told
    for moment in ("ready", "first_video", "first_pictures"):
        assert (f"seconds_to_{moment}", "demo_start") in told
    for callers in (1, 4):
        for measure in ("throughput", "latency_p50", "latency_p95"):
            assert (measure, f"demo_{callers}_callers") in told
    for _, _, middle, least, most in ratios:
        assert 0 < float(least) <= float(middle) <= float(most)


@pytest.mark.parametrize("case", CASES)
def test_ours_loses_no_speech_and_the_usual_design_does(figures, case):
    for measure in ("speech_lost_ms", "audio_lost_ms", "seam_freeze_ms"):
        assert figures[measure, f"{case}_ours"] == 0
    assert figures["speech_lost_ms", f"{case}_baseline"] > 100
    seams = case == "demo_two_models_10s"
    assert (figures["seam_freeze_ms", f"{case}_baseline"] > 40) == seams


@pytest.mark.parametrize("case", CASES)
def test_the_usual_design_paints_the_mouths_that_ours_paints(figures, case):
    assert figures["mouth_difference", case] < SAME_MOUTHS


def test_several_callers_are_compared_with_one(figures):
    for system in ("ours", "baseline"):
        assert figures["throughput_to_one_caller", f"demo_1_callers_{system}"] == 1
        assert figures["throughput_to_one_caller", f"demo_4_callers_{system}"] > 0
        # Of a few latencies none is over the sum of them.
        assert 1 <= figures["p95_to_mean", f"demo_4_callers_{system}"] < 4


def test_a_page_and_a_plot_are_written(said):
    (page,) = re.findall(r"^(/.*\.md)$", said, re.MULTILINE)
    text = Path(page).read_text()
    (plot,) = re.findall(r"\]\((\S+\.svg)\)", text)
    assert Path(page).with_name(plot).stat().st_size < 60_000
    for heading in ("Renders", "Stages", "What is left", "How time grows", "Start", "Several"):
        assert f"\n## {heading}" in text
