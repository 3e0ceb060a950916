"""Whose copy of the programs is trusted, and when it is made anew."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consumer.errors import ConfigError
from consumer.local.postgres_binaries import is_reachable, memory_or, programs, shared_temp
from consumer.local.server import Account

ACCOUNT = Account(uid=os.getuid() + 4321, gid=os.getgid() + 4321)


@pytest.fixture(autouse=True)
def temp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="shw-test-", dir=shared_temp(ACCOUNT)) as place:
        Path(place).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", place)
        yield Path(place).resolve()


def copies(temp: Path) -> list[Path]:
    return list(temp.glob("shw-pg-*"))


def says_its_version(binary: Path) -> bool:
    return b"18.6" in subprocess.run([binary, "--version"], capture_output=True, check=True).stdout


def test_the_copy_runs_where_it_stands(temp: Path) -> None:
    place = programs(ACCOUNT)
    assert place.is_relative_to(temp)
    assert says_its_version(place / "postgres")
    assert says_its_version(place / "initdb")


def test_our_own_account_needs_no_copy(temp: Path) -> None:
    assert says_its_version(programs(None) / "postgres")
    assert copies(temp) == []


def test_a_whole_copy_is_used_again() -> None:
    first = (programs(ACCOUNT) / "postgres").stat()
    assert (programs(ACCOUNT) / "postgres").stat() == first


def test_a_copy_that_lost_a_file_is_made_anew(temp: Path) -> None:
    lost = programs(ACCOUNT).parent / "share" / "postgres.bki"
    lost.unlink()
    programs(ACCOUNT)
    assert lost.is_file()
    assert len(copies(temp)) == 1


def test_two_who_copy_at_once_end_with_one_whole_copy(temp: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        places = set(pool.map(lambda _: programs(ACCOUNT), range(4)))
    assert len(places) == 1
    assert says_its_version(places.pop() / "postgres")
    assert len(copies(temp)) == 1


def test_a_copy_that_others_may_write_is_not_trusted(temp: Path) -> None:
    programs(ACCOUNT)
    copies(temp)[0].chmod(0o777)
    with pytest.raises(ConfigError, match="remove it, or set TMPDIR"):
        programs(ACCOUNT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_copy_of_another_user_is_not_trusted(temp: Path) -> None:
    programs(ACCOUNT)
    os.chown(copies(temp)[0], ACCOUNT.uid, ACCOUNT.gid)
    with pytest.raises(ConfigError, match="remove it, or set TMPDIR"):
        programs(ACCOUNT)


def test_a_link_in_the_copys_place_is_not_followed(temp: Path) -> None:
    programs(ACCOUNT)
    place = copies(temp)[0]
    place.rename(temp / "elsewhere")
    place.symlink_to(temp / "elsewhere")
    with pytest.raises(ConfigError, match="remove it, or set TMPDIR"):
        programs(ACCOUNT)


@pytest.mark.parametrize(
    ("mode", "reachable"),
    [
        pytest.param(0o700, False, id="closed"),
        pytest.param(0o710, False, id="group"),
        pytest.param(0o711, True, id="open"),
    ],
)
def test_an_account_passes_a_directory_that_is_open_to_all(temp: Path, mode: int, *, reachable: bool) -> None:
    inner = temp / "outer" / "inner"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    inner.parent.chmod(mode)
    assert is_reachable(inner, ACCOUNT) is reachable


def test_without_room_in_memory_the_disk_is_taken(temp: Path) -> None:
    assert memory_or(temp, room=1 << 62) == temp


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="this machine shows no directory in memory")
def test_with_room_in_memory_the_memory_is_taken(temp: Path) -> None:
    assert memory_or(temp, room=1) == Path("/dev/shm")
