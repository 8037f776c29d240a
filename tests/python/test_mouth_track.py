"""The true mouths: where the sounds of a language put the lips, and when."""

import pytest
from demo_pair.engines.segments import Segment, Utterance
from demo_pair.espeak import Phoneme
from demo_pair.mouth_track import OPEN, VIDEO_RATE, WIDE, mouth_track


def events(*sounds):
    return [Phoneme(start, ipa) for start, ipa in sounds]


def at(track, second):
    return track[int(second * VIDEO_RATE)]


@pytest.mark.parametrize("affricate", ["tʃ", "tʃʲ", "dʒ"])
def test_an_affricate_holds_its_lips_until_the_vowel_is_heard(affricate):
    """The vowel was shown from the burst on: the mouth stood open while it still hissed."""
    track = mouth_track(events((0.2, affricate), (0.4, "a"), (0.8, "")), 1.0)
    hissing, sounding = at(track, 0.3), at(track, 0.6)
    assert hissing[OPEN] < 0.35 and hissing[WIDE] < -0.4
    assert sounding[OPEN] > 0.9 and sounding[WIDE] > 0


def test_a_stop_lets_go_with_its_burst():
    track = mouth_track(events((0.2, "t"), (0.4, "a"), (0.8, "")), 1.0)
    assert at(track, 0.3)[OPEN] > 0.9


def test_an_affricate_told_as_a_segment_holds_its_lips_to_its_end():
    segments = (Segment(0.0, 0.2, ""), Segment(0.2, 0.4, "tʃ"), Segment(0.4, 0.8, "a"))
    track = Utterance([0.0] * 16000, 16000, segments).track()
    assert at(track, 0.34)[WIDE] < -0.4
    assert at(track, 0.34)[OPEN] < 0.35
