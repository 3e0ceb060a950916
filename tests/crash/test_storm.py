"""Long-lived members under many faults at once over a stream of failures; the test's name tells the seed of the draws.

`SHW_FAULT_SEED` makes the same draws again; the machine's own timing is not in them.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from consumer.event_loop import wait_for_event
from tests.support import oracle
from tests.support.faults.ground import BUDGET, PARTITIONS, WINDOW, judge
from tests.support.faults.matrix import COMMITS, FULL, Injury, Servers
from tests.support.faults.producers import Producers
from tests.support.faults.proxied import behind_proxies
from tests.support.faults.tcp_proxy import Loss, TcpProxy, Way
from tests.support.pipeline import Process, Site, process, until
from tests.support.stream import failures_of
from tests.support.worlds.http_world import World

MEMBERS: Final = 3
SECONDS: Final = 45 if FULL else 15
EVERY: Final = 0.25
"""Seconds between two faults from outside, and between two rounds of failures."""
RESTS: Final = timedelta(seconds=1)
"""Before a member that ended by itself begins anew, as under any supervisor: the broker needs the processor, too."""
CHANCE: Final = 0.01
"""Of a signal at each boundary that a member crosses."""
HELD_OPEN: Final = 0.5
"""The chance that an open transaction is taken back before more is published."""
DATABASE_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    OSError,
)
"""What people who decide meet while it restarts."""
NOT_LET_IN: Final = ("does not let us in", "does not answer")
"""A member that starts while a server is away says so and ends: whoever runs it starts it again."""


Harm: TypeAlias = Callable[[], Coroutine[None, None, None]]


def seeds() -> list[int]:
    given = os.environ.get("SHW_FAULT_SEED")
    return [int(given)] if given else list(range(1, 7 if FULL else 2))


@dataclass(slots=True, kw_only=True)
class Storm:
    """Faults from outside and from within, drawn from one seed."""

    seed: int
    injury: Injury
    logs: Path
    dice: Random
    until_time: float = float("inf")
    end: asyncio.Event = field(default_factory=asyncio.Event)
    members: dict[int, Process] = field(default_factory=dict)
    died_of: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until_time

    async def keep(self, n: int) -> None:
        """Run one member, again and again while it dies; in the end it stops cleanly."""
        life = 0
        while not self.end.is_set():
            life += 1
            acts = {
                "at": "*",
                "chance": str(CHANCE),
                "seed": f"{self.seed} {n} {life}",
                "calm": str(self.logs / "calm"),
                "window": str(WINDOW),
                "faults": str(self.logs / "faults"),
            }
            async with process(self.injury.proxies.place, self.logs / f"{n}.{life}.log", **acts) as member:
                self.members[n] = member
                await self._watch(member)
            if (member.process.returncode or 0) > 0:
                await wait_for_event(self.end, RESTS)

    async def _watch(self, member: Process) -> None:
        """Let a stopped member go on after a while; return when it has ended, or been told to and did."""
        while member.process.returncode is None:
            if _is_stopped(member):
                await asyncio.sleep(self.dice.choice((0.2, 1.0, 2 * WINDOW + 1)))
                _tell(member, signal.SIGCONT)
            if self.end.is_set():
                _tell(member, signal.SIGTERM)
                await member.ended()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await member.process.wait()
        told = member.log.read_text()
        # What has not started yet when it is told to end has no handler for it.
        fine = (0, -signal.SIGKILL) if '"started"' in told else (0, -signal.SIGKILL, -signal.SIGTERM)
        if member.process.returncode not in fine and not any(words in told for words in NOT_LET_IN):
            self.died_of.append(told[-3000:])

    async def rage(self) -> None:
        """Break one thing after the other, and some at once; each server is restarted once, and people decide."""
        weights: dict[Harm, int] = {
            self._signal: 2,
            self._cut: 3,
            self._lose_a_commit: 3,
            self._slow: 2,
            self._stall: 1,
            self._cut_short: 1,
        }
        await until(self._all_started)
        self.until_time = time.monotonic() + SECONDS
        async with asyncio.TaskGroup() as harms:
            harms.create_task(self._later(self.injury.restart_broker, self.dice.uniform(0.1, 0.4) * SECONDS))
            harms.create_task(self._later(self.injury.restart_postgres, self.dice.uniform(0.5, 0.8) * SECONDS))
            for begin in (0.1, 0.4, 0.7):
                harms.create_task(self._later(self._people, self.dice.uniform(begin, begin + 0.2) * SECONDS))
            while not self.is_over:
                (harm,) = self.dice.choices(list(weights), list(weights.values()))
                harms.create_task(harm())
                await asyncio.sleep(EVERY)
        (self.logs / "calm").touch()
        self.injury.proxies.be_well()

    async def _all_started(self) -> bool:
        return len(self.members) == MEMBERS and all(one.said('"started"') for one in self.members.values())

    async def _later(self, harm: Harm, after: float) -> None:
        await asyncio.sleep(after)
        await harm()

    async def _signal(self) -> None:
        number = self.dice.choice((signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM))
        member = self.members.get(self.dice.randrange(MEMBERS))
        if member is not None and member.process.returncode is None and member.said('"started"'):
            self.injury.counted[f"{number.name} at any moment"] += 1
            _tell(member, number)

    async def _cut(self) -> None:
        self._either().cut(at_most=self.dice.choice((1, 3, 100)))

    async def _lose_a_commit(self) -> None:
        proxies, loss = self.injury.proxies, self.dice.choice(tuple(Loss))
        if self.dice.random() < 0.7:
            proxies.postgres.lose(self.dice.choice((*COMMITS, "begin", "commit take over", "commit sweep")), loss)
        else:
            proxies.kafka.lose(self.dice.choice(("produce", "commit", "join", "sync")), loss)

    async def _slow(self) -> None:
        proxy = self._either()
        proxy.injected["slow"] += 1
        proxy.delay = self.dice.choice((0.005, 0.02, 0.1))
        await asyncio.sleep(EVERY)
        proxy.delay = 0.0

    async def _stall(self) -> None:
        proxy = self._either()
        proxy.stall()
        await asyncio.sleep(self.dice.choice((0.5, 1.5, 3.0)))
        proxy.flow()

    async def _cut_short(self) -> None:
        self._either().cut_after(self.dice.randrange(1, 5_000), self.dice.choice(tuple(Way)))

    async def _people(self) -> None:
        with suppress(*DATABASE_AWAY):
            await self.injury.people()

    def _either(self) -> TcpProxy:
        return self.dice.choice((self.injury.proxies.kafka, self.injury.proxies.postgres))


def _tell(member: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        member.tell(number)


def _is_stopped(member: Process) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{member.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


async def publish(world: World, org: UUID, storm: Storm) -> list[str]:
    """Some of each kind, now and then: plain, in every codec, among what cannot be read, in and beside transactions."""
    dice, producers, names = Random(f"{storm.seed} publish"), storm.injury.producers, list[str]()
    weights = {
        producers.plain: 3,
        producers.in_every_codec: 1,
        producers.among_unreadable: 1,
        producers.in_transactions: 1,
    }
    while not storm.is_over:
        events = failures_of(world, org, len(names))
        (write,) = dice.choices(list(weights), list(weights.values()))
        for partition in range(PARTITIONS):
            await write(partition, list(events.values())[partition::PARTITIONS])
        names += events
        await asyncio.sleep(EVERY)
        if dice.random() < HELD_OPEN:
            await producers.end_open(and_leave_again=True)
    await producers.end_open()
    return names


@pytest.mark.parametrize("seed", seeds())
async def test_a_storm_of_faults_loses_nothing_and_repeats_nothing(
    seed: int, ground: Site, own_servers: Servers, world: World, tmp_path: Path, faults: Counter[str]
) -> None:
    org = await ground.organisation(BUDGET)
    async with behind_proxies(ground, own_servers.kafka) as proxies:
        producers = Producers(place=ground, world=world, org=org, counted=faults)
        injury = Injury(servers=own_servers, proxies=proxies, producers=producers, counted=faults)
        storm = Storm(seed=seed, injury=injury, logs=tmp_path, dice=Random(seed))
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(publish(world, org, storm))
            for n in range(MEMBERS):
                tasks.create_task(storm.keep(n))
            try:
                await storm.rage()
                names = await publishing
                await ground.db.expire_connections()
                await until(lambda: oracle.at_rest(ground, len(names)))
                await until(ground.all_committed)
                await until(lambda: oracle.at_rest(ground, len(names)))
            finally:
                storm.end.set()
        injury.count_proxies()
        noted = tmp_path / "faults"
        faults.update(noted.read_text().splitlines() if noted.exists() else [])
    assert storm.died_of == []
    await judge(ground, world, org, names, injury.decided, producers.letters)
