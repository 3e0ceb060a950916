"""True files of every format, from the encoders that the libraries bring; those of tools are in `tool_files.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from PIL import Image

from consumer.media.media_types import MediaType
from consumer.media.verdict import MediaExpectation
from schemas.names import AssetKind
from tests.support.media.pictures import cut_out, drawing, photograph, saved, stars
from tests.support.media.voices import RATE, SECONDS, TEXT, Samples, encoded, voice, wav


@dataclass(frozen=True, kw_only=True)
class TrueFile:
    make: Callable[[], bytes]
    expected: MediaExpectation


def image(
    media_type: MediaType, make: Callable[[], bytes], size: tuple[int, int] = (256, 192), *, alpha: bool | None = False
) -> TrueFile:
    width, height = size
    expected = MediaExpectation(
        kind=AssetKind.IMAGE, media_types=(media_type,), width=width, height=height, aspect=width / height, alpha=alpha
    )
    return TrueFile(make=cache(make), expected=expected)


def speech(
    media_type: MediaType, make: Callable[[], bytes], *, text: str = TEXT, seconds: float | None = None
) -> TrueFile:
    expected = MediaExpectation(kind=AssetKind.AUDIO, media_types=(media_type,), text=text, seconds=seconds)
    return TrueFile(make=cache(make), expected=expected)


def _beside_nothing(samples: Samples) -> bytes:
    return wav(np.column_stack((samples, np.zeros_like(samples))).ravel(), channels=2)


def _animated(kind: str, **options: object) -> bytes:
    frames = [photograph(96, 72, seed=seed) for seed in range(1, 5)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=80, loop=0, **options)


def _sixteen_bit() -> bytes:
    grey = np.asarray(photograph().convert("L")).astype(np.uint16)
    return saved(Image.fromarray(grey * 257), "PNG")


def svg(body: str, attributes: str = 'width="256" height="192" viewBox="0 0 256 192"') -> bytes:
    head = '<?xml version="1.0"?>\n<!-- made by hand -->\n'
    return f'{head}<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'.encode()


_SHAPES: Final = '<rect width="256" height="192" fill="#eef"/><circle cx="90" cy="90" r="60" fill="#c33"/>'
_STYLED: Final = (
    '<defs><linearGradient id="g"><stop offset="0" stop-color="#036"/><stop offset="1" stop-color="#fd8"/>'
    "</linearGradient><style>.a{fill:url(#g)}</style></defs>"
    '<path class="a" d="M0 0H256V192H0z"/><use href="#g"/>'
)

_PNG, _JPEG = MediaType.PNG, MediaType.JPEG
TRUE_FILES: Final[Mapping[str, TrueFile]] = {
    "png": image(_PNG, lambda: saved(photograph(), "PNG")),
    "png, a drawing": image(_PNG, lambda: saved(drawing(), "PNG"), (256, 256)),
    "png, transparent": image(_PNG, lambda: saved(cut_out(), "PNG"), (256, 256), alpha=True),
    "png, opaque with alpha": image(_PNG, lambda: saved(photograph().convert("RGBA"), "PNG")),
    "png, grey": image(_PNG, lambda: saved(photograph().convert("L"), "PNG")),
    "png, grey with alpha": image(_PNG, lambda: saved(cut_out().convert("LA"), "PNG"), (256, 256), alpha=True),
    "png, palette": image(_PNG, lambda: saved(photograph().convert("P", palette=Image.Palette.ADAPTIVE), "PNG")),
    "png, one bit": image(_PNG, lambda: saved(photograph().convert("1"), "PNG")),
    "png, sixteen bits": image(_PNG, _sixteen_bit),
    "png, optimised": image(_PNG, lambda: saved(photograph(), "PNG", optimize=True)),
    "png, animated": image(_PNG, lambda: _animated("PNG"), (96, 72)),
    "png, animated, beside a picture": image(_PNG, lambda: _animated("PNG", default_image=True), (96, 72)),
    "png, stars": image(_PNG, lambda: saved(stars(), "PNG")),
    "png, small": image(_PNG, lambda: saved(photograph(16, 16), "PNG"), (16, 16)),
    "png, wide": image(_PNG, lambda: saved(photograph(1600, 90), "PNG"), (1600, 90)),
    "jpeg": image(_JPEG, lambda: saved(photograph(), "JPEG", quality=90)),
    "jpeg, coarse": image(_JPEG, lambda: saved(photograph(), "JPEG", quality=10)),
    "jpeg, fine": image(_JPEG, lambda: saved(photograph(), "JPEG", quality=100, subsampling=0)),
    "jpeg, progressive": image(_JPEG, lambda: saved(photograph(), "JPEG", progressive=True, optimize=True)),
    "jpeg, grey": image(_JPEG, lambda: saved(photograph().convert("L"), "JPEG")),
    "jpeg, cmyk": image(_JPEG, lambda: saved(photograph().convert("CMYK"), "JPEG")),
    "jpeg, restarts": image(_JPEG, lambda: saved(photograph(), "JPEG", restart_marker_rows=1)),
    "jpeg, a drawing": image(_JPEG, lambda: saved(drawing(), "JPEG"), (256, 256)),
    "jpeg, odd size": image(_JPEG, lambda: saved(photograph(251, 187), "JPEG"), (251, 187)),
    "gif": image(MediaType.GIF, lambda: saved(photograph(), "GIF")),
    "gif, animated": image(MediaType.GIF, lambda: _animated("GIF"), (96, 72)),
    "gif, transparent": image(MediaType.GIF, lambda: saved(cut_out(), "GIF"), (256, 256), alpha=True),
    "webp": image(MediaType.WEBP, lambda: saved(photograph(), "WEBP")),
    "webp, lossless": image(MediaType.WEBP, lambda: saved(photograph(), "WEBP", lossless=True)),
    "webp, transparent": image(MediaType.WEBP, lambda: saved(cut_out(), "WEBP"), (256, 256), alpha=True),
    "webp, animated": image(MediaType.WEBP, lambda: _animated("WEBP"), (96, 72)),
    "avif": image(MediaType.AVIF, lambda: saved(photograph(), "AVIF", speed=10)),
    "avif, transparent": image(MediaType.AVIF, lambda: saved(cut_out(), "AVIF", speed=10), (256, 256), alpha=True),
    "svg": image(MediaType.SVG, lambda: svg(_SHAPES)),
    "svg, styled": image(MediaType.SVG, lambda: svg(_STYLED)),
    "svg, by its view box": image(MediaType.SVG, lambda: svg(_SHAPES, 'viewBox="0 0 256 192"')),
    "svg, on nothing": image(MediaType.SVG, lambda: svg('<circle cx="90" cy="90" r="60"/>'), alpha=True),
    "svg, text": image(MediaType.SVG, lambda: svg('<text x="20" y="90">Open</text>'), alpha=None),
    "wav": speech(MediaType.WAV, lambda: wav(voice()), seconds=SECONDS),
    "wav, stereo": speech(MediaType.WAV, lambda: encoded(voice(), "wav", "pcm_s16le", layout="stereo")),
    "wav, 24 bits": speech(MediaType.WAV, lambda: encoded(voice(rate=48000), "wav", "pcm_s24le", rate=48000)),
    "wav, float": speech(MediaType.WAV, lambda: encoded(voice(), "wav", "pcm_f32le")),
    "wav, telephone": speech(MediaType.WAV, lambda: encoded(voice(rate=8000), "wav", "pcm_mulaw", rate=8000)),
    "wav, adpcm": speech(MediaType.WAV, lambda: encoded(voice(), "wav", "adpcm_ms")),
    "wav, adpcm of IMA": speech(MediaType.WAV, lambda: encoded(voice(), "wav", "adpcm_ima_wav")),
    "wav, from a stream": speech(MediaType.WAV, lambda: streamed(wav(voice()))),
    "mp3": speech(MediaType.MP3, lambda: encoded(voice(), "mp3", "libmp3lame"), seconds=SECONDS),
    "wav, one channel of two": speech(MediaType.WAV, lambda: _beside_nothing(voice())),
    "mp3, stereo": speech(
        MediaType.MP3, lambda: encoded(voice(rate=44100), "mp3", "libmp3lame", rate=44100, layout="stereo")
    ),
    "mp3, without a count": speech(MediaType.MP3, lambda: encoded(voice(), "mp3", "libmp3lame", write_xing="0")),
    "mp3, without tags": speech(MediaType.MP3, lambda: encoded(voice(), "mp3", "libmp3lame", id3v2_version="0")),
    "ogg, opus": speech(MediaType.OGG, lambda: encoded(voice(rate=48000), "ogg", "libopus", rate=48000)),
    "ogg, vorbis": speech(MediaType.OGG, lambda: encoded(voice(), "ogg", "vorbis", layout="stereo")),
    "ogg, flac": speech(MediaType.OGG, lambda: encoded(voice(), "ogg", "flac")),
    "flac": speech(MediaType.FLAC, lambda: encoded(voice(), "flac", "flac"), seconds=SECONDS),
    "m4a": speech(MediaType.M4A, lambda: encoded(voice(), "ipod", "aac"), seconds=SECONDS),
    "m4a, index first": speech(MediaType.M4A, lambda: encoded(voice(), "ipod", "aac", movflags="faststart")),
    "m4a, in fragments": speech(
        MediaType.M4A, lambda: encoded(voice(), "mp4", "aac", movflags="frag_keyframe+empty_moov")
    ),
    "aac": speech(MediaType.AAC, lambda: encoded(voice(), "adts", "aac")),
}


def streamed(whole: bytes) -> bytes:
    """A WAV as a generator streams it: fillers in place of the lengths."""
    return whole[:4] + b"\xff" * 4 + whole[8:40] + b"\xff" * 4 + whole[44:]


__all__ = ["RATE", "TRUE_FILES", "TrueFile", "image", "speech", "streamed", "svg"]
