"""Streaming line input: yields lines as they arrive, so that answers need not wait for the end of the input."""

from collections.abc import Iterator
from typing import Final, Protocol

MAX_LINE: Final = 16 * 1024 * 1024
"""Maximum length of a line, in bytes. A longer one is not held in memory."""
_CHUNK: Final = 1024 * 1024


class Readable(Protocol):
    """A byte stream such as `sys.stdin.buffer`."""

    def read1(self, size: int = -1, /) -> bytes:
        """Return the available bytes, at most `size`; blocks for the first byte only."""
        ...


def line_batches(stream: Readable) -> Iterator[list[bytes | None]]:
    """Yield batches of lines without line ends, as many as have arrived; None stands for one above MAX_LINE."""
    begun, over = b"", False
    while chunk := stream.read1(_CHUNK):
        lines: list[bytes | None] = [*(begun + chunk).split(b"\n")]
        begun = lines.pop() or b""
        if over and lines:
            lines[0], over = None, False
        if over or len(begun) > MAX_LINE:
            begun, over = b"", True
        yield lines
    if over or begun:
        yield [None if over else begun]
