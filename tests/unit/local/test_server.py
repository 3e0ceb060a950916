"""The guard and the server, on programs small enough to misbehave on purpose."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from consumer.errors import TransientError
from consumer.local.server import (
    LOCALHOST,
    NEXT_PORTS,
    Server,
    ServerExitError,
    ServerProgram,
    first_free_port,
    free_ports,
    serving,
)
from tests.support.patience import PATIENCE
from tests.support.processes import is_alive

LISTEN = """
import signal, socket, sys
{before}
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listener.accept()[0].close()
"""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def program(directory: Path, port: int, *, before: str = "", argv: tuple[str, ...] | None = None) -> ServerProgram:
    return ServerProgram(
        name="the test server",
        argv=argv or (sys.executable, "-I", "-S", "-c", LISTEN.format(before=before), str(port)),
        directory=directory,
        log=directory / "log",
        environment={},
        stop_signal=signal.SIGTERM,
        grace=timedelta(milliseconds=300),
    )


def server(directory: Path, port: int, *, before: str = "", argv: tuple[str, ...] | None = None) -> Server:
    async def answers() -> None:
        try:
            _, writer = await asyncio.open_connection(LOCALHOST, port)
        except OSError as error:
            raise TransientError("not yet") from error
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    return Server(program(directory, port, before=before, argv=argv), answers)


async def test_started_means_answering_and_stopped_means_gone(tmp_path: Path) -> None:
    async with serving(1, lambda ports: server(tmp_path, ports[0])) as (running, port):
        assert running.is_running
        _, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.close()
    assert not is_alive(running.pid)


async def test_a_server_that_ignores_its_stop_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    async with serving(1, lambda ports: server(tmp_path, ports[0], before=STUBBORN)) as (running, _):
        pass
    assert not is_alive(running.pid)


async def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    async with serving(1, lambda ports: server(tmp_path, ports[0])) as (running, _):
        await running.stop()
        await running.stop()
        assert not running.is_running


async def test_a_server_killed_by_somebody_else_is_seen_as_gone_and_comes_back_with_a_restart(tmp_path: Path) -> None:
    async with serving(1, lambda ports: server(tmp_path, ports[0])) as (running, _):
        first = running.pid
        os.kill(first, signal.SIGKILL)
        await running.restart()
        assert running.is_running
        assert running.pid != first


async def test_a_server_that_ends_before_it_answers_says_why_from_its_log(tmp_path: Path) -> None:
    broken = server(tmp_path, 1, before="sys.exit('no such storage engine')")
    with pytest.raises(ServerExitError, match=r"the test server ended before it answered.*no such storage engine"):
        await broken.start()
    assert not broken.is_running


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerExitError, match=r"could not be started.*/nonexistent/broker"):
        await server(tmp_path, 1, argv=("/nonexistent/broker",)).start()


async def test_a_taken_port_is_tried_again_elsewhere(tmp_path: Path) -> None:
    built: list[int] = []
    with socket.socket() as owner:
        owner.bind((LOCALHOST, 0))

        def build(ports: tuple[int, ...]) -> Server:
            built.append(ports[0])
            return server(tmp_path, owner.getsockname()[1] if len(built) == 1 else ports[0])

        async with serving(1, build) as (_, port):
            assert built == [built[0], port]


async def test_what_the_block_raises_passes_through_and_the_server_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with serving(1, lambda ports: server(tmp_path, ports[0])) as (running, _):
            raise ZeroDivisionError
    assert not is_alive(running.pid)


async def test_a_cancelled_owner_leaves_no_server_behind(tmp_path: Path) -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def own() -> None:
        async with serving(1, lambda ports: server(tmp_path, ports[0])) as (running, _):
            started.set_result(running.pid)
            await asyncio.Event().wait()

    task = asyncio.create_task(own())
    pid = await asyncio.wait_for(started, PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(pid)


def test_a_preferred_port_that_is_taken_is_left_for_the_next_free_one() -> None:
    with socket.socket() as owner:
        owner.bind((LOCALHOST, 0))
        owner.listen()
        taken = owner.getsockname()[1]
        found = first_free_port(taken)
        assert taken < found < taken + NEXT_PORTS
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((LOCALHOST, found))


def test_free_ports_differ_from_each_other() -> None:
    assert len(set(free_ports(20))) == 20
