"""schema-autofix through the whole service, against an engine over HTTP: repaired, run again, proven, and told."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas.heal_result import HEAL_RESULT_TYPE
from tests.support import oracle
from tests.support.pipeline import Site, event, until
from tests.support.worlds.http_engine import ORDER, SENT, TAKEN, Engine, engine_catalog, refused_payload
from tests.support.worlds.http_world import Reply, World, json_reply

REASON = "Validation failed: '42' is not of type 'integer'"


@pytest.fixture
def engine(world: World) -> Engine:
    return Engine(world=world)


@pytest.fixture
def place(embedded_place: Site, declared: Path) -> Site:
    assert declared.is_file()
    return embedded_place


@pytest.fixture
def declared(world: World, catalog_file: Path) -> Path:
    catalog_file.write_text(engine_catalog(world))
    return catalog_file


@pytest.fixture
def hasty(world: World, catalog_file: Path) -> Path:
    catalog_file.write_text(engine_catalog(world, verify="PT0.4S"))
    return catalog_file


@pytest.fixture
def undeclared(world: World, catalog_file: Path) -> Path:
    catalog_file.write_text(engine_catalog(world, schema=None))
    return catalog_file


def failed(org: UUID, name: str, context: dict[str, Any]) -> dict[str, Any]:
    return event(org, name, workflow_name=name, failure_reason=REASON, context=context)


async def results(place: Site) -> dict[str, dict[str, Any]]:
    """The last result of each workflow."""
    return {
        one["data"]["workflow_name"]: one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE
    }


async def test_a_payload_is_repaired_run_again_and_told_with_its_patch(place: Site, engine: Engine) -> None:
    org = await place.organisation("1")
    engine.run("run-1")
    await place.publish(failed(org, "orders", refused_payload("run-1")))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders"]
    assert (row["status"], row["failure_type"]) == ("resolved", "invalid_schema")
    assert engine.inputs["run-1"] == [TAKEN]
    told = (await results(place))["orders"]
    assert (told["result"], told["strategy"], told["code"]) == ("success", "schema-autofix", None)
    assert {one["oracle"]: one["verdict"] for one in told["evidence"]} == dict.fromkeys(
        ("schema", "inverse", "run"), "passed"
    )
    patch = told["details"]["repair"]["patch"]
    assert _applied(SENT, patch) == TAKEN
    assert all(edit["reason"] and edit["grade"] == "lossless" for edit in patch)
    await oracle.credits_add_up(place, {org: "1"})


def _applied(document: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply what this patch may hold: a flat document's moves and replacements."""
    found = dict(document)
    for edit in patch:
        name = edit["path"].removeprefix("/")
        found[name] = found.pop(edit["from"].removeprefix("/")) if edit["op"] == "move" else edit["value"]
    return found


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "ambiguous": (
        refused_payload("run-2", {"orderId": "a", "order-id": "b", "amount": 1, "status": "open"}),
        "ambiguous",
    ),
    "truncated": (refused_payload("run-2", '{"order_id": "o-17", "amount": 4'), "truncated"),
    "missing": (refused_payload("run-2", {"order_id": "a", "status": "open"}), "missing_required"),
    "lossy": (refused_payload("run-2", TAKEN | {"note": "x"}), "needs_more"),
    "valid": (refused_payload("run-2", TAKEN), "nothing to repair"),
}


async def test_what_cannot_be_repaired_is_refused_and_nothing_is_sent(
    place: Site, engine: Engine, world: World
) -> None:
    org = await place.organisation("1")
    engine.run("run-2")
    await place.publish(*(failed(org, name, context) for name, (context, _) in CASES.items()))
    async with place.consumer() as running:
        rows = await running.settled(len(CASES))
    assert {row["status"] for row in rows.values()} == {"given_up"}
    told = [one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]
    ours = {one["workflow_name"]: one for one in told if one["strategy"] == "schema-autofix"}
    for name, (_, says) in CASES.items():
        assert ours[name]["code"] == "refused"
        assert says in ours[name]["details"]["reason"]
    assert world.seen == []


async def test_missing_fields_and_redacted_payloads_are_named(place: Site, world: World) -> None:
    org = await place.organisation("1")
    await place.publish(failed(org, "bare", {"run": {"id": "run-3"}}))
    secret = SENT | {"note": "sk-" + "a1B2" * 8}
    await place.publish(failed(org, "secret", refused_payload("run-3", secret)))
    async with place.consumer() as running:
        await running.settled(2)
    told = await results(place)
    assert told["bare"]["code"] == "missing_context"
    assert told["bare"]["details"]["missing"] == ["context.payload", "context.run.step"]
    assert told["secret"]["code"] == "refused"
    assert "/context/payload/note was redacted" in told["secret"]["details"]["reason"]
    assert world.seen == []


async def test_a_run_that_fails_again_is_not_healed(place: Site, engine: Engine) -> None:
    org = await place.organisation("1")
    engine.run("run-4", takes=lambda _: False)
    await place.publish(failed(org, "orders", refused_payload("run-4")))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders"]
    assert row["status"] == "given_up"
    keys = [seen.key for seen in engine.orders("run-4")]
    assert len(keys) == 3, "three attempts"
    assert len(set(keys)) == 3, "after an answer that was definite the key changes"


