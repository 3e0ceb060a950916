"""Supervised server process: starts it until it answers, stops it for certain, restarts it on the same data."""

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
"""Readiness check by a real client, which only this server can pass; raises TransientError until it does.

Another program may have taken the port between its choice and its use: a password or a cluster id tells it apart.
"""


class ServerExitError(ConfigError):
    """The server exited before it answered; the message contains the end of its log."""

    def __init__(self, message: str, *, address_taken: bool) -> None:
        super().__init__(message)
        self.address_taken = address_taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The operating system user that a server runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProgram:
    """What to run, and the signals for a clean stop and for a crash."""

    name: str
    argv: tuple[str, ...]
    directory: Path
    log: Path
    environment: Mapping[str, str]
    stop_signal: signal.Signals
    hard_signal: signal.Signals = signal.SIGKILL
    grace: timedelta = timedelta(seconds=15)
    start_within: timedelta = START_WITHIN
    account: Account | None = None
    remove_when_orphaned: Path | None = None

    def plan(self) -> guard.Plan:
        """Convert it to the plan that the guard reads."""
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
    """A program with an address. Not bound to an event loop: one loop may start it, another restart it.

    It does not supervise the program: a server that dies later is noticed by its clients, and by `is_running`.
    """

    def __init__(self, program: ServerProgram, answers: Answers) -> None:
        self._program = program
        self._answers = answers
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    def pid(self) -> int:
        """Process id of the server itself, not of the guard; it changes with a restart."""
        return self._pid

    @property
    def is_running(self) -> bool:
        """Whether the process is running; it may still not answer."""
        return self._guard is not None and self._guard.poll() is None

    async def start(self) -> None:
        """Start, and return once the readiness check passes; raises ServerExitError or TransientError otherwise."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self._launch), START_WITHIN.total_seconds())
            await self._wait_until_ready()
        except BaseException:
            await self.stop(hard=True)
            raise

    async def stop(self, *, hard: bool = False) -> None:
        """Stop, and return once the process is gone: within its grace period, or killed. Idempotent."""
        process, self._guard = self._guard, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # the guard may be gone, if the server ended by itself
                process.stdin.write(guard.HARD if hard else guard.CLEAN)
            process.stdin.close()
        bound = self._program.grace.total_seconds() + 2 * guard.KILLED_WITHIN_SECONDS
        await asyncio.to_thread(process.wait, bound)
        if process.stdout is not None:
            process.stdout.close()

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """Crash the server for the block, and restart it on the same address and data at the end."""
        await self.stop(hard=True)
        try:
            yield
        finally:
            await self.start()

    async def restart(self) -> None:
        """Crash the server and restart it."""
        async with self.outage():
            pass

    def _launch(self) -> None:
        argv = [sys.executable, "-I", "-S", guard.__file__, json.dumps(self._program.plan())]
        with self._program.log.open("ab") as log:
            # Its own session shields it from the terminal's Ctrl-C: the owner stops first, then its servers.
            self._guard = subprocess.Popen(  # noqa: S603 - our own interpreter and script
                argv, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        said = b"" if self._guard.stdout is None else self._guard.stdout.readline()
        if not said.strip().isdigit():
            reason = said.decode(errors="replace").strip().lstrip("!") or self._log_tail()
            raise ServerExitError(f"{self._program.name} could not be started: {reason}", address_taken=False)
        self._pid = int(said)

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._program.start_within.total_seconds()
        while True:
            try:
                await asyncio.wait_for(self._answers(), ANSWER_WITHIN.total_seconds())
            except (TransientError, TimeoutError) as error:
                answered: Exception | None = error
            else:
                answered = None
            if not self.is_running:
                raise self._exit_error()
            if answered is None:
                return
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{self._program.name} did not answer within {self._program.start_within.seconds} s: {answered}. "
                    f"The end of its log: {self._log_tail()}"
                ) from answered
            await asyncio.sleep(LOOK_AGAIN_AFTER.total_seconds())

    def _exit_error(self) -> ServerExitError:
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


_NOT_EPHEMERAL: Final = range(20_000, 32_000)


NEXT_PORTS: Final = 100
"""How many ports after the preferred one are tried."""


def first_free_port(preferred: int) -> int:
    """Return the preferred port of 127.0.0.1, or the next one that no program listens on.

    A port that a server has just left counts as free: servers reuse the address.
    """
    for port in range(preferred, preferred + NEXT_PORTS):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOCALHOST, port))
            return port
    raise ConfigError(f"the ports {preferred} to {preferred + NEXT_PORTS - 1} of {LOCALHOST} are all taken: free one")


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports of 127.0.0.1 that were free a moment ago: another program may take one before it is used.

    None are in the range of ephemeral ports: an outgoing connection could take one while a server is being restarted.
    """
    with contextlib.ExitStack() as sockets:
        ports: list[int] = []
        candidates = random.sample(_NOT_EPHEMERAL, len(_NOT_EPHEMERAL))  # two runs at once should not collide at each
        while len(ports) < count:
            probe = sockets.enter_context(socket.socket())
            try:
                probe.bind((LOCALHOST, candidates.pop() if candidates else 0))
            except OSError:
                continue
            ports.append(int(probe.getsockname()[1]))
        return tuple(ports)


@asynccontextmanager
async def serving(
    ports: int, build: Callable[[tuple[int, ...]], Server], *, preferred: int | None = None
) -> AsyncIterator[tuple[Server, int]]:
    """Run the server that `build` makes of free ports, retrying if they were taken; yields it and its first port.

    The first port is `preferred`, or the next free one after it, where one is preferred.
    """
    for tries_left in reversed(range(PORT_TRIES)):
        chosen = free_ports(ports)
        chosen = chosen if preferred is None else (first_free_port(preferred), *chosen[1:])
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
