"""`python -m benchmarks.micro`: what one event costs in each leaf, in microseconds of this thread's own CPU.

The load of the benchmark, batches of 500, the best of some rounds: on a machine with neighbours the least disturbed one
is the truest. With `--postgres` also the two transactions, for us and for the server's backend.
"""

import argparse
import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Final
from uuid import UUID

import structlog
import uvloop
from structlog.typing import FilteringBoundLogger

from benchmarks.contenders import noop
from benchmarks.harness import load
from consumer import logs
from consumer.diagnose.diagnosis import diagnose
from consumer.heal.gate import Gate
from consumer.heal.run import run
from consumer.heal.strategy import Task
from consumer.ingest.decode import AdmissionRules, decode
from consumer.kafka.polls import record_of
from consumer.local.stack import run_stack
from consumer.model import AttemptId, Claim, Diagnosed, Failure, Heal, Message, OwnerId, Record, Settlement, attempt_id
from consumer.model.suspension import KeptState
from consumer.ownership.permission import Moment, Permission
from consumer.plan.planner import Planner
from consumer.redact import may_hold_secret
from consumer.results.events import Outlet, attempt_details
from consumer.results.settlement import FinishedHeal, settle_heal
from consumer.settings import BreakerSettings, PostgresSettings
from consumer.store import intake, leases, outbox, settle
from consumer.store.migrate import migrate
from consumer.store.pool import Pool, open_pool
from consumer.store.rows import as_json
from schemas.envelope import parse
from schemas.failure import decode_failure
from schemas.names import StrategyName

BATCH: Final = 500
OUTLET: Final = Outlet(results_topic="workflow.heal-results", dlq_topic="workflow.failures.dlq", max_bytes=900_000)
ME: Final = OwnerId("micro")

Leaf = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The same events at each stage."""

    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    diagnosed: tuple[Diagnosed, ...]
    ended: tuple[FinishedHeal, ...]
    settled: tuple[Settlement, ...]


class Stages:
    """The pure stages over the benchmark's catalog."""

    def __init__(self) -> None:
        self.catalog = load.catalog()
        self.door = AdmissionRules(catalog=self.catalog, max_event_bytes=1024 * 1024)
        self.planner = Planner(rungs=noop.STRATEGIES, catalog=self.catalog)
        self.now = datetime.now(UTC)

    def failure(self, record: Record) -> Failure:
        """Decode one; the load holds nothing that is refused."""
        decoded = decode(record, self.door, self.now)
        if not isinstance(decoded, Failure):
            raise TypeError(f"the load holds a bad event: {decoded.message}")
        return decoded

    def diagnosed(self, failure: Failure) -> Diagnosed:
        """Diagnose and plan one."""
        diagnosis = diagnose(failure.failure_reason, failure.context)
        return Diagnosed(failure=failure, diagnosis=diagnosis, plan=self.planner.plan(failure, diagnosis, self.now))

    def ended(self, diagnosed: Diagnosed) -> FinishedHeal:
        """Heal one by doing nothing."""
        if not isinstance(diagnosed.plan, Heal):
            raise TypeError(f"the load holds an event that is not healed: {diagnosed.plan}")
        failure, plan = diagnosed.failure, diagnosed.plan
        return FinishedHeal(
            failure=failure,
            diagnosis=diagnosed.diagnosis,
            strategy=StrategyName.AUTO_RETRY,
            plan=plan,
            claim=Claim(attempt_id=attempt_id(failure.id, 0), step=0, held=plan.hold, deadline=0.0),
            outcome=noop.healed(),
            attempted_at=self.now,
            finished_at=datetime.now(UTC),
        )

    def settlement(self, ended: FinishedHeal) -> Settlement:
        """End one."""
        policy = self.catalog.policy(ended.failure.workflow_name)
        if policy is None:
            raise TypeError("the load's catalog has a policy for everything")
        return settle_heal(ended, policy, 0.5, OUTLET)

    def batches(self, events: int) -> Iterator[Batch]:
        """Take the load through all stages."""
        load_of = list(load.events(events))
        for first in range(0, events, BATCH):
            records = tuple(
                record_of(_polled(first + number, key, value))
                for number, (key, value) in enumerate(load_of[first : first + BATCH])
            )
            failures = tuple(map(self.failure, records))
            diagnosed = tuple(map(self.diagnosed, failures))
            ended = tuple(map(self.ended, diagnosed))
            yield Batch(
                records=records,
                failures=failures,
                diagnosed=diagnosed,
                ended=ended,
                settled=tuple(map(self.settlement, ended)),
            )


