"""Memory over a backlog of 500,000 events: the member's RSS, sampled while it works the topic off.

Once with no-op heals, so that every event passes through; once with heals that hang until stopped, so that all but
the slots' worth stand open in the database when the topic is read. Flat: the median of the last fifth of the samples
lies at most a tenth above that of the second fifth (the first is start-up).
"""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from operator import le
from typing import Final

from rich.table import Table

from benchmarks.harness import usage
from benchmarks.harness.arena import Arena, Member, Run
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.load import ORGANISATIONS, Event, Work, failures_of, plain
from benchmarks.harness.report import Report, at_most, median, table

EVENTS: Final = 500_000
EVERY: Final = 0.25
WITHIN: Final = 1800.0
MEGABYTE: Final = 1024 * 1024
RSS_BAR: Final = 200.0
FLAT_BAR: Final = 1.1
HEALED, OPEN = "healed at once", "left open"
TAKEN_IN: Final = "SELECT count(*) FROM workflow_failures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What was seen of one run."""

    megabytes: list[float]
    seconds: float
    fifths: list[float]
    """Events per second in each fifth of the backlog."""

    @property
    def flat(self) -> float:
        """The last fifth's median beside the second's."""
        part = max(1, len(self.megabytes) // 5)
        return median(self.megabytes[-part:]) / max(1.0, median(self.megabytes[part : 2 * part] or self.megabytes))


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Work a backlog off in both ways; gives memory and rates."""
    count, rows = asked.count(EVENTS), []
    for mode in (HEALED, OPEN):
        seen = await _one(arena, mode, count)
        peak, flat = max(seen.megabytes), seen.flat
        report.line(
            mode=mode, events=count, seconds=round(seen.seconds, 1), peak_mb=round(peak, 1), flat=round(flat, 3),
            second_fifth_mb=round(seen.megabytes[len(seen.megabytes) // 4], 1), last_mb=round(seen.megabytes[-1], 1),
            events_per_s_by_fifth=[round(rate) for rate in seen.fifths],
        )  # fmt: skip
        rates = " ".join(f"{rate:,.0f}" for rate in seen.fifths)
        rows.append(
            [mode, f"{peak:.0f}", at_most(peak, RSS_BAR, " MB"), f"{flat:.2f}x", at_most(flat, FLAT_BAR, "x"), rates]
        )
    return table(
        f"memory over a backlog of {count:,} events",
        ("", "RSS at most, MB", "bar", "end / beginning", "bar", "events/s, by fifths of the backlog"),
        rows,
    )


async def _one(arena: Arena, mode: str, count: int) -> Memory:
    hangs, name = mode == OPEN, f"backlog{int(mode == OPEN)}"
    load = (_hanging if hangs else plain)(count)
    async with arena.run(name, events=count, as_told=hangs) as run:
        await run.lay_down((event.key, event.value) for event in load)
        await arena.settled()
        async with run.member() as member:
            began = await member.assigned()
            seen = await _sampled(member, began, _steps(run, member, count, by_rows=hangs))
        await check(run.job, frozenset() if hangs else failures_of(plain(count)), hanging=count if hangs else 0)
    return seen


def _hanging(count: int) -> list[Event]:
    return [Event(number=number, organisation=number % ORGANISATIONS, work=Work(hangs=True)) for number in range(count)]


async def _steps(run: Run, member: Member, count: int, *, by_rows: bool) -> list[float]:
    """Give when each fifth of the backlog was done (`time.time()`)."""
    done = []
    for step in (count * part // 5 for part in range(1, 6)):
        if by_rows:
            await run.until(TAKEN_IN, partial(le, step), WITHIN)
        elif await run.results(step, WITHIN, [member]) is None:
            raise RuntimeError(f"not all results after {WITHIN:.0f} s: {member.job.directory}")
        done.append(time.time())
    return done


async def _sampled(member: Member, began: float, steps: Awaitable[list[float]]) -> Memory:
    megabytes: list[float] = []
    working = asyncio.ensure_future(steps)
    while not working.done():
        megabytes.append(usage.resident_bytes(member.pid) / MEGABYTE)
        await asyncio.wait([working], timeout=EVERY)
    times = [began, *working.result()]
    fifth = member.job.events / 5
    return Memory(
        megabytes=megabytes,
        seconds=times[-1] - began,
        fifths=[fifth / max(0.001, after - before) for before, after in pairwise(times)],
    )
