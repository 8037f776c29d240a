"""How many mouths a second a model paints: ONNX Runtime, one process, two threads.

By the CPU time of the threads, so that what else the machine does hardly counts.
"""

import time

import numpy as np
import onnxruntime

from demo_pair.mel import BANDS, WINDOW_STEPS

THREADS, BATCH = 2, 8
_BATCHES, _ROUNDS = 20, 5


def mouths_per_second(folder):
    """The best of some rounds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / "lipsync.onnx", options, providers=["CPUExecutionProvider"]
    )
    random = np.random.default_rng(1)
    feeds = {}
    for graph_input in session.get_inputs():
        side = graph_input.shape[-1]
        mel = graph_input.shape[1] == 1
        shape = (BATCH, 1, BANDS, WINDOW_STEPS) if mel else (BATCH, 6, side, side)
        feeds[graph_input.name] = random.random(shape, np.float32)
    session.run(None, feeds)
    took = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_BATCHES):
            session.run(None, feeds)
        took.append(time.process_time() - began)
    return _BATCHES * BATCH * THREADS / min(took)
