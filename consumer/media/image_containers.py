"""Containers of images: walks a file's chunks to its end, without decoding. Pure.

A decoder stops where it has what it needs, and forgives what is missing behind it; so the end that the format demands
is looked for here. What a file's last chunk closes may still lack its picture: rows of a PNG, scans of a JPEG. Where a
scan of a JPEG ends early its strict decoder finds; that one is missing altogether it takes for a coarser picture.
"""

import re
from collections.abc import Iterator
from typing import Final

from consumer.media.media_types import MediaType
from consumer.media.png_rows import PngPicture, short_picture
from consumer.media.promise import NOTHING, Promise

_GIF_HEAD: Final = 13
_GIF_END: Final = 0x3B
_ZEROS, _ZEROS_SHARE = 64, 0.1
_CUT: Final = "it ends before its own end"
_COEFFICIENTS: Final = 64
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""The next one after a scan's data, in which 0xFF is followed by zero, or restarts it."""


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
            return _avif(content)
        case MediaType.JPEG:
            return _jpeg(content)
        case _:
            return NOTHING


def _png(content: bytes) -> Promise:
    animated, pictures, is_ended = None, list[PngPicture](), False
    for kind, body in _png_chunks(content):
        match kind:
            case b"IHDR" if len(body) >= 13:  # noqa: PLR2004 - its length
                pictures.append(PngPicture(body, body))
            case b"acTL":
                animated = int.from_bytes(body[:4])
            case b"fcTL" if pictures and len(body) >= 26:  # noqa: PLR2004 - its length
                if not pictures[-1].data and len(pictures) == 1:
                    animated = None if animated is None else animated - 1  # the picture beside it is its first frame
                else:
                    pictures.append(PngPicture(pictures[0].head, body[4:]))
            case b"IDAT" if pictures:
                pictures[0].data.append(body)
            case b"fdAT" if pictures:
                pictures[-1].data.append(body[4:])
            case b"IEND":
                is_ended = True
    frames = 1 if animated is None else animated + 1
    if not is_ended:
        return Promise(broken=_CUT, frames=frames)
    return Promise(broken=short_picture(pictures), frames=frames)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    at, view = 8, memoryview(content)
    while at + 12 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        if at + 12 + length > len(content):
            return
        yield kind, view[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IEND":
            return


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
    at, frames = 12, [content[:size]]
    while at + 8 <= size:
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        if content[at : at + 4] == b"ANMF":
            frames.append(content[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return Promise(broken=next(filter(None, map(_unfilled, frames)), None))


def _unfilled(content: bytes) -> str | None:
    """Return that decoders take zeros for pixels; true files end with few, those of one colour with 5 % of them."""
    zeros = len(content) - len(content.rstrip(b"\0"))
    return f"{zeros} bytes of it were never filled" if zeros > max(_ZEROS, len(content) * _ZEROS_SHARE) else None


def _avif(content: bytes) -> Promise:
    walked, at = boxes(content), content.find(b"mdat")
    if walked.broken is not None or at < 4:  # noqa: PLR2004 - its length stands before it
        return walked
    length = int.from_bytes(content[at - 4 : at])
    return Promise(broken=_unfilled(content[at + 4 : at - 4 + length])) if length > 8 else walked  # noqa: PLR2004 - its own head


def _jpeg(content: bytes) -> Promise:
    """Follow the scans: together they have to bring every component, and of a progressive one every bit of it."""
    lacks: dict[int, list[int]] = {}
    at = 2
    while at + 2 <= len(content) and content[at] == 0xFF:  # noqa: PLR2004 - a marker
        kind, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        body = content[at + 4 : at + 2 + length]
        match kind:
            case 0xFF:
                at += 1
                continue
            case 0xD9:
                missing = sum(any(bits) for bits in lacks.values())
                return (
                    Promise(broken=f"scans of {missing} of its {len(lacks)} components are missing")
                    if missing
                    else NOTHING
                )
            case 0xC0 | 0xC1 | 0xC2 if len(body) > 5:  # noqa: PLR2004 - its head
                lacks = {part: [1] * _COEFFICIENTS for part in body[6::3]}
            case 0xDA if body:
                _bring(lacks, body)
                if (found := _MARKER.search(content, at + 2 + length)) is None:
                    return NOTHING
                at = found.start()
                continue
        at += 2 + length
    return NOTHING


def _bring(lacks: dict[int, list[int]], scan: bytes) -> None:
    """Note the bits of each coefficient that a scan leaves open."""
    count = scan[0]
    if len(scan) < 2 * count + 4:
        return
    first, last, left = scan[1 + 2 * count], scan[2 + 2 * count], scan[3 + 2 * count] & 15
    for part in scan[1 : 1 + 2 * count : 2]:
        for at in range(first, min(last, _COEFFICIENTS - 1) + 1):
            lacks.setdefault(part, [1] * _COEFFICIENTS)[at] = left


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
