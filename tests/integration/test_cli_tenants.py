"""A database without a platform: its operator adds organisations, wallets and users, and the healer takes them."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr

from consumer.heal.strategy import EffectGate, Task
from consumer.local.broker import Broker
from consumer.local.postgres import Postgres
from consumer.local.server import free_ports
from consumer.model import Healed, Outcome, Proof
from schemas.names import Verdict
from tests.support.api import api_of
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, environment_of, event, until
from tests.support.shw import SHW, Ran, environment, shw
from tests.support.worlds.scripted import scripted

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SECRET = "a secret of the tests that is long enough for HS256"


async def heals(_task: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))


@pytest.fixture
def owned(embedded_place: Site, database: str) -> dict[str, str]:
    """Settings as the role that owns the tables."""
    return environment_of(embedded_place.settings) | {"SHW_POSTGRES__DSN": database, "SHW_API__JWT_SECRET": SECRET}


async def test_from_an_empty_database_to_a_heal_that_its_owner_reads(
    embedded_place: Site, owned: dict[str, str]
) -> None:
    place = embedded_place.changed(api={"jwt_secret": SecretStr(SECRET)})

    def asked(*arguments: str) -> Ran:
        ran = shw(*arguments, settings=owned)
        assert ran.code == 0, ran.err
        return ran

    assert "There is no organisation" in asked("org", "list").err
    org = asked("org", "add", "Lamps & Sons").out.decode().strip()
    asked("wallet", "set", org, "--text", "2.50", "--voice", "1")
    asked("wallet", "set", org, "--text", "10")
    user = asked("member", "add", org).out.decode().strip()
    token = asked("token", user, "--for", "30m").out.decode().strip()
    (listed,) = asked("org", "list", "--json").json
    assert listed == {
        "id": org, "name": "Lamps & Sons", "text_budget_aud": "10", "voice_budget_aud": "1", "members": 1
    }  # fmt: skip
    await place.publish(event(UUID(org), "1"))
    async with place.consumer(scripted(heals)) as running:
        (row,) = (await running.settled(1)).values()
        async with api_of(running) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
            answer = await client.get(
                f"/api/healing/failures/{row['id']}", headers={"Authorization": f"Bearer {token}"}
            )
            nobody = await client.get(f"/api/healing/failures/{row['id']}")
    assert (answer.status_code, answer.json()["status"], nobody.status_code) == (200, "resolved", 401)
    # The books add up, for each change of the wallet has its line.
    lines = asked("ledger", org, "--json").json
    assert [(line["type"], line["amount_aud"]) for line in lines[:2]] == [
        ("adjustment", "2.50"),
        ("adjustment", "7.50"),
    ]
    assert len(asked("ledger", org, "--budget", "voice", "--json").json) == 1
    shown = json.loads(asked("wallet", org, "--json").out)
    assert shown == json.loads(asked("wallet", "show", org, "--json").out)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["org", "add", "twice", "--id", "{org}"], 1, "There is an organisation {org} already: nothing was changed"),
        (["wallet", "set", "{other}", "--text", "1"], 1, "There is no organisation {other}"),
        (["member", "add", "{other}"], 1, "There is no organisation {other}"),
        (["wallet", "set", "{org}"], 2, "give --text, --voice or both"),
        (["wallet", "set", "{org}", "--text", "-1"], 2, "must be an amount such as 10 or 2.50"),
        (["wallet", "set", "{org}", "--text", "NaN"], 2, "must be an amount"),
        (["wallet", "set", "{org}", "--text", "1.0000001"], 2, "six decimals at most"),
        (["member", "add", "{org}", "--role", "king"], 2, "king"),
        (["token", "{org}", "--for", "ever"], 2, "must be a span such as 30m"),
    ],
)
async def test_what_cannot_be_done_is_told_and_changes_nothing(
    embedded_place: Site, owned: dict[str, str], arguments: list[str], code: int, says: str
) -> None:
    names = {"org": str(await embedded_place.organisation("3")), "other": str(uuid4())}
    ran = shw(*(one.format(**names) for one in arguments), settings=owned)
    assert (ran.code, says.format(**names) in ran.err) == (code, True), ran.err
    db = embedded_place.db
    assert await db.fetchval("SELECT array_agg(text_budget_aud::text) FROM token_wallets") == ["3"]
    assert await db.fetchval("SELECT count(*) FROM user_organizations") == 0
    assert await db.fetchval("SELECT count(*) FROM organizations") == 1


async def test_the_services_own_role_may_not_and_is_told_which_one_may(embedded_place: Site) -> None:
    org, settings = await embedded_place.organisation("3"), environment_of(embedded_place.settings)
    orders = (["org", "add", "A"], ["wallet", "set", str(org), "--text", "9"], ["member", "add", str(org)])
    for order in orders:
        ran = shw(*order, settings=settings)
        assert ran.code == 2
        assert "Run this command as the role that owns the tables (SHW_POSTGRES__DSN)" in ran.err
    assert await embedded_place.db.fetchval("SELECT text_budget_aud FROM token_wallets") == 3


async def test_no_token_is_signed_without_the_secret_or_where_a_platform_signs_them(embedded_place: Site) -> None:
    settings = environment_of(embedded_place.settings)
    ran = shw("token", str(uuid4()), settings=settings)
    assert (ran.code, ran.out) == (2, b"")
    assert "SHW_API__JWT_SECRET is not set" in ran.err


SERVICE = "shw_five_steps"
"""Its role: roles are the whole server's, and other tests have the one that the page names."""


