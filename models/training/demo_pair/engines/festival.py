"""Festival's voices, with the segments it keeps of each utterance.

One process speaks a whole list. Festival gives its diphone voices' segments as
planned; the wave is up to 25 ms longer, silence at its end.
"""

import subprocess
import tempfile
from pathlib import Path

from demo_pair.engines.segments import Utterance, read_wav, segments_until

_PAUSES = {"pau", "#", "_", "sil", "h#", "brth"}
_TIMEOUT = 600


def speak_many(texts, voice, phones, slower=None):
    """Utterances of `texts` by a festival voice, None where it could not speak.

    `phones` maps its phones to IPA; `slower` stretches each text's durations.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        lines = [f"(voice_{voice})"]
        for index, text in enumerate(texts):
            stretch = 1.0 if slower is None else slower[index]
            quoted = text.replace("\\", " ").replace('"', " ")
            lines += [
                f"(Parameter.set 'Duration_Stretch {stretch:.3f})",
                f'(set! u (utt.synth (Utterance Text "{quoted}")))',
                f'(utt.save.wave u "{folder}/{index}.wav" \'riff)',
                f'(utt.save.segs u "{folder}/{index}.seg")',
            ]
        script = folder / "speak.scm"
        script.write_text("\n".join(lines), encoding="utf-8")
        subprocess.run(
            ["festival", "-b", str(script)], capture_output=True, timeout=_TIMEOUT, check=False
        )
        return [_utterance(folder, index, phones) for index in range(len(texts))]


def _utterance(folder, index, phones):
    wav, seg = folder / f"{index}.wav", folder / f"{index}.seg"
    if not wav.exists() or not seg.exists():
        return None
    samples, rate = read_wav(wav)
    rows = [line.split() for line in seg.read_text(errors="replace").splitlines()]
    rows = [(float(row[0]), row[-1]) for row in rows if len(row) == 3]
    return Utterance(samples, rate, segments_until(_named(rows, phones)))


def _named(rows, phones):
    return [(end, "" if phone in _PAUSES else phones.get(phone, phone[0])) for end, phone in rows]
