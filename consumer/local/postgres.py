"""Local PostgreSQL on 127.0.0.1: a new cluster in half a second, as root or as an ordinary user."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from consumer.errors import ConfigError, TransientError
from consumer.local.postgres_binaries import is_reachable, memory_or, programs, server_account, shared_temp
from consumer.local.server import LOCALHOST, Account, Server, ServerProgram, serving

USER: Final = "postgres"
INITDB_WITHIN: Final = timedelta(seconds=60)
CONNECT_WITHIN: Final = timedelta(seconds=3)
ROOM_IN_MEMORY: Final = 4 * 1024**3

# Only these: the rest of the caller's environment (PGDATA, PGPORT, locales) would change what the server does.
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

SETTINGS: Final = {
    "listen_addresses": LOCALHOST,
    "unix_socket_directories": "",
    "max_connections": "200",  # the tests' pools, a few replicas, and interactive sessions
    "log_timezone": "UTC",
    "timezone": "UTC",
}
WITHOUT_FSYNC: Final = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running server: its address, and the controls to crash it in a test."""

    host: str
    port: int
    password: str = field(repr=False)
    _server: Server = field(repr=False)

    @property
    def dsn(self) -> str:
        """The superuser's connection URL of the database `postgres`."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """Return the superuser's connection URL of another database of this server."""
        return _dsn(self.port, self.password, database)

    @property
    def pid(self) -> int:
        """The postmaster's process id; it changes with a restart."""
        return self._server.pid

    @property
    def is_running(self) -> bool:
        """Whether the postmaster is running."""
        return self._server.is_running

    async def restart(self) -> None:
        """Crash the server (no checkpoint, connections cut) and restart it on the same address and data."""
        await self._server.restart()

    def outage(self) -> AbstractAsyncContextManager[None]:
        """Crash the server, and restart it at the end of the block."""
        return self._server.outage()


@asynccontextmanager
async def run_postgres(
    directory: Path | None = None,
    *,
    fsync: bool = True,
    settings: Mapping[str, str] | None = None,
    binaries: Path | None = None,
    preferred_port: int | None = None,
) -> AsyncIterator[Postgres]:
    """Run a server until the block ends; its data stay in `directory`, or are temporary where there is none.

    `fsync=False` is for tests and for demos: it survives a killed process, not a killed machine, and its data may
    be in memory: a database is copied from its template in 15 ms there, and on some disks in 250 ms.
    `settings` are the server's own, by name, and override those of this module. `binaries` is the directory of another
    build's programs: the package's own speaks no TLS. It listens on `preferred_port` or the next free one.
    Raises ConfigError when it cannot run here, and TransientError when it does not answer.
    """
    account = server_account()
    with ExitStack() as cleanup:
        if directory is None:
            parent = shared_temp(account) if fsync else memory_or(shared_temp(account), ROOM_IN_MEMORY)
            temporary = tempfile.TemporaryDirectory(prefix="shw-postgres-", dir=parent, ignore_cleanup_errors=True)
            home = Path(cleanup.enter_context(temporary))
        else:
            home = directory
        found, password = await asyncio.to_thread(_prepare, home, account, binaries)

        def build(ports: tuple[int, ...]) -> Server:
            chosen = _settings(ports[0], settings or {}, fsync=fsync)
            argv = (str(found / "postgres"), "-D", str(home / "data"), *chosen)
            return Server(
                ServerProgram(
                    name="Postgres",
                    argv=argv,
                    directory=home,
                    log=home / "postgres.log",
                    environment=ENVIRONMENT,
                    stop_signal=signal.SIGINT,  # "fast": cut connections, checkpoint, leave
                    hard_signal=signal.SIGQUIT,  # "immediate": no checkpoint, but no child outlives the postmaster
                    account=account,
                    remove_when_orphaned=home if directory is None else None,
                ),
                lambda: _check_ready(_dsn(ports[0], password, "postgres")),
            )

        async with serving(1, build, preferred=preferred_port) as (server, port):
            yield Postgres(host=LOCALHOST, port=port, password=password, _server=server)


def _dsn(port: int, password: str, database: str) -> str:
    return f"postgresql://{USER}:{password}@{LOCALHOST}:{port}/{database}?sslmode=disable"


def _settings(port: int, settings: Mapping[str, str], *, fsync: bool) -> list[str]:
    chosen = {**SETTINGS, "port": str(port), **({} if fsync else WITHOUT_FSYNC), **settings}
    return [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]


async def _check_ready(dsn: str) -> None:
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_WITHIN.total_seconds())
        try:
            await connection.fetchval("SELECT 1")
        finally:
            await connection.close(timeout=CONNECT_WITHIN.total_seconds())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise TransientError(f"Postgres does not answer yet: {error}") from error


def _prepare(home: Path, account: Account | None, binaries: Path | None) -> tuple[Path, str]:
    """Initialise the directory as a cluster if it is none; return the programs' directory and superuser's password."""
    home.mkdir(parents=True, exist_ok=True)
    if home.stat().st_uid != os.geteuid():
        raise ConfigError(f"{home} belongs to somebody else: give a directory of your own for the database")
    if account is not None:
        home.chmod(0o711)  # the account may traverse it; the files in it have their own permissions
        if not is_reachable(home.resolve(), account):
            raise ConfigError(
                f"{home} cannot be reached by uid {account.uid}, which runs Postgres for root: give another"
            )
    binaries = binaries or programs(account)
    if not (home / "data").exists():
        _initdb(binaries, home, account)
    return binaries, (home / "password").read_text().strip()


def _initdb(binaries: Path, home: Path, account: Account | None) -> None:
    """Create the cluster in a temporary directory and rename it: an interrupted initdb leaves no partial cluster."""
    unfinished = home / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password = home / "password"
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24))
    if account is not None:
        os.chown(unfinished, account.uid, account.gid)
        os.chown(password, account.uid, account.gid)
    argv = [str(binaries / "initdb"), "-D", str(unfinished), "-U", USER, "--pwfile", str(password)]
    argv += ["--auth=scram-sha-256", "--no-locale", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    ran = subprocess.run(  # noqa: S603 - our own binary and arguments
        argv,
        cwd=home,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        timeout=INITDB_WITHIN.total_seconds(),
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else [],
    )
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip()
        raise ConfigError(f"initdb could not make a database in {home}: {said}")
    unfinished.rename(home / "data")
