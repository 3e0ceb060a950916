"""Processes that need not import everything first: each is forked from one that has.

A process of the service spends a second of CPU on its imports, and the suite starts hundreds. What is forked is a
process like any other: it has its own pid, environment and streams, and is killed, stopped and waited for. Only what a
start itself does (imports, the installed script) is not tried so: `installed_shw` and `start_process` start anew.
"""

import asyncio
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

_SERVER: Final = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.support.preloaded"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The files that a process reads and writes."""

    stdin: Path | None = None
    stdout: Path
    stderr: Path


@dataclass(frozen=True, slots=True)
class Forked:
    """A process, with what `asyncio.subprocess.Process` offers."""

    _process: ForkServerProcess

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def join(self, within: float) -> int | None:
        """Wait, and block meanwhile; None where it still runs."""
        self._process.join(within)
        return self.returncode

    async def wait(self) -> int:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        while (code := self.returncode) is None:
            loop.add_reader(self._process.sentinel, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self._process.sentinel)
        return code


def fork(work: Callable[..., None], *arguments: object, environment: Mapping[str, str], streams: Streams) -> Forked:
    """Run a module's function in a process of its own, in the checkout."""
    process = _SERVER.Process(target=_run, args=(work, arguments, dict(environment), streams), daemon=True)
    process.start()
    return Forked(process)


def run_module(name: str) -> None:
    """Run a module as `python -m` does: it is imported only now, and sees the environment of its own process."""
    runpy.run_module(name, run_name="__main__")


def _run(
    work: Callable[..., None], arguments: tuple[object, ...], environment: Mapping[str, str], streams: Streams
) -> None:
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    for number, path, flags in (
        (0, streams.stdin or Path(os.devnull), os.O_RDONLY),
        (1, streams.stdout, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, streams.stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what it was before is closed
    work(*arguments)
