"""Everybody refused at once pauses the fleet and says so; one bad producer pauses nobody."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.ingest.decode import decode
from consumer.local.broker import Broker
from consumer.model import DeadLetter, Healed, Outcome, Proof, Record
from consumer.service.vitals import Vitals
from schemas.names import PoisonReason, Verdict
from tests.support.pipeline import Running, Site, environment_of, event, site, until
from tests.support.shw import shw
from tests.support.worlds.scripted import scripted

# The spans of a deployment, a hundred times as fast.
FAST: dict[str, Any] = {
    "beat": 0.2,
    "usual": 40,
    "longest": 20,
    "expected": 8,
    "letters": 12,
    "probe_every": 1,
    "probe_records": 5,
}
SOURCES = ("urn:orders", "urn:billing", "urn:media")


async def _healed(_task: Task, _gate: EffectGate) -> Outcome:
    return Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail=""),))


HEALS = scripted(_healed)


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Publishers of three sources for four organisations, who publish a few times a beat while somebody looks."""

    place: Site
    orgs: list[UUID]
    partitions: int = 1
    published: int = 0
    ids: Iterator[int] = field(default_factory=count)
    silent_until: float = 0.0

    async def speak(self) -> None:
        """Let every source report a failure of every organisation, unless it has just done so."""
        now = asyncio.get_running_loop().time()
        if now >= self.silent_until:
            self.silent_until = now + FAST["beat"] / 4
            await self.speak_now()

    async def speak_now(self) -> None:
        """Let every source report a failure of every organisation."""
        told = [event(org, next(self.ids)) | {"source": source} for source in SOURCES for org in self.orgs]
        parts = (self.place.publish(*told[n :: self.partitions], partition=n) for n in range(self.partitions))
        self.published += sum(map(len, await asyncio.gather(*parts)))

    async def until(self, so: Any) -> None:  # noqa: ANN401 - any condition
        """Let them speak until it is so."""

        async def look() -> bool:
            await self.speak()
            return bool(so())

        await until(look)

    async def is_usual(self, *fleet: Running) -> None:
        """Let them speak until the fleet has a past that says what is usual."""
        await self.until(lambda: all(one.metric("shw_events_total", outcome="accepted") > 0 for one in fleet))

        async def known() -> bool:
            await self.speak()
            return await self.place.count("intake_pulse WHERE organisations = 4") >= 6

        await until(known)

    async def all_durable(self, letters: int = 0) -> None:
        """Wait until everything that was published is a failure or a dead letter."""

        async def durable() -> bool:
            failures = await self.place.count("workflow_failures")
            return failures + len(await self.place.letters()) >= self.published + letters

        await until(durable)


async def fleet_of(place: Site, partitions: int = 1) -> Fleet:
    return Fleet(place=place, orgs=[await place.organisation() for _ in range(4)], partitions=partitions)


