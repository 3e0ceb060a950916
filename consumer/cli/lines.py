"""Lines of a stream as they arrive, and answers to them: neither waits for the other's end."""

from collections.abc import Iterator
from typing import Final, Protocol

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes. A longer line is not held in memory."""
_CHUNK: Final = 1024 * 1024


class Readable(Protocol):
    """A byte stream such as `sys.stdin.buffer`."""

    def read1(self, size: int = -1, /) -> bytes:
        """Give what is there, at most `size` bytes; waits for the first byte only."""
        ...


def line_batches(stream: Readable) -> Iterator[list[bytes | None]]:
    """Give the lines without their ends, as many at once as have arrived; None stands for one above MAX_LINE."""
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
