"""Decodes a whole sound with FFmpeg and measures it while it passes; at no time is more than a second of it held.

Windows of 20 ms give the course of the loudness, longer ones the average spectrum. Both are taken of the channels'
energies, so that two channels that cancel each other are not silent; what is left of them together is kept beside it.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Final, TypeAlias

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from consumer.media.media_types import MediaType

Samples: TypeAlias = NDArray[np.float32]
Levels: TypeAlias = NDArray[np.float64]

MAX_SECONDS: Final = 3600.0
_DEMUXERS: Final = {
    MediaType.WAV: "wav",
    MediaType.MP3: "mp3",
    MediaType.OGG: "ogg",
    MediaType.FLAC: "flac",
    MediaType.M4A: "mov",
    MediaType.AAC: "aac",
}
"""One demuxer for each type: left to guess, FFmpeg would also try playlists, which open other files."""
_MAX_CHANNELS: Final = 8
_STEREO: Final = 2
_MAX_RATE: Final = 384_000
_FORMAT: Final = "fltp"
"""Floating point, channel by channel."""
_BLOCK_SECONDS: Final = 1.0
_EACH_SPECTRUM_SECONDS: Final = 30.0
"""Of longer sounds one spectrum a second is enough."""
_WINDOW_SECONDS: Final = 0.02
_RESOLUTION: Final = 4
"""Spectra resolve a quarter of a hertz's period: windows of a quarter of a second."""
_BAND_EDGES: Final = (150.0, 270.0, 480.0, 870.0, 1550.0, 2790.0, 5000.0)
"""Hertz of the bands in which a voice's course is kept: those of its pitch and its formants."""
BAND_COUNT: Final = len(_BAND_EDGES) - 1
"""Sounds of a low rate have fewer."""
BANDS_SECONDS: Final = 180.0
"""Of longer sounds no course is kept."""
_BAND_CHANNELS: Final = 2
_FULL: Final = 0.99
_HIGHEST: Final = 1e4
"""Far above what driving a sound beyond full scale gives."""
_DAMAGED_SHARE: Final = 0.01
_QUIETEST: Final = 1e-12


class UnreadableSound(Exception):
    """A decoder cannot read it; the message says why."""


class OversizedSound(Exception):
    """It is longer, or has more channels, than may be decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundMeasures:
    """What a whole sound measures."""

    codec: str
    rate: int
    channels: int
    frames: int
    """Samples of one channel."""
    frames_promised: int | None
    """By the container's own tables, where it has some."""
    rms: float
    """Without the offset."""
    offset: float
    clipped: float
    together: float
    """Share of two channels' power that one loudspeaker plays: 0.5 of unlike ones, 0 where they cancel each other."""
    levels: Levels
    """Loudness of each 20 ms, in dB of full scale."""
    bands: Levels
    """The same in bands, a row for each 20 ms of the first three minutes."""
    spectrum: Levels
    """Average power by frequency; empty for less than a quarter of a second."""
    hertz_per_bin: float

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.frames / self.rate


def measure(content: bytes, media_type: MediaType) -> SoundMeasures:
    """Decode all of a sound and measure it.

    Raises
    ------
    UnreadableSound
    OversizedSound

    """
    try:
        with av.open(BytesIO(content), "r", format=_DEMUXERS[media_type]) as container:
            stream = _only_stream(container)
            return _measured(container, stream)
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise UnreadableSound(type(error).__name__) from error


def _only_stream(container: "av.container.InputContainer") -> "av.AudioStream":
    moving = [one for one in container.streams.video if not one.disposition & av.stream.Disposition.attached_pic]
    if moving:
        raise UnreadableSound("it holds a video")
    if len(container.streams.audio) != 1:
        raise UnreadableSound(f"it holds {len(container.streams.audio)} tracks of sound")
    stream = container.streams.audio[0]
    context = stream.codec_context
    # FFmpeg crashes on decoding a stream of which it could not tell what it is.
    if context is None or not context.sample_rate or not context.channels:
        raise UnreadableSound("its track is of no known kind")
    if context.channels > _MAX_CHANNELS or context.sample_rate > _MAX_RATE:
        raise OversizedSound(f"{context.channels} channels at {context.sample_rate} Hz")
    context.thread_count = 1
    if context.name == "flac":  # its frames have checksums, which its decoder passes over unless it is told
        context.options = {"err_detect": "crccheck+explode"}
    return stream


def _measured(container: "av.container.InputContainer", stream: "av.AudioStream") -> SoundMeasures:
    context = stream.codec_context
    sums = _Sums(context.sample_rate, context.channels)
    convert = AudioResampler(format=_FORMAT, layout=context.layout, rate=context.sample_rate)
    waiting = AudioFifo()
    packets = damaged = 0
    for packet in container.demux(stream):
        packets += packet.size > 0
        try:
            decoded = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            continue
        for frame in decoded:
            for piece in (frame,) if frame.format.name == _FORMAT else convert.resample(frame):
                piece.pts = None  # gaps in the clock are no samples
                waiting.write(piece)
            while waiting.samples >= sums.block:
                _take(waiting, sums, sums.block)
    if waiting.samples:
        _take(waiting, sums, waiting.samples)
    if not sums.frames:
        raise UnreadableSound("not one sample of it could be decoded")
    if damaged > 1 + packets * _DAMAGED_SHARE:
        raise UnreadableSound(f"{damaged} of its {packets} packets are damaged")
    return sums.measures(context.name, _table_frames(stream))


