"""Throughput of no-op heals beside 1,000 suspended heals of 20 minutes, and beside as many that have ended.

Both are a process's first work, which then leaves; the load is laid down, and another process takes it. The two
alternate in every round. The suspended ones are not due before the end: each holds its scope, its credits and its
claim, and what is measured is what that costs everybody else. Their ends, through restarts, are the crash tests'.
"""

import os
from dataclasses import replace
from typing import Final

from rich.table import Table

from benchmarks.harness.arena import Arena
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.load import Event, Work, failures_of, plain
from benchmarks.harness.report import Report, at_least, median, table

EVENTS: Final = 30_000
FIRST: Final = 1_000
MINUTES: Final = 20.0
ROUNDS: Final = 3
WITHIN: Final = 300.0
BAR: Final = 0.97
_ENDED: Final = "SELECT count(*) FROM workflow_failures WHERE resolved"
_UNTOLD: Final = "SELECT count(*) FROM heal_outbox"
_SUSPENDED: Final = "SELECT count(*) FROM heal_claim WHERE owner = 'suspended'"


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run both in turn, some rounds; gives the rates and the part that is left beside suspended heals."""
    count, first = asked.count(EVENTS), max(1, int(FIRST * asked.scale))
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(asked.rounds or ROUNDS):
        for suspended in (False, True) if number % 2 else (True, False):
            rate = await _one(arena, f"suspended{number}{int(suspended)}", count, first, suspended=suspended)
            rates[suspended].append(rate)
            report.line(suspended=first if suspended else 0, events=count, rate=round(rate, 1))
    without, beside = (median(rates[suspended]) for suspended in (False, True))
    rows = [
        [name, f"{median(found):,.0f}", " ".join(f"{rate:,.0f}" for rate in found), part, bar]
        for name, found, part, bar in (
            (f"{first:,} that have ended", rates[False], "", ""),
            (f"{first:,} suspended", rates[True], f"{beside / without:.3f}x", at_least(beside / without, BAR)),
        )
    ]
    load = os.getloadavg()[0]
    title = f"no-op heals beside suspended ones of {MINUTES:.0f} minutes; {count:,} events; medians; load {load:.1f}"
    return table(title, ("beside", "events/s", "rounds", "of without", "bar"), rows)


async def _one(arena: Arena, name: str, count: int, first: int, *, suspended: bool) -> float:
    """Run once; gives the rate. RuntimeError when it is late, or when what it left behind is wrong."""
    before: list[Event] = list(plain(first, first=count))
    load = list(plain(count))
    if suspended:
        before = [replace(event, work=Work(minutes=MINUTES)) for event in before]
    async with arena.run(name, events=count + first, as_told=True) as run:
        await run.lay_down((event.key, event.value) for event in before)
        async with run.member() as member:
            await run.until(_SUSPENDED if suspended else _ENDED, lambda found: found == first, WITHIN)
            if await run.results(first, WITHIN, [member]) is None:
                raise RuntimeError(f"not all of the first were told after {WITHIN:.0f} s")
            await run.until(_UNTOLD, lambda found: found == 0, WITHIN)
        await run.lay_down((event.key, event.value) for event in load)
        await arena.settled()
        async with run.member(1) as member:
            ended = await run.results(count + first, WITHIN, [member])
        if ended is None:
            raise RuntimeError(f"not all results after {WITHIN:.0f} s: see {member.job.directory}")
        healed = load if suspended else [*load, *before]
        await check(run.job, failures_of(healed), hanging=first if suspended else 0)
        return count / (ended - member.told().started)
