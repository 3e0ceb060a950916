"""A real pgbouncer in front of a test's PostgreSQL, which gives a server's connection away for one transaction only."""

import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from consumer.errors import TransientError
from consumer.local.postgres import ENVIRONMENT, Postgres
from consumer.local.postgres_binaries import server_account, shared_temp
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving
from tests.support.required_tools import require_tool

SERVER_CONNECTIONS: Final = 4
"""Fewer than one process has of its own: transactions change from one to another all the time."""
IGNORED: Final = (
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "enable_seqscan",
    "jit",
    "synchronous_commit",
    "default_transaction_isolation",
)
"""What the service sets at each connection; a pooler may be told to drop it."""


def through(dsn: str, port: int) -> str:
    """Give the same address at the pooler's port."""
    parts = urlsplit(dsn)
    account = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{account}@{LOCALHOST}:{port}"))


@asynccontextmanager
async def pgbouncer(postgres: Postgres, *, ignored: tuple[str, ...] = ()) -> AsyncIterator[int]:
    """Run it in transaction mode; gives its port. `ignored` are the start parameters that it drops in silence."""
    program, account = require_tool("pgbouncer"), server_account()
    with tempfile.TemporaryDirectory(prefix="shw-pgbouncer-", dir=shared_temp(account)) as made:
        home = Path(made)
        parts = urlsplit(postgres.dsn)
        (home / "users.txt").write_text(f'"{parts.username}" "{parts.password}"\n')

        def build(ports: tuple[int, ...]) -> Server:
            (home / "pgbouncer.ini").write_text(_settings(postgres, home, ports[0], ignored))
            for path in (home, *home.iterdir()):
                if account is not None:
                    shutil.chown(path, account.uid, account.gid)
            return Server(
                ServerProgram(
                    name="pgbouncer",
                    argv=(program, str(home / "pgbouncer.ini")),
                    directory=home,
                    log=home / "pgbouncer.log",
                    environment=ENVIRONMENT,
                    stop_signal=signal.SIGTERM,
                    account=account,
                ),
                lambda: _answers(through(postgres.dsn, ports[0])),
            )

        async with serving(1, build) as (_, port):
            yield port


def _settings(postgres: Postgres, home: Path, port: int, ignored: tuple[str, ...]) -> str:
    lines = {
        "listen_addr": LOCALHOST,
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": home / "users.txt",
        "pool_mode": "transaction",
        "default_pool_size": SERVER_CONNECTIONS,
        "max_client_conn": 200,
        "server_round_robin": 1,  # the worst of it: the next transaction is on another connection
        "ignore_startup_parameters": ", ".join(ignored),
    }
    said = "".join(f"{name} = {value}\n" for name, value in lines.items() if value != "" or name == "unix_socket_dir")
    return f"[databases]\n* = host={postgres.host} port={postgres.port}\n[pgbouncer]\n{said}"


async def _answers(dsn: str) -> None:
    try:
        connection = await asyncpg.connect(dsn, timeout=3, statement_cache_size=0)
        try:
            await connection.fetchval("SELECT 1")
        finally:
            await connection.close(timeout=3)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise TransientError(f"pgbouncer does not answer yet: {error}") from error
