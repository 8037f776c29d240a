"""From phonemes to the mouth of every video frame.

A mouth is six numbers, the columns of a track:

    open    0 shut .. 1 wide open (a)
    wide    -1 rounded (u) .. 0 at rest .. 1 spread (i)
    close   1 while the lips are pressed together (p, b, m)
    teeth   how much of the teeth shows
    tongue  1 when the tip of the tongue is up (l, th)
    tuck    1 when the lower lip touches the teeth (f, v)

Numpy only: the lip-sync checker takes its ground truth from here.
"""

from dataclasses import dataclass

import numpy as np

OPEN, WIDE, CLOSE, TEETH, TONGUE, TUCK = range(6)
VIDEO_RATE = 25

_TRACK_RATE = 200  # steps per second of the track before it is cut into video frames
_CLOSURE_SHARE = 0.62  # of a voiceless stop's segment; the rest is its burst and breath
_LONGEST_RELEASE = 0.045  # seconds from the burst to the end of the segment
_LIP_SMOOTHING = 0.030  # seconds, standard deviation of the Gaussian
_WIDTH_SMOOTHING = 0.048  # lips round ahead of the sound, so width moves more slowly
_CLOSURE_SMOOTHING = 0.014  # closures are short and must survive
_CLOSURE_GAIN = 1.25
_STOP_CLOSURE = 0.060  # a voiceless stop's event is its burst; it is shut this long before
_VOWEL_EVENT_DELAY = 0.022  # a vowel's event comes this long after the consonant let go
_DIPHTHONG_TURN = 0.55  # share of a diphthong that belongs to its first vowel

#                   open   wide close teeth tongue tuck
_VOWEL_SHAPES = {
    "aɑɐɒ":         (0.95, 0.10, 0.0, 0.35, 0.15, 0.0),
    "æ":            (0.90, 0.45, 0.0, 0.50, 0.15, 0.0),
    "ʌ":            (0.75, 0.05, 0.0, 0.35, 0.10, 0.0),
    "eɛɜœ":         (0.58, 0.45, 0.0, 0.55, 0.15, 0.0),
    "əɘɯᵻɚɝ":       (0.42, 0.05, 0.0, 0.40, 0.10, 0.0),
    "iɪ":           (0.30, 0.85, 0.0, 0.75, 0.10, 0.0),
    "ɨ":            (0.32, 0.50, 0.0, 0.70, 0.10, 0.0),
    "oɔɵ":          (0.60, -0.65, 0.0, 0.15, 0.05, 0.0),
    "uʊʉ":          (0.24, -1.00, 0.0, 0.00, 0.00, 0.0),
    "yʏø":          (0.28, -0.85, 0.0, 0.10, 0.00, 0.0),
}  # fmt: skip
_CONSONANT_SHAPES = {
    "pbm":          (0.00, 0.00, 1.0, 0.00, 0.00, 0.0),
    "fvɱ":          (0.14, 0.15, 0.0, 0.80, 0.00, 1.0),
    "βʋ":           (0.15, 0.00, 0.5, 0.00, 0.00, 0.3),
    "wʍɥ":          (0.14, -1.00, 0.0, 0.00, 0.00, 0.0),
    "jʝʲ":          (0.24, 0.65, 0.0, 0.70, 0.10, 0.0),
    "sz":           (0.14, 0.55, 0.0, 1.00, 0.10, 0.0),
    "ʃʒɕʑʂʐ":       (0.24, -0.60, 0.0, 1.00, 0.00, 0.0),
    "tdnɲɳʈɖ":      (0.20, 0.25, 0.0, 0.80, 0.50, 0.0),
    "lɭʎɫ":         (0.34, 0.15, 0.0, 0.50, 1.00, 0.0),
    "θð":           (0.22, 0.20, 0.0, 0.80, 1.00, 0.0),
    "rɹɾʀʁɻɽ":      (0.30, -0.20, 0.0, 0.50, 0.30, 0.0),
    "kɡgŋxχɣqcçhɦʔɧħ": (0.32, 0.10, 0.0, 0.40, 0.10, 0.0),
}  # fmt: skip


def _by_symbol(table):
    return {symbol: np.array(shape) for symbols, shape in table.items() for symbol in symbols}


_VOWELS = _by_symbol(_VOWEL_SHAPES)
_SHAPES = _VOWELS | _by_symbol(_CONSONANT_SHAPES)
_SIBILANTS = frozenset("szʃʒɕʑʂʐ")
_VOICELESS_STOPS = frozenset("ptkcq")
BILABIALS = frozenset("pbm")


def _shapes_of(ipa):
    """The mouths a phoneme passes through: two for a diphthong, none for a pause.

    `(en)` is no sound: espeak-ng says so when it changes its language.
    """
    if ipa.startswith("("):
        return []
    known = [symbol for symbol in ipa if symbol in _SHAPES]
    if not known:
        return []
    if known[0] in _VOWELS:
        vowels = [_SHAPES[symbol] for symbol in known if symbol in _VOWELS]
        return [vowels[0]] if len(vowels) == 1 else [vowels[0], vowels[-1]]
    if known[0] == "j" and len(known) > 1 and known[1] in _VOWELS:  # Russian я and ю are one event
        return [_SHAPES["j"], _SHAPES[known[1]]]
    return [_SHAPES[known[_is_affricate(ipa)]]]


