"""Containers of sound: how many samples a file promises, and whether it ends where it says. Pure.

Decoders give what is there and report the length that they gave, so half a WAV reads as a whole one of half the length.
What was promised stands in the header (WAV, FLAC, the Xing frame of MP3, M4A's boxes) or on the last page (Ogg).
Writers to a pipe do not know the length and leave a filler in its place: that promises nothing.
"""

from typing import Final, NamedTuple

from consumer.media.image_containers import boxes
from consumer.media.media_types import MediaType
from consumer.media.promise import NOTHING, Promise
from consumer.media.sound_frames import broken_adts, broken_mp3, id3_end

_UNKNOWN_ABOVE: Final = 0x7FFF_0000
"""Lengths of a RIFF chunk from here on are the fillers of streaming writers: 0x7fffffff, 0xffffffff and thereabouts."""
_CODEC_SLACK: Final = 4608
"""Samples by which an encoder's delay and padding may be counted differently: four frames of MP3."""
_XING_FRAMES: Final = 1
_SCANNED: Final = 64 * 1024


def sound_promise(content: bytes, media_type: MediaType) -> Promise:  # noqa: PLR0911 - one for each type
    """Return what the file promises."""
    match media_type:
        case MediaType.WAV:
            return _wav(content)
        case MediaType.MP3:
            return _mp3(content)
        case MediaType.OGG:
            return _ogg(content)
        case MediaType.FLAC:
            return _flac(content)
        case MediaType.M4A:
            return boxes(content)
        case MediaType.AAC:
            return Promise(broken=broken_adts(content))
        case _:
            return NOTHING


class _Coding(NamedTuple):
    align: int
    """Bytes of a block."""
    each: int
    """Samples of a channel in a block."""


_NO_CODING: Final = _Coding(0, 0)
_ONE_IN_A_BLOCK: Final = frozenset({1, 3, 6, 7, 0xFFFE})
"""PCM, floats, A-law, mu-law, extensible."""
_MANY_IN_A_BLOCK: Final = frozenset({2, 0x11, 0x31})
"""ADPCM of Microsoft and of IMA, GSM 6.10."""


def _wav(content: bytes) -> Promise:
    at, coding, wide = 12, _NO_CODING, None
    while at + 8 <= len(content):
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        body = at + 8
        if kind == b"ds64":
            wide = int.from_bytes(content[body + 8 : body + 16], "little")
        elif kind == b"fmt ":
            coding = _coding(content[body : body + length])
        elif kind == b"data":
            if wide is not None and length == 0xFFFF_FFFF:  # noqa: PLR2004 - RF64: see ds64
                return _samples(wide, coding, len(content) - body)
            unknown = length >= _UNKNOWN_ABOVE or (length == 0 and body < len(content))
            return NOTHING if unknown else _samples(length, coding, len(content) - body)
        at = body + length + length % 2
    return Promise(broken="it has no samples")


def _coding(head: bytes) -> _Coding:
    """Read how a WAV's samples are packed: one of each channel in a block, as many as the head says, or unknown."""
    tag, align = int.from_bytes(head[:2], "little"), int.from_bytes(head[12:14], "little")
    if tag in _ONE_IN_A_BLOCK:
        return _Coding(align, 1)
    if tag in _MANY_IN_A_BLOCK:
        return _Coding(align, int.from_bytes(head[18:20], "little"))
    return _NO_CODING


def _samples(promised: int, coding: _Coding, there: int) -> Promise:
    broken = f"it promises {promised} bytes of samples and has {there}" if promised > there else None
    if not coding.align or not coding.each:
        return Promise(broken=broken)
    slack = coding.each if coding.each > 1 else 0  # the last block is filled up
    return Promise(broken=broken, frames=promised // coding.align * coding.each, slack=slack)


def _mp3(content: bytes) -> Promise:
    """Follow the frames, and read the one that VBR encoders put first; without it no length is promised."""
    at = _first_frame(content, id3_end(content, 0))
    if at < 0:
        return NOTHING
    broken = broken_mp3(content, at)
    version, mono = content[at + 1] >> 3 & 3, content[at + 3] >> 6 == 3  # noqa: PLR2004
    whole = version == 3  # noqa: PLR2004 - MPEG 1; else the halved rates
    per_frame = 1152 if whole else 576
    tag = at + 4 + ((17 if mono else 32) if whole else (9 if mono else 17))
    if content[tag : tag + 4] in (b"Xing", b"Info") and content[tag + 7] & _XING_FRAMES:
        frames = int.from_bytes(content[tag + 8 : tag + 12])
    elif content[at + 36 : at + 40] == b"VBRI":
        frames = int.from_bytes(content[at + 50 : at + 54])
    else:
        return Promise(broken=broken)
    return Promise(broken=broken, frames=frames * per_frame, slack=_CODEC_SLACK)


def _first_frame(content: bytes, begin: int) -> int:
    for at in range(begin, min(begin + _SCANNED, len(content) - 60)):
        if content[at] == 0xFF and content[at + 1] & 0xE6 == 0xE2:  # noqa: PLR2004 - the sync word and layer III
            return at
    return -1


def _ogg(content: bytes) -> Promise:
    """Walk the pages of the first stream to the one that is marked as its last."""
    at, serial = 0, content[14:18]
    while at + 27 <= len(content) and content[at : at + 4] == b"OggS":
        segments = content[at + 26]
        sizes = content[at + 27 : at + 27 + segments]
        after = at + 27 + segments + sum(sizes)
        if content[at + 14 : at + 18] == serial and content[at + 5] & 4:
            if after > len(content):
                break
            return Promise(frames=int.from_bytes(content[at + 6 : at + 14], "little"), slack=_CODEC_SLACK)
        at = after
    return Promise(broken="its last page is missing")


def _flac(content: bytes) -> Promise:
    """Read STREAMINFO, which always comes first; 36 bits of it are the number of samples, 0 for unknown."""
    if len(content) < 42 or content[4] & 0x7F:  # noqa: PLR2004 - the marker, a block's head, STREAMINFO
        return Promise(broken="it has no head")
    frames = int.from_bytes(content[18:26]) & 0xF_FFFF_FFFF
    return Promise(frames=frames) if frames else NOTHING
