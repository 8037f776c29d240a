"""The speech of other engines as Opus, so that it can be carried to a machine that has no engines.

    python -m demo_pair.engines.packed pack DIR/engines FILE      # 200 minutes: 37 MB
    python -m demo_pair.engines.packed unpack FILE DIR/engines

Coded and decoded by libopus through its C interface, at 24 kbit/s and without any delay.
"""

import argparse
import ctypes
import tarfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np

from demo_pair.mel import SAMPLE_RATE

BITS_PER_SECOND = 24_000
_FRAME = SAMPLE_RATE // 50
_LONGEST_PACKET = 1275
_AUDIO, _SET_BITRATE, _SET_COMPLEXITY, _GET_LOOKAHEAD = 2049, 4002, 4010, 4027


class _Opus:
    def __init__(self):
        self.library = ctypes.CDLL("libopus.so.0")
        for create in (self.library.opus_encoder_create, self.library.opus_decoder_create):
            create.restype = ctypes.c_void_p

    def encode(self, samples):
        """Packets end to end, their lengths, and how many samples they come late."""
        error, lookahead = ctypes.c_int(), ctypes.c_int()
        state = ctypes.c_void_p(
            self.library.opus_encoder_create(SAMPLE_RATE, 1, _AUDIO, ctypes.byref(error))
        )
        self.library.opus_encoder_ctl(state, _SET_BITRATE, ctypes.c_int(BITS_PER_SECOND))
        self.library.opus_encoder_ctl(state, _SET_COMPLEXITY, ctypes.c_int(5))
        self.library.opus_encoder_ctl(state, _GET_LOOKAHEAD, ctypes.byref(lookahead))
        padded = np.pad(samples, (0, lookahead.value + -(len(samples) + lookahead.value) % _FRAME))
        packet, packets = ctypes.create_string_buffer(_LONGEST_PACKET), []
        for frame in padded.astype(np.int16).reshape(-1, _FRAME):
            pointer = frame.ctypes.data_as(ctypes.c_void_p)
            size = self.library.opus_encode(state, pointer, _FRAME, packet, _LONGEST_PACKET)
            packets.append(packet.raw[:size])
        self.library.opus_encoder_destroy(state)
        lengths = np.array([len(part) for part in packets], np.uint16)
        return np.frombuffer(b"".join(packets), np.uint8), lengths, lookahead.value

    def decode(self, packets, lengths, late, count):
        error = ctypes.c_int()
        state = ctypes.c_void_p(
            self.library.opus_decoder_create(SAMPLE_RATE, 1, ctypes.byref(error))
        )
        samples = np.empty((len(lengths), _FRAME), np.int16)
        packets, start = packets.tobytes(), 0
        for frame, length in zip(samples, lengths.tolist()):
            pointer = frame.ctypes.data_as(ctypes.c_void_p)
            packet = packets[start : start + length]
            got = self.library.opus_decode(state, packet, length, pointer, _FRAME, 0)
            if got != _FRAME:
                raise RuntimeError(f"libopus answers {got}")
            start += length
        self.library.opus_decoder_destroy(state)
        return samples.ravel()[late : late + count]


def _packed(path):
    with np.load(path) as stored:
        packets, sizes, late = _Opus().encode(stored["samples"])
        file = BytesIO()
        np.savez_compressed(
            file,
            packets=packets,
            sizes=sizes,
            late=late,
            lengths=stored["lengths"],
            segments=stored["segments"],
        )
    return file.getvalue()


def _unpack(path, packed):
    with np.load(BytesIO(packed)) as stored:
        lengths = stored["lengths"]
        samples = _Opus().decode(
            stored["packets"], stored["sizes"], int(stored["late"]), int(lengths.sum())
        )
        np.savez(path, samples=samples, lengths=lengths, segments=stored["segments"])


def pack(folder, file):
    with tarfile.open(file, "w") as archive:
        for path in sorted(folder.glob("*.npz")):
            packed = _packed(path)
            member = tarfile.TarInfo(path.name)
            member.size = len(packed)
            archive.addfile(member, BytesIO(packed))


def unpack(file, folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file) as archive, ThreadPoolExecutor() as pool:
        voices = {member.name: archive.extractfile(member).read() for member in archive}
        list(pool.map(_unpack, (folder / name for name in voices), voices.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=("pack", "unpack"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    (pack if arguments.do == "pack" else unpack)(arguments.source, arguments.target)


if __name__ == "__main__":
    main()
