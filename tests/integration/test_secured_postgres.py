"""PostgreSQL behind TLS, on a real server: each sslmode that is right lets in, and what is wrong is told in a line."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal

from consumer.errors import ConfigError, NoAnswer
from consumer.local.postgres import Postgres, run_postgres
from consumer.local.postgres_binaries import server_account, shared_temp
from consumer.settings import PostgresSettings
from consumer.store.pool import open_pool
from tests.support.certificates import Authority
from tests.support.required_tools import require_tool

pytestmark = pytest.mark.needs_tool("postgres")
ROLE: Final = "shw"
PASSWORD: Final = "right-password-73"
HBA: Final = """
host all postgres 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A server that speaks TLS, and lets the service's role in by it alone; its authority, and another one."""

    server: Postgres
    files: Mapping[str, Path]

    def settings(self, mode: str, **changes: str) -> PostgresSettings:
        """Return settings of an sslmode, with changes of the address' parts."""
        parts = {"user": ROLE, "password": PASSWORD, "host": "127.0.0.1", "port": str(self.server.port)} | changes
        where = f"postgres://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/postgres"
        authority = f"&sslrootcert={self.files[parts['authority']]}" if "authority" in parts else ""
        return PostgresSettings.model_validate({"dsn": f"{where}?sslmode={mode}{authority}"})


@pytest.fixture(scope="module")
def secured(server_loop: BlockingPortal) -> Iterator[Secured]:
    account = server_account()
    with tempfile.TemporaryDirectory(prefix="shw-tls-", dir=shared_temp(account)) as home:
        folder = Path(home)
        folder.chmod(0o711)
        authority, stranger = Authority(folder), Authority(folder, "stranger")
        signed = authority.issue("postgres")
        signed.key.chmod(0o600)
        if account is not None:
            os.chown(signed.key, account.uid, account.gid)
        rules = folder / "hba.conf"
        rules.write_text(HBA)
        settings = {"ssl": "on", "ssl_cert_file": str(signed.certificate), "ssl_key_file": str(signed.key)}
        settings["hba_file"] = str(rules)
        files = {"right": authority.file, "stranger": stranger.file, "missing": folder / "nowhere.pem"}
        # The package's own build speaks no TLS.
        binaries = Path(require_tool("postgres")).resolve().parent
        run = run_postgres(fsync=False, settings=settings, binaries=binaries)
        with server_loop.wrap_async_context_manager(run) as server:
            server_loop.call(_make_role, server.dsn)
            yield Secured(server=server, files=files)


async def _make_role(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
    finally:
        await connection.close()


RIGHT: Final[Mapping[str, Mapping[str, str]]] = {
    "require": {},
    "verify-ca": {"authority": "right"},
    "verify-full": {"authority": "right"},
    # The name of the server is no matter to it.
    "verify-ca by another name": {"authority": "right", "host": "localhost"},
}


@pytest.mark.parametrize("name", RIGHT)
async def test_who_signs_in_rightly_is_in_and_speaks_tls(secured: Secured, name: str) -> None:
    async with open_pool(secured.settings(name.split(" ", maxsplit=1)[0], **RIGHT[name])) as pool:
        mine = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert await pool.fetchval(mine) is True


WRONG: Final[Mapping[str, tuple[str, Mapping[str, str], str]]] = {
    "no TLS where it is wanted": ("disable", {}, "sslmode=require"),
    "another authority, the name checked": ("verify-full", {"authority": "stranger"}, "sslrootcert"),
    "another authority": ("verify-ca", {"authority": "stranger"}, "sslrootcert"),
    "no authority": ("verify-full", {}, "sslrootcert"),
    "a file that is not there": ("verify-full", {"authority": "missing"}, "nowhere.pem"),
    "another name": ("verify-full", {"authority": "right", "host": "localhost"}, "verify-ca"),
    "another password": ("require", {"password": "wrong"}, "user and password"),
    "another user": ("require", {"user": "nobody"}, "user and password"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_told_in_one_line_with_what_to_do(secured: Secured, name: str) -> None:
    mode, changes, said = WRONG[name]
    with pytest.raises(ConfigError) as refused:
        async with open_pool(secured.settings(mode, **changes)):
            pass
    message = str(refused.value)
    assert said in message
    assert "SHW_POSTGRES__DSN" in message
    assert "\n" not in message
    assert PASSWORD not in message
    assert not isinstance(refused.value, NoAnswer), "it is not waited for: only a person can mend it"


async def test_tls_of_a_server_that_speaks_none_is_told_in_one_line(postgres: Postgres) -> None:
    settings = PostgresSettings.model_validate({"dsn": postgres.dsn.replace("sslmode=disable", "sslmode=require")})
    with pytest.raises(ConfigError, match="speaks no TLS") as refused:
        async with open_pool(settings):
            pass
    assert "\n" not in str(refused.value)
    assert not isinstance(refused.value, NoAnswer)
