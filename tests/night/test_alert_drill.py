"""Each alert on its real fault: real servers and replicas, a real Prometheus, and a fault that is made and mended."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from consumer.demo.cases import EventForm, demo_cases
from consumer.demo.catalog import SOURCE
from consumer.demo.consumer_process import ConsumerProcess, run_consumers
from consumer.demo.crowd import SERVICE, Crowd
from consumer.demo.poison import demo_poison
from consumer.demo.publish import Inbound, open_inbound
from consumer.demo.stage import Stage, run_place
from dashboards.prometheus import Prometheus, run_prometheus
from tests.support.alert_rules import PROMETHEUS, rules_of
from tests.support.pipeline import until
from tests.support.required_tools import require_tool

pytestmark = [pytest.mark.night, pytest.mark.timeout(3600)]
SCALE: Final = float(os.environ.get("SHW_NIGHT_SCALE", "20"))
"""How many times faster than in production the rules' clocks go: `for`, and the windows of their counters."""
WITHIN: Final = 60
"""Seconds after its `for` within which an alert has to be there."""
RESTARTS: Final = 3
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN: Final = re.compile(r"(?P<before>\[|for: )(?P<number>\d+)(?P<unit>[smhd])\b")
_WALLET: Final = "INSERT INTO token_wallets (org_id, text_budget_aud, voice_budget_aud) VALUES ($1, 10, 10)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the faults are made."""

    place: Stage
    replicas: Sequence[ConsumerProcess]
    inbound: Inbound

    async def publish(self, name: str) -> None:
        """Publish one failure of the demo, anew."""
        case = next(one for one in demo_cases(self.place.world, self.place.organisations) if one.name == name)
        await self.inbound.deliver(replace(case, way=EventForm.BARE))


@asynccontextmanager
async def dead_letters(ground: Ground) -> AsyncIterator[None]:
    await ground.inbound.poison(demo_poison(SOURCE, ground.place.organisations.paying))
    yield


@asynccontextmanager
async def credits_short(ground: Ground) -> AsyncIterator[None]:
    await ground.publish("reports.unpaid")
    yield
    await ground.place.connection.execute(_WALLET, ground.place.organisations.poor)


@asynccontextmanager
async def wrong_catalog(ground: Ground) -> AsyncIterator[None]:
    catalog = Path(ground.place.settings["SHW_CATALOG"])
    right = await asyncio.to_thread(catalog.read_text)
    for text in (f"{right}\nworkflows_misspelt: []\n", right):
        await asyncio.to_thread(catalog.write_text, text)
        for one in ground.replicas:
            os.kill(one.pid, signal.SIGHUP)
        if text != right:
            yield


@asynccontextmanager
async def breaker(ground: Ground) -> AsyncIterator[None]:
    ground.place.world.take_down(SERVICE)
    crowd = Crowd(world=ground.place.world, org_id=ground.place.organisations.crowded)
    await ground.inbound.bring_at_once(crowd.events()[:50])
    yield
    ground.place.world.bring_up(SERVICE)


@asynccontextmanager
async def one_replica_dead(ground: Ground) -> AsyncIterator[None]:
    await ground.replicas[-1].kill()
    yield
    await ground.replicas[-1].start()


@asynccontextmanager
async def bad_deploy(ground: Ground) -> AsyncIterator[None]:
    for _ in range(RESTARTS):
        await ground.replicas[-1].kill()
        await ground.replicas[-1].start()
    yield


@asynccontextmanager
async def postgres_away(ground: Ground) -> AsyncIterator[None]:
    assert ground.place.stack.postgres is not None
    async with ground.place.stack.postgres.outage():
        yield


@asynccontextmanager
async def kafka_away(ground: Ground) -> AsyncIterator[None]:
    assert ground.place.stack.broker is not None
    async with ground.place.stack.broker.outage():
        yield


