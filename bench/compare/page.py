"""Figures → bench/results/MACHINE.md. Made of the JSON file alone."""

from collections.abc import Iterable, Iterator
from statistics import median

from compare import ratios
from compare.systems import BASELINE, OURS, SYSTEMS

_STAGES = {
    "whole request": ("wall", "wall"),
    "decoding the speech": ("speak", "convert"),
    "mel spectrogram": ("mel", "chunks_mel"),
    "cutting the speech": (None, "split"),
    "all chunks, wall time": ("render", "render"),
    "lip-sync, added up over the chunks": ("chunks_lip_sync", "chunks_lip_sync"),
    "pasting, added up": ("chunks_paste", "chunks_paste"),
    "waiting for x264, added up": ("chunks_encode", "chunks_encode"),
    "speech to AAC, beside the chunks": ("encode_speech", None),
    "joining": ("concat", "concat"),
}


def _table(head: Iterable[str], rows: Iterable[Iterable]) -> str:
    lines = [list(head), ["---"] * len(list(head)), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _spread(values: list[float], digits: int = 2) -> str:
    middle, least, most = median(values), min(values), max(values)
    if least == most:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def page(data: dict, plot: str) -> str:
    facts, found = data["facts"], ratios.ratios(data)
    parts = [
        f"# Duolip and the usual design in Python, on {facts['processor']}\n",
        f"{facts['cores']} cores, {facts['memory_gb']} GB; duolip-http {facts['program']}, "
        f"ONNX Runtime {facts['onnxruntime']} in both; {facts['ffmpeg']}. Medians, and the range "
        "over all rounds. [bench/README.md](../README.md) says what is compared.\n",
        f"![Ratios by case, and seconds by length of the speech]({plot})\n",
        *_renders(data, found),
        *_stages(data),
        *_soundness(data),
        *_growth(data),
        *_start(data),
        *_crowd(data),
        *_work(data),
        *_memory(data),
    ]
    return "\n".join(parts)


def _renders(data: dict, found: list[ratios.Ratio]) -> Iterator[str]:
    by_case = {(each.case, each.measure): each for each in found}
    rows = []
    for name, case in ratios.rendered(data).items():
        speeds = [ratios.frames_per_second(case, system) for system in SYSTEMS]
        factors = [
            median(each[system]["seconds"] for each in case["rounds"]) / case["speech_seconds"]
            for system in SYSTEMS
        ]
        memory = [case["watched"][system]["peak_bytes"] / 1e6 for system in SYSTEMS]
        rows.append(
            [
                name.replace("_", " "),
                len(case["rounds"]),
                *(_spread(speed, 1) for speed in speeds),
                f"**{_spread(list(by_case[name, 'frames_per_second'].values))}**",
                *(f"{factor:.3f}" for factor in factors),
                _spread(list(by_case[name, "cpu_seconds"].values)),
                *(f"{peak:.0f}" for peak in memory),
            ]
        )
    if rows:
        yield "## Renders, warm\n"
        yield (
            "Frames a second of the whole request; ratios are ours to the baseline's. Memory is the "
            "peak of the server with its child processes (PSS).\n"
        )
        head = ["case", "pairs", "frames/s, ours", "baseline", "ratio", "real-time factor, ours"]
        yield _table([*head, "baseline", "CPU seconds, ratio", "MB, ours", "baseline"], rows)


def _stages(data: dict) -> Iterator[str]:
    cases = ratios.rendered(data)
    longest = {}
    for name, case in cases.items():
        if "two_models" in name and case["cores"] == data["facts"]["cores"]:
            pair = name.split("_")[0]
            if case["speech_seconds"] > longest.get(pair, (0,))[0]:
                longest[pair] = (case["speech_seconds"], name)
    for _, name in longest.values():
        rounds = cases[name]["rounds"]
        rows = []
        for stage, keys in _STAGES.items():
            times = [_stage(rounds, system, key) for system, key in zip(SYSTEMS, keys)]
            rows.append([stage, *times])
        yield f"## Stages of {name.replace('_', ' ')}\n"
        yield _table(["ms", "ours", "baseline"], rows)


def _stage(rounds: list[dict], system: str, key: str | None) -> str:
    if key is None:
        return ""
    if key == "wall":
        return _spread([each[system]["seconds"] * 1000 for each in rounds], 0)
    return _spread([each[system]["stages_ms"][key] for each in rounds], 0)


def _soundness(data: dict) -> Iterator[str]:
    rows = [
        [name.replace("_", " ")]
        + [case["watched"][system][measure] for measure in ratios.SOUNDNESS for system in SYSTEMS]
        + [case["watched"][system]["video_bytes"] // 1000 for system in SYSTEMS]
        + [f"{case['mouth_difference']:.1f}"]
        for name, case in ratios.rendered(data).items()
    ]
    if rows:
        yield "## What is left of the speech\n"
        yield (
            "Measured in the MP4s, in milliseconds: pictures and sound shorter than the speech; the "
            "longest time for which a picture stays on after its turn, at a seam. The mouths of both "
            "differ by so much, of 255: they are the same mouths, enlarged and encoded in two ways.\n"
        )
        head = ["pictures, ours", "baseline", "sound, ours", "baseline", "freeze, ours", "baseline"]
        yield _table(["case", *head, "kB, ours", "baseline", "mouths differ"], rows)


def _growth(data: dict) -> Iterator[str]:
    rounds = data.get("growth", {}).get("rounds", [])
    if not rounds:
        return
    rows = []
    for seconds in rounds[0]:
        spent = [median(each[seconds][system]["seconds"] for each in rounds) for system in SYSTEMS]
        peaks = [max(each[seconds][system]["peak_bytes"] for each in rounds) for system in SYSTEMS]
        rows.append(
            [seconds, *(f"{each:.1f}" for each in spent), f"**{spent[0] / spent[1]:.2f}**"]
            + [f"{each / int(seconds):.3f}" for each in spent]
            + [f"{peak / 1e6:.0f}" for peak in peaks]
        )
    yield "## How time grows with the length of the speech\n"
    yield f"Demo pair, two models; rounds: {len(rounds)}.\n"
    head = ["seconds of speech", "seconds, ours", "baseline", "ratio", "a second of speech, ours"]
    yield _table([*head, "baseline", "MB, ours", "baseline"], rows)


def _start(data: dict) -> Iterator[str]:
    moments = {
        "ready": "process start to ready",
        "first_video": "process start to the first video (10 s of speech)",
        "first_pictures": "request to the first encoded pictures, warm",
    }
    rows = [
        [f"{pair}: {text}"]
        + [_spread([each[system][ratios.MOMENTS[moment]] for each in rounds]) for system in SYSTEMS]
        for pair, rounds in data.get("start", {}).items()
        for moment, text in moments.items()
    ]
    if rows:
        yield "## Start\n"
        yield (
            "The first pictures are there when the first segment's file holds something: ours its "
            "keyframe, the baseline's 32 kB, the keyframe and about ten frames more.\n"
        )
        yield _table(["seconds", "ours", "baseline"], rows)


def _crowd(data: dict) -> Iterator[str]:
    rows = []
    for callers, rounds in data.get("crowd", {}).items():
        ours, baseline = (
            [
                [ratios.requests_per_second(each[system]) for each in rounds],
                ratios.to_one_caller(data, callers, system),
                *(
                    [ratios.percentile(each[system]["latencies"], share) for each in rounds]
                    for share in (50, 95)
                ),
                ratios.p95_to_mean(data, callers, system),
            ]
            for system in SYSTEMS
        )
        requests = [len(rounds[0][system]["latencies"]) for system in SYSTEMS]
        spreads = (_spread(value) for both in zip(ours, baseline) for value in both)
        rows.append([callers, *requests, *spreads])
    if rows:
        yield "## Several callers at the same time\n"
        yield "Demo pair, two models, 10 s of speech a request.\n"
        head = ["requests", "requests/s", "to one caller's", "p50 s", "p95 s", "p95 to the mean"]
        columns = [column for name in head for column in (f"{name}, ours", "baseline")]
        yield _table(["callers", *columns], rows)


def _work(data: dict) -> Iterator[str]:
    peak, cores = data.get("roofline", {}).get("sgemm_gflops"), data["facts"]["cores"]
    if peak:
        yield "## Roofline\n"
        yield f"Multiplying matrices (numpy, sgemm, {cores} threads) reaches {peak:.0f} GFLOP/s here."
    reached = ratios.arithmetic(data) if peak else {}
    if reached:
        gflop = {system: 2 * gmac for system, gmac in data["facts"]["gmac_per_mouth"].items()}
        yield (
            f"A mouth of the full network takes {gflop[BASELINE]:.2f} GFLOP as it is and "
            f"{gflop[OURS]:.2f} as imported. While painting, encoders and pasting have their share "
            "of the cores.\n"
        )
        rows = [
            [key.replace("_", " ")]
            + [f"{rate:.0f} ({rate / peak:.0%})" for rate in (each.request, each.painting)]
            for key, each in reached.items()
        ]
        yield _table(["GFLOP/s (of the peak)", "whole request", "while painting"], rows)
    rows = [
        [name.replace("_", " "), *(_x264_share(case["watched"][system]) for system in SYSTEMS)]
        for name, case in ratios.rendered(data).items()
    ]
    if rows:
        yield (
            "\nThe share of the processes that encode video in all CPU seconds (the baseline's encode "
            "AAC as well, and convert the colours):\n"
        )
        yield _table(["case", "ours", "baseline"], rows)


def _x264_share(watched: dict) -> str:
    return f"{watched['x264_cpu_seconds'] / watched['cpu_seconds']:.0%}"


def _memory(data: dict) -> Iterator[str]:
    memory = data.get("memory")
    if memory:
        verdict = "within" if memory["within_limit"] else "**over**"
        yield f"## Memory for one and for ten minutes of speech, ours alone: {verdict} the limit\n"
        yield f"```\n{memory['table']}```\n"
