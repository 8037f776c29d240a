"""The raw figures of a run, in a JSON file that a broken-off run goes on from."""

import json
import os
from pathlib import Path

# To be raised when figures are kept otherwise than before.
FORMAT = 1


class Figures:
    """What was measured, by section; written after every addition."""

    def __init__(self, path: Path, facts: dict):
        self._path = path
        facts = {"format": FORMAT, **facts}
        known = json.loads(path.read_text()) if path.exists() else {}
        # Figures of another program or machine are no part of this run.
        self.data = known if known.get("facts") == facts else {"facts": facts}

    def section(self, name: str) -> dict:
        return self.data.setdefault(name, {})

    def save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self.data, indent=1) + "\n")
        os.replace(part, self._path)
