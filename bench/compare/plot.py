"""Figures → one SVG: how many times better, by case, and seconds by length of the speech.

Drawn in greys and one colour that can be read on a light and on a dark page; no background.
"""

from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

from compare import ratios  # noqa: E402
from compare.systems import BASELINE, OURS, SYSTEMS  # noqa: E402

_INK, _COLOURS = "#808890", {OURS: "#2f8fdd", BASELINE: "#d9822b"}
_NAMES = {OURS: "Duolip", BASELINE: "the usual design in Python"}
# One bar each; of the renders' measures only this one.
_BARS = ("frames_per_second", "seconds_to_ready", "throughput")


def draw(data: dict, path: Path) -> None:
    style = {
        "svg.fonttype": "none",  # text stays text: small, and searchable
        "svg.hashsalt": "duolip",
        "font.size": 9,
        "font.family": "sans-serif",
        **{
            key: _INK
            for key in (
                "text.color",
                "axes.labelcolor",
                "xtick.color",
                "ytick.color",
                "axes.edgecolor",
            )
        },
    }
    bars = [each for each in ratios.ratios(data) if each.measure in _BARS]
    with plt.rc_context(style):
        height = 1.2 + 0.26 * max(6, len(bars))
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(9.5, height), width_ratios=(1.2, 1), layout="constrained"
        )
        _bars(left, bars)
        _lines(right, data.get("growth", {}).get("rounds", []))
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _bars(axes: plt.Axes, bars: list[ratios.Ratio]) -> None:
    for at, ratio in enumerate(reversed(bars)):
        times = sorted(v if ratio.measure in ratios.MORE_IS_BETTER else 1 / v for v in ratio.values)
        spread = [[ratio.advantage - times[0]], [times[-1] - ratio.advantage]]
        axes.barh(at, ratio.advantage, color=_COLOURS[OURS], height=0.7, xerr=spread, ecolor=_INK)
        axes.text(max(1, times[-1]), at, f" {ratio.advantage:.2f}", va="center")
    axes.set_yticks(range(len(bars)), [_label(ratio) for ratio in reversed(bars)])
    axes.axvline(1, color=_INK, linewidth=1)
    axes.margins(x=0.12)
    axes.set_title("times as fast as the usual design in Python", fontsize=9)
    _plain(axes)


def _label(ratio: ratios.Ratio) -> str:
    measure = {"seconds_to_ready": ", to ready", "throughput": ", requests"}.get(ratio.measure, "")
    return ratio.case.replace("_", " ") + measure


def _lines(axes: plt.Axes, rounds: list[dict]) -> None:
    for system in SYSTEMS if rounds else ():
        lengths = [int(seconds) / 60 for seconds in rounds[0]]
        spent = [
            median(each[seconds][system]["seconds"] for each in rounds) for seconds in rounds[0]
        ]
        axes.plot(lengths, spent, marker="o", color=_COLOURS[system], label=_NAMES[system])
    if rounds:
        axes.legend(frameon=False)
    axes.set_xlabel("minutes of speech")
    axes.set_title("seconds to render, demo pair", fontsize=9)
    axes.set_ylim(bottom=0)
    _plain(axes)


def _plain(axes: plt.Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
