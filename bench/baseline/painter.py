"""A lip-sync network of the baseline: one warm ONNX Runtime session."""

from pathlib import Path

import numpy as np
import onnxruntime

_MEL_CHANNELS = 1


class Painter:
    """Paints mouths for mel windows. Threads may share it: sessions run in any number of them."""

    def __init__(self, graph: Path, threads: int, batch_size: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        by_channels = {given.shape[1]: given.name for given in self._session.get_inputs()}
        self._mel = by_channels.pop(_MEL_CHANNELS)
        (self._face,) = by_channels.values()
        self.batch_size = batch_size

    def paint(self, windows: np.ndarray, face: np.ndarray) -> np.ndarray:
        """Mouths (N, 96, 96, 3), BGR bytes, for windows (N, 1, 80, 16) and one face (6, 96, 96)."""
        faces = np.repeat(face[None], len(windows), axis=0)
        (painted,) = self._session.run(None, {self._mel: windows, self._face: faces})
        return (painted.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
