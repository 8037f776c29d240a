"""The two systems as servers on this machine, with the same speech, weights and threads."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from compare.processes import CpuSeconds

ROOT = Path(__file__).resolve().parents[2]
AVATAR = "anna"
BATCH_SIZE = 16
OURS, BASELINE = "ours", "baseline"
SYSTEMS = (OURS, BASELINE)
START_SECONDS, RENDER_SECONDS = 120, 3600
LOOKS = ("gan", "nogan")


@dataclass(frozen=True)
class Pair:
    """A pair of networks: what each system is given of it, by look."""

    name: str
    graphs: dict[str, Path]
    checkpoints: dict[str, Path]


@dataclass(frozen=True)
class Budget:
    """Cores, and models that share them."""

    models: int
    cores: int

    @property
    def threads(self) -> int:
        """Of one of the baseline's sessions; ours lend each other theirs."""
        return max(1, self.cores // self.models)


@dataclass
class Answer:
    """A render as the client saw it. Steps of chunks are added up over the chunks."""

    video: bytes
    seconds: float
    cpu: CpuSeconds
    stages_ms: dict[str, float] = field(default_factory=dict)


class Server:
    """One system, running. Its words go to a log file, which is shown when it fails."""

    def __init__(
        self, name: str, budget: Budget, port: int, command: list, env: dict, folder: Path
    ):
        self.name, self._budget = name, budget
        self.work = folder / f"work-{name}"
        self.work.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{name}.log"
        self._url = f"http://127.0.0.1:{port}"
        self._ready = "/ping" if name == OURS else "/api/health"
        cores = sorted(os.sched_getaffinity(0))[: budget.cores]
        self.started = time.perf_counter()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, cores)), *map(str, command)],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self) -> float:
        """Seconds from the start of the process to a health check that says ready."""
        while time.perf_counter() - self.started < START_SECONDS:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended:\n{self._last_words()}")
            try:
                if requests.get(self._url + self._ready, timeout=5).status_code == 200:
                    return time.perf_counter() - self.started
            except requests.ConnectionError:
                pass
            time.sleep(0.005)
        raise TimeoutError(f"{self.name} was not ready in {START_SECONDS} s")

    def render(self, speech: Path) -> Answer:
        """One model through /api/generate, or both through /api/generate_parallel."""
        route = "/api/generate" if self._budget.models == 1 else "/api/generate_parallel"
        before, begin = CpuSeconds.of(self.process.pid), time.perf_counter()
        with speech.open("rb") as audio:
            answer = requests.post(
                self._url + route, files={"audio": audio}, timeout=RENDER_SECONDS
            )
        seconds = time.perf_counter() - begin
        if answer.status_code != 200:
            raise RuntimeError(
                f"{self.name} answered {answer.status_code}: {answer.text[:500]}\n{self._last_words()}"
            )
        cpu = CpuSeconds.of(self.process.pid).since(before)
        stages = self._our_stages(answer) if self.name == OURS else _baseline_stages(answer)
        return Answer(answer.content, seconds, cpu, stages)

    def _our_stages(self, answer: requests.Response) -> dict[str, float]:
        timing = re.findall(
            r"(\w+);(?:desc=\"\w+\";)?dur=([\d.]+)", answer.headers["server-timing"]
        )
        stages = {name: float(ms) for name, ms in timing if not name.startswith("chunk")}
        # What happens inside of chunks stands in the block of statistics in the log.
        job = answer.headers["x-duolip-job-id"]
        lines = [
            line for line in self.log.read_text().splitlines() if job in line and "job done" in line
        ]
        steps = re.findall(r"lip-sync (\d+), compose (\d+), encode (\d+) ms", lines[-1])
        for name, values in zip(("lip_sync", "paste", "encode"), zip(*steps)):
            stages[f"chunks_{name}"] = float(sum(map(int, values)))
        return stages

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=60)


def _baseline_stages(answer: requests.Response) -> dict[str, float]:
    stages = json.loads(answer.headers["x-timings-ms"])
    for chunk in stages.pop("chunks"):
        for name in ("mel", "lip_sync", "paste", "encode"):
            stages[f"chunks_{name}"] = stages.get(f"chunks_{name}", 0) + chunk[name]
    return stages


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Machine:
    """Where the programs are, and where a run keeps its things."""

    programs: Path
    folder: Path
    cores: int

    @property
    def environment(self) -> dict[str, str]:
        """What programs are started with: of the caller's settings none, but for ONNX Runtime's
        library, which is looked for where it is not set."""
        kept = {key: os.environ[key] for key in ("PATH", "ORT_DYLIB_PATH") if key in os.environ}
        return {**kept, "HOME": str(self.folder)}

    def start(self, system: str, pair: Pair, budget: Budget) -> Server:
        port = _free_port()
        command, env = (self._ours if system == OURS else self._baseline)(pair, budget, port)
        return Server(system, budget, port, command, env, self.folder)

    @contextmanager
    def both(self, pair: Pair, budget: Budget) -> Iterator[dict[str, Server]]:
        """Both systems, ready."""
        servers = {}
        try:
            for system in SYSTEMS:
                servers[system] = self.start(system, pair, budget)
                servers[system].wait_until_ready()
            yield servers
        finally:
            for server in servers.values():
                server.stop()

    def _ours(self, pair: Pair, budget: Budget, port: int) -> tuple[list, dict]:
        settings = {
            "DUOLIP_HOST": "127.0.0.1",
            "PORT": port,
            "DUOLIP_DATA_DIR": ROOT,
            "DUOLIP_CACHE_DIR": self.folder / "cache",
            "DUOLIP_WORK_DIR": self.folder / f"work-{OURS}",
            "DUOLIP_EXECUTION_PROVIDER": "cpu",
            "DUOLIP_DEFAULT_AVATAR": AVATAR,
            "DUOLIP_BATCH_SIZE": BATCH_SIZE,
            "DUOLIP_THREADS": budget.cores,
            "DUOLIP_MAX_JOBS": 16,
            "DUOLIP_DEADLINE_SECONDS": RENDER_SECONDS,
        }
        for look in LOOKS:
            settings[f"CHECKPOINT_PATH_{look.upper()}"] = pair.checkpoints[look]
        settings = {key: str(value) for key, value in settings.items()}
        return [self.programs / "duolip-http"], {**self.environment, **settings}

    def _baseline(self, pair: Pair, budget: Budget, port: int) -> tuple[list, dict]:
        avatar, work = ROOT / "avatars" / AVATAR, self.folder / f"work-{BASELINE}"
        command = [sys.executable, "-m", "baseline.server", "--port", port]
        command += ["--avatar", avatar, "--work", work]
        command += ["--threads", budget.threads, "--batch-size", BATCH_SIZE]
        for look in LOOKS:
            command += [f"--{look}", pair.graphs[look]]
        path = f"{ROOT / 'bench'}:{ROOT / 'models/training'}"
        return command, {**self.environment, "PYTHONPATH": path}
