"""Which faults are made, and how: boundary x signal x disturbance; and the count of those that were, for the report."""

import asyncio
import itertools
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final

import pytest

from consumer.local.postgres import Postgres
from tests.support.faults.ground import Write, successor
from tests.support.faults.producers import Event, Producers
from tests.support.faults.proxied import ProxiedKafka, Proxies
from tests.support.faults.run_consumer import BOUNDARIES
from tests.support.faults.tcp_proxy import Loss, Way

FULL: Final = os.environ.get("SHW_FAULT_MATRIX") == "full"
"""Every combination; otherwise what every run has the time for."""
SIGNALS: Final = (signal.SIGKILL, signal.SIGSTOP)
MOMENT: Final = 0.3
"""Seconds between two injuries: long enough for a client to have begun to recover."""


class Disturbance(StrEnum):
    """What happens beside the signal."""

    NOTHING = "nothing"
    MEMBERS = "members join and leave"
    BROKER = "broker restarts"
    POSTGRES = "postgres restarts"
    KAFKA_CUT = "kafka cut"
    KAFKA_SLOW = "kafka slow"
    KAFKA_STALLED = "kafka stalled"
    POSTGRES_CUT = "postgres cut"
    POSTGRES_SLOW = "postgres slow"
    POSTGRES_STALLED = "postgres stalled"
    UNKNOWN_COMMITS = "unknown commits"
    PEOPLE = "people decide"
    CODECS = "codecs"
    CORRUPT = "corrupt records"
    TRANSACTIONS = "transactions"


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault of the matrix."""

    boundary: str
    number: signal.Signals
    disturbance: Disturbance

    def __str__(self) -> str:
        return f"{self.number.name} {self.boundary}, {self.disturbance}"


def cells() -> list[Cell]:
    """Give the matrix, or what every run has the time for: SIGKILL at each boundary, SIGSTOP at every fourth one."""
    every = [Cell(*one) for one in itertools.product(BOUNDARIES, SIGNALS, Disturbance)]
    if FULL:
        return every
    disturbances = itertools.cycle(Disturbance)
    struck = [(signal.SIGKILL, boundary) for boundary in BOUNDARIES]
    struck += [(signal.SIGSTOP, boundary) for boundary in BOUNDARIES[::4]]
    return [Cell(boundary, number, next(disturbances)) for number, boundary in struck]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Servers that may be broken: nobody else uses them."""

    kafka: ProxiedKafka
    postgres: Postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class Injury:
    """What a disturbance may touch."""

    servers: Servers
    proxies: Proxies
    producers: Producers
    counted: Counter[str]
    decided: set[str] = field(default_factory=set)
    """The names of failures of which a person has decided."""

    async def people(self) -> None:
        """Resolve or give up what is under way, and open again what is closed: in SQL, several times."""
        db = self.proxies.place.db
        for _ in range(3):
            for row in await db.fetch(_TO_DECIDE):
                self.decided.add(row["workflow_name"])
                self.counted["person decided"] += 1
                await db.execute(f"UPDATE workflow_failures SET {row['change']} WHERE id = $1", row["id"])
            await asyncio.sleep(MOMENT)

    async def end_transaction(self) -> None:
        """Take back the transaction that was left open: what lies behind it can be read."""
        await self.producers.end_open()

    async def restart_broker(self) -> None:
        self.counted["broker restarted"] += 1
        await _to_its_end(self.servers.kafka.broker.restart())

    async def restart_postgres(self) -> None:
        self.counted["postgres restarted"] += 1
        await _to_its_end(self.servers.postgres.restart())

    async def members(self) -> None:
        """A member joins, works and leaves, while others work."""
        self.counted["member joined and left"] += 1
        async with successor(self.proxies.place):
            return

    async def cut_kafka(self) -> None:
        self.proxies.kafka.cut_after(2_000, Way.UP)
        for _ in range(3):
            self.proxies.kafka.cut()
            await asyncio.sleep(MOMENT)
        self.proxies.kafka.cut_after(3_000, Way.DOWN)

    async def cut_postgres(self) -> None:
        self.proxies.postgres.cut_after(2_000, Way.UP)
        for _ in range(3):
            self.proxies.postgres.cut()
            await asyncio.sleep(MOMENT)
        self.proxies.postgres.cut_after(500, Way.DOWN)
        await asyncio.sleep(MOMENT)

    async def stall_kafka(self) -> None:
        self.proxies.kafka.stall()
        await asyncio.sleep(5 * MOMENT)
        self.proxies.kafka.flow()

    async def stall_postgres(self) -> None:
        self.proxies.postgres.stall()
        await asyncio.sleep(8 * MOMENT)
        self.proxies.postgres.flow()

    def count_proxies(self) -> None:
        """Count what the proxies did."""
        for name, proxy in (("kafka", self.proxies.kafka), ("postgres", self.proxies.postgres)):
            for kind, count in proxy.injected.items():
                self.counted[f"{name} {kind}"] += count


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Whoever is cancelled in it waits for it all the same: a server left down would fail every test after this one."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