def _take(waiting: AudioFifo, sums: "_Sums", samples: int) -> None:
    frame = waiting.read(samples)
    if frame is not None:
        sums.add(frame.to_ndarray().astype(np.float32, copy=False))
    if sums.frames > MAX_SECONDS * sums.rate:
        raise OversizedSound(f"longer than {MAX_SECONDS:g} s")


def _table_frames(stream: "av.AudioStream") -> int | None:
    """Return the samples that the container's tables promise, where it counts its packets (M4A)."""
    if not stream.frames or stream.duration is None or stream.time_base is None:
        return None
    return round(stream.duration * stream.time_base * stream.codec_context.sample_rate)


class _Sums:
    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels, self.frames = rate, channels, 0
        self.block = max(1, int(rate * _BLOCK_SECONDS))
        self._window = max(1, int(rate * _WINDOW_SECONDS))
        self._long = 1 << max(8, (rate // _RESOLUTION).bit_length())
        self._shape = np.hanning(self._long).astype(np.float32)
        self._sum = self._squares = self._together = 0.0
        self._clipped = 0
        self._levels: list[Levels] = []
        self._bands: list[Levels] = []
        self._window_shape = np.hanning(self._window).astype(np.float32)
        self._edges = np.unique(np.searchsorted(np.fft.rfftfreq(self._window, 1 / rate), _BAND_EDGES))
        self._spectrum = np.zeros(0)
        self._rest = np.zeros((channels, 0), np.float32)
        self._spectra = 0

    def add(self, block: Samples) -> None:
        """Add samples, channel by channel."""
        peak = max(float(block.max()), -float(block.min()))
        # Files of floats may hold anything: also what is no number, which no comparison finds.
        if not peak <= _HIGHEST:
            raise UnreadableSound("its samples are no samples")
        self.frames += block.shape[1]
        self._sum += float(block.sum(dtype=np.float64))
        self._squares += float(np.einsum("cn,cn->c", block, block).sum(dtype=np.float64))
        if self.channels == _STEREO:
            mean = block.mean(axis=0)
            self._together += 2 * float(np.dot(mean, mean))
        if peak >= _FULL:
            high = np.abs(block) >= _FULL
            self._clipped += int((high[:, 1:] & high[:, :-1]).sum())
        self._levels.append(self._loudness(block))
        if self.frames <= BANDS_SECONDS * self.rate:
            self._bands.append(self._loudness_in_bands(block))
        self._add_spectra(block)

    def _loudness(self, block: Samples) -> Levels:
        count = block.shape[1] // self._window
        windows = block[:, : count * self._window].reshape(self.channels, count, self._window)
        # Without the mean: an offset is not to be heard.
        power = np.einsum("cwn,cwn->cw", windows, windows) / self._window - np.square(windows.mean(axis=2))
        return np.asarray(10 * np.log10(np.maximum(power.mean(axis=0), _QUIETEST)), np.float64)

    def _loudness_in_bands(self, block: Samples) -> Levels:
        count = block.shape[1] // self._window
        if not count or self._edges.size < 2:  # noqa: PLR2004 - below a certain rate there are no bands
            return np.zeros((count, max(self._edges.size - 1, 0)))
        heard = block[:_BAND_CHANNELS, : count * self._window].reshape(-1, count, self._window)
        power = np.square(np.abs(np.fft.rfft(heard * self._window_shape))).mean(axis=0) / self._window
        summed = np.add.reduceat(power[:, : self._edges[-1]], self._edges[:-1], axis=1)
        return np.asarray(10 * np.log10(np.maximum(summed, _QUIETEST)), np.float64)

    def _add_spectra(self, block: Samples) -> None:
        joined = np.concatenate((self._rest, block), axis=1)
        count = joined.shape[1] // self._long
        for at in range(count if self.frames < self.rate * _EACH_SPECTRUM_SECONDS else min(count, 1)):
            window = joined[:, at * self._long : (at + 1) * self._long]
            power = np.square(np.abs(np.fft.rfft((window - window.mean(axis=1, keepdims=True)) * self._shape)))
            total = power.mean(axis=0)
            self._spectrum = total if not self._spectra else self._spectrum + total
            self._spectra += 1
        self._rest = joined[:, count * self._long :]

    def measures(self, codec: str, promised: int | None) -> SoundMeasures:
        """Return what all of it measures."""
        count = self.frames * self.channels
        mean = self._sum / count
        return SoundMeasures(
            codec=codec,
            rate=self.rate,
            channels=self.channels,
            frames=self.frames,
            frames_promised=promised,
            rms=float(np.sqrt(max(self._squares / count - mean * mean, 0.0))),
            offset=mean,
            clipped=self._clipped / count,
            together=self._together / self._squares if self.channels == _STEREO and self._squares else 1.0,
            levels=np.concatenate(self._levels) if self._levels else np.zeros(0),
            bands=np.concatenate(self._bands) if self._bands else np.zeros((0, 0)),
            spectrum=self._spectrum / max(self._spectra, 1),
            hertz_per_bin=self.rate / self._long,
        )
