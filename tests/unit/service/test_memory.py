"""Memory that is freed goes back to the system, also where a small block lies above it on the heap."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from consumer.service.memory import return_freed_memory

MEGABYTE = 1024 * 1024
BLOCK = 900 * 1024
BLOCKS = 60
SHARE_KEPT = 0.1

MEASURE = f"""
import ctypes, sys
from pathlib import Path
from consumer.service.memory import return_freed_memory
if sys.argv[1] == "tuned":
    return_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

before = resident()
libc.free(libc.malloc({16 * MEGABYTE}))  # one large block
blocks = [libc.malloc({BLOCK}) for _ in range({BLOCKS})]
for block in blocks:
    ctypes.memset(block, 1, {BLOCK})
above = libc.malloc({100 * 1024})  # a smaller one at the end
most = resident()
for block in blocks:
    libc.free(block)
print((resident() - before) / (most - before))
"""


def share_kept(how: str) -> float:
    """Return which share of what was allocated and freed a process still has."""
    measured = subprocess.run([sys.executable, "-c", MEASURE, how], capture_output=True, check=True, text=True)
    return float(measured.stdout)


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists() or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="Linux with glibc alone: elsewhere nothing is tuned",
)
def test_what_is_freed_goes_back_to_the_system() -> None:
    assert share_kept("as it is") > SHARE_KEPT, "else there is nothing to tune"
    assert share_kept("tuned") < SHARE_KEPT


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_name: str) -> str:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown)
    monkeypatch.delattr("ctypes.CDLL")
    return_freed_memory()