def _polled(offset: int, key: bytes, value: bytes) -> SimpleNamespace:
    at = int(time.time() * 1000)
    return SimpleNamespace(
        topic="workflow.failures", partition=0, offset=offset, timestamp=at, key=key, value=value, headers=()
    )


def leaves(stages: Stages, batch: Batch) -> dict[str, Leaf]:
    """Name the leaves; those that are a part of the one above begin with a space."""
    polled = [_polled(record.offset, record.key or b"", record.value or b"") for record in batch.records]
    values = [record.value or b"" for record in batch.records]
    envelopes = [parse(value, ()) for value in values]
    arrivals = [_arrival(diagnosed) for diagnosed in batch.diagnosed]
    messages = [message for settlement in batch.settled for message in settlement.messages]
    log = structlog.get_logger("benchmarks.micro")
    return {
        "record": lambda: [record_of(one) for one in polled],
        "decode": lambda: [stages.failure(one) for one in batch.records],
        " envelope": lambda: [parse(one, ()) for one in values],
        " event": lambda: [decode_failure(one.data) for one in envelopes],
        " quick look for secrets": lambda: [may_hold_secret(one) for one in values],
        "diagnose": lambda: [diagnose(one.failure_reason, one.context) for one in batch.failures],
        "plan": lambda: [stages.planner.plan(one.failure, one.diagnosis, stages.now) for one in batch.diagnosed],
        "intake rows": lambda: [intake._row(one) for one in arrivals],  # noqa: SLF001 - what is measured
        "heal": lambda: uvloop.run(_heal_all(stages, batch.diagnosed)),
        "settle_heal": lambda: [stages.settlement(one) for one in batch.ended],
        "settle rows": lambda: [settle._row(one) for one in batch.settled],  # noqa: SLF001
        " details": lambda: [as_json(attempt_details(one.attempt, one.diagnosis)) for one in batch.settled],
        "outbox rows": lambda: [outbox._row(one) for one in messages],  # noqa: SLF001
        "log line": lambda: _tell_all(log, batch.settled),
    }


class _Tenure:
    """A lease whose claims are always its own."""

    def __init__(self) -> None:
        self._permission = Permission(timedelta(hours=1))
        self._permission.renewed(Moment.now())
        self._permission.read(Moment.now(), ())

    async def permit(self, claim: Claim, seen_at: float) -> float:  # noqa: ARG002 - the Protocol's
        await self._permission.wait()
        return seen_at

    def may_start(self, claim: Claim, seen_at: float) -> bool:  # noqa: ARG002 - the Protocol's
        return self._permission.is_fresh()

    async def make_durable(self, claim: Claim) -> None:
        raise TypeError(f"a heal without effect makes nothing durable: {claim}")

    async def keep(self, claim: Claim, state: KeptState) -> None:
        raise TypeError(f"a heal that does nothing keeps nothing: {claim}, {state}")


async def _heal_all(stages: Stages, diagnosed: Sequence[Diagnosed]) -> None:
    tenure = _Tenure()
    for one in diagnosed:
        claim = Claim(attempt_id=one.attempt_id, step=0, held=one.heal.hold, deadline=time.monotonic() + 30.0)
        policy = stages.catalog.policy(one.failure.workflow_name)
        if policy is None:
            raise TypeError("the load's catalog has a policy for everything")
        task = Task(
            failure=one.failure, diagnosis=one.diagnosis, plan=one.heal, policy=policy, attempt_id=claim.attempt_id
        )
        await run(noop.STRATEGIES[one.heal.strategy], task, Gate(claim, one.heal.intent.effect, tenure, _note_start))


def _note_start(_: AttemptId) -> None:
    return


