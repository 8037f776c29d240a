"""The usual design in Python: what Duolip is measured against.

A rendering service as they are commonly written, and written well: warm ONNX Runtime sessions, a
thread pool, OpenCV, ffmpeg. Speech is cut into chunks by the millisecond with pydub; each chunk
runs the whole pipeline on its own, from its mel spectrogram to an MP4 with AAC; the MP4s are joined
with ffmpeg's concat demuxer and `-c copy`. It runs the checkpoints that Duolip runs.

Needs nothing of Duolip but its definition of the mel spectrogram (`demo_pair.mel`, numpy).
"""