class Deploy:
    """A release of ours whose decode refuses everybody, and the fix."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bad = False
        real = decode

        def deployed(record: Record, *args: Any) -> Any:  # noqa: ANN401 - decode's own
            if self.bad:
                return DeadLetter(record=record, reason=PoisonReason.UNSTORABLE, message="a bug")
            return real(record, *args)

        monkeypatch.setattr("consumer.pipeline.reading.decode", deployed)


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    return Deploy(monkeypatch)


def is_paused(running: Running) -> bool:
    return running.consumer.stages.valve.may_read() == 0


def why(running: Running) -> str:
    return running.consumer.stages.valve.paused_because or ""


async def test_a_bad_deploy_pauses_intake_and_after_the_fix_it_goes_on_by_itself_and_nothing_is_lost(
    embedded_place: Site, deploy: Deploy
) -> None:
    place = embedded_place.changed(dead_letter_limit=FAST)
    fleet = await fleet_of(place)
    async with place.consumer(HEALS) as running:
        await fleet.is_usual(running)
        assert not is_paused(running)
        deploy.bad = True
        await fleet.until(lambda: "3 sources of 4 organisations" in why(running))

        await fleet.until(lambda: running.metric("shw_intake_paused", reason="dead_letters"))
        assert any("3 sources of 4 organisations" in note for note in Vitals(running.consumer).notes())

        async def probed() -> bool:
            # Whatever comes meanwhile waits, but for the probes.
            await fleet.speak()
            return await place.count("intake_limit WHERE probe_due > paused_at + interval '2.2 s'") > 0

        await until(probed)
        assert why(running)
        refused = running.metric("shw_events_total", outcome="dead_letter")
        assert refused < fleet.published
        deploy.bad = False
        await fleet.until(lambda: not why(running))
        await fleet.all_durable()
    assert await place.count("intake_limit WHERE paused_at IS NULL") == 1


async def test_a_restart_does_not_end_the_pause_and_an_operator_does(embedded_place: Site, deploy: Deploy) -> None:
    place = embedded_place.changed(dead_letter_limit=FAST | {"probe_every": 600})
    fleet = await fleet_of(place)
    async with place.consumer(HEALS) as running:
        await fleet.is_usual(running)
        deploy.bad = True
        await fleet.until(lambda: "dead letters" in why(running))
    deploy.bad = False
    async with place.consumer(HEALS) as running:
        await until(lambda: _is("dead letters" in why(running)))
        await until(lambda: _is(not running.consumer.source.unassigned_for))
        await fleet.speak()
        settings = environment_of(place.settings)
        shown = await asyncio.to_thread(shw, "intake", "--json", settings=settings)
        assert shown.code == 1, shown.err
        (said,) = shown.json
        assert said["paused"]
        assert {one["source"] for one in said["refused"]} == set(SOURCES)
        assert {one["org_id"] for one in said["refused"]} == {str(org) for org in fleet.orgs}
        assert running.metric("shw_events_total", outcome="accepted") == 0
        resumed = await asyncio.to_thread(shw, "intake", "resume", settings=settings)
        assert resumed.code == 0, resumed.err
        await until(lambda: _is(not why(running)))
        await fleet.all_durable()
    shown = await asyncio.to_thread(shw, "intake", settings=settings)
    assert shown.code == 0, shown.err


async def test_who_dies_at_once_after_each_start_is_paused_all_the_same(
    embedded_place: Site, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place.changed(dead_letter_limit=FAST | {"probe_every": 600})
    fleet = await fleet_of(place)
    async with place.consumer(HEALS) as running:
        await fleet.is_usual(running)
    deploy.bad = True
    monkeypatch.setattr(
        "consumer.flow_control.intake_breaker.LOOKS", 0.01
    )  # after its start no loop of the valve turns again
    starts = 0
    while await place.count("intake_limit WHERE paused_at IS NULL"):
        starts += 1
        assert starts < 40, "it is never paused"
        await fleet.speak()
        await start_and_die(place.in_another_group())
        await place.time_passes()


async def start_and_die(place: Site) -> None:
    """Run until the first offsets are committed, and no longer: there is no time to count in peace."""
    async with place.consumer(HEALS) as running:

        async def committed() -> bool:
            return "dead letters" in why(running) or await place.committed() > 0

        await until(committed)
        await running.abandon()


async def test_two_replicas_pause_and_go_on_together(
    embedded_broker: Broker, database: str, catalog_file: Path, deploy: Deploy
) -> None:
    async with site(embedded_broker, database, catalog_file, partitions=2) as made, AsyncExitStack() as stack:
        place = made.changed(dead_letter_limit=FAST)
        fleet = await fleet_of(place, partitions=2)
        first = await stack.enter_async_context(place.consumer(HEALS))
        second = await stack.enter_async_context(place.consumer(HEALS))
        await fleet.is_usual(first, second)
        deploy.bad = True
        await fleet.until(lambda: "dead letters" in why(first) and "dead letters" in why(second))
        deploy.bad = False
        # They speak on: what came before the pause may all have been read, and a probe needs something to read.
        await fleet.until(lambda: not why(first) and not why(second))
        await fleet.all_durable()


@pytest.mark.parametrize("kind", ["invented names", "the names of others", "the names of others that are quiet"])
async def test_one_bad_producer_pauses_nobody(embedded_place: Site, kind: str) -> None:
    # A beat that is long enough for the honest ones to be read in it, behind all that the bad one sends.
    place = embedded_place.changed(dead_letter_limit=FAST | {"beat": 1})
    fleet = await fleet_of(place)
    quiet = [await place.organisation() for _ in range(8)]
    async with place.consumer(HEALS) as running:
        # Who was accepted once and then had nothing to say.
        for source in SOURCES:
            await place.publish(*(event(org, next(fleet.ids)) | {"source": f"{source}:quiet"} for org in quiet))
            fleet.published += len(quiet)
        await fleet.is_usual(running)
        claims = {
            "invented names": [(f"urn:invented:{n}", uuid4()) for n in range(10_000)],
            "the names of others": [(source, org) for source in SOURCES for org in fleet.orgs] * 100,
            "the names of others that are quiet": [(f"{source}:quiet", org) for source in SOURCES for org in quiet]
            * 50,
        }[kind]
        bad = [_refused(source, org) for source, org in claims]
        for n in range(0, len(bad), 100):
            # However fast they are read, the honest ones are heard in every beat.
            await asyncio.gather(place.publish(*bad[n : n + 100]), fleet.speak_now())

        async def over() -> bool:
            await fleet.speak()
            assert not is_paused(running), why(running)
            return running.metric("shw_events_total", outcome="dead_letter") == len(bad)

        await until(over)
        before = running.metric("shw_events_total", outcome="accepted")
        await fleet.until(lambda: running.metric("shw_events_total", outcome="accepted") > before + 100)
        assert not is_paused(running)
    assert await place.count("intake_limit WHERE paused_at IS NULL") == 1
    assert await place.count("intake_voice WHERE source LIKE 'urn:invented%'") == 0


def _refused(source: str, org: UUID) -> bytes:
    return json.dumps(event(org, "x", context="no object") | {"source": source}).encode()


async def _is(so: object) -> bool:
    return bool(so)
