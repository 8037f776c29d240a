"""The training speech: random sentences by many voices of several engines, with their mouths.

Each clip is a few sentences with pauses and breaths before, between and after
them, so that a quarter of the frames are silent and the network learns to hold
the mouth shut and still: in digital silence, in noise and in music. The
held-out variants and the engines of `engines.never_heard` are never spoken
here; they are measured with.
"""

import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np

from demo_pair import augment, espeak
from demo_pair.engines import in_training
from demo_pair.engines.segments import Segment, Utterance
from demo_pair.espeak_variants import DrawnVariant
from demo_pair.mel import SAMPLE_RATE, mel_from_pcm, pad_to_frames, resample_to_16k, window_starts
from demo_pair.mouth_track import VIDEO_RATE, mouth_track
from demo_pair.texts import random_sentence

# espeak-ng voice: (word list, share of the speech)
VOICES = {
    "ru": ("ru", 0.42),
    "en-us": ("en", 0.36),
    "en-gb-x-rp": ("en", 0.08),
    "en-gb-scotland": ("en", 0.04),
    "de": ("de", 0.02),
    "es": ("es", 0.02),
    "fr": ("fr", 0.02),
    "pl": ("pl", 0.02),
    "it": ("it", 0.02),
}
VARIANTS = (
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 croak whisperf adam Alex Alicia Andrea Andy Annie "
    "anika belinda benjamin boris caleb david ed edward Gene gustave Henrique Hugo iven Jacky "
    "john Lee linda marcelo Marco Mario max Michael michel miguel Mike norbert pablo paul pedro "
    "quincy rob robert sandro steph travis zac grandpa Diogo"
).split()
_DRAWN_SHARE = 0.65  # of the clips by espeak-ng, those by a voice that was never there before
HELD_OUT_VARIANTS = "antonio aunty Denis grandma shelby Storm victor".split()

_WHISPERED_SHARE = 0.3  # of the clips by espeak-ng, those that are partly whispered
_OTHER_ENGINES_SHARE = 0.42  # of the clips, where their speech is at hand
_SPEECHLESS_SHARE = 0.12

PART_MINUTES = 10  # of a file, at most

_SAMPLES_PER_FRAME = SAMPLE_RATE // VIDEO_RATE


class OtherEngines:
    """The speech that `engines.in_training` made, by voice."""

    def __init__(self, folder):
        self.voices = []
        for path in sorted(folder.glob("*.npz")) if folder.is_dir() else ():
            with np.load(path) as stored:
                ends = np.cumsum(stored["lengths"])
                pieces = np.split(stored["samples"], ends[:-1])
                segments = json.loads(str(stored["segments"]))
            self.voices.append(
                [
                    (piece, tuple(Segment(*segment) for segment in spoken))
                    for piece, spoken in zip(pieces, segments)
                ]
            )
        sizes = np.array([len(voice) for voice in self.voices], float)
        self.weights = sizes / sizes.sum() if len(sizes) else sizes

    def speaker(self, random):
        """A voice as a function that speaks a random utterance of its own."""
        voice = self.voices[random.choice(len(self.voices), p=self.weights)]

        def speak(slower):
            samples, segments = voice[random.integers(len(voice))]
            utterance = Utterance(samples.astype(np.float32) / 32768, SAMPLE_RATE, segments)
            played_at = round(SAMPLE_RATE / slower / 50) * 50
            track = utterance.track(SAMPLE_RATE / played_at)
            return resample_to_16k(utterance.samples, played_at), track

        return speak


def _espeak_speaker(random, drawn):
    names = list(VOICES)
    voice = str(random.choice(names, p=[share for _, share in VOICES.values()]))
    language = VOICES[voice][0]
    if random.random() < _DRAWN_SHARE:
        drawn.draw(random)
        voice += "+" + drawn.name
    elif random.random() < 0.9:
        voice += "+" + str(random.choice(VARIANTS))

    def speak(slower):
        speech = espeak.speak(
            random_sentence(random, language),
            voice,
            words_per_minute=random.integers(105, 215) * slower,
            pitch=random.integers(15, 90),
            pitch_range=random.integers(25, 85),
        )
        played_at = round(speech.sample_rate / slower / 50) * 50
        exactly = speech.sample_rate / played_at
        phonemes = [espeak.Phoneme(p.start * exactly, p.ipa) for p in speech.phonemes]
        track = mouth_track(phonemes, speech.duration * exactly)
        return resample_to_16k(speech.samples, played_at), track

    return speak


