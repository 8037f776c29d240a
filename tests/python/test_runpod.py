"""The local API as RunPod's own client sees it: a second opinion on states, answers and addresses."""

import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest
import requests
import runpod

from conftest import ROOT

PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "duolip-runpod"
SPEECH = {"text": "Привет", "language": "ru"}
LONG_SPEECH = {"text": "Сегодня тепло и солнечно. " * 300, "language": "ru"}
PATIENCE_SECONDS = 300


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """RunPod's client of an endpoint, which is a worker on this machine."""
    work = tmp_path_factory.mktemp("work")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "DUOLIP_DATA_DIR": str(ROOT), "DUOLIP_WORK_DIR": str(work)}
    process = subprocess.Popen([PROGRAM, "--serve-api", "--api-port", str(port)], env=environment)
    try:
        runpod.api_key = "rpa_anything"
        runpod.endpoint_url_base = f"http://127.0.0.1:{port}/v2"
        wait_until(lambda: is_listening(port))
        yield runpod.Endpoint("duolip")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert not list(work.iterdir()), "job folders were left behind"


def is_listening(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "in vain waited"
        time.sleep(0.1)


def is_video(output):
    return base64.b64decode(output["video_base64"])[4:8] == b"ftyp"


def test_run_sync_gives_the_output_of_the_job(endpoint):
    output = endpoint.run_sync({"input": SPEECH}, timeout=PATIENCE_SECONDS)
    assert is_video(output)
    assert output["frames"] > 10
    assert output["duration_seconds"] * 25 <= output["frames"]


def test_the_client_wraps_an_input_that_is_not_wrapped(endpoint):
    assert is_video(endpoint.run_sync(SPEECH, timeout=PATIENCE_SECONDS))


def test_run_gives_a_job_whose_status_and_output_can_be_asked_for(endpoint):
    job = endpoint.run({"input": {**SPEECH, "endpoint": "generate", "model": "nogan"}})
    assert job.status() in ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    output = job.output(timeout=PATIENCE_SECONDS)
    assert job.status() == "COMPLETED"
    assert is_video(output)
    assert [chunk["model"] for chunk in output["chunks"]] == ["nogan"]


def test_a_streamed_job_yields_its_chunks_and_then_its_answer(endpoint):
    job = endpoint.run({"input": {**SPEECH, "stream": True}})
    *painted, answer = list(job.stream())
    assert sum(part["painted"]["frames"] for part in painted) == answer["frames"]
    assert is_video(answer)


def test_a_job_can_be_cancelled_and_the_next_one_runs(endpoint):
    job = endpoint.run({"input": LONG_SPEECH})
    wait_until(lambda: job.status() == "IN_PROGRESS")
    assert job.cancel(timeout=60)["status"] == "CANCELLED"
    assert job.status() == "CANCELLED"
    assert is_video(endpoint.run_sync({"input": SPEECH}, timeout=PATIENCE_SECONDS))


def test_a_job_that_fails_says_why(endpoint):
    job = endpoint.run({"input": {"text": "Hi", "language": "xx"}})
    wait_until(lambda: job.status() == "FAILED")
    view = requests.get(f"{runpod.endpoint_url_base}/duolip/status/{job.job_id}", timeout=10).json()
    error = json.loads(view["error"])
    assert error["code"] == "invalid_input" and "xx" in error["error_message"]


def test_health_counts_jobs_and_workers(endpoint):
    health = endpoint.health(timeout=30)
    assert set(health["jobs"]) == {"completed", "failed", "inProgress", "inQueue", "retried"}
    assert health["jobs"]["completed"] >= 1
    assert health["workers"]["idle"] == 1
