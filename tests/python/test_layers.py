"""The Lambda layers: the HTTP function renders with nothing but their contents."""

import os
import pathlib
import shutil
import socket
import subprocess

import requests

from conftest import ROOT, wait_until_ready

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def test_the_function_renders_with_the_layers_alone(tmp_path):
    layers = tmp_path / "layers"
    made = subprocess.run(
        ["scripts/layers.sh", layers],
        cwd=ROOT,
        env={**os.environ, "X264": str(TARGET / "debug/duolip-x264")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "together, with a program of 60 MB" in made.stdout
    (tmp_path / "work").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # A folder of its own, where no duolip-x264 lies beside it.
    function = shutil.copy(TARGET / "debug/duolip-http", tmp_path / "bootstrap")
    # As template.yaml sets them, and the search path as Lambda does; a machine's own programs are out
    # of reach.
    environment = {
        "PATH": str(layers / "ffmpeg/bin"),
        "PORT": str(port),
        "ORT_DYLIB_PATH": str(layers / "onnxruntime/lib/libonnxruntime.so"),
        "DUOLIP_DATA_DIR": str(layers / "data/share/duolip"),
        "DUOLIP_FFMPEG": str(layers / "ffmpeg/bin/ffmpeg"),
        "DUOLIP_ESPEAK": str(layers / "espeak/bin/espeak-ng"),
        "DUOLIP_WORK_DIR": str(tmp_path / "work"),
        "DUOLIP_CACHE_DIR": str(tmp_path / "cache"),
    }
    process = subprocess.Popen([function], cwd=tmp_path, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, url)
        health = requests.get(f"{url}/api/health", timeout=60).json()
        assert health["status"] == "ready", health
        assert health["versions"]["ffmpeg"].startswith("ffmpeg version 7.0.2"), health
        assert health["versions"]["x264"].startswith("duolip-x264 "), health
        job = {"text": "Да, конечно.", "language": "ru", "num_workers": 1}
        answer = requests.post(f"{url}/api/generate_parallel", json=job, timeout=120)
        assert answer.status_code == 200, answer.text
        assert answer.content[4:8] == b"ftyp"
    finally:
        process.terminate()
        process.wait(timeout=60)

