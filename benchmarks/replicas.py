"""Heals that take 50 ms, 50 slots a process: three processes beside one.

The load lies in the topic, twelve partitions, and the processes start at once. The clock starts when the last of them
has partitions; what was published before then is not counted, and ends with the last result. One process has the same
clock.
"""

from contextlib import AsyncExitStack
from typing import Final

from aiokafka import TopicPartition
from rich.table import Table

from benchmarks.arena import Arena, Run, watching
from benchmarks.asked import Asked
from benchmarks.checks import check
from benchmarks.load import attempts_of
from benchmarks.report import Report, at_least, median, table
from benchmarks.slots import spread

EVENTS: Final = {1: 10_000, 3: 30_000}
"""By processes: the same number for each process."""
MS: Final = 50.0
SLOTS: Final = 50
PARTITIONS: Final = 12
ROUNDS: Final = 3
WITHIN: Final = 240.0
BAR: Final = 2.5


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run one and three processes in turn, some rounds; gives the rates."""
    rates: dict[int, list[float]] = {processes: [] for processes in EVENTS}
    for number in range(asked.rounds or ROUNDS):
        for processes in EVENTS:
            count = asked.count(EVENTS[processes])
            rates[processes].append(await _rate(arena, f"replicas{processes}x{number}", processes, count))
            report.line(processes=processes, events=count, slots=SLOTS, ms=MS, rate=round(rates[processes][-1], 1))
    one, three = median(rates[1]), median(rates[3])
    return table(
        f"heals of {MS:.0f} ms, {SLOTS} slots a process",
        ("processes", "events/s", "rounds", "of the ideal", "of one", "bar"),
        [
            ["1", f"{one:,.0f}", _each(rates[1]), f"{one / (SLOTS / MS * 1000):.2f}", "", ""],
            [
                "3",
                f"{three:,.0f}",
                _each(rates[3]),
                f"{three / (3 * SLOTS / MS * 1000):.2f}",
                f"{three / one:.2f}x",
                at_least(three / one, BAR),
            ],
        ],
    )


def _each(rates: list[float]) -> str:
    return " ".join(f"{rate:,.0f}" for rate in rates)


async def _rate(arena: Arena, name: str, processes: int, count: int) -> float:
    load = spread(count, count, MS)
    async with arena.run(name, events=count, as_told=True, partitions=PARTITIONS, heal={"slots": SLOTS}) as run:
        await run.lay_down((event.key, event.value) for event in load)
        await arena.settled()
        async with AsyncExitStack() as stack:
            members = [await stack.enter_async_context(run.member(number)) for number in range(processes)]
            began = max([await member.assigned() for member in members])
            ended = await run.results(count, WITHIN, members)
            if ended is None:
                raise RuntimeError(f"not all results after {WITHIN:.0f} s")
        await check(run.job, attempts_of(load))
        return (count - await _before(run, began)) / (ended - began)


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