def _arrival(diagnosed: Diagnosed) -> intake.Arrival:
    return intake.Arrival(diagnosed=diagnosed, wants_slot=True, ended=None, waiter_in=timedelta(seconds=30))


def _tell_all(log: FilteringBoundLogger, settled: Sequence[Settlement]) -> None:
    for settlement in settled:
        attempt, failure = settlement.attempt, settlement.failure
        log.info(
            "heal_settled",
            failure_id=str(failure.id),
            attempt_id=str(attempt.id),
            org_id=str(failure.org_id),
            strategy=attempt.strategy,
            result=attempt.result,
            code=attempt.code,
            status=settlement.next.status,
            step=attempt.step,
        )


def _pure(stages: Stages, batches: Sequence[Batch], rounds: int) -> None:
    every = [leaves(stages, batch) for batch in batches]
    for name in every[0]:
        best = min(_once([one[name] for one in every]) for _ in range(rounds))
        print(f"{name:28s} {best / (len(batches) * BATCH) * 1e6:7.2f}")


def _once(calls: Sequence[Leaf]) -> float:
    started = time.thread_time()
    for call in calls:
        call()
    return time.thread_time() - started


async def _with_postgres(batches: Sequence[Batch]) -> None:
    async with run_stack(fsync=True) as stack:
        await asyncio.to_thread(migrate, stack.dsn)
        settings = PostgresSettings.model_validate({"dsn": stack.dsn})
        async with open_pool(settings) as pool:
            await _prepare(pool)
            backend = await pool.fetchval("SELECT pg_backend_pid()")
            await _transactions(pool, backend, batches)


async def _prepare(pool: Pool) -> None:
    orgs = list(load.organisations())
    await pool.execute("INSERT INTO organizations (id) SELECT unnest($1::uuid[])", orgs)
    await pool.execute("INSERT INTO token_wallets (org_id, text_budget_aud) SELECT unnest($1::uuid[]), 9000", orgs)
    await pool.execute("VACUUM ANALYZE")
    await leases.renew(pool, ME, timedelta(hours=1))


async def _transactions(pool: Pool, backend: int, batches: Sequence[Batch]) -> None:
    mine: dict[str, list[float]] = {"intake transaction": [], "settle transaction": []}
    theirs: dict[str, list[float]] = {name: [] for name in mine}

    async def timed(name: str, work: Awaitable[object]) -> None:
        started, there = time.thread_time(), _processor_seconds(backend)
        await work
        mine[name].append(time.thread_time() - started)
        theirs[name].append(_processor_seconds(backend) - there)

    acked: list[UUID] = []
    for batch in batches:
        arrivals = [_arrival(diagnosed) for diagnosed in batch.diagnosed]
        await timed("intake transaction", intake.take_in(pool, ME, arrivals, (), _no_stranger))
        await timed("settle transaction", settle.settle(pool, ME, batch.settled, acked, BreakerSettings()))
        acked = [message.id for settlement in batch.settled for message in settlement.messages]
    us = 1e6 / BATCH
    for name, seconds in mine.items():
        print(f"{name:28s} {_middle(seconds) * us:7.2f}   backend {_middle(theirs[name]) * us:7.2f}")


def _no_stranger(arrival: intake.Arrival) -> Sequence[Message]:
    raise TypeError(f"the load names an organisation that is not there: {arrival.diagnosed.failure.org_id}")


def _middle(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]


def _processor_seconds(pid: int) -> float:
    # Nanoseconds on a processor: a backend's ticks are too coarse for one transaction.
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def _log_to_nowhere() -> Iterator[None]:
    with Path(os.devnull).open("wb") as nowhere:
        logs.configure("info", nowhere)
        yield


def main() -> int:
    """Measure, and print one line a leaf."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--postgres", action="store_true", help="the transactions too (Linux)")
    asked = parser.parse_args()
    stages = Stages()
    batches = list(stages.batches(max(BATCH, asked.events // BATCH * BATCH)))
    # The consumer spares the collector in the same way.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    with _log_to_nowhere():
        _pure(stages, batches, asked.rounds)
        if asked.postgres:
            uvloop.run(_with_postgres(batches))
    return 0


if __name__ == "__main__":
    sys.exit(main())
