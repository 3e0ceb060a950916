"""Throughput of no-op heals with credits held, approvals and pauses checked, and without any of it.

With: each heal holds and gives back the allowance of its wallet, each entry declares `approval:` rules that mark none
of the plans, and pauses of other reaches stand. Without: heals cost nothing, no entry declares rules, nothing is
paused. The two alternate in every round.
"""

import os
from typing import Final

from rich.table import Table

from benchmarks.harness.arena import Arena, execute
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import check
from benchmarks.harness.load import CATALOG, events, failures_of, plain
from benchmarks.harness.report import Report, at_least, median, table

EVENTS: Final = 30_000
ROUNDS: Final = 3
WITHIN: Final = 300.0
BAR: Final = 0.9
_HOSTS: Final = "  hosts: [{host: '*.example.com'}]\n"
ENFORCED: Final = CATALOG.replace(_HOSTS, f"{_HOSTS}  approval: {{above_aud: '5', money: true, lossy: true}}\n")
FREE: Final = CATALOG.replace(_HOSTS, f"{_HOSTS}  allowance_aud: '0'\n")
# As many as one organisation may have, none of which reaches a heal of the load.
_PAUSES: Final = """
INSERT INTO heal_pause (workflow_name, reason, paused_by, starts_at)
SELECT 'elsewhere.' || n, 'benchmark', 'benchmark', now() - interval '1 hour' FROM generate_series(1, 20) AS n
"""


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run both in turn, some rounds; gives the rates, and the part that is left with enforcement."""
    count = asked.count(EVENTS)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(asked.rounds or ROUNDS):
        for enforced in (False, True) if number % 2 else (True, False):
            rate = await _one(arena, f"enforced{number}{int(enforced)}", count, enforced=enforced)
            rates[enforced].append(rate)
            report.line(enforced=enforced, events=count, rate=round(rate, 1), load=round(os.getloadavg()[0], 1))
    without, enforced_rate = (median(rates[enforced]) for enforced in (False, True))
    part = enforced_rate / without
    rows = [
        [name, f"{median(found):,.0f}", " ".join(f"{rate:,.0f}" for rate in found), shown, bar]
        for name, found, shown, bar in (
            ("without", rates[False], "", ""),
            ("credits, approvals, pauses", rates[True], f"{part:.3f}x", at_least(part, BAR)),
        )
    ]
    title = f"no-op heals with enforcement; {count:,} events; medians of the rounds; load {os.getloadavg()[0]:.1f}"
    return table(title, ("enforcement", "events/s", "rounds", "of without", "bar"), rows)


async def _one(arena: Arena, name: str, count: int, *, enforced: bool) -> float:
    """Run once; gives the rate. RuntimeError when it is late, or when what it left behind is wrong."""
    catalog = ENFORCED if enforced else FREE
    async with arena.run(name, events=count, catalog=catalog) as run:
        if enforced:
            await execute(run.job.dsn, _PAUSES)
        await run.lay_down(events(count))
        await arena.settled()
        async with run.member() as member:
            ended = await run.results(count, WITHIN, [member])
        if ended is None:
            raise RuntimeError(f"not all results after {WITHIN:.0f} s: see {member.job.directory}")
        await check(run.job, failures_of(plain(count)), held=enforced)
        return count / (ended - member.told().started)
