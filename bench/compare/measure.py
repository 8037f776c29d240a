"""Measures: every section fills its part of the figures, and leaves what is there already.

The systems take turns, ours first: whatever else the machine does falls on both alike.
"""

import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from compare import materials, video
from compare.figures import Figures
from compare.processes import FirstBytes, Watch
from compare.sizes import CROWD_SECONDS, START_SECONDS, Case, Size
from compare.systems import OURS, ROOT, SYSTEMS, Answer, Budget, Machine, Pair, Server

_GROWTH_LOOK_SECONDS = 1.0
_SGEMM = """
import time, numpy as np
a = np.random.default_rng(1).random((2048, 2048), np.float32)
best = 1e9
for _ in range(12):
    begin = time.perf_counter(); a @ a; best = min(best, time.perf_counter() - begin)
print(2 * 2048**3 / best / 1e9)
"""


def _record(answer: Answer) -> dict:
    return {
        "seconds": answer.seconds,
        "cpu_seconds": answer.cpu.own + answer.cpu.children,
        "children_cpu_seconds": answer.cpu.children,
        "stages_ms": answer.stages_ms,
    }


@dataclass
class Bench:
    """A run: where, how much, and what was found."""

    machine: Machine
    size: Size
    figures: Figures
    pairs: dict[str, Pair]

    def _say_seconds(self, what: str, round_: dict[str, dict]) -> None:
        spent = ", ".join(f"{name} {each['seconds']:.2f} s" for name, each in round_.items())
        print(f"{time.strftime('%H:%M:%S')}  {what}: {spent}", flush=True)

    def _speech(self, seconds: int) -> Path:
        return materials.speech(self.machine.folder, seconds)

    def renders(self) -> None:
        self._cases("renders", self.size.renders)

    def cores(self) -> None:
        self._cases("cores", self.size.cores_cases(self.machine.cores))

    def _cases(self, section: str, cases: Iterable[Case]) -> None:
        found = self.figures.section(section)
        missing = [
            case for case in cases if len(found.get(case.name, {}).get("rounds", [])) < case.rounds
        ]
        for (pair, models, cores), group in groupby(
            missing, lambda case: (case.pair, case.models, case.cores or self.machine.cores)
        ):
            with self.machine.both(self.pairs[pair], Budget(models, cores)) as servers:
                for case in group:
                    self._case(case, servers, found)

    def _case(self, case: Case, servers: dict[str, Server], found: dict) -> None:
        speech = self._speech(case.seconds)
        # The first render warms up; it is watched, which costs time, and not timed.
        watched = {name: self._watched(case, server, speech) for name, server in servers.items()}
        kept = found.setdefault(case.name, {"speech_seconds": case.seconds, "rounds": []})
        kept |= {"cores": case.cores or self.machine.cores, "watched": watched}
        kept["mouth_difference"] = video.mouth_difference(
            *(self._mp4(case, name) for name in SYSTEMS)
        )
        while len(kept["rounds"]) < case.rounds:
            kept["rounds"].append(
                {name: _record(server.render(speech)) for name, server in servers.items()}
            )
            self.figures.save()
            self._say_seconds(case.name, kept["rounds"][-1])

    def _watched(self, case: Case, server: Server, speech: Path) -> dict:
        with Watch(server.process.pid) as watch:
            answer = server.render(speech)
        mp4 = self._mp4(case, server.name)
        mp4.write_bytes(answer.video)
        return {
            "peak_bytes": watch.peak_bytes,
            "x264_cpu_seconds": watch.x264_seconds,
            "cpu_seconds": answer.cpu.own + answer.cpu.children,
            "video_bytes": len(answer.video),
            **video.Soundness.of(mp4, case.seconds),
        }

    def _mp4(self, case: Case, name: str) -> Path:
        return self.machine.folder / f"{case.name}-{name}.mp4"

    def growth(self) -> None:
        """Lengths in rising order on fresh servers, so that memory of one is none of the next."""
        rounds = self.figures.section("growth").setdefault("rounds", [])
        while len(rounds) < self.size.growth_rounds:
            found = {}
            with self.machine.both(self.pairs["demo"], Budget(2, self.machine.cores)) as servers:
                for server in servers.values():
                    server.render(self._speech(CROWD_SECONDS))
                for seconds in self.size.growth_seconds:
                    for name, server in servers.items():
                        with Watch(server.process.pid, _GROWTH_LOOK_SECONDS) as watch:
                            record = _record(server.render(self._speech(seconds)))
                        record["peak_bytes"] = watch.peak_bytes
                        found.setdefault(str(seconds), {})[name] = record
                    self._say_seconds(f"growth {seconds} s", found[str(seconds)])
            rounds.append(found)
            self.figures.save()

    def start(self) -> None:
        """Cold start and first video of fresh processes, then the first pictures of a warm one."""
        found = self.figures.section("start")
        speech = self._speech(START_SECONDS)
        for pair, wanted in self.size.start_rounds.items():
            rounds = found.setdefault(pair, [])
            if len(rounds) < wanted:
                # A start that does not count brings the files from the disk, and prepares the avatar.
                with self.machine.both(self.pairs[pair], Budget(2, self.machine.cores)):
                    pass
            while len(rounds) < wanted:
                started = {name: self._started(name, self.pairs[pair], speech) for name in SYSTEMS}
                rounds.append(started)
                self.figures.save()
                self._say_seconds(f"start {pair}, to the first video", started)

    def _started(self, name: str, pair: Pair, speech: Path) -> dict:
        server = self.machine.start(name, pair, Budget(2, self.machine.cores))
        try:
            ready = server.wait_until_ready()
            server.render(speech)
            first_video = time.perf_counter() - server.started
            begin = time.perf_counter()
            with FirstBytes(server.work) as first:
                server.render(speech)
        finally:
            server.stop()
        if first.moment is None:
            raise RuntimeError(f"no segment of {name} was seen in {server.work}")
        return {
            "seconds": first_video,
            "ready_seconds": ready,
            "first_pictures_seconds": first.moment - begin,
        }

    def crowd(self) -> None:
        """Several callers at the same time, each with one request after the other. Their numbers
        are compared with each other, so those of one system follow each other without a break."""
        found = self.figures.section("crowd")
        done = min(len(found.get(str(callers), [])) for callers in self.size.crowd)
        if done >= self.size.crowd_rounds:
            return
        speech = self._speech(CROWD_SECONDS)
        with self.machine.both(self.pairs["demo"], Budget(2, self.machine.cores)) as servers:
            for server in servers.values():
                server.render(speech)
            for _ in range(done, self.size.crowd_rounds):
                counted = {
                    name: self._counted(server, speech, self.size.crowd_series if name == OURS else 1)
                    for name, server in servers.items()
                }
                for callers in self.size.crowd:
                    round_ = {name: by_callers[callers] for name, by_callers in counted.items()}
                    found.setdefault(str(callers), []).append(round_)
                    requests = [len(each["latencies"]) for each in round_.values()]
                    self._say_seconds(f"{callers} callers, {requests} requests", round_)
                self.figures.save()

    def _counted(self, server: Server, speech: Path, series: int) -> dict[int, dict]:
        """What each number of callers took, all numbers in turns."""
        counted = {callers: {"seconds": 0.0, "latencies": []} for callers in self.size.crowd}
        for _ in range(series):
            for callers, requests in self.size.crowd.items():
                begin = time.perf_counter()
                with ThreadPoolExecutor(callers) as pool:
                    answers = list(pool.map(lambda _: server.render(speech), range(requests)))
                counted[callers]["seconds"] += time.perf_counter() - begin
                counted[callers]["latencies"] += [answer.seconds for answer in answers]
        return counted

    def roofline(self) -> None:
        """The machine's peak at multiplying matrices, with as many threads as cores."""
        if self.figures.section("roofline"):
            return
        cores = str(self.machine.cores)
        env = {"OPENBLAS_NUM_THREADS": cores, "OMP_NUM_THREADS": cores}
        python = [sys.executable, "-c", _SGEMM]
        said = subprocess.run(python, env=env, check=True, capture_output=True, text=True).stdout
        self.figures.section("roofline")["sgemm_gflops"] = float(said)
        self.figures.save()

    def memory(self) -> None:
        """Ours alone, ten minutes of speech against one: bench/memory.sh, which has the limit."""
        found = self.figures.section("memory")
        if not self.size.ten_minutes or found:
            return
        command = [ROOT / "bench/memory.sh", self.machine.programs / "duolip"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.stdout:
            raise RuntimeError(done.stderr)
        found |= {"table": done.stdout, "within_limit": done.returncode == 0}
        self.figures.save()


SECTIONS = ("renders", "cores", "growth", "start", "crowd", "roofline", "memory")
