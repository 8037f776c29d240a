"""What every engine gives back: samples and the segments spoken in them.

A segment's border is where the sound changes; what the lips do about it is
`mouth_track`'s. Also the phone names of the engines, as IPA.
"""

import wave
from dataclasses import dataclass

import numpy as np

from demo_pair.mouth_track import held_by_segments, track_of_held


@dataclass(frozen=True)
class Segment:
    """A phoneme in IPA (empty for a pause) from `start` to `end`, in seconds."""

    start: float
    end: float
    ipa: str


@dataclass(frozen=True)
class Utterance:
    """Mono samples in -1..1 and the segments spoken in them."""

    samples: np.ndarray
    sample_rate: int
    segments: tuple[Segment, ...]

    @property
    def duration(self):
        return len(self.samples) / self.sample_rate

    def track(self, slower=1.0):
        """The six mouth numbers of each video frame, if played `slower` times as slowly."""
        segments = [Segment(s.start * slower, s.end * slower, s.ipa) for s in self.segments]
        return track_of_held(held_by_segments(segments), self.duration * slower)


def segments_until(ends):
    """Segments from `(end, ipa)` pairs that follow one another from 0."""
    segments, start = [], 0.0
    for end, ipa in ends:
        if end > start:
            segments.append(Segment(start, end, ipa))
            start = end
    return tuple(segments)


def read_wav(path):
    """Samples in -1..1 and the sample rate of a mono 16-bit WAV."""
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2 or file.getnchannels() != 1:
            raise ValueError(f"{path}: expected mono 16-bit samples")
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.astype(np.float32) / 32768, file.getframerate()


def write_wav(path, samples, sample_rate):
    """Mono samples in -1..1 as 16-bit WAV."""
    whole = np.clip(np.round(np.asarray(samples) * 32767), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(whole.tobytes())


def _table(text):
    return dict(pair.split("=") for pair in text.split())


# CMU's American phones (festival, flite, RHVoice).
ENGLISH = _table(
    "aa=ɑ ae=æ ah=ʌ ao=ɔ aw=aʊ ax=ə axr=ɚ ay=aɪ b=b ch=tʃ d=d dh=ð dx=ɾ eh=ɛ el=l em=m en=n er=ɜ "
    "ey=eɪ f=f g=ɡ hh=h hv=h ih=ɪ iy=i jh=dʒ k=k l=l m=m n=n nx=n ng=ŋ ow=oʊ oy=ɔɪ p=p r=ɹ s=s "
    "sh=ʃ t=t th=θ uh=ʊ uw=u v=v w=w y=j z=z zh=ʒ"
)
# Russian of festvox-ru: a doubled vowel is stressed, a doubled consonant soft;
# `a` is reduced once, `ae` and `ay` twice (its phoneset says so).
FESTIVAL_RUSSIAN = _table(
    "a=ʌ aa=a ay=ə ae=ə e=e ee=e i=i ii=i ur=ʊ u=u uu=u oo=o y=ɨ yy=ɨ b=b bb=b "
    "v=v vv=v g=ɡ gg=ɡ d=d dd=d zh=ʒ z=z zz=z j=j k=k kk=k l=l ll=l m=m mm=m n=n nn=n p=p pp=p r=r "
    "rr=r s=s ss=s t=t tt=t f=f ff=f h=x hh=x c=ts ch=tʃ sh=ʃ sch=ɕ"
)
# Russian of RHVoice: a vowel with 0 is unstressed.
RHVOICE_RUSSIAN = _table(
    "a=a a0=ʌ e=e e0=ɪ i=i i0=i o=o u=u u0=u y=ɨ y0=ɨ b=b bb=b v=v vv=v g=ɡ gg=ɡ d=d dd=d zh=ʒ z=z "
    "zz=z j=j k=k kk=k l=l ll=l m=m mm=m n=n nn=n p=p pp=p r=r rr=r s=s ss=s t=t tt=t f=f ff=f h=x "
    "hh=x c=ts ch=tʃ sh=ʃ sch=ɕ"
)
# One letter, one sound: Czech, Italian, Finnish and Catalan diphones.
PLAIN = _table(
    "a=a a:=a a1=a á=a e=e e:=e e1=e E=ɛ E1=ɛ i=i i:=i i1=i o=o o:=o o1=o O=ɔ O1=ɔ u=u u:=u u1=u "
    "y=y y:=y ax=ə @=ə ou=oʊ au=aʊ b=b c=ts ch~=tʃ tS=tʃ tSS=tʃ ts=ts ttS=tʃ d=d d~=d dz=dz dZ=dʒ dZZ=dʒ "
    "f=f g=ɡ h=h ch=x x=x j=j k=k l=l L=ʎ LL=ʎ m=m n=n n~=ɲ N=ŋ ng=ŋ J=ɲ p=p r=r r~=r rr=r s=s s~=ʃ S=ʃ SS=ʃ "
    "t=t t~=t v=v w=w z=z z~=ʒ Z=ʒ"
)
