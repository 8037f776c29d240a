"""Speech with phoneme times, from libespeak-ng through its C interface.

The command line of espeak-ng prints no phoneme times without mbrola; the
library reports them as events, each with the index of the sample it starts at.
The library is one global engine: one process, one utterance at a time.
"""

import ctypes
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_PHONEME_EVENTS = 1
INITIALIZE_PHONEME_IPA = 2
EVENT_LIST_TERMINATED = 0
EVENT_PHONEME = 7
CHARS_UTF8 = 1
POSITION_CHARACTER = 1
PHONEMES_IPA = 2
PARAMETER_RATE, PARAMETER_VOLUME, PARAMETER_PITCH, PARAMETER_RANGE = 1, 2, 3, 4


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Phoneme:
    """An IPA symbol (empty or `_` for a pause) and the second it starts at."""

    start: float
    ipa: str


@dataclass(frozen=True)
class Speech:
    """Mono samples in -1..1 with the phonemes spoken in them."""

    samples: np.ndarray
    sample_rate: int
    phonemes: tuple[Phoneme, ...]

    @property
    def duration(self):
        return len(self.samples) / self.sample_rate


_parent = None


class _Engine:
    def __init__(self, parent):
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.sample_rate = self.library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            None if parent is None else str(parent).encode(),
            INITIALIZE_PHONEME_EVENTS | INITIALIZE_PHONEME_IPA,
        )
        if self.sample_rate <= 0:
            raise RuntimeError(
                "libespeak-ng could not be initialised (is espeak-ng-data installed?)"
            )
        self.library.espeak_Info.restype = ctypes.c_char_p
        data = ctypes.c_char_p()
        self.library.espeak_Info(ctypes.byref(data))
        self.variants = {file.name for file in (Path(data.value.decode()) / "voices/!v").iterdir()}
        self.library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.pieces = []
        self.events = []
        self.y_is_unrounded = False
        self.callback = _Callback(self._receive)  # kept alive: the library holds only a pointer
        self.library.espeak_SetSynthCallback(self.callback)

    def _ipa_of(self, event):
        ipa = bytes(event.id.string).split(b"\0")[0].decode("utf-8", "replace")
        return ipa.replace("y", "ɨ") if self.y_is_unrounded else ipa

    def _receive(self, samples, count, events):
        if samples and count > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        index = 0
        while events[index].type != EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == EVENT_PHONEME:
                self.events.append((event.sample, self._ipa_of(event)))
            index += 1
        return 0

    def phonemes_of(self, text, voice):
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        rest = ctypes.c_char_p(text.encode())
        clauses = []
        while rest.value:
            clause = self.library.espeak_TextToPhonemes(
                ctypes.byref(rest), CHARS_UTF8, PHONEMES_IPA
            )
            clauses.append(clause.decode().strip())
        return ", ".join(clause for clause in clauses if clause) + "."

    def speak(self, text, voice, words_per_minute, pitch, pitch_range):
        _, _, variant = voice.partition("+")
        if variant and variant not in self.variants:
            # The library would silently speak with the default voice instead.
            raise ValueError(f"espeak-ng has no voice variant {variant!r}")
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        settings = {
            PARAMETER_RATE: words_per_minute,
            PARAMETER_VOLUME: 100,
            PARAMETER_PITCH: pitch,
            PARAMETER_RANGE: pitch_range,
        }
        for parameter, value in settings.items():
            self.library.espeak_SetParameter(parameter, int(value), 0)
        self.pieces.clear()
        self.events.clear()
        # espeak-ng writes Russian ы, which spreads the lips, with IPA's sign for a rounded vowel.
        self.y_is_unrounded = voice.startswith("ru")
        encoded = text.encode() + b"\0"
        self.library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded)), 0, POSITION_CHARACTER, 0, CHARS_UTF8, None, None
        )
        self.library.espeak_Synchronize()
        samples = np.concatenate(self.pieces) if self.pieces else np.zeros(0, np.int16)
        return Speech(
            samples=samples.astype(np.float32) / 32768,
            sample_rate=self.sample_rate,
            phonemes=tuple(Phoneme(sample / self.sample_rate, ipa) for sample, ipa in self.events),
        )


@cache
def _engine():
    return _Engine(_parent)


def data_folder():
    """Where espeak-ng keeps its voices."""
    said = subprocess.run(["espeak-ng", "--version"], check=True, capture_output=True, text=True)
    return Path(said.stdout.rpartition("Data at: ")[2].strip())


def use_data_in(parent):
    """Voices are read from espeak-ng-data in this folder. Only before anything is spoken."""
    global _parent
    if _engine.cache_info().currsize:
        raise RuntimeError("espeak-ng has already begun to speak")
    _parent = parent


def speak(text, voice, words_per_minute=160, pitch=50, pitch_range=50):
    """Speak `text` with an espeak-ng voice, for example `ru` or `en-us+f2`.

    Raises ValueError for a voice or a variant that espeak-ng does not have.
    """
    return _engine().speak(text, voice, words_per_minute, pitch, pitch_range)


def phonemes_of(text, voice):
    """The text in IPA with stress marks, its clauses parted by commas."""
    return _engine().phonemes_of(text, voice)
