"""Cost of an event beside 10,000, 100,000 and 1,000,000 failures that the database holds already.

The stored ones have an attempt and two ledger rows each, as after their heal; one in a hundred is open and due in a
week. The load is that of `throughput`; sizes alternate by rounds. A run has two halves: at first the database is a
fresh copy, and the first touch of each page of an index writes the whole page to the log, as after every checkpoint;
then most pages have been touched, as for the rest of the time between two checkpoints. The slope is that of the cost
over the logarithm of the size, by least squares, in parts of the smallest size's cost for each factor of ten.

The server needs room for the indexes that an event touches at random places (four uuids), 220 MB for a million stored
failures: with the 128 MB that Postgres ships with (`--shared-buffers 128MB`) three pages an event are read anew there.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Final

import asyncpg
import orjson
from rich.table import Table

from benchmarks.harness import usage
from benchmarks.harness.arena import Arena, Member
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import STORED, check
from benchmarks.harness.load import Event, events, failures_of, organisations, plain
from benchmarks.harness.report import Report, at_most, median, table
from benchmarks.scenarios.throughput import WITHIN

EVENTS: Final = 20_000
SIZES: Final = (10_000, 100_000, 1_000_000)
ROUNDS: Final = 6
BAR: Final = 1.15
HALVES: Final = ("at first", "then")
_TIME, _CPU = attrgetter("time"), attrgetter("cpu")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """What an event cost in one half of a run, in microseconds."""

    time: float
    cpu: float
    """Our own and Postgres' processor time."""


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run every size in turn, some rounds; gives the cost of an event and its slope."""
    sizes = [max(100, int(size * asked.scale)) for size in SIZES]
    count = asked.count(EVENTS)
    runs: dict[int, list[tuple[Half, Half]]] = {size: [] for size in sizes}
    async with AsyncExitStack() as stack:
        templates = {size: await stack.enter_async_context(_filled(arena, size)) for size in sizes}
        for number in range(asked.rounds or ROUNDS):
            for size in (*sizes[number % 3 :], *sizes[: number % 3]):
                halves = await _one(arena, f"stored{size}x{number}", count, templates[size], size)
                runs[size].append(halves)
                report.line(
                    stored=size, events=count, us=[round(half.time, 1) for half in halves],
                    cpu_us=[round(half.cpu, 1) for half in halves],
                )  # fmt: skip
    rows = [
        row
        for number, name in enumerate(HALVES)
        for row in _rows(name, [[h[number] for h in runs[s]] for s in sizes], sizes)
    ]
    return table(
        f"microseconds an event beside stored failures; {count:,} events in each half of a run; medians of the rounds",
        (
            "half of the run",
            "stored",
            "time",
            "rounds",
            "of the smallest",
            "bar",
            "CPU: own and Postgres",
            "of the smallest",
        ),
        rows,
    )


async def _one(arena: Arena, name: str, count: int, template: str, stored: int) -> tuple[Half, Half]:
    """Run once. RuntimeError when it is late, or when what it left behind is wrong."""
    async with arena.run(name, events=2 * count, template=template) as run:
        await run.lay_down(events(2 * count))
        await arena.settled()
        async with run.member() as member:
            marks = [(await member.assigned(), _cpu(arena, member))]
            for results in (count, 2 * count):
                at = await run.results(results, WITHIN, [member])
                if at is None:
                    raise RuntimeError(f"not all results after {WITHIN:.0f} s: see {member.job.directory}")
                marks.append((at, _cpu(arena, member)))
        await check(run.job, failures_of(plain(2 * count)), stored=stored)
    first, second = (
        Half(time=(end - begin) / count * 1e6, cpu=(after - before) / count * 1e6)
        for (begin, before), (end, after) in pairwise(marks)
    )
    return first, second


def _cpu(arena: Arena, member: Member) -> float:
    return usage.cpu_seconds(member.pid) + arena.cpu()[0]


def _filled(arena: Arena, size: int) -> AbstractAsyncContextManager[str]:
    async def fill(connection: asyncpg.Connection) -> None:
        event = orjson.loads(Event(number=1, organisation=0).value)["data"]
        context = orjson.dumps(event["context"]).decode()
        await connection.execute(_FAILURES, size, list(organisations()), event["failure_reason"], context, STORED)
        await connection.execute(_ATTEMPTS)
        await connection.execute(_LEDGER)

    return arena.template(f"bench_stored_{size}", fill)


def _rows(name: str, runs: Sequence[Sequence[Half]], sizes: Sequence[int]) -> list[list[str]]:
    times, cpus = ([median([of(half) for half in halves]) for halves in runs] for of in (_TIME, _CPU))
    rows = [
        [
            name,
            f"{size:,}",
            f"{times[number]:.0f}",
            " ".join(f"{half.time:.0f}" for half in runs[number]),
            f"{times[number] / times[0]:.2f}x",
            at_most(times[number] / times[0], BAR, "x") if number else "",
            f"{cpus[number]:.0f}",
            f"{cpus[number] / cpus[0]:.2f}x",
        ]
        for number, size in enumerate(sizes)
    ]
    slopes = (f"{_slope(sizes, costs):+.1%}" for costs in (times, cpus))
    return [*rows, [name, "slope, each factor of ten", next(slopes), "", "", "", next(slopes), ""]]


def _slope(sizes: Sequence[int], costs: Sequence[float]) -> float:
    xs = [math.log10(size) for size in sizes]
    x, y = sum(xs) / len(xs), sum(costs) / len(costs)
    rise = sum((a - x) * (b - y) for a, b in zip(xs, costs, strict=True)) / sum((a - x) ** 2 for a in xs)
    return rise / costs[0]
