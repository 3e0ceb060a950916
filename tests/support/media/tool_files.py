"""True files of every format, as system tools make them: ffmpeg, sox, espeak-ng."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from consumer.media.media_types import MediaType
from consumer.media.verdict import MediaExpectation
from schemas.names import AssetKind

TEXT: Final = "The quick brown fox jumps over the lazy dog, and the dog sleeps on until the evening."
_IMAGES: Final[Mapping[str, tuple[str, Sequence[str], MediaType]]] = {
    "ffmpeg png": ("png", (), MediaType.PNG),
    "ffmpeg jpeg": ("jpg", ("-q:v", "3"), MediaType.JPEG),
    "ffmpeg jpeg, coarse": ("jpg", ("-q:v", "25"), MediaType.JPEG),
    "ffmpeg jpeg, 4:4:4": ("jpg", ("-pix_fmt", "yuvj444p"), MediaType.JPEG),
    "ffmpeg gif": ("gif", (), MediaType.GIF),
    "ffmpeg webp": ("webp", (), MediaType.WEBP),
    "ffmpeg webp, lossless": ("webp", ("-lossless", "1"), MediaType.WEBP),
}
_SOUNDS: Final[Mapping[str, tuple[str, Sequence[str], MediaType]]] = {
    "ffmpeg wav": ("wav", (), MediaType.WAV),
    "ffmpeg mp3": ("mp3", ("-b:a", "64k"), MediaType.MP3),
    "ffmpeg mp3, variable": ("mp3", ("-q:a", "4"), MediaType.MP3),
    "ffmpeg ogg": ("ogg", ("-c:a", "libvorbis"), MediaType.OGG),
    "ffmpeg opus": ("opus", (), MediaType.OGG),
    "ffmpeg flac": ("flac", (), MediaType.FLAC),
    "ffmpeg m4a": ("m4a", (), MediaType.M4A),
    "ffmpeg m4a, index first": ("m4a", ("-movflags", "+faststart"), MediaType.M4A),
    "ffmpeg aac": ("aac", (), MediaType.AAC),
    "sox wav, 24 bits": ("sox.wav", ("-b", "24"), MediaType.WAV),
    "sox flac": ("sox.flac", (), MediaType.FLAC),
    "sox ogg": ("sox.ogg", (), MediaType.OGG),
}


def tool_images(directory: Path) -> dict[str, tuple[bytes, MediaExpectation]]:
    """A test picture in each format of ffmpeg."""
    made: dict[str, tuple[bytes, MediaExpectation]] = {}
    for name, (ending, options, media_type) in _IMAGES.items():
        out = directory / f"{len(made)}.{ending}"
        source = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=5", "-frames:v", "4" if ending == "gif" else "1")
        _run("ffmpeg", "-v", "error", *source, *options, str(out))
        expected = MediaExpectation(kind=AssetKind.IMAGE, media_types=(media_type,), width=320, height=240, alpha=False)
        made[name] = out.read_bytes(), expected
    return made


def tool_sounds(directory: Path) -> dict[str, tuple[bytes, MediaExpectation]]:
    """A sentence of espeak-ng in each format of ffmpeg and sox."""
    spoken = directory / "said.wav"
    _run("espeak-ng", "-w", str(spoken), TEXT)
    piped = subprocess.run(["espeak-ng", "--stdout", TEXT], check=True, capture_output=True).stdout
    slow = directory / "slow.wav"
    _run("espeak-ng", "-s", "120", "-w", str(slow), TEXT)
    made = {
        "espeak": (spoken.read_bytes(), _speech(MediaType.WAV)),
        "espeak, piped": (piped, _speech(MediaType.WAV)),
        "espeak, slow": (slow.read_bytes(), _speech(MediaType.WAV, seconds_per_character=0.085)),
    }
    for name, (ending, options, media_type) in _SOUNDS.items():
        out = directory / f"{len(made)}.{ending}"
        if ending.startswith("sox"):
            _run("sox", str(spoken), *options, str(out))
        else:
            _run("ffmpeg", "-v", "error", "-i", str(spoken), *options, str(out))
        made[name] = out.read_bytes(), _speech(media_type)
    return made


def _speech(media_type: MediaType, seconds_per_character: float | None = None) -> MediaExpectation:
    return MediaExpectation(
        kind=AssetKind.AUDIO, media_types=(media_type,), text=TEXT, seconds_per_character=seconds_per_character
    )


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