@asynccontextmanager
async def stuck_outbox(ground: Ground) -> AsyncIterator[None]:
    """What is healed while Kafka is away cannot be told: a member's row comes in without it."""
    connection = await asyncpg.connect(ground.place.stack.dsn)
    cases = demo_cases(ground.place.world, ground.place.organisations)
    try:
        async with kafka_away(ground):
            member = next(one for one in cases if one.way is EventForm.MEMBER)
            await replace(ground.inbound, connection=connection).deliver(replace(member, deliveries=1))
            yield
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A fault, and the alert that it has to raise."""

    alert: str
    fault: Callable[[Ground], AbstractAsyncContextManager[None]]
    beyond: float = 0
    """Seconds that the rule's own threshold lets the fault last before `for` begins."""


# What needs the first connection to the database comes before that is cut.
DRILLS: Final = (
    Drill(alert="ShwDeadLetters", fault=dead_letters),
    Drill(alert="ShwCredits", fault=credits_short),
    Drill(alert="ShwCatalogRefused", fault=wrong_catalog),
    Drill(alert="ShwBreakerOpen", fault=breaker),
    Drill(alert="ShwReplicaDown", fault=one_replica_dead),
    Drill(alert="ShwRestarting", fault=bad_deploy),
    Drill(alert="ShwKafkaAway", fault=kafka_away),
    Drill(alert="ShwOutboxStuck", fault=stuck_outbox, beyond=60),
    Drill(alert="ShwDatabaseAway", fault=postgres_away),
)


def seconds_of(span: str) -> float:
    """How long a duration of a rule lasts here."""
    return max(2.0, int(span[:-1]) * _UNITS[span[-1]] / SCALE)


def scaled_rules(folder: Path) -> Path:
    """Write the rules with faster clocks; nothing else of them is changed."""
    for name in ("alerts.yml", "recording.yml"):
        text = (PROMETHEUS / name).read_text()
        faster = _SPAN.sub(
            lambda found: f"{found['before']}{round(1000 * seconds_of(found['number'] + found['unit']))}ms", text
        )
        (folder / name).write_text(faster)
    return folder


async def test_each_alert_fires_on_its_real_fault_and_resolves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_tool("prometheus")
    rules = scaled_rules(tmp_path)
    waits = {
        rule["alert"]: seconds_of(rule["for"]) if "for" in rule else 0.0 for rule in rules_of(PROMETHEUS / "alerts.yml")
    }
    with capsys.disabled():
        sys.stdout.write(f"\n{SCALE:g} times as fast as in production (SHW_NIGHT_SCALE)\n")
    late = []
    async with (
        run_place(tmp_path / "home") as place,
        run_consumers(place.settings, [tmp_path / "1.log", tmp_path / "2.log"]) as replicas,
        run_prometheus([one.address.removeprefix("http://") for one in replicas], tmp_path, rules=rules) as prometheus,
        open_inbound(place.kafka, place.connection, place.organisations) as inbound,
    ):
        ground = Ground(place=place, replicas=replicas, inbound=inbound)
        await until(lambda: is_scraped(prometheus, len(replicas)))
        for drill in DRILLS:
            assert not await firing(prometheus, drill.alert), f"{drill.alert} fires before its fault"
            began = time.monotonic()
            async with drill.fault(ground):
                made = time.monotonic()
                await fires(prometheus, drill.alert)
                fired = time.monotonic()
            await until_quiet(prometheus, drill.alert)
            after = fired - made - waits[drill.alert] - drill.beyond
            with capsys.disabled():
                sys.stdout.write(
                    f"{drill.alert:20} for {waits[drill.alert]:5.1f} s, there {after:6.1f} s after that, fault made in "
                    f"{made - began:5.1f} s, quiet {time.monotonic() - fired:6.1f} s later\n"
                )
                sys.stdout.flush()
            if after > WITHIN:
                late.append(drill.alert)
    assert not late


async def is_scraped(prometheus: Prometheus, replicas: int) -> bool:
    return len(await prometheus.now("shw_build_info")) == replicas


async def firing(prometheus: Prometheus, alert: str) -> bool:
    return bool(await prometheus.now(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))


async def fires(prometheus: Prometheus, alert: str) -> None:
    async with asyncio.timeout(600):
        while not await firing(prometheus, alert):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.5)


async def until_quiet(prometheus: Prometheus, alert: str) -> None:
    async with asyncio.timeout(600):
        while await firing(prometheus, alert):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.5)
