"""Cost of an event beside 10,000, 100,000 and 1,000,000 failures that the database holds already.

The stored ones have an attempt and two ledger rows each, as after their heal; one in a hundred is open and due in a
week. The load and the clock are those of `throughput`; sizes alternate by rounds. The slope is that of the cost over
the logarithm of the size, by least squares, in parts of the smallest size's cost for each factor of ten.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final

import asyncpg
import orjson
from rich.table import Table

from benchmarks.arena import Arena
from benchmarks.asked import Asked
from benchmarks.checks import STORED
from benchmarks.job import Who
from benchmarks.load import Event, organisations
from benchmarks.report import Report, at_most, median, table
from benchmarks.throughput import Measured, one_run

EVENTS: Final = 20_000
SIZES: Final = (10_000, 100_000, 1_000_000)
ROUNDS: Final = 3
BAR: Final = 1.15

_FAILURES: Final = """
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, detected_at, source, digest, size,
                               failure_type, disposition, status, resolved, step, attempts, due_at, received_at)
SELECT gen_random_uuid(), ($2::uuid[])[1 + n % cardinality($2::uuid[])], 'orders.sync', $3 || ' ' || n, $4::jsonb,
       now() - interval '30 days' + n * interval '1 second', $5, sha256(n::text::bytea), 700, 'api_timeout',
       'retry_if_idempotent', CASE WHEN n % 100 = 0 THEN 'deferred' ELSE 'resolved' END, n % 100 <> 0, 1, 1,
       CASE WHEN n % 100 = 0 THEN now() + interval '7 days' END, now() - interval '30 days' + n * interval '1 second'
  FROM generate_series(1, $1::int) AS n
"""
_ATTEMPTS: Final = """
INSERT INTO workflow_heal_attempts (id, failure_id, attempted_at, finished_at, strategy, result, details, step)
SELECT gen_random_uuid(), id, received_at, received_at, 'auto-retry', 'success',
       '{"evidence": [{"oracle": "status", "verdict": "passed", "detail": "200, as expected"}]}', 0
  FROM workflow_failures
"""
_LEDGER: Final = """
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata, attempt_id, phase)
SELECT f.org_id, 'adjustment', p.amount, 1000, '{"service": "self-healing-workflows"}', a.id, p.phase
  FROM workflow_heal_attempts a JOIN workflow_failures f ON f.id = a.failure_id
 CROSS JOIN (VALUES ('hold', -0.05), ('settle', 0.05)) AS p (phase, amount)
"""


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run every size in turn, some rounds; gives the cost of an event and its slope."""
    sizes = [max(100, int(size * asked.scale)) for size in SIZES]
    count = asked.count(EVENTS)
    runs: dict[int, list[Measured]] = {size: [] for size in sizes}
    async with AsyncExitStack() as stack:
        templates = {size: await stack.enter_async_context(_filled(arena, size)) for size in sizes}
        for number in range(asked.rounds or ROUNDS):
            for size in (*sizes[number % 3 :], *sizes[: number % 3]):
                one = await one_run(
                    arena, f"stored{size}x{number}", Who.OURS, count, template=templates[size], stored=size
                )
                runs[size].append(one)
                report.line(stored=size, events=count, us=round(_time(one), 1), cpu_us=round(_cpu(one), 1))
    times, cpus = ([median([of(one) for one in runs[size]]) for size in sizes] for of in (_time, _cpu))
    return table(
        f"microseconds an event beside stored failures; {count:,} events a run; medians of the rounds",
        ("stored", "time", "rounds", "of the smallest", "bar", "CPU: own and Postgres", "of the smallest"),
        [
            *(_row(sizes, number, runs, times, cpus) for number in range(len(sizes))),
            [
                "slope, each factor of ten",
                f"{_slope(sizes, times):+.1%}",
                "",
                "",
                "",
                f"{_slope(sizes, cpus):+.1%}",
                "",
            ],
        ],
    )


def _filled(arena: Arena, size: int) -> AbstractAsyncContextManager[str]:
    async def fill(connection: asyncpg.Connection) -> None:
        event = orjson.loads(Event(number=1, organisation=0).value)["data"]
        context = orjson.dumps(event["context"]).decode()
        await connection.execute(_FAILURES, size, list(organisations()), event["failure_reason"], context, STORED)
        await connection.execute(_ATTEMPTS)
        await connection.execute(_LEDGER)

    return arena.template(f"bench_stored_{size}", fill)


def _row(
    sizes: Sequence[int], number: int, runs: dict[int, list[Measured]], times: Sequence[float], cpus: Sequence[float]
) -> list[str]:
    factor = times[number] / times[0]
    return [
        f"{sizes[number]:,}",
        f"{times[number]:.0f}",
        " ".join(f"{_time(one):.0f}" for one in runs[sizes[number]]),
        f"{factor:.2f}x",
        at_most(factor, BAR, "x") if number else "",
        f"{cpus[number]:.0f}",
        f"{cpus[number] / cpus[0]:.2f}x",
    ]


def _time(one: Measured) -> float:
    return 1e6 / one.rate


def _cpu(one: Measured) -> float:
    return one.micros("own_cpu") + one.micros("postgres_cpu")


def _slope(sizes: Sequence[int], costs: Sequence[float]) -> float:
    xs = [math.log10(size) for size in sizes]
    x, y = sum(xs) / len(xs), sum(costs) / len(costs)
    rise = sum((a - x) * (b - y) for a, b in zip(xs, costs, strict=True)) / sum((a - x) ** 2 for a in xs)
    return rise / costs[0]
