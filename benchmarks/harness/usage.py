"""Processor time and memory of processes, where the system tells (Linux); 0 elsewhere."""

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def cpu_seconds(pid: int) -> float:
    """Give user and system seconds of a process, its living descendants and those it has reaped."""
    if not PROC.is_dir():
        return 0.0
    found = {int(path.name): told for path in PROC.iterdir() if path.name.isdigit() and (told := _told(path))}
    family = {pid}
    while grown := {child for child, (parent, _, _) in found.items() if parent in family} - family:
        family |= grown
    ticks = sum(found[one][1] + found[one][2] for one in family if one in found)
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Give the memory of one process that is in RAM now (RSS), shared pages included."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _told(path: Path) -> tuple[int, int, int] | None:
    """Give the parent, and the ticks of the process itself and of its reaped children."""
    try:
        # The name stands in brackets and may hold anything; what follows it does not.
        words = (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(words[1]), int(words[11]) + int(words[12]), int(words[13]) + int(words[14])
