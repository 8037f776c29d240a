"""Runs a command and prints the peak memory of it and of everything it starts.

    python3 bench/peak_memory.py COMMAND [ARGUMENT...]

One line on the standard output: the peak of the whole tree and the peak of the process alone, in
bytes. The command's own output goes to the standard error. The exit status is the command's.

The tree is everything in the session that the command is started in, so a child whose parent has
gone still counts. A page shared by several processes is counted once in all (PSS). The tree is
looked at every 50 ms; a peak between two looks is missed. The process alone needs no luck: Linux
keeps its high-water mark, as resident pages (RSS), shared ones included.
"""

import subprocess
import sys
import time
from pathlib import Path

INTERVAL_SECONDS = 0.05
FEWEST_LOOKS = 20


def processes_of_session(session):
    """Process ids; the fields of stat after the parenthesised name are state, ppid, group, session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # ended since it was listed
            continue
        if int(fields[3]) == session:
            yield stat.parent


def kibibytes(file, label):
    """The number of a line such as `Pss:   1234 kB`; 0 when the process has ended."""
    try:
        for line in file.read_text().splitlines():
            if line.startswith(label):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def main():
    child = subprocess.Popen(sys.argv[1:], stdout=sys.stderr, start_new_session=True)
    alone = tree = looks = 0
    # A session is named after the process that leads it.
    while child.poll() is None:
        folders = processes_of_session(child.pid)
        tree = max(tree, sum(kibibytes(folder / "smaps_rollup", "Pss:") for folder in folders))
        alone = max(alone, kibibytes(Path(f"/proc/{child.pid}/status"), "VmHWM:"))
        looks += 1
        time.sleep(INTERVAL_SECONDS)
    if child.returncode != 0:
        sys.exit(child.returncode if child.returncode > 0 else 128 - child.returncode)
    if looks < FEWEST_LOOKS or tree == 0:
        sys.exit(f"{looks} looks at {tree} kB: too few to know the peak")
    print(tree * 1024, alone * 1024)


if __name__ == "__main__":
    main()
