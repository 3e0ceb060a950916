"""Many failures at once: what a filter found is frozen, shown, and done once each, through stops and kills."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumer.diagnose.fingerprint import cause, masked
from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof, RetryLater
from schemas.bulk import BulkProgress
from schemas.names import Verdict
from tests.support.commander import Commander, answers, send, write_keys
from tests.support.pipeline import Site, event, until
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))


class FirstLater:
    """Puts each failure off when it first comes, and heals it whenever it is asked again."""

    def __init__(self) -> None:
        self.heals: Counter[UUID] = Counter()
        self.turns: Counter[UUID] = Counter()

    async def __call__(self, task: Task, _gate: EffectGate) -> Outcome:
        failure = task.failure.id
        self.turns[failure] += 1
        if self.turns[failure] == 1:
            return RetryLater(after=timedelta(hours=1), reason="busy")
        self.heals[failure] += 1
        return PROVEN


@pytest.fixture
def maos() -> Commander:
    return Commander.new()


@pytest.fixture
def commanded(embedded_place: Site, tmp_path: Path, maos: Commander) -> Site:
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    return embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})


def bulk(org: UUID | None, action: str = "heal", rate: float = 500, **wanted: Any) -> dict[str, Any]:  # noqa: ANN401
    said = {"command": "bulk", "action": action, "issued_by": "ops", "rate": rate, "filter": wanted}
    return said | ({"org_id": str(org)} if org is not None else {})


def turned(kind: str, org: UUID | None, bulk_id: str) -> dict[str, Any]:
    said = {"command": kind, "issued_by": "ops", "bulk_id": bulk_id}
    return said | ({"org_id": str(org)} if org is not None else {})


async def all_deferred(place: Site, number: int) -> bool:
    return await place.count("workflow_failures WHERE status = 'deferred'") == number


async def progress(place: Site) -> list[BulkProgress]:
    """Every event of bulks, each once."""
    found = {one["id"]: one for one in await place.results() if one["type"] == "workflow.bulk_progress.v1"}
    return [BulkProgress.model_validate(one["data"]) for one in found.values()]


async def is_done(place: Site) -> bool:
    return bool(await place.count("heal_bulk WHERE state = 'done'"))


async def has_been_told_done(place: Site) -> bool:
    return any(one.state == "done" for one in await progress(place))


async def test_a_bulk_is_previewed_started_and_tells_the_outcome_of_each(commanded: Site, maos: Commander) -> None:
    place, strategy, number = commanded, FirstLater(), 40
    async with place.consumer(scripted(strategy)):
        org, other = await place.organisation(), await place.organisation()
        await place.publish(*(event(org, f"a{n}", workflow_name=f"w{n}") for n in range(number)))
        await place.publish(event(other, "b", workflow_name="another"))
        await until(lambda: all_deferred(place, number + 1))
        await send(place, maos.token(bulk(org, code="retry_later"), "bulk-1"))
        (answer,) = await answers(place, 1)
        preview = answer["data"]["bulk"]
        assert preview["failures"] == number
        assert float(preview["at_most_aud"]) == pytest.approx(0.05 * number)
        assert not strategy.heals
        assert await place.count("heal_bulk WHERE state = 'previewed'") == 1
        await send(place, maos.token(turned("bulk_start", None, preview["bulk_id"]), "start-0"))
        await send(place, maos.token(turned("bulk_start", org, preview["bulk_id"]), "start-1"))
        found = await answers(place, 3)
        await until(lambda: has_been_told_done(place))
        told = await progress(place)
    assert [one["data"]["outcome"] for one in found] == ["accepted", "not_found", "accepted"]
    assert set(strategy.heals.values()) == {1}
    assert len(strategy.heals) == number
    assert sorted(one.number for one in told) == list(range(1, len(told) + 1))
    last = told[-1]
    assert (last.failures, last.waiting, last.accepted, last.under_way, last.healed) == (number, 0, number, 0, number)
    outcomes = [one for each in told for one in each.outcomes]
    assert {one.failure_id for one in outcomes} == set(strategy.heals)
    assert Counter(one.failure_id for one in outcomes if one.result == "success") == strategy.heals


async def test_a_bulk_that_is_stopped_killed_and_started_again_heals_each_once(
    commanded: Site, maos: Commander
) -> None:
    place, strategy, number = commanded, FirstLater(), 120
    async with place.consumer(scripted(strategy)) as running:
        org = await place.organisation(budget="100")
        await place.publish(*(event(org, f"a{n}", workflow_name=f"w{n}") for n in range(number)))
        await until(lambda: all_deferred(place, number))
        # One a second: two minutes in all, so that the stop and the kill come in the middle.
        await send(place, maos.token(bulk(org, rate=1), "bulk-1"))
        (answer,) = await answers(place, 1)
        bulk_id = answer["data"]["bulk"]["bulk_id"]
        await send(place, maos.token(turned("bulk_start", org, bulk_id), "start-1"))

        async def some_done() -> bool:
            return await place.count("heal_bulk_item WHERE outcome IS NOT NULL") >= 1

        await until(some_done)
        await send(place, maos.token(turned("bulk_stop", org, bulk_id), "stop-1"))
        await answers(place, 3)
        done = await place.count("heal_bulk_item WHERE outcome IS NOT NULL")
        assert 1 <= done < number
        await send(place, maos.token(turned("bulk_start", org, bulk_id), "start-2"))

        async def more_done() -> bool:
            return await place.count("heal_bulk_item WHERE outcome IS NOT NULL") > done

        await until(more_done)
        await running.abandon()
    at_the_kill = await place.count("heal_bulk_item WHERE outcome IS NULL")
    assert at_the_kill > 0
    await place.db.execute("UPDATE heal_bulk SET rate = 500, due_at = clock_timestamp()")
    async with place.in_another_group().consumer(scripted(strategy)):
        await until(lambda: is_done(place))
        await until(lambda: has_been_told_done(place))
        told = await progress(place)
    attempts = await place.db.fetch(
        "SELECT failure_id, count(*) AS n FROM workflow_heal_attempts WHERE result = 'success' GROUP BY 1"
    )
    assert len(attempts) == number
    assert {row["n"] for row in attempts} == {1}
    assert await place.count("workflow_failures WHERE resolved") == number
    last = max(told, key=lambda one: one.number)
    assert (last.failures, last.waiting, last.accepted, last.refused) == (number, 0, number, 0)
    assert sorted(one.number for one in told) == list(range(1, last.number + 1))
    first_outcomes = {one.failure_id for each in told for one in each.outcomes}
    assert len(first_outcomes) == number


async def test_what_is_locked_or_closed_meanwhile_has_its_outcome_and_the_others_go_on(
    commanded: Site, maos: Commander
) -> None:
    place, strategy = commanded, FirstLater()
    async with place.consumer(scripted(strategy)):
        org = await place.organisation()
        await place.publish(*(event(org, f"a{n}", workflow_name=f"w{n}") for n in range(3)))
        await until(lambda: all_deferred(place, 3))
        await send(place, maos.token(bulk(org, "give_up"), "bulk-1"))
        (answer,) = await answers(place, 1)
        await place.db.execute("UPDATE workflow_failures SET resolved = true WHERE workflow_name = 'w0'")
        async with place.db.acquire() as holder, holder.transaction():
            await holder.execute("SELECT FROM workflow_failures WHERE workflow_name = 'w1' FOR UPDATE")
            await send(place, maos.token(turned("bulk_start", org, answer["data"]["bulk"]["bulk_id"]), "start-1"))
            await until(lambda: is_done(place))
        rows = await place.db.fetch(
            "SELECT f.workflow_name, i.outcome, i.reason FROM heal_bulk_item i"
            " JOIN workflow_failures f ON f.id = i.failure_id"
        )
    found = {row["workflow_name"]: (row["outcome"], row["reason"]) for row in rows}
    assert found["w0"] == ("refused", "it is resolved already")
    assert found["w1"][0] == "refused"
    assert "locked" in found["w1"][1]
    assert found["w2"] == ("accepted", "")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "abc"),
        ({"workflow_name": "a"}, "a"),
        ({"failure_type": "missing_image"}, "b"),
        ({"code": "retry_later"}, "c"),
        ({"target": "api.example.com"}, "a"),
        ({"target": "stripe"}, "b"),
        ({"fingerprint": "CAUSE"}, "bc"),
        ({"detected_before": "2026-01-01T12:00:00Z"}, "a"),
        ({"detected_since": "2026-01-01T12:00:00Z", "workflow_name": "c"}, "c"),
        ({"statuses": ["given_up", "resolved"]}, "d"),
        ({"workflow_name": "nothing"}, ""),
    ],
    ids=str,
)
async def test_a_filter_finds_what_it_says(
    commanded: Site, maos: Commander, wanted: dict[str, Any], expected: str
) -> None:
    place = commanded
    org = await place.organisation()
    insert = (
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, failure_type, context, detected_at,"
        " status, due_at) VALUES ($1, $2, $3, $4, $5::text::jsonb, $6::text::timestamptz, $7,"
        " CASE WHEN $7 <> 'given_up' THEN clock_timestamp() + interval '1 day' END) RETURNING id"
    )
    url = '{"request": {"method": "GET", "url": "https://api.example.com:8443/v1?x=stripe"}}'
    stripe = '{"dependency": {"name": "stripe"}}'
    early, late = "2026-01-01T11:00:00Z", "2026-01-01T13:00:00Z"
    await place.db.execute(insert, org, "a", "one thing", "api_timeout", url, early, "pending")
    await place.db.execute(insert, org, "b", "order 17 is late", "missing_image", stripe, late, "deferred")
    c = await place.db.fetchval(insert, org, "c", "order 99 is late", "unknown", "{}", late, "needs_person")
    numbers = f"[{', '.join(['1e131071'] * 9_000)}]"  # more signs than PostgreSQL prints
    hostile = f'{{"dependency": {{"name": {numbers}}}, "request": {{"url": {numbers}}}}}'
    await place.db.execute(insert, org, "c", "order 98 is late", "unknown", hostile, late, "needs_person")
    await place.db.execute(insert, org, "d", "one thing", "unknown", "{}", late, "given_up")
    await place.db.execute(insert, await place.organisation(), "e", "one thing", "unknown", "{}", late, "pending")
    await place.db.execute(
        "INSERT INTO workflow_heal_attempts (failure_id, strategy, result, details, step)"
        " SELECT $1, 'auto-retry', 'failed', jsonb_build_object('code', x.code), x.step"
        " FROM (VALUES ('not_healed', 0), ('retry_later', 1)) AS x (code, step)",
        c,
    )
    if "fingerprint" in wanted:
        wanted = {"fingerprint": cause(masked("order 5 is late"))}
    async with place.consumer({}):
        await send(place, maos.token(bulk(org, "give_up", **wanted), "bulk-1"))
        (answer,) = await answers(place, 1)
        rows = await place.db.fetch(
            "SELECT f.workflow_name FROM heal_bulk_item i JOIN workflow_failures f ON f.id = i.failure_id"
        )
    assert answer["data"]["outcome"] == "accepted"
    assert {row["workflow_name"] for row in rows} == set(expected)
