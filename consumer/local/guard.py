"""Process guard: runs one server, and ends it when its owner ends, however that came about.

Started as a script of its own (`python -I -S guard.py PLAN`), so it imports the standard library only. It holds the
reading end of a pipe from its owner: `s` on it asks for a clean stop, `k` for a hard one, and end of file means that
the owner is gone, by SIGKILL too. That works alike on Linux and macOS. Should the guard itself be killed, the kernel
ends the server on Linux; on macOS the server keeps running.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, TypedDict

CLEAN: Final = b"s"
HARD: Final = b"k"
OWNER_GONE: Final = b""

LOOK_AT_OWNER_SECONDS: Final = 1.0
KILLED_WITHIN_SECONDS: Final = 10.0
PR_SET_PDEATHSIG: Final = 1


class Plan(TypedDict):
    """What to run and how to end it; passed as JSON in the first argument."""

    argv: list[str]
    directory: str
    environment: dict[str, str]
    log: str
    uid: int | None
    gid: int | None
    stop_signal: int
    hard_signal: int
    grace_seconds: float
    remove_when_orphaned: str | None


def start(plan: Plan) -> subprocess.Popen[bytes]:
    """Start the server, as another user where the plan has one; raises OSError when it cannot be started."""
    with open(plan["log"], "ab") as log:  # noqa: PTH123 - pathlib would double this script's start-up time
        return subprocess.Popen(  # noqa: S603 - the plan comes from our own parent
            plan["argv"],
            cwd=plan["directory"],
            env=plan["environment"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=plan["uid"],
            group=plan["gid"],
            extra_groups=None if plan["uid"] is None else [],
            preexec_fn=end_with_guard(plan["stop_signal"]),  # noqa: PLW1509 - safe here: the guard has one thread
        )


def end_with_guard(stop_signal: int) -> Callable[[], None] | None:
    """Make the kernel signal the server when the guard dies, where the kernel can (Linux); None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, stop_signal)


def await_order(server: subprocess.Popen[bytes]) -> bytes | None:
    """Block until an order to stop arrives, and return it; None when the server ended by itself."""
    owner = os.getppid()
    wakes, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    asked: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, remember)
    while server.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno(), wakes], [], [], LOOK_AT_OWNER_SECONDS)
        if wakes in readable:
            os.read(wakes, 512)
        if sys.stdin.fileno() in readable:
            return os.read(sys.stdin.fileno(), 1)
        if os.getppid() != owner:  # a forked sibling can hold the pipe open after the owner's death
            return OWNER_GONE
        if any(number != signal.SIGCHLD for number in asked):
            return CLEAN
    return None


def end(server: subprocess.Popen[bytes], first: int, grace_seconds: float) -> None:
    """Signal the server, and kill it when it has not exited after its grace period."""
    server.send_signal(first)
    try:
        server.wait(timeout=grace_seconds)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(timeout=KILLED_WITHIN_SECONDS)


def main() -> int:
    """Start, print the server's process id (or `!` and the error), wait, end; return the server's exit code."""
    plan: Plan = json.loads(sys.argv[1])
    try:
        server = start(plan)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stdout.write(f"!{error}\n")
        return 127
    with contextlib.suppress(OSError):  # the owner may be gone already: await_order detects that
        sys.stdout.write(f"{server.pid}\n")
        sys.stdout.flush()
    order = await_order(server)
    if order is not None:
        end(server, plan["hard_signal"] if order == HARD else plan["stop_signal"], plan["grace_seconds"])
    if order == OWNER_GONE and plan["remove_when_orphaned"] is not None:
        shutil.rmtree(plan["remove_when_orphaned"], ignore_errors=True)
    code = server.returncode
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
