"""RHVoice, with phoneme times from the shim `rhvoice_times.c`.

The shim is compiled on first use; times are exact to the sample. Only the
quality `max` runs through the engine that the shim listens to.
"""

import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from demo_pair.engines.segments import ENGLISH, RHVOICE_RUSSIAN, Utterance, read_wav, segments_until

PHONES = {"ru": RHVOICE_RUSSIAN, "en": ENGLISH}
_TIMEOUT = 120
_PHONE = re.compile(r"-([^-+]+)\+")


@cache
def _shim():
    folder = Path(tempfile.mkdtemp(prefix="rhvoice-times-"))
    library = folder / "rhvoice_times.so"
    source = Path(__file__).with_name("rhvoice_times.c")
    subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True
    )
    return library


def speak(text, voice, language, rate=100, pitch=100):
    """One utterance; `rate` and `pitch` in percent of the voice's own."""
    with tempfile.TemporaryDirectory() as folder:
        wav, times = Path(folder) / "speech.wav", Path(folder) / "times"
        environment = dict(os.environ, LD_PRELOAD=str(_shim()), RHVOICE_TIMES=str(times))
        command = ["RHVoice-test", "-q", "max", "-p", voice, "-r", str(rate), "-t", str(pitch)]
        subprocess.run(
            [*command, "-o", str(wav)],
            input=text.encode(),
            env=environment,
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
        )
        samples, sample_rate = read_wav(wav)
        rows = [line.split(" ", 2) for line in times.read_text().splitlines()]
    ends, at = [], 0
    for count, label_rate, label in rows:
        at += int(count)
        phone = _PHONE.search(label).group(1)
        ends.append((at / int(label_rate), PHONES[language].get(phone, "")))
    return Utterance(samples, sample_rate, segments_until(ends))