async def test_a_lost_answer_is_settled_under_one_key(place: Site, engine: Engine) -> None:
    org = await place.organisation("1")
    engine.run("run-5", answers=(Reply(drop=True), Reply(drop=True)))
    await place.publish(failed(org, "orders", refused_payload("run-5")))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders"]
    assert row["status"] == "resolved"
    assert len({seen.key for seen in engine.orders("run-5")}) == 1
    assert engine.inputs["run-5"] == [TAKEN]


async def test_a_doubt_that_outlives_the_attempt_keeps_its_key(place: Site, world: World, engine: Engine) -> None:
    org = await place.organisation("1")
    engine.run("run-6")
    path = "/runs/run-6/steps/charge/rerun"
    works = world.scripts[path]
    world.on(path, *(json_reply({}, 502, effect=False) for _ in range(3)), lambda _, seen: works(9, seen))
    await place.publish(failed(org, "orders", refused_payload("run-6")))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders"]
        assert (row["status"], row["attempts"]) == ("deferred", 0), "what is not known counts as no attempt"
        await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp()")

        async def resolved() -> bool:
            return await place.count("workflow_failures WHERE resolved") == 1

        await until(resolved)
    assert len({seen.key for seen in engine.orders("run-6")}) == 1
    assert len(engine.orders("run-6")) == 4
    assert engine.inputs["run-6"] == [TAKEN]


@pytest.mark.usefixtures("hasty")
async def test_a_run_that_takes_longer_than_the_watch_is_healed_when_it_ends(
    embedded_place: Site, engine: Engine
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    engine.looks = 7
    engine.run("run-11")
    await place.publish(failed(org, "orders", refused_payload("run-11")))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders"]
        assert (row["status"], row["attempts"], row["unsure"]) == ("deferred", 0, True)

        async def resolved() -> bool:
            await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp() WHERE status = 'deferred'")
            return await place.count("workflow_failures WHERE resolved") == 1 and not await place.count("heal_outbox")

        await until(resolved)
    assert (await results(place))["orders"]["code"] is None, "it was our order that brought it on"
    assert len(engine.orders("run-11")) == 1


async def test_a_run_that_came_through_by_itself_is_left_alone(place: Site, engine: Engine) -> None:
    org = await place.organisation("1")
    engine.run("run-7", state="done")
    await place.publish(failed(org, "orders", refused_payload("run-7")))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders"]
    assert row["status"] == "resolved"
    assert (await results(place))["orders"]["code"] == "recovered"
    assert engine.orders("run-7") == []


async def test_two_failures_of_one_step_run_it_again_once(place: Site, engine: Engine) -> None:
    org = await place.organisation("1")
    engine.run("run-8")
    context = refused_payload("run-8") | {"run": {"id": "run-8", "step": "charge", "epoch": 1}}
    await place.publish(failed(org, "first", context), failed(org, "second", context))
    async with place.consumer() as running:
        rows = await running.settled(2)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert engine.inputs["run-8"] == [TAKEN]


async def test_an_event_cannot_loosen_a_declared_schema(place: Site, engine: Engine) -> None:
    org = await place.organisation("1")
    engine.run("run-9")
    loose = refused_payload("run-9", {"order_id": "o"}, schema={"type": "object"})
    await place.publish(failed(org, "loose", loose))
    async with place.consumer() as running:
        row = (await running.settled(1))["loose"]
    assert row["status"] == "given_up"
    assert engine.orders("run-9") == []


@pytest.mark.usefixtures("undeclared")
async def test_an_event_brings_its_schema_where_none_is_declared(embedded_place: Site, engine: Engine) -> None:
    org = await embedded_place.organisation("1")
    engine.run("run-10")
    await embedded_place.publish(failed(org, "own", refused_payload("run-10", schema=ORDER)))
    async with embedded_place.consumer() as running:
        row = (await running.settled(1))["own"]
    assert row["status"] == "resolved"
    assert engine.inputs["run-10"] == [TAKEN]


async def test_equal_repairs_raise_one_finding_that_is_told_once(place: Site, engine: Engine) -> None:
    org = await place.organisation("1")
    for n in range(7):
        engine.run(f"run-d{n}")
        # Of one workflow: a producer's payloads are those of one source in one workflow.
        context = refused_payload(f"run-d{n}")
        await place.publish(event(org, n, workflow_name="daily", failure_reason=REASON, context=context))
    async with place.consumer() as running:

        async def resolved() -> bool:
            return await place.count("workflow_failures WHERE resolved") == 7

        await until(resolved)
        assert running.metric("shw_drift_findings_total") == 3, "one for each of the three ways"
    rows = await place.db.fetch("SELECT path, fix, repairs, raised_at FROM producer_drift ORDER BY path")
    assert [(row["path"], row["repairs"]) for row in rows] == [("/amount", 7), ("/orderId", 7), ("/status", 7)]
    assert all(row["raised_at"] for row in rows)
    assert rows[0]["fix"] == "send /amount as an integer, not as a text"
    texts = str(await place.db.fetch("SELECT fix, patch, path, example_path FROM producer_drift"))
    assert not [value for value in ("o-17", "42", "paid") if value in texts.lower()], "values of a payload"
