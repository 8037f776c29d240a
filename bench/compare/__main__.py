"""Measures Duolip against the usual design in Python; `make bench` runs it.

    PYTHONPATH=bench:models/training python -m compare --programs target/release

Writes MACHINE.json (raw), MACHINE.md and MACHINE.svg into --output, and ends with lines for
scripts: `ratio MEASURE CASE MEDIAN LEAST MOST`. A run that broke off goes on where it was, as long
as program and machine are the same; with --only it does one section, with --page none.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import onnxruntime

from compare import materials, page, plot, ratios
from compare.figures import Figures
from compare.measure import SECTIONS, Bench
from compare.sizes import SIZES
from compare.systems import ROOT, Machine

RESULTS = ROOT / "bench/results"

# As Linux tells of them, the widest first.
VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}


def main() -> None:
    args = arguments()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    output = args.output or (RESULTS if args.size == "full" else target / "bench-quick")
    cores = len(os.sched_getaffinity(0))
    stem = output.resolve() / (args.machine or f"{slug(processor())}-{cores}-cores")
    figures = stem.with_suffix(".json")
    if not args.page:
        if args.size == "quick" and not args.only:
            # It is to show that everything works: nothing of an earlier run will do.
            figures.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="bench-", dir=target) as scratch:
            measure(args, Machine(args.programs.resolve(), Path(scratch), cores), figures)
    write(json.loads(figures.read_text()), stem)


def measure(args: argparse.Namespace, machine: Machine, path: Path) -> None:
    size = SIZES[args.size].shortened(args.rounds) if args.rounds else SIZES[args.size]
    pairs, gmac = {"demo": materials.demo_pair()}, {}
    if any(case.pair == "full" for case in size.renders):
        duolip, folder = machine.programs / "duolip", machine.folder / "full"
        pairs["full"], gmac = materials.full_pair(folder, duolip, machine.environment)
    facts = {"size": args.size, "cores": machine.cores, "gmac_per_mouth": gmac}
    figures = Figures(path, {**facts, **facts_of(machine.programs / "duolip-http")})
    bench = Bench(machine, size, figures, pairs)
    for section in args.only or SECTIONS:
        getattr(bench, section)()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--programs", type=Path, required=True, help="folder of duolip and duolip-http"
    )
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--rounds", type=int, help="no more rounds than these, to rehearse")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="measure this section")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page anew")
    parser.add_argument("--machine", help="name of the results (default: the processor and cores)")
    parser.add_argument("--output", type=Path, help="folder of the results")
    return parser.parse_args()


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def processor() -> str:
    """Its name and its widest vectors, which a virtual machine's name alone does not tell."""
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    known = (title for flag, title in VECTORS.items() if re.search(rf"\b{flag}\b", text))
    return f"{name[1] if name else 'unknown processor'} with {next(known, 'no known vectors')}"


def facts_of(program: Path) -> dict:
    """Where and of what the figures are: those of other facts are not mixed with them."""
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])

    def first_line(command: list) -> str:
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return said.splitlines()[0]

    return {
        "processor": processor(),
        "memory_gb": round(memory / 1e6),
        "program": first_line([program, "--version"]).split()[-1],
        "program_sha256": digest(program, program.with_name("duolip-x264")),
        "onnxruntime": onnxruntime.__version__,
        "ffmpeg": first_line(["ffmpeg", "-version"]).split(" Copyright")[0],
    }


def digest(*programs: Path) -> str:
    return hashlib.sha256(b"".join(program.read_bytes() for program in programs)).hexdigest()


def write(data: dict, stem: Path) -> None:
    plot.draw(data, stem.with_suffix(".svg"))
    stem.with_suffix(".md").write_text(page.page(data, f"{stem.name}.svg"))
    print(f"\n{stem}.md\n")
    for line in (*ratios.figure_lines(data), *(ratio.line() for ratio in ratios.ratios(data))):
        print(line)
    if not data.get("memory", {}).get("within_limit", True):
        sys.exit("memory grows with the length of the speech")


if __name__ == "__main__":
    main()
