"""One server process under its guard: started until it answers, stopped for sure, started again on the same data."""

import asyncio
import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias

from consumer.errors import ConfigError, TransientError
from consumer.local import guard

LOCALHOST: Final = "127.0.0.1"
START_WITHIN: Final = timedelta(seconds=60)
ANSWER_WITHIN: Final = timedelta(seconds=5)
LOOK_AGAIN_AFTER: Final = timedelta(milliseconds=20)
PORT_TRIES: Final = 5
LOG_TAIL_BYTES: Final = 2_000

Answers: TypeAlias = Callable[[], Awaitable[None]]
"""A real client's question, that only this server can answer; raises TransientError while there is no answer.

A stranger may have taken the port between its choice and its use: a password or a cluster id tells it apart.
"""


class ServerExitError(ConfigError):
    """The server ended before it answered; the message carries the end of its log."""

    def __init__(self, message: str, *, address_taken: bool) -> None:
        super().__init__(message)
        self.address_taken = address_taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user that a server runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProgram:
    """What to run, and which signals end it cleanly and like a crash."""

    name: str
    argv: tuple[str, ...]
    directory: Path
    log: Path
    environment: Mapping[str, str]
    stop_signal: signal.Signals
    hard_signal: signal.Signals = signal.SIGKILL
    grace: timedelta = timedelta(seconds=15)
    account: Account | None = None
    remove_when_orphaned: Path | None = None

    def plan(self) -> guard.Plan:
        """Put it as the guard reads it."""
        return {
            "argv": list(self.argv),
            "directory": str(self.directory),
            "environment": dict(self.environment),
            "log": str(self.log),
            "uid": None if self.account is None else self.account.uid,
            "gid": None if self.account is None else self.account.gid,
            "stop_signal": self.stop_signal,
            "hard_signal": self.hard_signal,
            "grace_seconds": self.grace.total_seconds(),
            "remove_when_orphaned": None if self.remove_when_orphaned is None else str(self.remove_when_orphaned),
        }


class Server:
    """A program with an address. Bound to no event loop: one may start it, another restart it.

    It does not watch over the program: a server that dies later is noticed by its clients, and by `is_running`.
    """

    def __init__(self, program: ServerProgram, answers: Answers) -> None:
        self._program = program
        self._answers = answers
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    def pid(self) -> int:
        """The server's own process id, not the guard's; it changes with a restart."""
        return self._pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there; says nothing about its answers."""
        return self._guard is not None and self._guard.poll() is None

    async def start(self) -> None:
        """Return when a real client got its answer; ServerExitError or TransientError when none came."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self._launch), START_WITHIN.total_seconds())
            await self._until_it_answers()
        except BaseException:
            await self.stop(hard=True)
            raise

    async def stop(self, *, hard: bool = False) -> None:
        """Return when the process is gone: within its grace, or killed. Stopping what does not run does nothing."""
        process, self._guard = self._guard, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # the guard may be gone: the server ended by itself
                process.stdin.write(guard.HARD if hard else guard.CLEAN)
            process.stdin.close()
        bound = self._program.grace.total_seconds() + 2 * guard.KILLED_WITHIN_SECONDS
        await asyncio.to_thread(process.wait, bound)
        if process.stdout is not None:
            process.stdout.close()

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """Take the server down like a crash, and bring it back on the same address and data at the end."""
        await self.stop(hard=True)
        try:
            yield
        finally:
            await self.start()

    async def restart(self) -> None:
        """Crash it and bring it back."""
        async with self.outage():
            pass

    def _launch(self) -> None:
        argv = [sys.executable, "-I", "-S", guard.__file__, json.dumps(self._program.plan())]
        with self._program.log.open("ab") as log:
            # A session of its own keeps the terminal's Ctrl-C away: the owner stops first, its servers after it.
            self._guard = subprocess.Popen(  # noqa: S603 - our own interpreter and script
                argv, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        said = b"" if self._guard.stdout is None else self._guard.stdout.readline()
        if not said.strip().isdigit():
            reason = said.decode(errors="replace").strip().lstrip("!") or self._log_tail()
            raise ServerExitError(f"{self._program.name} could not be started: {reason}", address_taken=False)
        self._pid = int(said)

    async def _until_it_answers(self) -> None:
        deadline = time.monotonic() + START_WITHIN.total_seconds()
        while True:
            try:
                await asyncio.wait_for(self._answers(), ANSWER_WITHIN.total_seconds())
            except (TransientError, TimeoutError) as error:
                answered: Exception | None = error
            else:
                answered = None
            if not self.is_running:
                raise self._exited()
            if answered is None:
                return
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{self._program.name} did not answer within {START_WITHIN.seconds} s: {answered}. "
                    f"The end of its log: {self._log_tail()}"
                ) from answered
            await asyncio.sleep(LOOK_AGAIN_AFTER.total_seconds())

    def _exited(self) -> ServerExitError:
        tail = self._log_tail()
        return ServerExitError(
            f"{self._program.name} ended before it answered. The end of its log: {tail}",
            address_taken="in use" in tail,
        )

    def _log_tail(self) -> str:
        try:
            with self._program.log.open("rb") as log:
                log.seek(0, 2)
                log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
                return log.read().decode(errors="replace").strip() or "(nothing)"
        except OSError as error:
            return f"(no log: {error})"


_NOT_OUTGOING: Final = range(20_000, 32_000)


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of 127.0.0.1 that were free a moment ago: somebody else may take one before it is used.

    None that the system gives to outgoing connections: one of those would take it while a server is being restarted.
    """
    with contextlib.ExitStack() as sockets:
        ports: list[int] = []
        candidates = random.sample(_NOT_OUTGOING, len(_NOT_OUTGOING))  # two runs at once should not meet at each
        while len(ports) < count:
            probe = sockets.enter_context(socket.socket())
            try:
                probe.bind((LOCALHOST, candidates.pop() if candidates else 0))
            except OSError:
                continue
            ports.append(int(probe.getsockname()[1]))
        return tuple(ports)


@asynccontextmanager
async def serving(ports: int, build: Callable[[tuple[int, ...]], Server]) -> AsyncIterator[tuple[Server, int]]:
    """Run what `build` makes of free ports, of others when those were taken; gives the server and its first port."""
    for tries_left in reversed(range(PORT_TRIES)):
        chosen = free_ports(ports)
        server = build(chosen)
        try:
            await server.start()
        except ServerExitError as error:
            if error.address_taken and tries_left:
                continue
            raise
        try:
            yield server, chosen[0]
        finally:
            await server.stop()
        return
