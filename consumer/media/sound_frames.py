"""Streams of frames (MPEG layer III, ADTS): each frame's head says where the next one begins. Pure.

Decoders look for the next head wherever it is, and so pass over what is missing or was never filled. Beside frames only
tags may stand there: ID3 before and between, ID3v1, APE and Lyrics at the end, and zeros that fill a block of a disk.
"""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

_LengthAt: TypeAlias = Callable[[bytes, int], int]
"""Length of the frame that begins there; 0 where there is none."""

_MPEG_1: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG_2: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Thousands of bits in a second, by a head's four bits, from 1 on."""
_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""By the version's two bits."""
_HEAD: Final = 7
_TAIL: Final = 65_536
_PADDING: Final = 4096
_TAGS: Final = re.compile(rb"TAG|APETAGEX|LYRICS")
_TRUSTED: Final = 4
"""So many frames in a row are no chance."""


def broken_adts(content: bytes) -> str | None:
    """Return where a stream of ADTS has no frame, or ends within one; None where it is whole."""
    return _broken(content, id3_end(content, 0), _adts_length)


def broken_mp3(content: bytes, begin: int) -> str | None:
    """Return the same of a stream of layer III, whose first frame begins at `begin`; None also for a free format."""
    return _broken(content, begin, _mp3_length)


def id3_end(content: bytes, at: int) -> int:
    """Return where an ID3 tag ends that begins there; the same place where there is none."""
    if content[at : at + 3] != b"ID3" or len(content) < at + 10:
        return at
    size = 0
    for byte in content[at + 6 : at + 10]:
        size = size << 7 | byte & 0x7F
    return at + 10 + size


def _broken(content: bytes, begin: int, length_at: _LengthAt) -> str | None:
    at, frames = begin, 0
    while at + _HEAD <= len(content):
        length = length_at(content, at)
        after = at + length if length else id3_end(content, at)
        if after == at:
            is_stream = frames >= _TRUSTED and not _is_tail(content, at)
            return f"at byte {at} of {len(content)} there is no frame" if is_stream else None
        frames += length > 0
        at = after
    is_cut = frames >= _TRUSTED and at > len(content)
    return f"its last frame ends {at - len(content)} bytes behind its end" if is_cut else None


def _is_tail(content: bytes, at: int) -> bool:
    rest = content[at:]
    return _TAGS.search(rest[:_TAIL]) is not None or (len(rest) <= _PADDING and not rest.strip(b"\0"))


def _adts_length(content: bytes, at: int) -> int:
    if content[at] != 0xFF or content[at + 1] & 0xF6 != 0xF0:  # noqa: PLR2004 - the sync word, and layer 0
        return 0
    length = (content[at + 3] & 3) << 11 | content[at + 4] << 3 | content[at + 5] >> 5
    return length if length >= _HEAD else 0


def _mp3_length(content: bytes, at: int) -> int:
    if content[at] != 0xFF or content[at + 1] & 0xE6 != 0xE2:  # noqa: PLR2004 - the sync word, and layer III
        return 0
    version, kilobits, rate = content[at + 1] >> 3 & 3, content[at + 2] >> 4, content[at + 2] >> 2 & 3
    if version not in _RATES or rate == 3 or not 0 < kilobits < 15:  # noqa: PLR2004 - reserved, or free
        return 0
    rates, blocks = (_MPEG_1, 144) if version == 3 else (_MPEG_2, 72)  # noqa: PLR2004 - MPEG 1
    return blocks * rates[kilobits - 1] * 1000 // _RATES[version][rate] + (content[at + 2] >> 1 & 1)
