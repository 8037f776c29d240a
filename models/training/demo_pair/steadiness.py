"""Movement that nobody asked for: in sounds that are no speech, and between frames."""

import numpy as np

from demo_pair.sharpness import luma

_MOVES = 0.1  # levels; less is the encoder's
_SETTLES = 10  # frames at each end of a sound: the mel window reaches 0.2 s ahead and back


def movement(frames):
    """Mean change of a pixel from frame to frame, in levels of 255."""
    return float(np.abs(np.diff(luma(frames), axis=0)).mean())


def movement_in_speech(frames, mouths):
    """The movement between frames in which the mouth should not be at rest."""
    speaks = np.abs(mouths).max(axis=1) >= 0.02
    changes = np.abs(np.diff(luma(frames), axis=0)).mean(axis=(1, 2))
    return float(changes[speaks[1:] & speaks[:-1]].mean())


def movement_by_sound(frames, recording):
    """The movement in each sound of a recording without speech, after it has settled."""
    return {
        part.voice: movement(frames[part.first + _SETTLES : part.last - _SETTLES])
        for part in recording.parts
    }


def jitter(frames, truth):
    """How much more than the drawn mouth the rendered one trembles; 1 is as drawn.

    Of the second difference in time, so that what moves evenly does not count, in
    the calmer half of the frames in which the drawn mouth moves at all.
    """

    def trembling(video):
        return np.abs(np.diff(luma(video), n=2, axis=0)).mean(axis=(1, 2))

    drawn = trembling(truth)
    moves = drawn > _MOVES
    calm = moves & (drawn <= np.median(drawn[moves]))
    return float(trembling(frames)[calm].mean() / drawn[calm].mean())
