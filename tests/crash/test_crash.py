"""On the embedded broker: kills compared afterwards by an oracle, and a stopped process that comes back too late.

On the real Kafka, and with everything else that may go wrong, it is `test_fault_matrix.py`.
"""

import signal
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from consumer.heal.auto_retry import AutoRetry
from consumer.outbound.calls import open_calls
from consumer.redact import redact_json
from schemas.names import StrategyName
from tests.support import oracle
from tests.support.faults.run_consumer import Act, Acting
from tests.support.pipeline import NEVER_LEFT, SECOND, Process, Site, call, event, process, until
from tests.support.worlds.http_world import World, json_reply

KINDS = {"get": "GET", "keyed": "POST", "unsafe": "POST"}
EACH = 3
WINDOW = 1.5
"""Seconds of a claim's window, for a process that is stopped: its own clock cannot be put forward."""
OK = json_reply({"done": True})


async def publish_all_kinds(place: Site, world: World, org: UUID) -> list[str]:
    """Three calls of each kind, one failure that no strategy is installed for, one delivered twice, one poison."""
    names = []
    for kind, method in KINDS.items():
        for n in range(EACH):
            path = f"/{kind}/{n}"
            world.on(path, OK)
            more = {"idempotency_key": f"key-{n}"} if kind == "keyed" else {}
            context = call(world.url(path), method, error=NEVER_LEFT, **more)
            names.append(f"{kind}{n}")
            await place.publish(event(org, names[-1], workflow_name=names[-1], context=context))
    await place.publish(event(org, "voice", workflow_name="voice", failure_reason="voice is silent"))
    await place.publish(event(org, "voice", workflow_name="voice", failure_reason="voice is silent"), b"not json")
    return [*names, "voice"]


def boundaries() -> Sequence[object]:
    after_commit = [pytest.param(at, "/", 1, id=at) for at in ("intake", "settle")]
    effects = [("before", "/unsafe", 1), ("after", "/unsafe", 2), ("after", "/keyed", 2)]
    return after_commit + [pytest.param(*one, id=f"{one[0]} {one[1][1:]} effect {one[2]}") for one in effects]


@pytest.mark.parametrize(("at", "path", "nth"), boundaries())
async def test_after_a_kill_nothing_is_lost_and_no_unkeyed_effect_is_repeated(
    embedded_place: Site, world: World, tmp_path: Path, at: str, path: str, nth: int
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    names = await publish_all_kinds(place, world, org)
    mortal = place.changed(kafka={"session_timeout": SECOND})
    async with process(mortal, tmp_path / "log", at=at, path=path, nth=str(nth)) as killed:
        assert await killed.ended() == -signal.SIGKILL, killed.last_lines
    called = {kind: sum(seen.path.startswith(f"/{kind}") for seen in world.seen) for kind in KINDS}
    await place.time_passes()
    async with place.consumer() as running:
        rows = await running.settled(len(names))
        end = 3 * EACH + 3
        await until(lambda: _has_committed(place, end))

    await oracle.every_event_has_one_row(place, names)
    told = await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})
    letters = await place.letters()
    assert {letter.value for letter in letters} == {b"not json"}
    status = {name: rows[name]["status"] for name in names}
    assert status.pop("voice") == "given_up"
    for n in range(EACH):
        assert status.pop(f"get{n}") == "resolved"
        assert world.performed(f"/get/{n}") >= 1
        assert status.pop(f"keyed{n}") == "resolved"
        assert world.effects[f"/keyed/{n}", f"key-{n}"] == 1
        assert {seen.key for seen in world.calls(f"/keyed/{n}")} == {f"key-{n}"}
    unknown = {name for name, is_now in status.items() if is_now == "needs_person"}
    assert set(status) - unknown == {name for name, is_now in status.items() if is_now == "resolved"}
    for n in range(EACH):
        assert len(world.calls(f"/unsafe/{n}")) <= 1
        assert len(world.calls(f"/unsafe/{n}")) == 1 or f"unsafe{n}" in unknown
    unknown_told = {one["data"]["workflow_name"] for one in told if one["data"].get("result") == "unknown"}
    assert unknown_told == unknown
    match at, path:
        case "intake", _:
            assert (sum(called.values()), unknown) == (0, set())
        case (("before" | "after"), "/unsafe"):
            assert len(unknown) >= nth
        case (("after" | "settle"), _):
            assert sum(called.values()) > 0


async def _has_committed(place: Site, end: int) -> bool:
    return await place.committed() == end


@pytest.mark.parametrize(
    ("at", "kind", "status", "made"),
    [
        pytest.param("asked", "keyed", "resolved", 1, id="before a keyed effect"),
        pytest.param("asked", "unsafe", "resolved", 1, id="before an unsafe effect was announced"),
        pytest.param("before", "unsafe", "needs_person", 0, id="between announcing an unsafe effect and making it"),
        pytest.param("after", "unsafe", "needs_person", 1, id="after an unsafe effect"),
    ],
)
async def test_a_stopped_process_that_comes_back_starts_no_effect_and_settles_nothing(
    embedded_place: Site, world: World, tmp_path: Path, at: str, kind: str, status: str, made: int
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    world.on("/it", OK)
    more = {"idempotency_key": "k"} if kind == "keyed" else {}
    await place.publish(
        event(org, workflow_name="it", context=call(world.url("/it"), "POST", error=NEVER_LEFT, **more))
    )
    async with process(place, tmp_path / "log", at=at, signal="SIGSTOP", window=str(WINDOW)) as stopped:
        await until(stopped.is_stopped)
        async with (
            open_calls({}) as calls,
            place.in_another_group().consumer(
                {StrategyName.AUTO_RETRY: Acting(AutoRetry(calls, redact_json), Act(window=WINDOW))}
            ) as other,
        ):
            row = (await other.settled(1))["it"]
            attempts = await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id")
            seen = len(world.seen)
            stopped.tell(signal.SIGCONT)
            await until(lambda: _has_lost(stopped))
        stopped.tell(signal.SIGTERM)
        assert await stopped.ended() == 0, stopped.last_lines
    assert row["status"] == status
    assert len(world.seen) == seen, "an effect after the deadline"
    assert seen == made
    assert await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id") == attempts
    assert (await place.failures())["it"] == row
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})


async def _has_lost(stopped: Process) -> bool:
    return stopped.said("claim_lost", "settled_by_another")
