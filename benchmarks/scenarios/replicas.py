"""Heals that take 50 ms, 50 slots a process: three processes beside one.

The load lies in the topic, twelve partitions, and the processes start at once. The clock starts when the last of them
has partitions; what was published before then is not counted, and ends with the last result. One process has the same
clock. Processor time is that of the processes together, of Postgres and of the broker while the clock runs.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from rich.table import Table

from benchmarks.harness import usage
from benchmarks.harness.arena import Arena, Member, Run, watching
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.load import failures_of
from benchmarks.harness.report import Report, at_least, median, table
from benchmarks.scenarios.slots import spread

EVENTS: Final = {1: 10_000, 3: 30_000}
"""By processes: the same number for each process."""
MS: Final = 50.0
SLOTS: Final = 50
PARTITIONS: Final = 12
ROUNDS: Final = 3
WITHIN: Final = 240.0
BAR: Final = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Results a second, and microseconds of processor time for each of them."""

    rate: float
    own: float
    postgres: float
    broker: float


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run one and three processes in turn, some rounds; gives the rates."""
    found: dict[int, list[Measured]] = {processes: [] for processes in EVENTS}
    for number in range(asked.rounds or ROUNDS):
        for processes in EVENTS:
            count = asked.count(EVENTS[processes])
            run = await _measured(arena, f"replicas{processes}x{number}", processes, count)
            found[processes].append(run)
            report.line(
                processes=processes,
                events=count,
                slots=SLOTS,
                ms=MS,
                rate=round(run.rate, 1),
                own_cpu_us=round(run.own, 1),
                postgres_cpu_us=round(run.postgres, 1),
                broker_cpu_us=round(run.broker, 1),
            )
    one, three = (median([run.rate for run in found[processes]]) for processes in EVENTS)
    return table(
        f"heals of {MS:.0f} ms, {SLOTS} slots a process; CPU in microseconds an event",
        ("processes", "events/s", "rounds", "of the ideal", "own CPU", "Postgres CPU", "broker CPU", "of one", "bar"),
        [
            [*_row(1, found[1]), "", ""],
            [*_row(3, found[3]), f"{three / one:.2f}x", at_least(three / one, BAR)],
        ],
    )


def _row(processes: int, runs: list[Measured]) -> list[str]:
    rate = median([run.rate for run in runs])
    return [
        str(processes),
        f"{rate:,.0f}",
        " ".join(f"{run.rate:,.0f}" for run in runs),
        f"{rate / (processes * SLOTS / MS * 1000):.2f}",
        f"{median([run.own for run in runs]):.0f}",
        f"{median([run.postgres for run in runs]):.0f}",
        f"{median([run.broker for run in runs]):.0f}",
    ]


async def _measured(arena: Arena, name: str, processes: int, count: int) -> Measured:
    load = spread(count, count, MS)
    async with arena.run(name, events=count, as_told=True, partitions=PARTITIONS, heal={"slots": SLOTS}) as run:
        await run.lay_down((event.key, event.value) for event in load)
        await arena.settled()
        async with AsyncExitStack() as stack:
            members = [await stack.enter_async_context(run.member(number)) for number in range(processes)]
            began = max([await member.assigned() for member in members])
            before = _cpu(arena, members)
            ended = await run.results(count, WITHIN, members)
            spent = [now - then for now, then in zip(_cpu(arena, members), before, strict=True)]
            if ended is None:
                raise RuntimeError(f"not all results after {WITHIN:.0f} s")
        await check(run.job, failures_of(load))
        told = count - await _before(run, began)
        own, postgres, broker = (seconds / told * 1e6 for seconds in spent)
        return Measured(rate=told / (ended - began), own=own, postgres=postgres, broker=broker)


def _cpu(arena: Arena, members: list[Member]) -> tuple[float, ...]:
    return sum(usage.cpu_seconds(member.pid) for member in members), *arena.cpu()


async def _before(run: Run, began: float) -> int:
    """Count the results that were published before the clock started, by their records' time."""
    partitions = [TopicPartition(run.job.results, number) for number in range(run.job.partitions)]
    async with watching(run.job, partitions) as watcher:
        before = seen = 0
        while seen < run.job.events and (found := await watcher.getmany(*partitions, timeout_ms=5000)):
            for record in (record for many in found.values() for record in many):
                seen += 1
                before += record.timestamp < began * 1000
    return before
