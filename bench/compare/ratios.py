"""Raw figures → ratios, ours to the baseline, and lines that a script can read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from statistics import mean, median

import numpy as np

from compare.systems import BASELINE, OURS, SYSTEMS

# Measures of which more is better; of the others less is.
MORE_IS_BETTER = frozenset({"frames_per_second", "throughput"})
MOMENTS = {
    "ready": "ready_seconds",
    "first_video": "seconds",
    "first_pictures": "first_pictures_seconds",
}
SOUNDNESS = ("speech_lost_ms", "audio_lost_ms", "seam_freeze_ms")


@dataclass(frozen=True)
class Ratio:
    """Ours to the baseline, once for every pair of runs."""

    measure: str
    case: str
    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def advantage(self) -> float:
        """How many times better ours is."""
        return self.middle if self.measure in MORE_IS_BETTER else 1 / self.middle

    def line(self) -> str:
        least, most = min(self.values), max(self.values)
        return f"ratio {self.measure} {self.case} {self.middle:.3f} {least:.3f} {most:.3f}"


def _of(measure: str, case: str, rounds: list[dict], value: Callable[[dict], float]) -> Ratio:
    pairs = [(value(each[OURS]), value(each[BASELINE])) for each in rounds]
    return Ratio(measure, case, tuple(ours / baseline for ours, baseline in pairs))


def rendered(data: dict) -> dict[str, dict]:
    """All cases of renders with at least one round, on all cores and on fewer."""
    cases = {**data.get("renders", {}), **data.get("cores", {})}
    return {name: case for name, case in cases.items() if case["rounds"]}


def frames_per_second(case: dict, name: str) -> list[float]:
    return [case["watched"][name]["frames"] / each[name]["seconds"] for each in case["rounds"]]


def percentile(values: list[float], share: int) -> float:
    return float(np.percentile(values, share))


def ratios(data: dict) -> list[Ratio]:
    found = []
    for name, case in rendered(data).items():
        ours, baseline = (frames_per_second(case, system) for system in SYSTEMS)
        per_pair = tuple(mine / other for mine, other in zip(ours, baseline))
        found.append(Ratio("frames_per_second", name, per_pair))
        # The same speech: the ratio of real-time factors is that of the seconds.
        found.append(_of("real_time_factor", name, case["rounds"], itemgetter("seconds")))
        found.append(_of("cpu_seconds", name, case["rounds"], itemgetter("cpu_seconds")))
        watched = [case["watched"]]
        found.append(_of("peak_memory", name, watched, itemgetter("peak_bytes")))
    growth = data.get("growth", {}).get("rounds", [])
    for seconds in growth[0] if growth else []:
        rounds = [each[seconds] for each in growth]
        name = f"demo_growth_{seconds}s"
        found.append(_of("real_time_factor", name, rounds, itemgetter("seconds")))
        found.append(_of("peak_memory", name, rounds, itemgetter("peak_bytes")))
    for pair, rounds in data.get("start", {}).items():
        for moment, key in MOMENTS.items():
            found.append(_of(f"seconds_to_{moment}", f"{pair}_start", rounds, itemgetter(key)))
    for callers, rounds in data.get("crowd", {}).items():
        name = f"demo_{callers}_callers"
        found.append(_of("throughput", name, rounds, requests_per_second))
        for share in (50, 95):
            found.append(_of(f"latency_p{share}", name, rounds, _latency(share)))
    return found


def requests_per_second(round_: dict) -> float:
    """Of one system's round in a crowd."""
    return len(round_["latencies"]) / round_["seconds"]


def to_one_caller(data: dict, callers: str, name: str) -> list[float]:
    """How many times the throughput of one caller so many have, round by round."""
    crowd = data["crowd"]
    pairs = zip(crowd[callers], crowd["1"])
    return [requests_per_second(all_[name]) / requests_per_second(one[name]) for all_, one in pairs]


def p95_to_mean(data: dict, callers: str, name: str) -> list[float]:
    """How much longer than the mean the slowest of so many callers wait, round by round."""
    latencies = [each[name]["latencies"] for each in data["crowd"][callers]]
    return [percentile(values, 95) / mean(values) for values in latencies]


def _latency(share: int) -> Callable[[dict], float]:
    return lambda each: percentile(each["latencies"], share)


def figure_lines(data: dict) -> Iterator[str]:
    """What is told of each system alone."""
    for name, case in rendered(data).items():
        for system in SYSTEMS:
            for measure in SOUNDNESS:
                yield f"figure {measure} {name}_{system} {case['watched'][system][measure]:.1f}"
            rate = median(frames_per_second(case, system))
            yield f"figure frames_per_second {name}_{system} {rate:.2f}"
        yield f"figure mouth_difference {name} {case['mouth_difference']:.2f}"
    for callers in data.get("crowd", {}):
        for system in SYSTEMS:
            case = f"demo_{callers}_callers_{system}"
            times = median(to_one_caller(data, callers, system))
            yield f"figure throughput_to_one_caller {case} {times:.2f}"
            yield f"figure p95_to_mean {case} {median(p95_to_mean(data, callers, system)):.2f}"
    peak = data.get("roofline", {}).get("sgemm_gflops")
    for name, reached in arithmetic(data).items() if peak else ():
        yield f"figure share_of_sgemm_peak {name} {reached.request / peak:.3f}"


@dataclass(frozen=True)
class Arithmetic:
    """What the networks compute in a render, in GFLOP/s: over the whole request, and while they
    paint, which is when their sessions are at work."""

    request: float
    painting: float


def arithmetic(data: dict) -> dict[str, Arithmetic]:
    """Of the full networks' renders, by case and system."""
    found = {}
    for name, case in rendered(data).items():
        for system in SYSTEMS if name.startswith("full_") else ():
            gflop = 2 * data["facts"]["gmac_per_mouth"][system] * case["watched"][system]["frames"]
            seconds = median(each[system]["seconds"] for each in case["rounds"])
            # Added up over the chunks, of which as many paint at a time as there are models.
            added = median(each[system]["stages_ms"]["chunks_lip_sync"] for each in case["rounds"])
            models = 1 if "one_model" in name else 2
            found[f"{name}_{system}"] = Arithmetic(gflop / seconds, gflop * models * 1000 / added)
    return found
