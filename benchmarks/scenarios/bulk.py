"""Latency of a steady load of no-op heals alone, and beside a bulk that heals 10,000 failures which were given up.

Each run has a process of its own, and the failures of the bulk stand in its database from the beginning; in every
other run the bulk is started with the load, at a rate that lasts about as long. A run counts only if the bulk is done,
and each of its failures was healed by one attempt. Its stop, kill and going on are the crash tests'.
"""

import os
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import orjson
from rich.table import Table

from benchmarks.harness.arena import Arena, Run
from benchmarks.harness.asked import Asked
from benchmarks.harness.checks import STORED
from benchmarks.harness.load import Event, organisations, plain
from benchmarks.harness.pace import latencies
from benchmarks.harness.report import Report, at_most, median, percentile, table
from consumer.commands.execute import carry_out
from consumer.commands.hands import Hands
from consumer.commands.signed import order_of
from consumer.model.command import CommandId, Executed
from consumer.results.events import Outlet
from schemas.bulk import Bulk, BulkFilter, BulkStart
from schemas.names import BulkAction, CommandOutcome, Status
from schemas.supervision import AnyCommand

FAILURES: Final = 10_000
RATE: Final = 100.0
SECONDS: Final = 40.0
WARM_UP: Final = 3.0
ROUNDS: Final = 3
WITHIN: Final = 120.0
BAR: Final = 1.5
_GIVEN_UP: Final = """
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, detected_at, source, digest, size,
                               failure_type, disposition, status, resolved, step, attempts, due_at)
SELECT gen_random_uuid(), ($2::uuid[])[1 + n % cardinality($2::uuid[])], 'orders.sync', $3 || ' ' || n, $4::jsonb,
       now(), $5, sha256(n::text::bytea), 700, 'api_timeout', 'retry_if_idempotent', 'given_up', false, 1, 0,
       NULL
  FROM generate_series(1, $1::int) AS n
"""
_HEALED: Final = """
SELECT count(*) FROM workflow_failures f
 WHERE f.source = 'urn:stored' AND f.resolved
   AND (SELECT count(*) FROM workflow_heal_attempts a WHERE a.failure_id = f.id AND a.result = 'success') = 1
"""


async def measure(arena: Arena, asked: Asked, report: Report) -> Table:
    """Run both in turn, some rounds; gives both p99, and what the bulk makes of it."""
    failures, seconds = asked.count(FAILURES), asked.seconds(SECONDS)
    p99: dict[bool, list[float]] = {False: [], True: []}

    async def fill(connection: asyncpg.Connection) -> None:
        event = orjson.loads(Event(number=1, organisation=0).value)["data"]
        context, reason = orjson.dumps(event["context"]).decode(), event["failure_reason"]
        await connection.execute(_GIVEN_UP, failures, list(organisations()), reason, context, STORED)

    async with arena.template("bench_given_up", fill) as template:
        for number in range(asked.rounds or ROUNDS):
            for beside in (False, True) if number % 2 else (True, False):
                name = f"bulk{number}{int(beside)}"
                found = await _one(arena, name, template, failures, seconds, beside=beside)
                p99[beside].append(percentile(found, 0.99))
                load = round(os.getloadavg()[0], 1)
                report.line(bulk=failures if beside else 0, events=len(found), p99_ms=p99[beside][-1], load=load)
    alone, beside_it = (median(p99[beside]) for beside in (False, True))
    part = beside_it / alone
    rows = [
        [name, f"{median(values):.1f}", " ".join(f"{value:.1f}" for value in values), shown, bar]
        for name, values, shown, bar in (
            ("alone", p99[False], "", ""),
            (f"beside a bulk of {failures:,}", p99[True], f"{part:.2f}x", at_most(part, BAR, "x")),
        )
    ]
    title = f"p99 in ms at {RATE:.0f} events/s; medians of the rounds; load {os.getloadavg()[0]:.1f}"
    return table(title, ("", "p99", "rounds", "of alone", "bar"), rows)


async def _one(arena: Arena, name: str, template: str, failures: int, seconds: float, *, beside: bool) -> list[float]:
    """Run once; gives the latencies. RuntimeError when the bulk is not done, or has healed one more than once."""
    warm_up, count = int(WARM_UP * RATE), int((WARM_UP + seconds) * RATE)
    async with arena.run(name, events=count, template=template) as run, run.member() as member:
        await member.assigned()
        await arena.settled()
        if beside:
            await _start_bulk(run, min(500.0, failures / seconds))
        found = await latencies(run, tuple(plain(count)), RATE, warm_up=warm_up, within=60)
        await run.until(_HEALED, lambda healed: healed == (failures if beside else 0), WITHIN)
        return found


async def _start_bulk(run: Run, rate: float) -> None:
    connection = await asyncpg.connect(run.job.dsn)
    try:
        given_up = BulkFilter(statuses=(Status.GIVEN_UP,))
        bulk = Bulk(action=BulkAction.HEAL, filter=given_up, rate=rate, issued_by="benchmark")
        frozen = await _order(connection, run, bulk)
        said = (frozen.details or {}).get("bulk")
        if not isinstance(said, dict):
            raise RuntimeError(f"the bulk was not frozen: {frozen}")  # noqa: TRY004 - the benchmark's own error
        await _order(connection, run, BulkStart(bulk_id=UUID(str(said["bulk_id"])), issued_by="benchmark"))
    finally:
        await connection.close()


async def _order(connection: asyncpg.Connection, run: Run, command: AnyCommand) -> Executed:
    outlet = Outlet(results_topic=run.job.results, dlq_topic=run.job.dlq, max_bytes=1_000_000)
    order = order_of(command, CommandId(issuer="shw:benchmark", id=uuid4().hex), None)
    async with connection.transaction():
        kept = await carry_out(Hands(connection=connection, outlet=outlet, price=lambda _: None), order)
    if kept.executed.outcome is not CommandOutcome.ACCEPTED:
        raise RuntimeError(f"{command.command} was not accepted: {kept.executed.reason}")
    return kept.executed
