"""Makes models/training/voices: some sentences of each voice never heard, and their sounds.

    python -m demo_pair.engines --output DIR
    python -m demo_pair.clips DIR

Small enough to be committed, so that whoever measures needs none of the engines
and measures with the same sounds. The licence of each voice stands in its JSON.
"""

import json
import subprocess
import sys
from pathlib import Path

SENTENCES = 6
RATE = 16_000
VOICES = Path(__file__).parents[1] / "voices"
_TO_BE_COMMITTED = ("festival-kal", "festvox-ru", "hibari", "human-librivox")


def main():
    for name in _TO_BE_COMMITTED:
        engine, output = Path(sys.argv[1]) / name, VOICES / name
        output.mkdir(parents=True, exist_ok=True)
        for described in sorted(engine.glob("*.json"))[:SENTENCES]:
            command = ["ffmpeg", "-v", "error", "-y", "-i", described.with_suffix(".wav")]
            command += ["-ac", "1", "-ar", str(RATE), "-c:a", "libvorbis", "-q:a", "3", "-bitexact"]
            subprocess.run([*command, output / f"{described.stem}.ogg"], check=True)
            description = json.loads(described.read_text(encoding="utf-8"))
            description["sample_rate"] = RATE
            del description["mouths"]  # what the lips do follows from the segments
            text = json.dumps(description, ensure_ascii=False)
            (output / described.name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
