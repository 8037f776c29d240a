"""What a server and everything it starts take of memory and processor.

A server is started in a session of its own, so a child whose parent has gone still counts.
"""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from peak_memory import kibibytes, processes_of_session

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuSeconds:
    """User and system time: of a process, and of its children that have ended."""

    own: float
    children: float

    @classmethod
    def of(cls, pid: int) -> "CpuSeconds":
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user, system, children_user, children_system = map(int, fields[11:15])
        return cls(
            (user + system) / _TICKS_PER_SECOND,
            (children_user + children_system) / _TICKS_PER_SECOND,
        )

    def since(self, before: "CpuSeconds") -> "CpuSeconds":
        return CpuSeconds(self.own - before.own, self.children - before.children)


# In the command lines of the baseline's encoders and of ours.
_X264 = (b"libx264", b"duolip-x264")


class Watch:
    """Looks at a session until it is closed: peak memory, and the CPU seconds of its x264 encoders.

    Memory is the proportional share (PSS), so a page that processes share counts once. A look
    costs milliseconds: a render that is watched is not timed.
    """

    def __init__(self, session: int, interval_seconds: float = 0.05):
        self._session, self._interval = session, interval_seconds
        self._ended = threading.Event()
        self._encoders: dict[str, float] = {}
        self.peak_bytes = 0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def x264_seconds(self) -> float:
        return sum(self._encoders.values())

    def _run(self) -> None:
        self._look()
        while not self._ended.wait(self._interval):
            self._look()

    def _look(self) -> None:
        folders = list(processes_of_session(self._session))
        pss = sum(kibibytes(folder / "smaps_rollup", "Pss:") for folder in folders)
        self.peak_bytes = max(self.peak_bytes, pss * 1024)
        for folder in folders:
            try:
                command = (folder / "cmdline").read_bytes()
                if any(encoder in command for encoder in _X264):
                    self._encoders[folder.name] = CpuSeconds.of(int(folder.name)).own
            except OSError:  # ended since it was listed
                continue


_SEGMENTS = (".mp4", ".h264")  # the baseline's, ours


class FirstBytes:
    """The moment at which a segment `*/*` in a folder first holds something.

    The baseline's ffmpeg hands on 32 kB at a time: a keyframe of 20 kB and the ten frames after it,
    which is its first batch of mouths. Ours hands on the keyframe.
    """

    _INTERVAL_SECONDS = 0.002

    def __init__(self, work: Path):
        self._work, self._ended = work, threading.Event()
        self.moment: float | None = None
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "FirstBytes":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(self._INTERVAL_SECONDS):
            try:
                files = [f for f in self._work.glob("*/*") if f.suffix in _SEGMENTS]
                sizes = [file.stat().st_size for file in files]
            except OSError:  # removed since it was listed
                continue
            if any(sizes):
                self.moment = time.perf_counter()
                return
