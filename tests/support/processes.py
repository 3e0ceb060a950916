"""What the kernel says of a process."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.patience import PATIENCE


def is_alive(pid: int) -> bool:
    """Whether the process is there and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        pass
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def owner_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def listening_addresses(pid: int) -> set[str]:
    """The addresses on which the process listens, as the kernel writes them; Linux only."""
    descriptors = Path(f"/proc/{pid}/fd").iterdir()
    sockets = {name.removeprefix("socket:[").removesuffix("]") for name in map(_target, descriptors)}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in sockets:
                found.add(words[1].partition(":")[0])
    return found


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""


def eventually(condition: Callable[[], bool]) -> bool:
    """Look until it is so, or the time is over."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
