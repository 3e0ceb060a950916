"""What repairs tell of their producers: counted where heals are settled, raised once, and shown with the fix."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from consumer.cli.main import run_command
from consumer.heal.schema_autofix.producer_drift import drift_of, pattern_of
from consumer.model import (
    Attempt,
    AttemptId,
    Diagnosis,
    Drift,
    Failure,
    FailureId,
    Next,
    OrgId,
    Settlement,
)
from consumer.repair.values import Edit
from consumer.store.drift import Finding, count, findings, forget
from schemas.names import Disposition, FailureType, Grade, Result, Status, StrategyName
from tests.support.healing import NOW, failure
from tests.support.patience import PATIENCE

UNQUOTED = Drift(
    schema_digest="d" * 64,
    kind="number",
    path="/items/*/price",
    example="/items/3/price",
    fix="send /items/*/price as a number, not as a text",
    patch=(),
    raise_at=5,
)
ORG = OrgId(uuid4())


@pytest.fixture
async def connection(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    opened = await asyncpg.connect(database)
    yield opened
    await opened.close()


def settled(*drift: Drift, result: Result = Result.SUCCESS, **changes: Any) -> Settlement:  # noqa: ANN401
    fields: dict[str, Any] = {"id": FailureId(uuid4()), "org_id": ORG, "source": "urn:orders"}
    made = replace(failure({}), **(fields | changes))
    return settlement(made, drift, result)


def settlement(made: Failure, drift: tuple[Drift, ...], result: Result) -> Settlement:
    attempt = Attempt(
        id=AttemptId(uuid4()),
        step=0,
        strategy=StrategyName.SCHEMA_AUTOFIX,
        result=result,
        code=None,
        reason="",
        attempted_at=NOW,
        finished_at=NOW,
        drift=drift,
    )
    diagnosis = Diagnosis(failure_type=FailureType.INVALID_SCHEMA, disposition=Disposition.NEEDS_REPAIR, evidence=())
    following = Next(status=Status.RESOLVED, due_in=None, counts=True)
    return Settlement(
        failure=made, diagnosis=diagnosis, attempt=attempt, next=following, messages=(), details_of=lambda *_: {}
    )


async def shown(
    connection: "asyncpg.Connection[asyncpg.Record]", org: OrgId | None = None, *, counting: bool = True
) -> list[Finding]:
    return await findings(connection, org, counting=counting, limit=50)


async def test_the_fifth_equal_repair_makes_one_finding_and_the_sixth_none(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    raised = [len(await count(connection, [settled(UNQUOTED)])) for _ in range(7)]
    assert raised == [0, 0, 0, 0, 1, 0, 0]
    [finding] = await shown(connection, counting=False)
    assert (finding.repairs, finding.fix, finding.source) == (7, UNQUOTED.fix, "urn:orders")
    assert finding.raised_at is not None


async def test_a_batch_that_crosses_the_number_makes_one_finding(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    batch = [settled(UNQUOTED) for _ in range(12)]
    [told] = await count(connection, batch)
    assert (told.repairs, told.attempt_id) == (12, batch[0].attempt.id)
    assert [one.repairs for one in await shown(connection)] == [12]


async def test_only_what_was_verified_counts(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for result in set(Result) - {Result.SUCCESS}:
        assert await count(connection, [settled(replace(UNQUOTED, raise_at=1), result=result)]) == []
    assert await shown(connection) == []


@pytest.mark.parametrize(
    "other",
    [
        {"source": None},
        {"source": "urn:billing"},
        {"workflow_name": "orders.other"},
        {"org_id": OrgId(UUID(int=2))},
    ],
    ids=str,
)
async def test_each_producer_counts_for_itself(
    connection: "asyncpg.Connection[asyncpg.Record]", other: dict[str, Any]
) -> None:
    drift = replace(UNQUOTED, raise_at=2)
    assert await count(connection, [settled(drift)]) == []
    assert await count(connection, [settled(drift, **other)]) == []
    assert len(await count(connection, [settled(drift)])) == 1
    assert len(await shown(connection, counting=False)) == 1


@pytest.mark.parametrize("other", [{"kind": "enum"}, {"path": "/items/*/tax"}, {"schema_digest": "e" * 64}], ids=str)
async def test_only_equal_repairs_add_up(
    connection: "asyncpg.Connection[asyncpg.Record]", other: dict[str, Any]
) -> None:
    assert await count(connection, [settled(replace(UNQUOTED, raise_at=2))]) == []
    assert await count(connection, [settled(replace(UNQUOTED, raise_at=2, **other))]) == []
    assert await shown(connection, counting=False) == []


async def test_two_processes_count_every_repair_and_raise_once(database: str) -> None:
    async def counting() -> int:
        mine = await asyncpg.connect(database)
        try:
            raised = 0
            for _ in range(25):
                async with mine.transaction():
                    other = replace(UNQUOTED, kind="enum")
                    raised += len(await count(mine, [settled(UNQUOTED, other), settled(other, UNQUOTED)]))
            return raised
        finally:
            await mine.close()

    async with asyncio.timeout(PATIENCE):
        raised = await asyncio.gather(*(counting() for _ in range(4)))
    assert sum(raised) == 2
    connection = await asyncpg.connect(database)
    try:
        assert [one.repairs for one in await shown(connection)] == [200, 200]
    finally:
        await connection.close()


async def test_a_settle_that_is_rolled_back_has_counted_nothing(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await count(connection, [settled(replace(UNQUOTED, raise_at=1))])
    await transaction.rollback()
    assert await shown(connection) == []


async def test_what_was_long_ago_makes_no_finding_with_what_is_now(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    drift = replace(UNQUOTED, raise_at=2)
    await count(connection, [settled(drift)])
    await connection.execute("UPDATE producer_drift SET last_at = last_at - $1::interval", timedelta(days=31))
    assert await count(connection, [settled(drift)]) == []
    assert [one.repairs for one in await shown(connection)] == [1]


async def test_names_that_a_producer_makes_up_do_not_fill_the_table(
    connection: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.store.drift.MOST_OF_AN_ORGANISATION", 10)
    for n in range(30):
        await count(connection, [settled(replace(UNQUOTED, path=f"/made-up-{n}"))])
    assert len(await shown(connection)) == 10
    # Those that are known go on counting, and another organisation is not held up.
    assert len(await count(connection, [settled(replace(UNQUOTED, path="/made-up-3", raise_at=2))])) == 1
    await count(connection, [settled(UNQUOTED, org_id=OrgId(uuid4()))])
    assert len(await shown(connection)) == 11


async def test_a_finding_whose_producer_is_mended_begins_anew(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    drift = replace(UNQUOTED, raise_at=1, patch=({"op": "move", "from": "/a", "path": "/b"},))
    [told] = await count(connection, [settled(drift)])
    [finding] = await shown(connection, counting=False)
    assert finding.patch == [{"op": "move", "from": "/a", "path": "/b"}]
    assert await forget(connection, finding.id)
    assert not await forget(connection, UUID(int=5))
    assert await shown(connection) == []
    assert [one.id for one in await count(connection, [settled(drift)])] == [told.id]


async def test_what_no_column_holds_does_not_stop_a_settle(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    strange = replace(UNQUOTED, path="/\0\ud800", example="/\0\ud800", fix="send /\0", patch=({"path": "/\ud800"},))
    await count(connection, [settled(strange, workflow_name="a\0b")])
    [found] = await shown(connection)
    assert json.dumps(found.patch) == '[{"path": "/\\ufffd"}]'


def test_items_of_an_array_are_one_place() -> None:
    assert pattern_of("/items/0/tax/12") == "/items/*/tax/*"
    assert pattern_of("/12a/b7") == "/12a/b7"
    items = [unquoted(f"/items/{n}/price") for n in range(40)]
    [found] = drifts(*items)
    assert (found.path, found.example) == ("/items/*/price", "/items/0/price")
    assert drifts(unquoted("/x" * 500), *items) == (found,)
    assert len(drifts(*(unquoted(f"/price{n}") for n in range(80)))) == 50


def unquoted(path: str) -> Edit:
    return Edit(
        op="replace", path=path, value=1, old="1", grade=Grade.LOSSLESS, kind="number", reason="a quoted number"
    )


def drifts(*edits: Edit) -> tuple[Drift, ...]:
    return drift_of(edits, schema_digest="d" * 64, raise_at=5)


def kept(database: str, *batches: list[Settlement]) -> None:
    async def counting() -> None:
        connection = await asyncpg.connect(database)
        try:
            for batch in batches:
                await count(connection, batch)
        finally:
            await connection.close()

    asyncio.run(counting())


@pytest.fixture
def command(database: str, service_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("SHW_POSTGRES__DSN", service_dsn)
    secret = replace(UNQUOTED, path="/sk-" + "a1B2" * 8, kind="enum", raise_at=9)
    kept(database, [settled(replace(UNQUOTED, raise_at=2)), settled(replace(UNQUOTED, raise_at=2)), settled(secret)])
    return lambda *words: run_command(["drift", *words])


def test_the_command_lists_findings_with_their_fix(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--json") == 0
    [found] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (found["repairs"], found["path"], found["fix"], found["patch"]) == (2, UNQUOTED.path, UNQUOTED.fix, [])
    assert command("--counting", "--json") == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 2
    assert "a1B2a1B2" not in shown, "a key of a payload that is a secret"
    assert command("--org", str(uuid4())) == 0
    told = capsys.readouterr()
    assert told.out.startswith("id\tsource\tworkflow_name\trepairs")
    assert "No producer drifts" in told.err


def test_the_command_forgets_what_is_mended(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    command("--json")
    finding = json.loads(capsys.readouterr().out)["id"]
    assert command("--mended", finding) == 0
    assert command("--mended", finding) == 1
    capsys.readouterr()
    assert command("--json") == 0
    assert capsys.readouterr().out == ""
