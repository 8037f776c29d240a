"""How long a stage learns, on what, and how fast."""

import time
from dataclasses import dataclass


@dataclass
class Plan:
    """So many steps, or so many minutes by the clock."""

    steps: int
    minutes: float | None
    batch: int
    peak_rate: float
    device: str
    began: float = 0.0

    @staticmethod
    def add_arguments(parser, steps, batch, peak_rate):
        parser.add_argument("--steps", type=int, default=steps)
        parser.add_argument("--minutes", type=float, help="so long instead, whatever the steps")
        parser.add_argument("--batch", type=int, default=batch, help="examples a step")
        parser.add_argument("--peak-rate", type=float, default=peak_rate)
        parser.add_argument("--device", default="cpu", help="cpu or cuda")

    @classmethod
    def of(cls, arguments):
        names = ("steps", "minutes", "batch", "peak_rate", "device")
        return cls(*(getattr(arguments, name) for name in names))

    def begin(self):
        self.began = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.began

    def done(self, step):
        """The share that is done, 0..1."""
        if self.minutes is not None:
            return min(1.0, self.seconds() / (60 * self.minutes))
        return min(1.0, step / self.steps)
