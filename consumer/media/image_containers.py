"""Containers of images: walks a file's chunks to its end, without decoding. Pure.

A decoder stops where it has what it needs, and forgives what is missing behind it; so the end that the format demands
is looked for here. JPEG has no lengths to walk by: its strict decoder finds where its data ends early.
"""

from typing import Final

from consumer.media.media_types import MediaType
from consumer.media.promise import NOTHING, Promise

_GIF_HEAD: Final = 13
_GIF_END: Final = 0x3B
_ZEROS, _ZEROS_SHARE = 64, 0.1
_CUT: Final = "it ends before its own end"


def image_promise(content: bytes, media_type: MediaType) -> Promise:
    """Return what the file promises."""
    match media_type:
        case MediaType.PNG:
            return _png(content)
        case MediaType.GIF:
            return _gif(content)
        case MediaType.WEBP:
            return _riff(content)
        case MediaType.AVIF:
            return boxes(content)
        case _:
            return NOTHING


def _png(content: bytes) -> Promise:
    at, frames = 8, 1
    while at + 12 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        if kind == b"acTL":
            frames = int.from_bytes(content[at + 8 : at + 12])
        at += 12 + length
        if kind == b"IEND":
            return Promise(frames=frames)
    return Promise(broken=_CUT, frames=frames)


def _gif(content: bytes) -> Promise:
    at = _GIF_HEAD + _colours(content[10]) if len(content) > _GIF_HEAD else len(content)
    frames = 0
    while at < len(content) and content[at] != _GIF_END:
        match content[at]:
            case 0x2C if at + 9 < len(content):  # an image
                frames += 1
                at = _blocks_end(content, at + 11 + _colours(content[at + 9]))
            case 0x21:  # an extension
                at = _blocks_end(content, at + 2)
            case _:
                return Promise(broken="it holds what is no block", frames=frames or None)
    return Promise(broken=None if at < len(content) else _CUT, frames=frames or None)


def _colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks_end(content: bytes, at: int) -> int:
    while at < len(content) and content[at]:
        at += 1 + content[at]
    return at + 1


def _riff(content: bytes) -> Promise:
    size = int.from_bytes(content[4:8], "little") + 8
    if size > len(content):
        return Promise(broken=f"it promises {size} bytes and has {len(content)}")
    # Its decoder takes zeros for pixels; true files end with few, those of one colour with 5 % of their bytes.
    zeros = size - len(content[:size].rstrip(b"\0"))
    is_unfilled = zeros > max(_ZEROS, size * _ZEROS_SHARE)
    return Promise(broken=f"its last {zeros} bytes were never filled" if is_unfilled else None)


def boxes(content: bytes) -> Promise:
    """Walk the boxes of an ISO container (AVIF, M4A)."""
    at = 0
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4])
        if length == 1:
            length = int.from_bytes(content[at + 8 : at + 16])
        if length == 0:  # to the end of the file
            return NOTHING
        if length < 8:  # noqa: PLR2004 - its own head
            return Promise(broken="it holds what is no box")
        at += length
    return NOTHING if at == len(content) else Promise(broken=f"its boxes end at {at} of {len(content)} bytes")
