"""Sentences to speak: random words of a list, blended words, and babble."""

from functools import cache
from pathlib import Path

WORDS = Path(__file__).parent.parent / "words"

_BLENDED_WORDS_SHARE = 0.25
_COMMA_SHARE = 0.12
# Lips first: closures and tucks are what a viewer misses.
_ONSETS = "p b m f v t d n s z l r k g j h c pr br pl bl mn tr dr st sp sm kr gr fl vl".split()
_VOWELS = "a a a o o u u i e".split()


@cache
def words_of(language):
    return (WORDS / f"{language}.txt").read_text(encoding="utf-8").split()


def _blended(random, words):
    """The head of one word with the tail of another: sounds meet that never met in the list."""
    head, tail = (str(word) for word in random.choice(words, 2))
    return head[: (len(head) + 1) // 2] + tail[len(tail) // 2 :]


def _babbled(random):
    """A word of two to four syllables that most alphabets read alike."""
    syllables = random.integers(2, 5)
    return "".join(
        str(random.choice(_ONSETS)) + str(random.choice(_VOWELS)) for _ in range(syllables)
    )


def random_sentence(random, language):
    """A sentence of 2 to 9 words; `language` names a word list, or is `babble`."""
    chosen = []
    for _ in range(random.integers(2, 10)):
        if language == "babble":
            chosen.append(_babbled(random))
        elif random.random() < _BLENDED_WORDS_SHARE:
            chosen.append(_blended(random, words_of(language)))
        else:
            chosen.append(str(random.choice(words_of(language))))
    commas = random.random(len(chosen)) < _COMMA_SHARE
    text = " ".join(word + ("," if comma else "") for word, comma in zip(chosen, commas))
    return text.rstrip(",") + str(random.choice([".", ".", "!", "?"]))
