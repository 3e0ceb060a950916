"""What hanging heals cost everybody else: one organisation with 10,000 hanging scopes, and one scope that hangs.

The others send 200 events/s with no-op heals, and their latency is taken as in `latency`, from the intended send
time. What hangs is sent before, and is all taken in (with a claim or waiting for one) when the others begin; it hangs
until the end. With the hung scope, 200 more events wait for it. "Alone" is the same load without anything that hangs.
"""

import math
from collections.abc import Sequence
from typing import Final

from rich.table import Table

from benchmarks.harness.arena import Arena, Run
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.load import ORGANISATIONS, Event, Work, failures_of
from benchmarks.harness.pace import latencies
from benchmarks.harness.report import Report, at_most, median, percentile, table

RATE: Final = 200.0
SECONDS: Final = 20.0
WARM_UP: Final = 3.0
ROUNDS: Final = 3
HANGING: Final = 10_000
WAITING: Final = 200
SPARE_MS: Final = 5.0
ALONE, SCOPE, ORGANISATION = "alone", "one hung scope", "10,000 hanging scopes of one organisation"
BARS: Final = {SCOPE: 1.2, ORGANISATION: 1.5}
PARTS: Final = (0.5, 0.99)
TAKEN_IN: Final = "SELECT count(*) FROM workflow_failures"


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run every case in turn, some rounds; gives the others' latency."""
    cases = {ALONE: (), SCOPE: _one_scope(), ORGANISATION: _one_organisation(max(1, int(HANGING * asked.scale)))}
    runs: dict[str, list[list[float]]] = {case: [] for case in cases}
    for number in range(asked.rounds or ROUNDS):
        for place, (case, hanging) in enumerate(cases.items()):
            runs[case].append(await _one(arena, f"fairness{place}x{number}", hanging, asked.seconds(SECONDS)))
            percentiles = {f"p{part * 100:g}_ms": round(percentile(runs[case][-1], part), 2) for part in PARTS}
            report.line(case=case, rate=RATE, hanging=len(hanging), events=len(runs[case][-1]), **percentiles)
    return table(
        f"latency of the others at {RATE:.0f} events/s, ms; medians of the rounds; bar: a factor and 5 ms on p99",
        ("", "p50", "p99", "p99 of the rounds", "bar"),
        [_row(case, runs) for case in cases],
    )


def _row(case: str, runs: dict[str, list[list[float]]]) -> list[str]:
    middle, late = ([percentile(run, part) for run in runs[case]] for part in PARTS)
    alone = median([percentile(run, PARTS[1]) for run in runs[ALONE]])
    bar = at_most(median(late), round(alone * BARS[case] + SPARE_MS, 1), " ms") if case in BARS else ""
    shown = " ".join(f"{value:.1f}" for value in late)
    return [case, f"{median(middle):.1f}", f"{median(late):.1f}", shown, bar]


async def _one(arena: Arena, name: str, hanging: Sequence[Event], seconds: float) -> list[float]:
    warm_up, count = int(WARM_UP * RATE), int((WARM_UP + seconds) * RATE)
    others = _others(count, first=len(hanging))
    async with arena.run(name, events=count + len(hanging), as_told=True) as run:
        async with run.member() as member:
            await member.assigned()
            await _hang(run, hanging)
            await arena.settled()
            taken = await latencies(run, others, RATE, warm_up=warm_up, within=60)
        if math.inf not in taken:
            await check(run.job, failures_of(others), hanging=len(hanging))
    return taken


async def _hang(run: Run, hanging: Sequence[Event]) -> None:
    # The first alone: with one hung scope it is the one that hangs, and the rest wait for it.
    for load in (hanging[:1], hanging[1:]):
        if load:
            await run.lay_down((event.key, event.value) for event in load)
    await run.until(TAKEN_IN, lambda found: found >= len(hanging), within=120)


def _one_scope() -> tuple[Event, ...]:
    work = Work(scope="hung", hangs=True)
    return tuple(Event(number=number, organisation=0, work=work) for number in range(1 + WAITING))


def _one_organisation(count: int) -> tuple[Event, ...]:
    return tuple(Event(number=number, organisation=0, work=Work(hangs=True)) for number in range(count))


def _others(count: int, first: int) -> tuple[Event, ...]:
    numbers = range(first, first + count)
    return tuple(Event(number=number, organisation=1 + number % (ORGANISATIONS - 1)) for number in numbers)
