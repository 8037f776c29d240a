"""How much is measured: every size names its cases, lengths and rounds."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Case:
    """Renders of one length of speech by one or both models of a pair, on some cores."""

    pair: str
    models: int
    seconds: int
    rounds: int
    cores: int | None = None  # all

    @property
    def name(self) -> str:
        models = "one_model" if self.models == 1 else "two_models"
        cores = "" if self.cores is None else f"_{self.cores}_core{'s' * (self.cores > 1)}"
        return f"{self.pair}_{models}_{self.seconds}s{cores}"


@dataclass(frozen=True)
class Size:
    """`start` is by pair; `crowd` has callers at the same time and the requests they send, and
    `crowd_series` how often ours are counted in a round, for the baseline's once takes longer."""

    renders: tuple[Case, ...]
    cores_seconds: int
    cores_rounds: int
    growth_seconds: tuple[int, ...]
    growth_rounds: int
    start_rounds: dict[str, int]
    crowd: dict[int, int]
    crowd_rounds: int
    crowd_series: int
    ten_minutes: bool

    def shortened(self, rounds: int) -> "Size":
        """The same with no more rounds than these: a rehearsal."""
        return replace(
            self,
            renders=tuple(replace(case, rounds=min(rounds, case.rounds)) for case in self.renders),
            cores_rounds=min(rounds, self.cores_rounds),
            growth_rounds=min(rounds, self.growth_rounds),
            start_rounds={pair: min(rounds, more) for pair, more in self.start_rounds.items()},
            crowd_rounds=min(rounds, self.crowd_rounds),
            crowd_series=min(rounds, self.crowd_series),
        )

    def cores_cases(self, cores: int) -> list[Case]:
        """Fewer cores than all: 1, 2, 4, and so on."""
        powers = [1 << at for at in range(cores.bit_length()) if 1 << at < cores]
        return [Case("demo", 2, self.cores_seconds, self.cores_rounds, few) for few in powers]


CROWD_SECONDS, START_SECONDS = 10, 10

SIZES = {
    # An hour on two cores with AVX-512.
    "full": Size(
        renders=(
            Case("full", 2, 20, rounds=5),
            Case("full", 2, 60, rounds=5),
            Case("full", 1, 20, rounds=5),
            *(Case("demo", 2, seconds, rounds=5) for seconds in (10, 20, 30, 60)),
            Case("demo", 1, 20, rounds=5),
        ),
        cores_seconds=20,
        cores_rounds=5,
        growth_seconds=(60, 120, 240, 480),
        growth_rounds=2,
        start_rounds={"demo": 5, "full": 5},
        crowd={1: 16, 4: 16, 16: 16},
        crowd_rounds=3,
        crowd_series=6,
        ten_minutes=True,
    ),
    # Shows that everything works, and no more.
    "quick": Size(
        renders=(Case("demo", 2, 10, rounds=2), Case("demo", 1, 10, rounds=2)),
        cores_seconds=10,
        cores_rounds=1,
        growth_seconds=(5, 10),
        growth_rounds=1,
        start_rounds={"demo": 1},
        crowd={1: 2, 4: 4},
        crowd_rounds=1,
        crowd_series=1,
        ten_minutes=False,
    ),
}
