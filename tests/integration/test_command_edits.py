"""A failed step's other input, by command: healed with it, under another key, and never beside an effect in doubt."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, JsonObject, Outcome, Proof, RetryLater, Unknown
from schemas.names import Verdict
from tests.support.commander import Commander, answers, command, send, write_keys
from tests.support.pipeline import Running, Site, call, event, until
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
LATER = RetryLater(after=timedelta(hours=1), reason="busy")


class FirstThenProven:
    """Ends the first heal as it is told, and proves every later one; keeps what it was given."""

    def __init__(self, first: Outcome) -> None:
        self.first = first
        self.contexts: list[JsonObject] = []

    async def __call__(self, task: Task, _gate: EffectGate) -> Outcome:
        self.contexts.append(task.failure.context)
        return self.first if len(self.contexts) == 1 else PROVEN


@pytest.fixture
def maos() -> Commander:
    return Commander.new()


@pytest.fixture
def commanded(embedded_place: Site, tmp_path: Path, maos: Commander) -> Site:
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    return embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})


async def failed(place: Site, running: Running, context: dict[str, Any], status: str) -> tuple[UUID, UUID]:
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w", context=context))
    await until(lambda: stands(place, status))
    await running.settled(1)
    return org, UUID(str(await place.db.fetchval("SELECT id FROM workflow_failures")))


async def stands(place: Site, status: str) -> bool:
    return bool(await place.db.fetchval("SELECT status FROM workflow_failures") == status)


async def test_a_payload_is_edited_and_the_failure_healed_with_it(commanded: Site, maos: Commander) -> None:
    place, strategy = commanded, FirstThenProven(LATER)
    context = {"payload": {"qty": "many", "password": "hunter2secret"}, "schema": {"type": "object"}}
    async with place.consumer(scripted(strategy)) as running:
        org, failure = await failed(place, running, context, "deferred")
        said = command("edit", org, failure, payload={"qty": 3}, reason="counted by hand")
        await send(place, maos.token(said, "edit-1"), maos.token(said, "edit-1"))
        (answer,) = await answers(place, 1)
        await until(lambda: stands(place, "resolved"))
        told = [one["data"] for one in await place.results() if one["type"] == "workflow.failure_status.v1"]
    assert answer["data"]["outcome"] == "accepted"
    assert [one["payload"] for one in strategy.contexts][-1] == {"qty": 3}
    row = (await place.failures())["w"]
    assert json.loads(row["context"])["payload"] == {"qty": 3}
    # What was redacted in the first input is none of the second one's.
    assert row["redactions"] is None
    assert told[-1]["status"] == "pending"
    assert told[-1]["reason"] == "edited by supervisor (maos): counted by hand"


async def test_another_body_goes_out_under_another_key_once_somebody_has_looked(
    commanded: Site, maos: Commander
) -> None:
    place, strategy = commanded, FirstThenProven(LATER)
    request = call("http://127.0.0.1:9/x", "POST", body={"n": 1}, headers={"Idempotency-Key": "k-1", "x-a": "b"})
    async with place.consumer(scripted(strategy)) as running:
        org, failure = await failed(place, running, request, "deferred")
        await send(place, maos.token(command("edit", org, failure, body={"n": 2}), "edit-1"))
        (first,) = await answers(place, 1)
        assert first["data"]["outcome"] == "refused"
        assert "did_not_happen" in first["data"]["reason"]
        await send(place, maos.token(command("edit", org, failure, body={"n": 2}, did_not_happen=True), "edit-2"))
        await until(lambda: stands(place, "resolved"))
    sent: Any = strategy.contexts[-1]["request"]
    assert sent["body"] == {"n": 2}
    assert sent["headers"] == {"x-a": "b"}
    assert sent["idempotency_key"].startswith("k-1.")
    assert sent["idempotency_header"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("first", "status", "more", "why"),
    [
        pytest.param(PROVEN, "resolved", {"payload": 1}, "resolved already", id="resolved"),
        pytest.param(Unknown(reason="cut"), "needs_person", {"payload": 1}, "may have happened", id="in doubt"),
        pytest.param(LATER, "deferred", {"body": 1}, "no context.request", id="no request"),
        pytest.param(
            LATER, "deferred", {"payload": {"api_key": "sk-live-4242424242424242"}}, "/api_key", id="a secret"
        ),
    ],
)
async def test_what_cannot_be_edited_stays_as_it_is(
    commanded: Site, maos: Commander, first: Outcome, status: str, more: dict[str, Any], why: str
) -> None:
    place, strategy = commanded, FirstThenProven(first)
    async with place.consumer(scripted(strategy)) as running:
        org, failure = await failed(place, running, {"payload": {"a": 1}}, status)
        before = await place.db.fetchrow("SELECT context, status, step, due_at FROM workflow_failures")
        await send(place, maos.token(command("edit", org, failure, **more), "edit-1"))
        (answer,) = await answers(place, 1)
    assert answer["data"]["outcome"] == "refused"
    assert why in answer["data"]["reason"]
    assert await place.db.fetchrow("SELECT context, status, step, due_at FROM workflow_failures") == before
    kept = await place.db.fetchval("SELECT command::text FROM heal_command")
    assert "sk-live" not in kept


async def test_an_input_is_not_replaced_while_a_key_is_in_doubt_until_somebody_has_looked(
    commanded: Site, maos: Commander
) -> None:
    place, strategy = commanded, FirstThenProven(LATER)
    async with place.consumer(scripted(strategy)) as running:
        org, failure = await failed(place, running, {"payload": 1}, "deferred")
        await place.db.execute("""UPDATE workflow_failures SET rungs = '{"unsure": "auto-retry"}'""")
        await send(place, maos.token(command("edit", org, failure, payload=2), "edit-1"))
        (first,) = await answers(place, 1)
        assert first["data"]["outcome"] == "refused"
        assert "may have happened" in first["data"]["reason"]
        await send(place, maos.token(command("edit", org, failure, payload=2, did_not_happen=True), "edit-2"))
        await until(lambda: stands(place, "resolved"))


async def test_a_pause_by_command_holds_from_its_answer_on_and_is_ended_by_one(
    commanded: Site, maos: Commander
) -> None:
    place, strategy = commanded, FirstThenProven(PROVEN)
    async with place.consumer(scripted(strategy)) as running:
        org = await place.organisation()
        said = {"command": "pause", "org_id": str(org), "issued_by": "ops", "reason": "the ledger is being moved"}
        await send(place, maos.token(said, "pause-1"), maos.token(said, "pause-1"))
        (answer,) = await answers(place, 1)
        (pause_id,) = answer["data"]["pauses"]
        await place.publish(event(org, "1", workflow_name="w"))

        async def is_held() -> bool:
            return bool(await place.db.fetchval("SELECT waits_on FROM workflow_failures") == f"pause:{pause_id}")

        await until(is_held)
        assert not strategy.contexts
        resume = {"command": "resume", "org_id": str(org), "issued_by": "ops", "reason": "moved", "pause_id": pause_id}
        await send(place, maos.token(resume, "resume-1"))
        await until(lambda: stands(place, "resolved"))
        found = await answers(place, 2)
        await running.settled(1)
    assert [one["data"]["outcome"] for one in found] == ["accepted", "accepted"]
    assert found[1]["data"]["pauses"] == [pause_id]
    assert await place.db.fetchval("SELECT paused_by FROM heal_pause") == "ops (maos)"
