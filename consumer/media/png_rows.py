"""Whether the deflated data of a PNG has all rows that its head promises. Pure.

A decoder takes the end of that data for the end of the picture, and leaves the rows below it black.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the colour type."""
_PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of Adam7: where each begins, and its steps, across and down."""
_MOST_BYTES: Final = 400_000_000
"""Of more pixels than may be decoded, which is refused for that."""
_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PngPicture:
    """One picture of a file: its head, its size, which a frame has of its own, and its pieces of data."""

    head: memoryview
    size: memoryview
    data: list[memoryview] = field(default_factory=list)

    @property
    def promised(self) -> int:
        """Return the bytes of all its rows; 0 where its head cannot be read."""
        width, height = int.from_bytes(self.size[:4]), int.from_bytes(self.size[4:8])
        depth, colour, interlaced = self.head[8], self.head[9], self.head[12]
        bits = depth * _CHANNELS.get(colour, 0)
        passes = _PASSES if interlaced else ((0, 0, 1, 1),)
        sizes = ((ceil((width - x) / across), ceil((height - y) / down)) for x, y, across, down in passes)
        return sum(rows * (1 + ceil(columns * bits / 8)) for columns, rows in sizes if columns > 0 < rows and bits)


def short_picture(pictures: Sequence[PngPicture]) -> str | None:
    """Return which of a file's pictures has fewer bytes than its rows take, or None."""
    if sum(one.promised for one in pictures) > _MOST_BYTES:
        return None
    for n, picture in enumerate(pictures, 1):
        if not picture.data and n > 1:
            return f"frame {n} has no data"
        promised = picture.promised
        if (found := _inflated(picture.data, promised)) < promised:
            return f"picture {n} ends after {found / promised:.0%} of its rows"
    return None


def _inflated(data: Sequence[memoryview], most: int) -> int:
    """Return how many bytes the data gives, up to those that are needed; what is damaged gives none."""
    inflate, found = zlib.decompressobj(), 0
    try:
        for piece in data:
            left: bytes | memoryview = piece
            while len(left) and found < most:
                found += len(inflate.decompress(left, _AT_ONCE))
                left = inflate.unconsumed_tail
        while found < most and (rest := inflate.decompress(b"", _AT_ONCE)):
            found += len(rest)
    except zlib.error:
        return found
    return found
