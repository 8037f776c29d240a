"""Sentences to speak: random words of a list, blended and invented words, and babble."""

from functools import cache
from pathlib import Path

WORDS = Path(__file__).parent.parent / "words"

_BLENDED_WORDS_SHARE = 0.25
_INVENTED_WORDS_SHARE = 0.25
_COMMA_SHARE = 0.12
# Lips first: closures and tucks are what a viewer misses.
_ONSETS = "p b m f v t d n s z l r k g j h c pr br pl bl mn tr dr st sp sm kr gr fl vl".split()
_VOWELS = "a a a o o u u i e".split()
_SYLLABLES = {  # onsets, vowels and endings as each alphabet writes them; _ is none
    "ru": (
        "_ п б м ф в т д н с з л р к г х ш ж ч щ ц й п б м в ть п пр бр пл бл мн тр др ст сп см кр "
        "гр кл гл фл вл вр св шк дв тв".split(),
        "а о у ы и э е ё ю я о у ё ю".split(),
        "_ _ _ _ _ м п б в ф н т д с з л р к г ш ж ч ц й нь ль ть вь".split(),
    ),
    "en": (
        "_ p b m f v w wh t d n th s sh ch j k g l r h y qu tw sw sp st sm sn bl br pl pr fl fr gl "
        "gr cl cr thr w b p m".split(),
        "a e i o u ee oo oa ai aw ou ow oy er ar or igh ew ay ea ul oo oo or o".split(),
        "_ _ _ _ p b m f v n ng t d k g ll s z sh ch dge th ft nd nt mp ld lk".split(),
    ),
}


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


def _invented(random, language):
    """A word of one to three syllables of a language: its sounds in every company."""
    onsets, vowels, endings = _SYLLABLES[language]
    word = "".join(
        str(random.choice(onsets)) + str(random.choice(vowels)) + str(random.choice(endings))
        for _ in range(random.integers(1, 4))
    )
    return word.replace("_", "")


def random_sentence(random, language):
    """A sentence of 2 to 9 words; `language` names a word list, or is `babble`."""
    chosen = []
    for _ in range(random.integers(2, 10)):
        if language == "babble":
            chosen.append(_babbled(random))
        elif language in _SYLLABLES and random.random() < _INVENTED_WORDS_SHARE:
            chosen.append(_invented(random, language))
        elif random.random() < _BLENDED_WORDS_SHARE:
            chosen.append(_blended(random, words_of(language)))
        else:
            chosen.append(str(random.choice(words_of(language))))
    commas = random.random(len(chosen)) < _COMMA_SHARE
    text = " ".join(word + ("," if comma else "") for word, comma in zip(chosen, commas))
    return text.rstrip(",") + str(random.choice([".", ".", "!", "?"]))
