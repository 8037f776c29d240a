"""What the demo pair has to reach: the one place where the bounds stand.

The table (`table.py`) sets its figures against them, the test suite asserts them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """A range that a figure has to lie in."""

    least: float = float("-inf")
    most: float = float("inf")

    def holds(self, value):
        return self.least <= value <= self.most

    def excess(self, value):
        """How far a value is beyond the bound; below 0 it is within, by so much."""
        return max(self.least - value, value - self.most)

    def __str__(self):
        least, most = (f"{edge:,.10g}" for edge in (self.least, self.most))
        if self.least == self.most:
            return least
        if self.least == -self.most:
            return f"±{most}"
        return f"≥ {least}" if self.most == float("inf") else f"≤ {most}"


_IN_TIME = {"lag": Bound(0, 0), "shuffled": Bound(-0.1, 0.1)}
UNSEEN_ESPEAK, NEVER_HEARD = "espeak-ng, voices never trained", "engines never heard"
PEOPLE = "people, recorded"
MOTION = {
    UNSEEN_ESPEAK: {
        "opening": Bound(least=0.95),
        "width": Bound(least=0.88),
        "closed": Bound(least=0.95),
        "falsely_closed": Bound(most=0.10),
        **_IN_TIME,
    },
    NEVER_HEARD: {
        "opening": Bound(least=0.82),
        "width": Bound(least=0.65),
        "closed": Bound(least=0.75),
        "falsely_closed": Bound(most=0.10),
        **_IN_TIME,
    },
    # Where their sounds are was found by alignment, so that the truth itself is rough.
    PEOPLE: {},
}
# As a share of the movement in speech; of music nothing is demanded.
STILLNESS = {sound: Bound(most=0.05) for sound in ("digital silence", "white noise", "room noise")}
# The steps and the jitter are bounded by what could be seen when it was added to a drawing.
_SEAMLESS = {
    "colour_step": Bound(most=2),
    "texture_step": Bound(most=1),
    "jitter": Bound(most=1.5),
}
PICTURE = {
    "gan": {"gradient": Bound(least=0.8), "ssim": Bound(least=0.9), **_SEAMLESS},
    "nogan": _SEAMLESS,
}
MODEL = {"bytes": Bound(most=5_000_000), "mouths_per_second": Bound(least=150)}


def kind_of(engine):
    """The row of MOTION that holds for a speech engine."""
    if engine == "espeak-ng":
        return UNSEEN_ESPEAK
    return PEOPLE if engine.startswith("human") else NEVER_HEARD