AT_THE_FAULT: Final[Mapping[Disturbance, Callable[[Injury], Awaitable[None]]]] = {
    Disturbance.MEMBERS: Injury.members,
    Disturbance.BROKER: Injury.restart_broker,
    Disturbance.POSTGRES: Injury.restart_postgres,
    Disturbance.KAFKA_CUT: Injury.cut_kafka,
    Disturbance.KAFKA_STALLED: Injury.stall_kafka,
    Disturbance.POSTGRES_CUT: Injury.cut_postgres,
    Disturbance.POSTGRES_STALLED: Injury.stall_postgres,
    Disturbance.PEOPLE: Injury.people,
    Disturbance.TRANSACTIONS: Injury.end_transaction,
}

WRITTEN: Final[Mapping[Disturbance, Callable[[Producers, int, Sequence[Event]], Awaitable[None]]]] = {
    Disturbance.CODECS: Producers.in_every_codec,
    Disturbance.CORRUPT: Producers.among_unreadable,
    Disturbance.TRANSACTIONS: Producers.in_transactions,
}
"""How the stream is published, where that is what disturbs."""


def writes(disturbance: Disturbance, producers: Producers) -> Write:
    """Give what publishes the stream."""
    return partial(WRITTEN.get(disturbance, Producers.plain), producers)


# Half of what is being healed, and some of the rest: resolved, given up, opened again, as SQL can say it.
_TO_DECIDE: Final = """
SELECT f.id, f.workflow_name,
       CASE WHEN f.resolved THEN 'resolved = false'
            WHEN f.status = 'given_up' THEN $$status = 'pending', due_at = clock_timestamp()$$
            WHEN random() < 0.5 THEN 'resolved = true' ELSE $$status = 'given_up'$$ END AS change
  FROM workflow_failures f LEFT JOIN heal_claim c ON c.failure_id = f.id AND c.owner <> 'parked'
 WHERE f.workflow_name NOT LIKE 'refused/%' AND random() < CASE WHEN c.scope IS NULL THEN 0.2 ELSE 0.5 END
 ORDER BY f.id LIMIT 6
"""

COMMITS: Final = ("commit intake", "commit settle", "commit start", "commit pick")


def from_the_start(disturbance: Disturbance, proxies: Proxies) -> None:
    """Set what lasts as long as the fault does."""
    match disturbance:
        case Disturbance.KAFKA_SLOW:
            proxies.kafka.delay = 0.1
            proxies.kafka.injected["slow"] += 1
        case Disturbance.POSTGRES_SLOW:
            proxies.postgres.delay = 0.01
            proxies.postgres.injected["slow"] += 1
        case Disturbance.UNKNOWN_COMMITS:
            for request in COMMITS:
                proxies.postgres.lose(request, Loss.ANSWER, Loss.BOTH, Loss.REQUEST)
            for request in ("begin", "commit take over"):
                proxies.postgres.lose(request, Loss.ANSWER)
            proxies.kafka.lose("commit", Loss.ANSWER, Loss.REQUEST)
            proxies.kafka.lose("produce", Loss.ANSWER)
        case _:
            return


@asynccontextmanager
async def disturbed(disturbance: Disturbance, injury: Injury) -> AsyncIterator[None]:
    """Count what the proxies did in a block, too."""
    from_the_start(disturbance, injury.proxies)
    try:
        yield
    finally:
        injury.count_proxies()


@dataclass(slots=True, eq=False)  # pytest hashes its plug-ins
class Tally:
    """Sums up what the tests injected, wherever they ran, and says it at the end."""

    counted: Counter[str] = field(default_factory=Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name == "faults" and isinstance(value, dict):
                    self.counted.update(value)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.counted:
            terminalreporter.section("faults injected")
            for kind, count in sorted(self.counted.items()):
                terminalreporter.write_line(f"{count:6} {kind}")
            terminalreporter.write_line(f"{self.counted.total():6} in all")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Tally(), "faults-tally")


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """What a test injects: it counts, and the run's summary says how many."""
    counted: Counter[str] = Counter()
    yield counted
    request.node.user_properties.append(("faults", dict(counted)))
