"""A server as `make serve` starts it, for the tests that send it requests.

Also lets tests import `demo_pair`, the training recipe, which measures what it trains.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models/training"))
URL = "http://localhost:3000"
START_SECONDS = 300


@pytest.fixture(scope="module")
def server():
    """`make serve`, ready to render; its whole process group is stopped at the end of the module,
    so that others can have its port."""
    process = subprocess.Popen(["make", "serve"], cwd=ROOT, start_new_session=True)
    try:
        wait_until_ready(process)
        yield URL
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def wait_until_ready(process, url=URL):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            if requests.get(f"{url}/ping", timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"the server was not ready within {START_SECONDS} s")
