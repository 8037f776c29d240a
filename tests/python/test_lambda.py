"""The HTTP function in the emulator of cargo-lambda, by the commands of the documentation."""

import base64
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import requests

from conftest import ROOT, URL

# cargo finds `cargo-lambda`, which lies beside this Python, on the path.
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
    "DUOLIP_LAMBDA_RESPONSE": "streaming",
    # Lossless and hardly compressed, so that a minute of speech is more than a buffered answer may be.
    "DUOLIP_X264_CRF": "0",
    "DUOLIP_X264_PRESET": "ultrafast",
}
PROGRAMS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
START_SECONDS = 600


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """`cargo lambda-watch` with the function answering; its log is the value."""
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{URL}/ping", timeout=5)  # Somebody else's server would answer in its place.
    log = tmp_path_factory.mktemp("emulator") / "log"
    with log.open("w") as said:
        process = subprocess.Popen(
            ["cargo", "lambda-watch"],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        wait_until_answering(process, log)
        yield log
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def wait_until_answering(process, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            # The emulator itself starts the function at the first request, and waits for it.
            if requests.get(f"{URL}/ping", timeout=START_SECONDS).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.5)
    raise TimeoutError(log.read_text())


def test_the_emulator_renders_and_stays_warm(emulator):
    for text in ["Да.", "Нет."]:
        answer = requests.post(
            f"{URL}/api/generate_parallel", json={"text": text, "language": "ru"}, timeout=300
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.content[4:8] == b"ftyp"
        assert int(answer.headers["x-duolip-frames"]) > 0
    said = emulator.read_text()
    assert said.count("job done") == 2, said
    assert said.count("lip-sync model warm") == 2, said


def test_a_streamed_video_is_that_of_the_command_line(emulator, tmp_path):
    speech, video = tmp_path / "speech.wav", tmp_path / "video.mp4"
    subprocess.run(["espeak-ng", "-w", speech, "One, two, three, four."], check=True)
    audio = base64.b64encode(speech.read_bytes()).decode()
    job = {"audio": audio, "num_workers": 2}
    answer = requests.post(f"{URL}/api/generate_parallel", json=job, timeout=300)
    assert answer.status_code == 200, answer.text
    render = [PROGRAMS / "duolip", "render", "--audio", speech, "--num-workers", "2"]
    subprocess.run([*render, "--output", video], cwd=ROOT, env=ENVIRONMENT, check=True)
    assert answer.content == video.read_bytes(), "another video than the command line's"


def test_a_video_over_the_limit_of_a_buffered_answer_is_streamed_whole(emulator, tmp_path):
    """The emulator loses buffered answers of 4 MB and more; streamed ones come whole."""
    words = "Здравствуйте, меня зовут Анна, и сегодня я расскажу вам очень длинную историю. " * 10
    answer = requests.post(
        f"{URL}/api/generate_parallel", json={"text": words, "language": "ru"}, timeout=600
    )
    assert answer.status_code == 200, answer.text
    assert len(answer.content) > 5 << 20
    video = tmp_path / "video.mp4"
    video.write_bytes(answer.content)
    count = ["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v"]
    count += ["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", video]
    packets = subprocess.run(count, capture_output=True, text=True, check=True).stdout
    assert packets.strip().strip(",") == answer.headers["x-duolip-frames"]


def test_an_invocation_with_the_sample_event_gets_a_video(emulator):
    event = "functions/http/events/function_url.json"
    command = ["cargo", "lambda", "invoke", "--invoke-address", "127.0.0.1", "--invoke-port", "3000"]
    command += ["--data-file", event, "duolip-http"]
    said = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=False)
    assert said.returncode == 0, said.stderr
    # A streamed answer comes as it is: the video.
    assert said.stdout[4:8] == b"ftyp", said.stdout[:200]
