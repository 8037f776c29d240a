"""The voices kept out of training, to measure with.

Nothing of them is heard in training: not the voice, nor (hibari, festvox-ru) its
engine. Of Festival's diphone engine, voices of other languages are.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo_pair.engines import festival, recorded
from demo_pair.engines.segments import ENGLISH, FESTIVAL_RUSSIAN, Utterance
from demo_pair.engines.sentences import NEVER_TRAINED
from demo_pair.mel import SAMPLE_RATE, resample_to_16k

_FESTIVAL_VOICES = Path("/usr/share/festival/voices")


@dataclass(frozen=True)
class Voice:
    """A voice to measure with.

    `speak(aligner)` gives (text, utterance) pairs; `times` tells where its
    segments come from; `aligned` voices need the aligner; `missing` says what
    has to be installed, or nothing.
    """

    name: str
    language: str
    licence: str
    times: str
    speak: Callable
    missing: Callable
    aligned: bool = False


def _festival(name, language, phones):
    def speak(aligner):
        texts = NEVER_TRAINED[language]
        return list(zip(texts, festival.speak_many(texts, name, phones)))

    return speak


def _lacks_festival(folder, package):
    def missing():
        if shutil.which("festival") and (_FESTIVAL_VOICES / folder).is_dir():
            return ""
        return f"needs the Debian packages festival and {package}"

    return missing


def _with_times(aligner, text, samples, sample_rate, sounds):
    """The utterance at 16 kHz, its segments found by the aligner."""
    heard = resample_to_16k(samples, sample_rate)
    return text, Utterance(heard, SAMPLE_RATE, aligner.segments(heard, sounds))


def _hibari(aligner):
    from demo_pair.engines import neural

    for text in NEVER_TRAINED["en"]:
        said = neural.hibari(text)
        sounds = [segment.ipa for segment in said.segments]
        yield _with_times(aligner, text, said.samples, said.sample_rate, sounds)


def _lacks_hibari():
    from demo_pair.engines import neural

    return "" if neural.package_folder("hibari") else "needs the Python package hibari-tts"


def _recorded(recordings):
    def speak(aligner):
        for text, samples, rate in recordings():
            yield _with_times(aligner, text, samples, rate, recorded.sounds_of(text))

    return speak


NEVER_HEARD = (
    Voice(
        "festvox-ru",
        "ru",
        "festvox-ru (msu_ru_nsh, Moscow State University): BSD-like",
        "festival's own, unit selection",
        _festival("msu_ru_nsh_clunits", "ru", FESTIVAL_RUSSIAN),
        _lacks_festival("russian/msu_ru_nsh_clunits", "festvox-ru"),
    ),
    Voice(
        "festival-kal",
        "en",
        "festvox-kallpc16k: free use and distribution (BSD-like)",
        "festival's own, diphones",
        _festival("kal_diphone", "en", ENGLISH),
        _lacks_festival("english/kal_diphone", "festvox-kallpc16k"),
    ),
    Voice(
        "hibari",
        "en",
        "hibari-tts 0.2.1: Apache-2.0",
        "demo_pair.align",
        _hibari,
        _lacks_hibari,
        aligned=True,
    ),
    Voice(
        "human-librivox",
        "en",
        "LibriVox: public domain (in pocketsphinx-testdata)",
        "demo_pair.align",
        _recorded(recorded.librivox),
        recorded.LACKS_LIBRIVOX,
        aligned=True,
    ),
    Voice(
        "human-alsa",
        "en",
        "alsa-utils: GPL-2",
        "demo_pair.align",
        _recorded(recorded.alsa),
        recorded.LACKS_ALSA,
        aligned=True,
    ),
)
