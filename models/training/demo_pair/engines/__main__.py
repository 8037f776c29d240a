"""Writes the voices that training never hears: WAV and mouth, sentence by sentence.

    python -m demo_pair.engines --output DIR [--aligner ALIGNER.pt]

DIR/<engine>/<nn>.wav has silence before and after; <nn>.json beside it holds the
text, the segments (start, end, IPA) and `mouths`, six numbers for each frame of
25 a second (open, wide, close, teeth, tongue, tuck).
"""

import argparse
import json
from pathlib import Path

import numpy as np

from demo_pair.align import Aligner
from demo_pair.engines.never_heard import NEVER_HEARD
from demo_pair.engines.segments import Segment, Utterance, write_wav
from demo_pair.mouth_track import VIDEO_RATE

PAUSE_FRAMES = 14  # of silence before and after
PEAK = 0.6


def _framed(utterance):
    """The utterance at PEAK, between silences, a whole number of frames long."""
    rate = utterance.sample_rate
    pause = PAUSE_FRAMES / VIDEO_RATE
    before = round(pause * rate)
    samples = utterance.samples * (PEAK / max(np.abs(utterance.samples).max(), 1e-6))
    frames = int(np.ceil(utterance.duration * VIDEO_RATE)) + 2 * PAUSE_FRAMES
    after = frames * rate // VIDEO_RATE - before - len(samples)
    return Utterance(
        np.pad(samples, (before, after)),
        rate,
        tuple(
            Segment(before / rate + s.start, before / rate + s.end, s.ipa)
            for s in utterance.segments
        ),
    )


def write(folder, voice, aligner):
    """All sentences of one voice; how many could be spoken."""
    folder.mkdir(parents=True, exist_ok=True)
    spoken = 0
    for index, (text, utterance) in enumerate(voice.speak(aligner), start=1):
        if utterance is None:
            continue
        framed = _framed(utterance)
        write_wav(folder / f"{index:02}.wav", framed.samples, framed.sample_rate)
        description = {
            "engine": voice.name,
            "language": voice.language,
            "licence": voice.licence,
            "times": voice.times,
            "text": text,
            "sample_rate": framed.sample_rate,
            "fps": VIDEO_RATE,
            "segments": [
                [round(float(s.start), 4), round(float(s.end), 4), s.ipa] for s in framed.segments
            ],
            "mouths": [[round(float(number), 4) for number in mouth] for mouth in framed.track()],
        }
        (folder / f"{index:02}.json").write_text(
            json.dumps(description, ensure_ascii=False), encoding="utf-8"
        )
        spoken += 1
    return spoken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--aligner", type=Path, help="what `python -m demo_pair.align` learned")
    arguments = parser.parse_args()
    aligner = Aligner.load(arguments.aligner) if arguments.aligner else None
    for voice in NEVER_HEARD:
        if missing := voice.missing():
            print(f"{voice.name}: left out, {missing}")
            continue
        if voice.aligned and aligner is None:
            print(f"{voice.name}: left out, its times need --aligner")
            continue
        print(f"{voice.name}: {write(arguments.output / voice.name, voice, aligner)} sentences")


if __name__ == "__main__":
    main()
