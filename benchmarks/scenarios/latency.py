"""Latency of a no-op heal at 200 events/s, from the intended send time to the result's arrival at a reader.

A sender and a reader in this process, the consumer in another, servers on the same machine. Each run has a member of
its own that has joined before the first event; the first seconds warm it up and are not counted, and the whole first
run warms up the broker, whose compiler takes a minute to its steady state. Medians of the runs.
"""

from typing import Final

from rich.table import Table

from benchmarks.harness.arena import Arena
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.load import failures_of, plain
from benchmarks.harness.pace import latencies
from benchmarks.harness.report import Report, at_most, median, percentile, table

RATE: Final = 200.0
SECONDS: Final = 20.0
WARM_UP: Final = 3.0
ROUNDS: Final = 5
BARS: Final = {0.5: 15.0, 0.99: 100.0}


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run some rounds; gives the table of percentiles."""
    warm_up, count = int(WARM_UP * RATE), int((WARM_UP + asked.seconds(SECONDS)) * RATE)
    runs: list[list[float]] = []
    for number in range(1 + (asked.rounds or ROUNDS)):
        load = tuple(plain(count))
        async with arena.run(f"latency{number}", events=count) as run:
            async with run.member() as member:
                await member.assigned()
                await arena.settled()
                runs.append(await latencies(run, load, RATE, warm_up=warm_up, within=60))
            await check(run.job, failures_of(load))
        report.line(
            rate=RATE, events=len(runs[-1]), **{f"p{part * 100:g}_ms": percentile(runs[-1], part) for part in PARTS}
        )
    del runs[0]
    return table(
        f"latency at {RATE:.0f} events/s, ms from intended sending to the reader; {count - warm_up:,} events a run",
        ("percentile", "median of the runs", "runs", "bar"),
        [_row(part, [percentile(run, part) for run in runs]) for part in PARTS],
    )


PARTS: Final = (0.5, 0.9, 0.99, 0.999)


def _row(part: float, values: list[float]) -> list[str]:
    middle = median(values)
    bar = at_most(middle, BARS[part], " ms") if part in BARS else ""
    return [f"p{part * 100:g}", f"{middle:.1f}", " ".join(f"{value:.1f}" for value in values), bar]
