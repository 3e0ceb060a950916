"""Process-wide tuning of memory: what is freed goes back to the system, and the garbage collector walks seldom."""

import asyncio
import ctypes
import gc
import os
from datetime import timedelta
from typing import Final

from consumer.event_loop import wait_for_event

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of glibc's `mallopt`."""
MAPPED_ABOVE: Final = 256 * 1024
"""Bytes of one block above which it is mapped by itself, and unmapped when it is freed."""
TRIMMED_ABOVE: Final = 1024 * 1024
"""Free bytes at the end of the heap above which they go back."""
TRIM_EVERY: Final = timedelta(seconds=10)


def calm_collector() -> None:
    """Have the garbage collector walk seldom, and never what is loaded by now."""
    # Objects loaded by now live as long as the process, and batches of thousands of small values are no garbage:
    # at the default threshold of 700 the collector walks them a hundred times over.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def return_freed_memory() -> None:
    """Have glibc give back what is freed; another C library is left as it is.

    By itself it takes the largest block that was ever freed, up to 32 MB, as the size from which blocks are mapped:
    after one answer of 4 MB every later one comes from the heap, and stays there behind whatever small block lies
    above it.
    """
    if not _is_glibc():
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_THRESHOLD, MAPPED_ABOVE)
    mallopt(_M_TRIM_THRESHOLD, TRIMMED_ABOVE)


async def trim_until(stop: asyncio.Event) -> None:
    """Give back free pages now and then until stopped."""
    while not stop.is_set():
        await wait_for_event(stop, TRIM_EVERY)
        trim_heap()


def trim_heap() -> None:
    """Have glibc give back the free pages between what is in use, which nothing else does: a millisecond's work."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):  # a system that does not know the name
        return False
