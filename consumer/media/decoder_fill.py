"""Whether the lower part of an image is what a decoder puts in place of data that it lacks. Pure.

A truncated file that was decoded and encoded anew is whole; its picture tells. libjpeg fills with mid-grey, FFmpeg with
the green that zeros are in YUV, and whoever reads a PNG, or a JPEG in whole rows of blocks, leaves black, or nothing
where it has transparency. A picture may stand on a flat band, too, and often in grey or black; so the edge decides:

- JPEG is decoded block by block, from left to right: its picture ends in a step, the left part one row of blocks lower.
  Nobody lays out a band like this.
- A band of grey with a straight edge is meant: a JPEG ends so at the end of a row of blocks alone.
- A green like this, or nothing below what is opaque, is no band, unless one was asked for.
- Black with a straight edge is a band where one was asked for, and else may be either. People lay out in tens of pixels
  and in simple parts of a height; a truncated file ends anywhere, so one in four of those is taken for a layout.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Colours: TypeAlias = NDArray[np.uint8]
_Mask: TypeAlias = NDArray[np.bool_]
_Depths: TypeAlias = NDArray[np.int_]


class Fill(Enum):
    """What decoders fill with."""

    GREY = "grey"
    GREEN = "green"
    BLACK = "black"
    NOTHING = "nothing"


_COLOURS: Final = {Fill.GREY: (128, 128, 128), Fill.GREEN: (0, 135, 0), Fill.BLACK: (0, 0, 0)}
_NEAR, _AT_EDGES = 3, 20
"""Encoders change a flat colour by so much, and by so much within a block from a picture."""
_BLOCK: Final = 16
_FLAT_SHARE: Final = 0.99
"""Of the filling's pixels, without a block at its edge, that have its very colour: a night is not as black."""
_FILL_ABOVE: Final = 0.01
_LEAST_DEVIATION: Final = 6.0
_LEAST_JUMP: Final = 10.0
"""From one row to one below, on average: a picture that was cut ends at once, one that fades does not."""
_ROWS: Final = 4
_BORDER: Final = 48
"""Rows within which a picture has to end above its filling: encoders blur the edge over some blocks."""
_LEAST_COLUMNS: Final = 4
_MOST_STEP: Final = 64
"""Rows of a row of blocks, in an image that was made larger since."""
_STEP_SHARE, _STRAIGHT_SHARE = 0.8, 0.6
"""Of the columns that end where their part does; others have the filling's colour in the picture."""
_LEAST_BAND: Final = 0.05
"""Of the height: a line at the bottom is drawn."""
_MOST_BAND: Final = 0.85
"""Of the height: beneath a strip of a picture there is no band, but the rest of the picture."""
_TENS: Final = 10
_PARTS: Final = (2, 3, 4, 5, 6, 8, 10)


class Edge(Enum):
    """How a picture ends above what is filled."""

    STEP = "step"
    STRAIGHT = "straight"
    LAYOUT = "layout"  # straight, where people let bands begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """The part of an image, from its bottom, that looks like what a decoder fills in."""

    fill: Fill
    edge: Edge
    share: float
    """Of the image's height."""

    def is_decoders(self, *, band_asked: bool) -> bool:
        """Return whether a decoder has made it, and not whoever made the picture."""
        if self.edge is Edge.STEP or (self.share > _MOST_BAND and not band_asked):
            return True
        if band_asked or self.fill is Fill.GREY:
            return False
        return self.fill is not Fill.BLACK or self.edge is Edge.STRAIGHT


def find_filling(colours: Colours, alpha: Colours | None, height: int) -> Filling | None:
    """Find what looks like a decoder's filling; `height` is that of the file, which may be larger than the pixels."""
    if alpha is not None and not alpha[-1].any():
        return _filling(colours, Fill.NOTHING, alpha == 0, alpha == 0, height)
    for fill, colour in _COLOURS.items():
        if _is_near(colours[-1], colour, _NEAR).mean() > _STEP_SHARE:
            near, exact = _is_near(colours, colour, _AT_EDGES), _is_near(colours, colour, _NEAR)
            return _filling(colours, fill, near, exact, height)
    return None


def _filling(colours: Colours, fill: Fill, near: _Mask, exact: _Mask, height: int) -> Filling | None:
    edge, depth = _edge(_depths(near))
    top = len(near) - depth
    if edge is None or not _is_picture(colours, near, top):
        return None
    if exact[top + min(_BLOCK, depth // 2) :].mean() < _FLAT_SHARE:
        return None
    top = _sharpest(colours, top)
    if edge is Edge.STRAIGHT and (depth < len(near) * _LEAST_BAND or _is_layout(top, len(near), height)):
        edge = Edge.LAYOUT
    return Filling(fill=fill, edge=edge, share=depth / len(near))


def _is_near(colours: Colours, colour: tuple[int, int, int], near: int) -> _Mask:
    away = np.abs(colours.astype(np.int16) - np.asarray(colour, np.int16))
    return np.asarray((away <= near).all(axis=-1))


def _depths(fill: _Mask) -> _Depths:
    """Return for each column how many rows are filling, from the bottom."""
    from_below = fill[::-1]
    return np.where(from_below.all(axis=0), len(fill), from_below.argmin(axis=0))


def _edge(depths: _Depths) -> tuple[Edge | None, int]:
    """Return how a picture ends above its filling, and the depth of that where it is least."""
    if depths.size <= 2 * _LEAST_COLUMNS:
        return None, 0
    least = int(np.sort(depths)[_LEAST_COLUMNS - 1])
    at_least = np.abs(depths - least) <= _ROWS
    border = int(np.flatnonzero(at_least)[-1]) + 1
    left, right = at_least[:border], depths[border:]
    if not least:
        return None, 0
    if left.size >= _LEAST_COLUMNS <= right.size and left.mean() >= _STEP_SHARE:
        step = int(np.sort(right)[_LEAST_COLUMNS - 1])
        is_flat = (np.abs(right - step) <= _ROWS).mean() >= _STRAIGHT_SHARE
        if is_flat and _ROWS < step - least <= _MOST_STEP:
            return Edge.STEP, least
    return (Edge.STRAIGHT, least) if at_least.mean() >= _STRAIGHT_SHARE else (None, 0)


def _is_picture(colours: Colours, fill: _Mask, top: int) -> bool:
    """Return whether what is above is a picture that ends at once, and has nothing of the filling in its upper half."""
    above, border = colours[: top // 2], colours[max(0, top - _BORDER) : top]
    if not above.size or fill[: top // 2].mean() > _FILL_ABOVE:
        return False
    if above.std() < _LEAST_DEVIATION or len(border) <= _ROWS:
        return False
    jumps = np.abs(border[_ROWS:].astype(np.int16) - border[:-_ROWS]).mean(axis=(1, 2))
    return bool(jumps.max() >= _LEAST_JUMP)


def _sharpest(colours: Colours, top: int) -> int:
    """Return the row at which a band begins, which encoders blur by some rows."""
    begin = max(0, top - _BLOCK // 2)
    means = colours[begin : top + _BLOCK // 2].mean(axis=(1, 2))
    return begin + 1 + int(np.abs(np.diff(means)).argmax())


def _is_layout(top: int, measured: int, height: int) -> bool:
    """Return whether a band begins where people let bands begin."""
    if measured == height and (top % _TENS == 0 or (height - top) % _TENS == 0):
        return True
    return any(abs(top * parts / measured - round(top * parts / measured)) < parts / measured for parts in _PARTS)