def _typed(script: str, folder: Path, settings: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        env=environment(settings) | {"PATH": f"{Path(SHW).parent}:{os.environ['PATH']}"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _blocks(after: str) -> list[str]:
    return re.findall(r"^```sh$\n(.*?)^```$", OPERATIONS.partition(after)[2], re.MULTILINE | re.DOTALL)


@pytest.fixture
async def empty_database(postgres: Postgres) -> AsyncIterator[str]:
    """A database in which nothing was ever made, and which nobody but its owner knows."""
    name = f"plain_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres.dsn, timeout=PATIENCE)
    await connection.execute(f"CREATE DATABASE {name}")
    yield postgres.dsn_of(name)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.execute(f"DROP ROLE IF EXISTS {SERVICE}")
    await connection.close()


@pytest.mark.needs_tool("psql")
async def test_five_steps_lead_from_a_plain_postgres_and_kafka_to_the_first_failure_word_for_word(
    empty_database: str, embedded_broker: Broker, tmp_path: Path
) -> None:
    installing, *_ = _blocks("**In five steps**")
    founding, publishing, *_ = _blocks("See that it works.")
    (tmp_path / "deploy").mkdir()
    grants = (ROOT / "deploy" / "grants.sql").read_text().replace("shw_service", SERVICE)
    (tmp_path / "deploy" / "grants.sql").write_text(grants)
    where = empty_database.rpartition("@")[2]
    page = installing.replace("127.0.0.1:9092", embedded_broker.bootstrap).replace("shw_service", SERVICE)
    page = page.replace("postgres://postgres@127.0.0.1:5432/healing", empty_database)
    page = page.replace("127.0.0.1:5432/healing", where)
    given, run = page.split("shw run ")[0], "exec shw run"
    port = free_ports(1)[0]
    settings = {"SHW_API__PORT": str(port), "SHW_KAFKA__IDEMPOTENCE": str(embedded_broker.idempotence)}
    service = _typed(f"{given}env > settings\n{run}", tmp_path, settings)
    try:
        async with httpx2.AsyncClient(trust_env=False) as client:

            async def is_ready() -> bool:
                assert service.poll() is None, service.communicate()[0].decode()
                with suppress(httpx2.HTTPError):
                    return (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success
                return False

            await until(is_ready)
            had = dict(line.split("=", 1) for line in (tmp_path / "settings").read_text().splitlines() if "=" in line)
            had = {name: said for name, said in had.items() if name.startswith("SHW_")}
            founded = _typed(f"{founding}\necho $ORG $USER_ID", tmp_path, had | {"SHW_POSTGRES__DSN": empty_database})
            org, user = (await asyncio.to_thread(founded.communicate))[0].decode().split()[-2:]
            script = f"ORG={org} USER_ID={user}\n{publishing}\necho $FAILURE_ID $TOKEN"
            published = _typed(script, tmp_path, had)
            said = (await asyncio.to_thread(published.communicate))[0].decode()
            assert published.returncode == 0, said
            failure_id, token = said.split()[-2:]

            async def is_told() -> bool:
                answer = await client.get(
                    f"http://127.0.0.1:{port}/api/healing/failures/{failure_id}",
                    headers={"Authorization": f"Bearer {token}"},
                )
                return answer.is_success and answer.json()["status"] == "given_up"

            await until(is_told)
        service.terminate()
        assert await asyncio.to_thread(service.wait, PATIENCE) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(service.pid, signal.SIGKILL)
        service.communicate()
