"""A forked process is one like any other: it has its own streams, environment and pid, and dies of a signal."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.forked import Streams, fork
from tests.support.patience import PATIENCE
from tests.support.pipeline import until
from tests.support.shw import installed_shw, shw


def echo(code: int) -> None:
    sys.stdout.write(sys.stdin.read().upper())
    sys.stderr.write(" ".join(sorted(os.environ)))
    sys.exit(code)


def stand_still() -> None:
    sys.stdout.write(str(os.getpid()))
    sys.stdout.flush()
    signal.pause()


@pytest.fixture
def streams(tmp_path: Path) -> Streams:
    return Streams(stdin=tmp_path / "in", stdout=tmp_path / "out", stderr=tmp_path / "err")


def test_it_reads_writes_and_ends_as_told(streams: Streams) -> None:
    assert streams.stdin is not None
    streams.stdin.write_text("said")
    assert fork(echo, 3, environment={"ONE": "1"}, streams=streams).join(PATIENCE) == 3
    assert (streams.stdout.read_text(), streams.stderr.read_text()) == ("SAID", "ONE")


async def test_it_is_killed_by_its_pid(tmp_path: Path) -> None:
    streams = Streams(stdout=tmp_path / "out", stderr=tmp_path / "err")
    forked = fork(stand_still, environment={}, streams=streams)

    async def has_said_its_pid() -> bool:
        return streams.stdout.exists() and streams.stdout.read_text() == str(forked.pid)

    await until(has_said_its_pid)
    assert forked.returncode is None
    forked.kill()
    assert await forked.wait() == forked.returncode == -signal.SIGKILL


@pytest.mark.parametrize("arguments", [("--help",), ("dlq", "list"), ("nothing",)])
def test_a_forked_command_says_what_the_installed_one_says(arguments: tuple[str, ...]) -> None:
    assert shw(*arguments) == installed_shw(*arguments)
