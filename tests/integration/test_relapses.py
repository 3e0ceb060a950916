"""What comes again on the same scope within the watch of a proven heal is a relapse; and what a month came to."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, NotHealed, Outcome, Proof
from schemas.heal_result import FAILURE_STATUS_TYPE
from schemas.names import Code, Effect, Verdict
from tests.support.pipeline import Site, catalog, environment_of, event, until
from tests.support.shw import shw
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))

CAME = (
    ("s", "timeout after 3 s"),
    ("s", "timeout after 4 s"),
    ("other", "timeout after 3 s"),
    ("s", "the gateway timed out"),
)
"""Scope and reason of one failure after the other: the second is a relapse of the first."""


async def heal(task: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    if task.failure.context.get("recovered"):
        return Healed(proofs=PROVEN.proofs, code=Code.RECOVERED)
    return NotHealed(code=Code.NOT_HEALED, reason="no") if task.failure.context.get("sick") else PROVEN


def rewrite(catalog_file: Path, **policy: str) -> None:
    catalog_file.write_text(catalog(9, **policy))


async def relapses(place: Site) -> list[dict[str, Any]]:
    told = [one["data"] for one in await place.results() if one["type"] == FAILURE_STATUS_TYPE]
    return [one for one in told if one.get("relapse_of")]


async def test_the_same_cause_on_the_same_scope_within_the_watch_is_told_as_a_relapse(embedded_place: Site) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    async with place.consumer(scripted(heal, Effect.KEYED)) as running:
        for number, (scope, reason) in enumerate(
            (
                ("s", "timeout after 3 s"),
                ("s", "timeout after 4 s"),
                ("other", "timeout after 3 s"),
                ("s", "the gateway timed out"),
            )
        ):
            await place.publish(event(org, number, failure_reason=reason, context={"scope": scope}))

            async def healed(number: int = number) -> bool:
                return await place.count("workflow_failures WHERE resolved") == number + 1

            await until(healed)

        async def counted() -> bool:
            return running.metric("shw_relapses_total", strategy="auto-retry") == 1

        await until(counted)
        await until(lambda: relapses(place))
    (told,) = await relapses(place)
    first, second = await place.db.fetch("SELECT * FROM workflow_failures ORDER BY received_at LIMIT 2")
    assert told["failure_id"] == str(second["id"])
    assert told["relapse_of"]["failure_id"] == str(first["id"])
    assert told["relapse_of"]["strategy"] == "auto-retry"
    (noted,) = await place.db.fetch("SELECT * FROM heal_relapse")
    assert (noted["failure_id"], noted["of_failure"]) == (second["id"], first["id"])


async def test_after_the_watch_and_without_one_nothing_is_a_relapse(embedded_place: Site, catalog_file: Path) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    async with place.consumer(scripted(heal, Effect.KEYED)):
        await place.publish(event(org, 1, context={"scope": "s"}))
        await until(lambda: place.count("heal_success"))
        await place.db.execute("UPDATE heal_success SET watch_until = clock_timestamp()")
        await until(lambda: _none(place))
    rewrite(catalog_file, watch="PT0S")
    async with place.consumer(scripted(heal, Effect.KEYED)) as running:
        await place.publish(event(org, 2, context={"scope": "s"}), event(org, 3, context={"scope": "s"}))
        await until(lambda: _all_resolved(place, 3))
        assert running.metric("shw_relapses_total", strategy="auto-retry") == 0
    assert await place.count("heal_success") == 0


async def _none(place: Site) -> bool:
    return not await place.count("heal_success")


async def _all_resolved(place: Site, number: int) -> bool:
    return await place.count("workflow_failures WHERE resolved") == number


async def test_a_month_is_told_by_organisation(embedded_place: Site, catalog_file: Path) -> None:
    place = embedded_place
    org, other = await place.organisation(), await place.organisation(budget="0")
    rewrite(catalog_file, attempts="1")
    async with place.consumer(scripted(heal, Effect.KEYED)) as running:
        await place.publish(
            event(org, 1, workflow_name="a", failure_reason="timeout one", context={"scope": "s"}),
            event(org, 2, workflow_name="b", context={"recovered": True}),
            event(org, 3, workflow_name="c", context={"sick": True}),
            event(other, 4, workflow_name="d"),
        )
        await running.settled(4)
    month = datetime.now(UTC).strftime("%Y-%m")
    settings = environment_of(place.settings)
    told = {one["organisation"]: one for one in shw("report", "--month", month, "--json", settings=settings).json}
    ours = told[str(org)]
    assert [ours[what] for what in ("healed", "recovered", "relapsed", "not_healed", "refused")] == [1, 1, 0, 1, {}]
    assert told[str(other)]["refused"] == {"insufficient_credits": 1}
    assert told[str(other)]["spent_aud"] == "0"
    (alone,) = shw("report", "--month", month, "--org", str(org), "--json", settings=settings).json
    assert alone == ours
    assert b"insufficient_credits 1" in shw("report", "--month", month, settings=settings).out
    assert "Nothing was attempted" in shw("report", "--month", "2001-01", settings=settings).err