def _is_affricate(ipa):
    """Whether a stop is let go into a sibilant, which the lips shape from the beginning."""
    known = [symbol for symbol in ipa if symbol in _SHAPES]
    return len(known) > 1 and known[0] in "td" and known[1] in _SIBILANTS


def _starts_with(ipa, symbols):
    return ipa[:1] != "" and ipa[0] in symbols


@dataclass(frozen=True)
class Held:
    """A phoneme and the time its shape is held, in seconds."""

    start: float
    end: float
    ipa: str


def _sounding_interval(previous, phoneme, following):
    """When the mouth holds a phoneme's shape, in seconds.

    Moves the borders of espeak-ng's events to where the lips move; `previous`
    is None for the first phoneme.
    """
    start, end = phoneme.start, following.start
    before_vowel = _starts_with(following.ipa, _VOWELS)
    if _is_affricate(phoneme.ipa):
        start -= _STOP_CLOSURE if _starts_with(phoneme.ipa, _VOICELESS_STOPS) else 0
    elif _starts_with(phoneme.ipa, _VOICELESS_STOPS):
        start = phoneme.start - _STOP_CLOSURE
        end = phoneme.start + 0.005 if before_vowel else min(end, phoneme.start + 0.030)
    elif _starts_with(phoneme.ipa, _VOWELS):
        before = "" if previous is None else previous.ipa
        if _starts_with(before, _VOICELESS_STOPS) and not _is_affricate(before):
            start = previous.start + 0.005
        elif _starts_with(before, _SHAPES.keys() - _VOWELS.keys()) and not _is_affricate(before):
            start -= _VOWEL_EVENT_DELAY
    elif before_vowel:
        end -= _VOWEL_EVENT_DELAY
    return max(start, 0.0), end


def held_by_events(phonemes, duration):
    """What the mouth holds, from espeak-ng's phoneme events (`start` and `ipa`)."""
    held = []
    for index, phoneme in enumerate(phonemes):
        last = index + 1 == len(phonemes)
        following = type(phoneme)(duration, "_") if last else phonemes[index + 1]
        if following.start > phoneme.start:
            previous = phonemes[index - 1] if index else None
            held.append(Held(*_sounding_interval(previous, phoneme, following), phoneme.ipa))
    return held


def held_by_segments(segments):
    """What the mouth holds, from acoustic segments (`start`, `end`, `ipa`), one after the other.

    A segment of a voiceless stop is closure, burst and breath: with the burst
    the lips are on their way to the next sound.
    """
    held, opened = [], None
    for segment in segments:
        start, end = segment.start, segment.end
        if opened is not None and _starts_with(segment.ipa, _SHAPES.keys()):
            start = opened
        opened = None
        if _starts_with(segment.ipa, _VOICELESS_STOPS) and not _is_affricate(segment.ipa):
            release = min((1 - _CLOSURE_SHARE) * (end - start), _LONGEST_RELEASE)
            opened = end = end - release
        held.append(Held(start, end, segment.ipa))
    return held


def _smooth(columns, seconds):
    """Gaussian smoothing along time; the ends are extended."""
    radius = int(3 * seconds * _TRACK_RATE) + 1
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / _TRACK_RATE / seconds) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(columns, ((radius, radius), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=1)


def track_of_held(sounds, duration):
    """The mouth of each video frame, (ceil(25 * duration), 6), from `Held` sounds.

    Frame i stands for the time from i/25 to (i+1)/25 s: the mean over it, but
    for `close` the maximum, so that no closure falls between two frames.
    """
    steps_per_frame = _TRACK_RATE // VIDEO_RATE
    frames = int(np.ceil(round(duration * VIDEO_RATE, 6)))
    steps = frames * steps_per_frame
    held = np.zeros((steps, 6))
    shut = np.zeros((steps, 1))
    for sound in sounds:
        shapes = _shapes_of(sound.ipa)
        if not shapes:
            continue
        first = int(sound.start * _TRACK_RATE)
        last = max(first + 1, round(sound.end * _TRACK_RATE))
        turn = last if len(shapes) == 1 else first + int((last - first) * _DIPHTHONG_TURN)
        held[first:turn] = shapes[0]
        held[turn:last] = shapes[-1]
        if _starts_with(sound.ipa, BILABIALS):
            shut[first:last] = 1
    track = _smooth(held, _LIP_SMOOTHING)
    track[:, WIDE] = _smooth(held[:, [WIDE]], _WIDTH_SMOOTHING)[:, 0]
    closure = np.clip(_smooth(shut, _CLOSURE_SMOOTHING)[:, 0] * _CLOSURE_GAIN, 0, 1)
    track = track.reshape(frames, steps_per_frame, 6).mean(axis=1)
    track[:, CLOSE] = closure.reshape(frames, steps_per_frame).max(axis=1)
    track[:, [OPEN, TEETH, TONGUE]] *= 1 - track[:, [CLOSE]]
    return np.clip(track, -1, 1).astype(np.float32)


def mouth_track(phonemes, duration):
    """The mouth of each video frame, (ceil(25 * duration), 6), from espeak-ng's events.

    `phonemes` carry `start` (seconds) and `ipa`.
    """
    return track_of_held(held_by_events(phonemes, duration), duration)
