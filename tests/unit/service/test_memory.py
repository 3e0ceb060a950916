"""Memory that is freed goes back to the system, also where a small block lies above it on the heap."""

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from consumer.service import memory

MEGABYTE = 1024 * 1024
BLOCK = 900 * 1024
BLOCKS = 60
SHARE_KEPT = 0.2

MEASURE = f"""
import ctypes, sys
from pathlib import Path
from consumer.service.memory import return_freed_memory, trim_heap
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

if "tuned" in sys.argv:
    return_freed_memory()
size, between = ({BLOCK}, 0) if "large" in sys.argv else ({BLOCK // 9}, 3_000)
before = resident()
libc.free(libc.malloc({16 * MEGABYTE}))
blocks = []
for _ in range({BLOCKS * BLOCK} // size):
    blocks.append(libc.malloc(size))
    ctypes.memset(blocks[-1], 1, size)
    libc.malloc(between)
above = libc.malloc({100 * 1024})
most = resident()
for block in blocks:
    libc.free(block)
if "trimmed" in sys.argv:
    trim_heap()
print((resident() - before) / (most - before))
"""


def share_kept(*how: str) -> float:
    """Return which share of what was allocated and freed a process still has."""
    measured = subprocess.run([sys.executable, "-c", MEASURE, *how], capture_output=True, check=True, text=True)
    return float(measured.stdout)


glibc = pytest.mark.skipif(
    not Path("/proc/self/statm").exists() or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="Linux with glibc alone: elsewhere nothing is tuned",
)


@glibc
def test_what_is_freed_goes_back_to_the_system() -> None:
    assert share_kept("large") > SHARE_KEPT, "else there is nothing to tune"
    assert share_kept("large", "tuned") < SHARE_KEPT


@glibc
def test_what_is_freed_between_small_blocks_goes_back_to_the_system() -> None:
    assert share_kept("tuned") > SHARE_KEPT, "else there is nothing to trim"
    assert share_kept("tuned", "trimmed") < SHARE_KEPT


async def test_the_heap_is_trimmed_until_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()
    monkeypatch.setattr(memory, "TRIM_EVERY", timedelta(0))
    monkeypatch.setattr(memory, "trim_heap", stop.set)
    await memory.trim_until(stop)


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_name: str) -> str:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown)
    monkeypatch.delattr("ctypes.CDLL")
    memory.return_freed_memory()
    memory.trim_heap()
