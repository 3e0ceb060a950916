"""Sounds to be encoded: something like a voice, and things that are none."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
RATE = 24_000
TEXT = "The lighthouse keeper climbed the stairs and lit the lamp before the storm."
SECONDS = 4.4
"""About what the text takes."""


def voice(seconds: float = SECONDS, rate: int = RATE, *, pitch: float = 118.0) -> Samples:
    """Harmonics of a wandering pitch, in syllables, as a voice has them."""
    random = np.random.default_rng(7)
    at = np.arange(int(seconds * rate)) / rate
    wander = pitch * (1 + 0.12 * np.sin(2 * np.pi * 0.7 * at) + 0.05 * np.sin(2 * np.pi * 2.3 * at))
    phase = 2 * np.pi * np.cumsum(wander) / rate
    formants = ((1, 0.5), (2, 0.8), (3, 1.0), (4, 0.7), (5, 0.4), (7, 0.3), (9, 0.35), (12, 0.2), (16, 0.1), (22, 0.05))
    tone = sum((share * np.sin(number * phase) for number, share in formants), np.zeros_like(at))
    syllables = np.interp(at, np.arange(0, seconds + 1, 0.11), random.uniform(0.02, 1, int((seconds + 1) / 0.11) + 1))
    ends = np.minimum(1, np.minimum(at, seconds - at) / 0.05 + 0.05)
    breath = random.normal(0, 0.004, at.size)
    return np.asarray(0.17 * tone * syllables**1.6 * ends + breath * syllables, np.float64)


_SPOKEN: Final = {
    letter: (kind, seconds)
    for kind, seconds, letters in (
        ("vowel", 0.09, "aeiouy"),
        ("hiss", 0.08, "szxc"),
        ("hum", 0.06, "mnlrwj"),
        ("breath", 0.06, "fvh"),
        ("gap", 0.06, "ptkbdgq"),
        ("pause", 0.25, ".,"),
    )
    for letter in letters
}


def reader(text: str, *, rate: int = RATE, speed: float = 1.0) -> Samples:
    """A voice that reads a text letter by letter, so that its spectrum tells which one it says."""
    random = np.random.default_rng(13)
    pieces = [np.zeros(0)]
    for letter in text.lower():
        kind, seconds = _SPOKEN.get(letter, ("space", 0.02))
        pieces.append(_letter(kind, int(seconds * random.uniform(0.8, 1.2) * rate / speed), rate, random))
    return np.concatenate((*pieces, np.zeros(rate // 10)))


def _letter(kind: str, count: int, rate: int, random: np.random.Generator) -> Samples:
    ends = np.minimum(1, np.minimum(np.arange(count), count - np.arange(count)) / (0.015 * rate))
    if kind in ("vowel", "hum"):
        level, harmonics = (0.2, range(1, 20)) if kind == "vowel" else (0.08, range(1, 4))
        pitch = random.uniform(105, 140)
        phase = 2 * np.pi * pitch * np.arange(count) / rate
        return np.asarray(ends * level * sum(np.sin(n * phase) / n for n in harmonics), np.float64)
    level = {"hiss": 0.06, "breath": 0.015}.get(kind, 0.0005)
    hissed = np.fft.rfft(random.normal(0, level, count))
    if kind == "hiss":
        hissed[: int(2500 * count / rate)] *= 0.02
    return np.asarray(ends * np.fft.irfft(hissed, count), np.float64)


def encoded(
    samples: Samples, container: str, codec: str, *, rate: int = RATE, layout: str = "mono", **options: str
) -> bytes:
    """Encode with FFmpeg's encoders; as many channels as the layout has, all the same."""
    with TemporaryDirectory() as directory:  # some are written twice: a stream in memory will not do
        out = Path(directory) / "sound"
        _encode(out, samples, container, codec, rate, layout, options)
        return out.read_bytes()


def _encode(
    out: Path, samples: Samples, container: str, codec: str, rate: int, layout: str, options: dict[str, str]
) -> None:
    with av.open(str(out), "w", format=container, options=options) as file:
        added = file.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        stream = cast("av.AudioStream", added)
        context = stream.codec_context
        channels = len(av.AudioLayout(layout).channels)
        wave = np.repeat(samples.astype(np.float32)[None, :], channels, axis=0)
        step = context.frame_size or 4096
        resample = av.AudioResampler(format=context.format, layout=layout, rate=rate)
        fifo = av.AudioFifo()
        for begin in range(0, wave.shape[1], 4096):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[:, begin : begin + 4096]), "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            for piece in resample.resample(frame):
                fifo.write(piece)
            while fifo.samples >= step:
                file.mux(stream.encode(fifo.read(step)))
        if fifo.samples:
            file.mux(stream.encode(fifo.read(fifo.samples)))
        file.mux(stream.encode(None))


def wav(samples: Samples, rate: int = RATE, channels: int = 1) -> bytes:
    """A plain WAV of 16 bits; of several channels their samples in turn."""
    body = (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
    head = b"RIFF" + (36 + len(body)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += (1).to_bytes(2, "little") + channels.to_bytes(2, "little") + rate.to_bytes(4, "little")
    head += (
        (2 * channels * rate).to_bytes(4, "little")
        + (2 * channels).to_bytes(2, "little")
        + (16).to_bytes(2, "little")
        + b"data"
        + len(body).to_bytes(4, "little")
    )
    return head + body


def tone(hertz: float, seconds: float = SECONDS, rate: int = RATE, level: float = 0.3) -> Samples:
    return np.asarray(level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate), np.float64)


def white(seconds: float = SECONDS, rate: int = RATE, level: float = 0.1) -> Samples:
    return np.asarray(np.random.default_rng(9).normal(0, level, int(seconds * rate)), np.float64)


def brown(seconds: float = SECONDS, rate: int = RATE) -> Samples:
    """Rumble: noise whose power falls with the frequency, which no flatness tells."""
    steps = np.fft.rfft(white(seconds, rate, 1.0))
    shaped = np.fft.irfft(steps / np.maximum(np.arange(steps.size), 150), int(seconds * rate))
    return np.asarray(0.15 * shaped / shaped.std(), np.float64)