def _silence(random, longest):
    """A pause; sometimes air is drawn in at its end."""
    frames = int(random.integers(2, longest))
    samples = np.zeros(frames * _SAMPLES_PER_FRAME)
    if frames > 6 and random.random() < 0.25:
        length = int(random.uniform(0.15, min(0.5, 0.9 * frames / VIDEO_RATE)) * SAMPLE_RATE)
        samples[-length - 200 : -200] += augment.breath(random, length) * random.uniform(0.01, 0.08)
    return samples, np.zeros((frames, 6), np.float32)


def _in_frames(samples, track):
    """Samples cut or padded to the frames of the track, at full scale."""
    length = len(track) * _SAMPLES_PER_FRAME
    samples = np.pad(samples, (0, max(0, length - len(samples))))[:length]
    return samples / max(np.abs(samples).max(), 1e-6), track


def random_clip(random, others, drawn):
    """One training clip: samples at 16 kHz and the mouth of each of its frames."""
    if random.random() < _SPEECHLESS_SHARE:
        frames = int(random.integers(VIDEO_RATE, 6 * VIDEO_RATE))
        samples = augment.without_speech(random, frames * _SAMPLES_PER_FRAME)
        return samples, np.zeros((frames, 6), np.float32)
    from_others = bool(others.voices) and random.random() < _OTHER_ENGINES_SHARE
    speak = others.speaker(random) if from_others else _espeak_speaker(random, drawn)
    slower = random.uniform(0.87, 1.15) if random.random() < 0.5 else 1.0
    parts = [_silence(random, 16)]
    for _ in range(random.integers(1, 4)):
        parts.append(_in_frames(*speak(slower)))
        parts.append(_silence(random, 26))
    samples = np.concatenate([part[0] for part in parts])
    track = np.concatenate([part[1] for part in parts])
    if random.random() < (0.12 if from_others else _WHISPERED_SHARE):
        samples = augment.partly_whispered(random, samples)
    return augment.recorded(random, samples), track


def build(minutes, seed, others, drawn):
    """`minutes` of speech as arrays: mel (steps, 80), starts (frames), mouths (frames, 6)."""
    random = np.random.default_rng(seed)
    mels, starts, tracks = [], [], []
    steps = frames = 0
    while frames < minutes * 60 * VIDEO_RATE:
        samples, track = random_clip(random, others, drawn)
        mel = pad_to_frames(mel_from_pcm(samples), len(track))
        mels.append(mel.T.astype(np.float16))
        starts.append(window_starts(len(track)) + steps)
        tracks.append(track)
        steps += mel.shape[1]
        frames += len(track)
    return {
        "mel": np.concatenate(mels),
        "starts": np.concatenate(starts),
        "mouths": np.concatenate(tracks),
    }


def _save(path, speech):
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **speech)
    unfinished.rename(path)


def _build_parts(work, minutes, seed, others, process):
    """One process's share of the training speech, in files of PART_MINUTES."""
    drawn = DrawnVariant(work / f"espeak-{process}")
    part = 0
    while minutes > 0:
        speech = build(min(PART_MINUTES, minutes), [seed, process, part], others, drawn)
        _save(work / f"speech-training-{process:02}-{part:04}.npz", speech)
        minutes -= PART_MINUTES
        part += 1


def _validation(work, minutes, seed, others):
    speech = build(minutes, seed, others, DrawnVariant(work / "espeak-validation"))
    _save(work / "speech-validation.npz", speech)


def _in_processes(speak, tasks):
    """Each task in a process of its own, for espeak-ng is one engine with one folder of voices."""
    begin = multiprocessing.get_context("fork").Process
    speakers = [begin(target=speak, args=task) for task in tasks]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()
    if any(speaker.exitcode for speaker in speakers):
        raise SystemExit("speech: a process failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=640)
    parser.add_argument("--engine-minutes", type=float, default=160)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    engines = arguments.work / "engines"
    if arguments.engine_minutes > 0:
        in_training.record_all(engines, arguments.engine_minutes, arguments.seed)
    others = OtherEngines(engines)
    work, minutes, seed = arguments.work, arguments.minutes, arguments.seed
    began, count = time.monotonic(), arguments.processes
    _in_processes(
        _build_parts, [(work, minutes / count, seed, others, process) for process in range(count)]
    )
    _in_processes(_validation, [(work, min(15, minutes / 20), seed + 1000, others)])
    print(f"{minutes:.0f} minutes of training speech, made in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
