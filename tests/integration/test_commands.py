"""A supervisor's signed commands: carried out once, answered, and never at the cost of healing."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof, RetryLater
from consumer.service.vitals import Vitals
from schemas.names import Verdict
from schemas.supervision import CommandResult
from tests.support.commander import Commander, answers, command, jwk_of, send, write_keys
from tests.support.pipeline import Running, Site, event, until
from tests.support.worlds.http_world import World, json_reply
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))


class Once:
    """A strategy that is told to wait the first time, and heals whenever it is asked again."""

    def __init__(self) -> None:
        self.heals = 0

    async def __call__(self, _task: Task, _gate: EffectGate) -> Outcome:
        self.heals += 1
        return RetryLater(after=timedelta(hours=1), reason="busy") if self.heals == 1 else PROVEN


@pytest.fixture
def maos() -> Commander:
    return Commander.new()


@pytest.fixture
def commanded(embedded_place: Site, tmp_path: Path, maos: Commander) -> Site:
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    return embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})


async def deferred(place: Site, running: Running) -> tuple[UUID, UUID]:
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w"))
    await until(lambda: stands(place, "deferred"))
    await running.settled(1)
    return org, UUID(str(await place.db.fetchval("SELECT id FROM workflow_failures")))


async def stands(place: Site, status: str) -> bool:
    return bool(await place.db.fetchval("SELECT status FROM workflow_failures") == status)


async def test_a_signed_command_heals_and_is_answered_and_its_copies_do_nothing_more(
    commanded: Site, maos: Commander
) -> None:
    place, strategy = commanded, Once()
    async with place.consumer(scripted(strategy)) as running:
        org, failure = await deferred(place, running)
        token = maos.token(command("heal", org, failure, reason="the provider is back"), "cmd-1")
        await send(place, token, token, token)
        (answer,) = await answers(place, 1)
        await until(lambda: stands(place, "resolved"))
    result = CommandResult.model_validate(answer["data"])
    assert answer["id"] == "maos:cmd-1"
    assert (result.command_id, result.issuer, result.command, result.outcome) == ("cmd-1", "maos", "heal", "accepted")
    assert (result.org_id, result.failure_id) == (org, failure)
    assert (result.issued_by, result.key_id) == ("supervisor (maos)", "maos-1")
    assert strategy.heals == 2
    assert await place.db.fetchval("SELECT requested_by FROM heal_request") == "supervisor (maos)"
    assert await place.count("heal_command") == 1


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
async def test_each_algorithm_of_the_list_signs(embedded_place: Site, tmp_path: Path, algorithm: str) -> None:
    maos = Commander.new(algorithm)
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    place = embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})
    async with place.consumer(scripted(Once())):
        await send(place, maos.token(command("heal", uuid4(), uuid4()), "cmd-1"))
        (answer,) = await answers(place, 1)
    assert answer["data"]["outcome"] == "not_found"


async def test_a_decision_by_command_is_kept_told_and_answered(commanded: Site, maos: Commander) -> None:
    place = commanded
    async with place.consumer(scripted(Once())) as running:
        org, failure = await deferred(place, running)
        await send(place, maos.token(command("give_up", org, failure, reason="cancelled"), "cmd-1"))
        await answers(place, 1)
        await send(place, maos.token(command("give_up", org, failure, reason="cancelled"), "cmd-2"))
        await send(place, maos.token(command("did_not_happen", org, failure), "cmd-3"))
        found = await answers(place, 3)
    assert [(one["data"]["command_id"], one["data"]["outcome"]) for one in found] == [
        ("cmd-1", "accepted"),
        ("cmd-2", "already"),
        ("cmd-3", "refused"),
    ]
    assert await stands(place, "given_up")
    kept = await place.db.fetchrow("SELECT decision, decided_by, reason FROM heal_decision")
    assert kept is not None
    assert tuple(kept) == ("give_up", "supervisor (maos)", "cancelled")


async def test_one_id_for_two_commands_is_refused_and_told(commanded: Site, maos: Commander) -> None:
    place = commanded
    async with place.consumer(scripted(Once())) as running:
        org, failure = await deferred(place, running)
        await send(place, maos.token(command("heal", org, failure), "cmd-1"))
        await answers(place, 1)
        await send(place, maos.token(command("give_up", org, failure), "cmd-1"))
        first, second = await answers(place, 2)
    assert (first["id"], first["data"]["outcome"]) == ("maos:cmd-1", "accepted")
    assert second["id"].startswith("maos:cmd-1:refused:")
    assert "another command has this id" in second["data"]["reason"]
    assert await stands(place, "resolved")
    assert await place.count("heal_decision") == 0


async def test_a_command_that_is_signed_anew_under_its_id_is_the_same_one(commanded: Site, maos: Commander) -> None:
    place, strategy = commanded, Once()
    async with place.consumer(scripted(strategy)) as running:
        org, failure = await deferred(place, running)
        said = command("heal", org, failure)
        late = maos.claims(said, "cmd-1")
        await send(place, maos.token(said, "cmd-1"))
        await answers(place, 1)
        # A copy of it that has expired meanwhile has its answer too, and so has one with other times.
        await send(place, maos.sign(late | {"iat": late["iat"] - 900, "exp": late["exp"] - 900}))
        await send(place, maos.sign(late | {"exp": late["exp"] + 60}))
        await send(place, maos.token(command("heal", uuid4(), uuid4()), "cmd-2"))
        found = await answers(place, 2)
    assert [one["id"] for one in found] == ["maos:cmd-1", "maos:cmd-2"]
    assert strategy.heals == 2


async def test_poison_and_locked_rows_hold_up_neither_commands_nor_failures(commanded: Site, maos: Commander) -> None:
    place = commanded
    async with place.consumer(scripted(Once())) as running:
        org, failure = await deferred(place, running)
        async with place.db.acquire() as other, other.transaction():
            await other.execute("SELECT FROM workflow_failures WHERE id = $1 FOR UPDATE", failure)
            await send(place, b"", b"\x00\xff", b"{}", b"a.b.c", b"x" * 600_000)
            await send(place, maos.token(command("give_up", org, failure), "cmd-1"))
            await send(place, maos.token(command("heal", org, uuid4()), "cmd-2"))
            locked, behind = await answers(place, 2)
        await place.publish(event(org, "2", workflow_name="v"))
        await running.settled(2)
        letters = await place.letters()
    assert (locked["data"]["outcome"], behind["data"]["outcome"]) == ("refused", "not_found")
    assert "holds the failure's row locked" in locked["data"]["reason"]
    assert len(letters) == 5
    assert {one.headers["shw_dlq_reason"] for one in letters} == {b"not_authentic", b"too_large"}
    assert {one.headers["shw_dlq_topic"].decode() for one in letters} == {place.settings.kafka.commands_topic}
    await running.counted("shw_command_letters_total", 4, reason="not_authentic")
    assert running.metric("shw_events_total", outcome="dead_letter") == 0


async def test_a_key_that_is_taken_out_counts_no_more_and_two_count_while_they_change(
    commanded: Site, maos: Commander
) -> None:
    place, new = commanded, Commander.new("ES256", "maos-2")
    keys = place.settings.commands.keys_file
    assert keys is not None
    async with place.consumer(scripted(Once())):
        write_keys(keys, maos.entry(), new.entry())
        org = await place.organisation()

        async def both_count() -> bool:
            await send(place, new.token(command("heal", org, uuid4())))
            return any(one["data"].get("key_id") == "maos-2" for one in await place.results())

        await until(both_count)
        await send(place, maos.token(command("heal", org, uuid4()), "old-still-counts"))
        await until(lambda: _answered(place, "old-still-counts"))
        write_keys(keys, maos.entry(revoked=True), new.entry())

        async def old_is_refused() -> bool:
            await send(place, maos.token(command("heal", org, uuid4())))
            return any(b"it is revoked" in one.headers["shw_dlq_message"] for one in await place.letters())

        await until(old_is_refused)


async def _answered(place: Site, name: str) -> bool:
    return any(one["data"].get("command_id") == name for one in await place.results())


async def test_commands_stop_alone_and_healing_goes_on(
    kafka_place: Site, tmp_path: Path, maos: Commander, capsys: pytest.CaptureFixture[str]
) -> None:
    group = f"commands.{uuid4().hex[:12]}"
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    place = kafka_place.changed(commands={"keys_file": keys, "group_id": group})
    topic = TopicPartition(place.settings.kafka.commands_topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=place.settings.kafka.bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign([topic])
    await consumer.commit({topic: 1000})  # a place that the log does not have
    await consumer.stop()
    async with place.consumer(scripted(Once())) as running:
        await until(lambda: _is_stopped(running))
        await place.publish(event(await place.organisation(), "1", workflow_name="w"))
        await running.settled(1)
    captured = capsys.readouterr()
    assert "commands_stopped" in captured.out + captured.err


async def _is_stopped(running: Running) -> bool:
    return running.metric("shw_commands_stopped") == 1


async def test_a_member_that_dies_loses_no_command_and_none_is_done_twice(commanded: Site, maos: Commander) -> None:
    place, number = commanded, 40
    async with place.consumer(scripted(Once())) as running:
        org, failure = await deferred(place, running)
        tokens = [maos.token(command("give_up", org, failure), f"cmd-{n}") for n in range(number)]
        await send(place, *tokens[: number // 2])

        async def some_kept() -> bool:
            return await place.count("heal_command") >= 1

        await until(some_kept)
        await running.abandon()
    await send(place, *tokens[number // 2 :])
    async with place.in_another_group().consumer(scripted(Once())):
        found = await answers(place, number)
    assert {one["data"]["command_id"] for one in found} == {f"cmd-{n}" for n in range(number)}
    assert [one["data"]["outcome"] for one in found].count("accepted") == 1
    assert await place.count("heal_decision") == 1
    assert await place.count("heal_command") == number


async def test_unsigned_commands_count_where_development_says_so_and_the_start_says_it(
    embedded_place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    place = embedded_place.changed(commands={"unsigned": True, "group_id": f"commands.{uuid4().hex[:12]}"})
    data = command("heal", uuid4(), uuid4())
    told = {"specversion": "1.0", "id": "cmd-1", "source": "urn:me", "type": "workflow.heal_command.v1", "data": data}
    async with place.consumer(scripted(Once())):
        await send(place, json.dumps(told).encode())
        (answer,) = await answers(place, 1)
    assert (answer["id"], answer["data"]["issuer"]) == ("shw:unsigned:cmd-1", "shw:unsigned")
    captured = capsys.readouterr()
    assert "unsigned_commands_count" in captured.out + captured.err


async def test_while_the_jwk_set_is_down_at_the_first_start_commands_wait(
    embedded_place: Site, tmp_path: Path, world: World
) -> None:
    maos, up = Commander.new(), False
    keys = write_keys(tmp_path / "keys.yaml", maos.entry(public_key=None))
    whole = {"keys": [jwk_of(maos.private, maos.algorithm) | {"kid": maos.key_id}]}
    world.on("/jwks.json", lambda _n, _seen: json_reply(whole) if up else json_reply({}, 503))
    url = world.url("/jwks.json")
    commands = {"keys_file": keys, "jwks_url": url, "group_id": f"commands.{uuid4().hex[:12]}"}
    place = embedded_place.changed(commands=commands)
    async with place.consumer(scripted(Once())) as running:
        await send(place, maos.token(command("heal", uuid4(), uuid4()), "cmd-1"))
        await until(lambda: _asked_twice(world))
        await until(lambda: _lags(running, 1))
        assert await place.letters() == []
        assert running.metric("shw_commands_wait_for_keys") == 1
        assert any("JWK set" in note for note in Vitals(running.consumer).notes())
        up = True
        (answer,) = await answers(place, 1)
        await until(lambda: _lags(running, 0))
        assert running.metric("shw_commands_wait_for_keys") == 0
        assert not any("JWK set" in note for note in Vitals(running.consumer).notes())
    assert answer["data"]["outcome"] == "not_found"
    assert await place.letters() == []


async def _lags(running: Running, records: int) -> bool:
    age = running.metric("shw_commands_lag_seconds")
    return running.metric("shw_commands_lag_records") == records and (age > 0) == (records > 0)


async def _asked_twice(world: World) -> bool:
    return len(world.calls("/jwks.json")) > 1
