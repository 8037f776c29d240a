"""How the baseline cuts speech, and which mel window each frame of a chunk gets."""

import numpy as np
from demo_pair.mel import WINDOW_STEPS
from pydub import AudioSegment

_STEPS_PER_SECOND = 80


def number_of_chunks(seconds: float, models: int) -> int:
    """The usual rule: more chunks for longer speech, two for each model at most."""
    if seconds < 10:
        return 1
    if seconds < 30:
        return min(2, models)
    return max(2, min(int(seconds / 15), 2 * models))


def cut(speech: AudioSegment, chunks: int) -> list[AudioSegment]:
    """Even pieces by the millisecond; the last has what is left."""
    step = len(speech) // chunks
    starts = [at * step for at in range(chunks)]
    return [speech[start:end] for start, end in zip(starts, [*starts[1:], len(speech)])]


def mel_windows(mel: np.ndarray, frame_rate: int) -> np.ndarray:
    """Wav2Lip's windows (N, 1, 80, 16) of a spectrogram (80, T): while whole ones fit, then the
    last 16 steps. So the video ends 3 frames before the speech at 25 frames a second."""
    steps = mel.shape[1]
    windows = []
    while (start := int(len(windows) * _STEPS_PER_SECOND / frame_rate)) + WINDOW_STEPS <= steps:
        windows.append(mel[:, start : start + WINDOW_STEPS])
    windows.append(mel[:, steps - WINDOW_STEPS :])
    return np.stack(windows)[:, None].astype(np.float32)
