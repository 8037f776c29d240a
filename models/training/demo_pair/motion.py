"""Does the mouth follow the speech? Opening, width and closure against the truth."""

from dataclasses import dataclass

import numpy as np

from demo_pair.mouth_track import CLOSE, OPEN, WIDE

LARGEST_LAG = 5
CLOSED_BELOW = 0.12  # an opening under this is a closed mouth
_A_VOWEL_FROM = 0.5  # of opening


@dataclass(frozen=True)
class Agreement:
    """How a mouth follows the speech."""

    opening: float  # correlation with the true mouth
    width: float
    closed: float  # share of p, b, m on which the lips meet
    falsely_closed: float  # share of open vowels' frames on which they do
    lag: int  # frames by which the picture is late
    shuffled: float  # opening's correlation with the wrong moments
    amplitude: float  # how far the mouth opens, 1 is right


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-6 and b.std() > 1e-6 else 0.0


def _lag(measured, truth):
    """The shift of the picture against the speech at which they agree best, in frames."""
    inner = slice(LARGEST_LAG, len(truth) - LARGEST_LAG)
    shifts = sorted(range(-LARGEST_LAG, LARGEST_LAG + 1), key=abs)
    return max(
        shifts, key=lambda shift: correlation(np.roll(measured, -shift)[inner], truth[inner])
    )


def _shuffled(measured, truth):
    """Mean correlation when the picture is moved to moments it does not belong to."""
    shifts = np.linspace(0.1, 0.9, 17) * len(truth)
    return float(np.mean([correlation(np.roll(measured, int(shift)), truth) for shift in shifts]))


def _peaks(values, least):
    inner = values[1:-1]
    at = (inner > least) & (inner >= values[:-2]) & (inner > values[2:])
    return np.flatnonzero(at) + 1


def _share(flags):
    return float(np.mean(flags)) if len(flags) else float("nan")


def agreement(measured, mouths):
    """Compares a mouth as `Ruler.measure` gives it with the true mouths (N, 6)."""
    opening, truth = measured["open"], mouths[:, OPEN]
    if len(opening) != len(truth):
        raise ValueError(f"{len(opening)} frames rendered, {len(truth)} expected")
    bilabials = _peaks(mouths[:, CLOSE], 0.8)
    narrowest = np.array([opening[max(0, at - 1) : at + 2].min() for at in bilabials])
    # A vowel that is open in the frames before and after too: lips on their way do not count.
    before, after = np.roll(truth, 1), np.roll(truth, -1)
    vowels = np.minimum(np.minimum(before, after) * 2, truth) > _A_VOWEL_FROM
    return Agreement(
        opening=correlation(opening, truth),
        width=correlation(measured["wide"], mouths[:, WIDE]),
        closed=_share(narrowest < CLOSED_BELOW),
        falsely_closed=_share(opening[vowels] < CLOSED_BELOW),
        lag=_lag(opening, truth),
        shuffled=_shuffled(opening, truth),
        amplitude=float(opening.std() / truth.std()),
    )


def agreement_by_voice(measured, recording):
    """The agreement of each voice of a recording."""
    frames = {}
    for part in recording.parts:
        frames.setdefault(part.voice, []).append(np.arange(part.first, part.last))
    frames = {voice: np.concatenate(parts) for voice, parts in frames.items()}
    return {
        voice: agreement({name: v[at] for name, v in measured.items()}, recording.mouths[at])
        for voice, at in frames.items()
    }
