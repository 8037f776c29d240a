"""Recorded human speech that Debian packages carry, with what is said in it.

Nothing is downloaded; a package that is not installed is left out. The times
come from `align`, the sounds from espeak-ng's reading of the text.
"""

from pathlib import Path

from demo_pair import espeak
from demo_pair.engines.segments import read_wav

_LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
_ALSA = Path("/usr/share/sounds/alsa")
_ALSA_WORDS = (
    "Front_Center Front_Left Front_Right Rear_Center Rear_Left Rear_Right Side_Left Side_Right"
)
_TWO_SYMBOLS = {"aɪ", "aʊ", "eɪ", "oʊ", "ɔɪ", "tʃ", "dʒ"}
_MARKS = "ˈˌːˑ"


def sounds_of(text, voice="en-us"):
    """The sounds of a text as espeak-ng reads it: IPA, "" between words."""
    symbols = [symbol for symbol in espeak.phonemes_of(text, voice) if symbol not in _MARKS]
    sounds = []
    for symbol in symbols:
        if not symbol.isalpha():
            if sounds and sounds[-1]:
                sounds.append("")
        elif sounds and sounds[-1] + symbol in _TWO_SYMBOLS:
            sounds[-1] += symbol
        else:
            sounds.append(symbol)
    return sounds[:-1] if sounds and not sounds[-1] else sounds


def librivox():
    """(text, samples, sample rate): Sense and Sensibility, read by a LibriVox volunteer."""
    for line in (_LIBRIVOX / "transcription").read_text().splitlines():
        words, _, name = line.rpartition("(")
        text = words.replace("<s>", "").replace("</s>", "").strip()
        yield text, *read_wav(_LIBRIVOX / f"{name.rstrip(')').strip()}.wav")


def alsa():
    """(text, samples, sample rate): a woman names loudspeakers."""
    for name in _ALSA_WORDS.split():
        yield name.replace("_", " ").lower(), *read_wav(_ALSA / f"{name}.wav")


def lacks(package, file):
    def missing():
        return "" if file.exists() else f"needs the Debian package {package}"

    return missing


LACKS_LIBRIVOX = lacks("pocketsphinx-testdata", _LIBRIVOX / "transcription")
LACKS_ALSA = lacks("alsa-utils", _ALSA / "Front_Center.wav")
