"""Heals that take 100 ms, on 10,000 scopes, with 200 slots: how near the rate comes to slots / latency (2,000/s).

20,000 events, so each scope comes twice, 10,000 events apart. The clock covers the whole run, from the partitions to
the last result: filling and emptying the slots included.
"""

from typing import Final

from rich.table import Table

from benchmarks.harness.arena import Arena
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.load import ORGANISATIONS, Event, Work, failures_of
from benchmarks.harness.report import Report, at_least, median, table

EVENTS: Final = 20_000
SCOPES: Final = 10_000
MS: Final = 100.0
SLOTS: Final = 200
ROUNDS: Final = 3
WITHIN: Final = 180.0
BAR: Final = 0.9


def spread(count: int, scopes: int, ms: float) -> list[Event]:
    """Give events that take this long, over so many scopes in turn; a scope has one organisation."""
    return [
        Event(
            number=number,
            organisation=number % scopes % ORGANISATIONS,
            work=Work(ms=ms, scope=f"scope-{number % scopes}"),
        )
        for number in range(count)
    ]


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run some rounds; gives the rate beside the ideal."""
    count, ideal = asked.count(EVENTS), SLOTS / (MS / 1000)
    load = spread(count, SCOPES, MS)
    rates: list[float] = []
    for number in range(asked.rounds or ROUNDS):
        async with arena.run(f"slots{number}", events=count, as_told=True, heal={"slots": SLOTS}) as run:
            await run.lay_down((event.key, event.value) for event in load)
            await arena.settled()
            async with run.member() as member:
                ended = await run.results(count, WITHIN, [member])
            if ended is None:
                raise RuntimeError(f"not all results after {WITHIN:.0f} s")
            told = member.told()
            await check(run.job, failures_of(load))
        rates.append(count / (ended - told.started))
        report.line(events=count, slots=SLOTS, ms=MS, rate=round(rates[-1], 1), phase_seconds=told.phases)
    part = median(rates) / ideal
    shown = " ".join(f"{rate:,.0f}" for rate in rates)
    return table(
        f"heals of {MS:.0f} ms on {SCOPES:,} scopes, {SLOTS} slots, {count:,} events",
        ("", "events/s", "rounds", "of the ideal", "bar"),
        [["this consumer", f"{median(rates):,.0f}", shown, f"{part:.2f}", at_least(part, BAR, "")]],
    )
