"""Observation of the demo: the state of each failure while it runs, and the whole output at the end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from consumer.demo import crowd, drift
from consumer.demo.crowd import NOBODY, CrowdStanding
from consumer.demo.drift import NOTHING, DriftStanding
from consumer.demo.patience import PATIENCE
from consumer.errors import TransientError
from consumer.kafka.history import beginnings, open_topic, read_to_end
from consumer.model import JsonObject, Record
from consumer.settings import KafkaSettings

LOOK_EVERY: Final = timedelta(milliseconds=200)
READ_AT_ONCE: Final = 1000

# The healer's attempts have a step; attempts that a member inserted have none, and do not count.
_STANDINGS = """
SELECT f.id, f.workflow_name, f.failure_type, f.disposition, f.status, f.step, f.attempts, f.due_at,
       coalesce(c.owner, '') AS owner, coalesce(c.begun, false) AS begun,
       coalesce(c.strategy, a.strategy) AS strategy, a.result, a.details
  FROM workflow_failures f
  LEFT JOIN heal_claim c ON c.failure_id = f.id AND c.owner <> 'parked'
  LEFT JOIN LATERAL (SELECT strategy, result, details FROM workflow_heal_attempts
                      WHERE failure_id = f.id AND step IS NOT NULL ORDER BY step DESC LIMIT 1) a ON true
 WHERE f.workflow_name <> ALL($1::text[])
 ORDER BY f.received_at, f.workflow_name
"""
_LEFT_OVER = "SELECT (SELECT count(*) FROM heal_outbox) + (SELECT count(*) FROM heal_claim WHERE owner <> 'parked')"
_ATTEMPTS = "SELECT id, failure_id, step, result FROM workflow_heal_attempts WHERE step IS NOT NULL"
_BOOKS = """
SELECT (SELECT coalesce(sum(amount), 0) FROM token_usage_events) AS moved,
       (SELECT sum(text_budget_aud + voice_budget_aud) FROM token_wallets) AS wallets,
       (SELECT sum(voice_budget_aud) FROM token_wallets) AS voices
"""
_EVERYTHING = """
SELECT string_agg(t::text, ' ') FROM (
  SELECT f::text FROM workflow_failures f UNION ALL SELECT a::text FROM workflow_heal_attempts a
  UNION ALL SELECT o::text FROM heal_outbox o) AS t
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFailure:
    """Current state of one failure."""

    id: UUID
    name: str
    failure_type: str
    disposition: str
    status: str
    step: int
    attempts: int
    owner: str
    """Consumer that heals it now: host, process id and a random part; empty where none does."""
    begun: bool
    strategy: str
    result: str
    details: JsonObject

    @property
    def healing(self) -> bool:
        """Whether a consumer heals it now."""
        return self.owner != ""

    @property
    def code(self) -> str:
        """Code of the last attempt: why it did not succeed."""
        return str(self.details.get("code") or "")

    @property
    def patch(self) -> str:
        """The JSON Patch that repaired its payload, without the reasons; empty where none did."""
        repair = self.details.get("repair")
        edits = repair.get("patch") if isinstance(repair, dict) else None
        kept = ("op", "from", "path", "value")
        edits = edits if isinstance(edits, list) else []
        ops = [{name: one[name] for name in kept if name in one} for one in edits if isinstance(one, dict)]
        return json.dumps(ops) if ops else ""

    @property
    def evidence(self) -> str:
        """Evidence of the last attempt's oracles, or the reason why it got no evidence."""
        proofs = self.details.get("evidence")
        if isinstance(proofs, list) and proofs and self.result == "success":
            return "; ".join(f"{p['oracle']}: {p['detail']}" for p in proofs if isinstance(p, dict))
        return str(self.details.get("reason") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished attempt of the healer, as its row has it."""

    id: UUID
    failure_id: UUID
    step: int
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Everything that can be read after the end."""

    standings: tuple[DemoFailure, ...]
    """Without the crowd."""
    crowd: CrowdStanding
    drift: DriftStanding
    attempts: tuple[Finished, ...]
    left_over: int
    books: tuple[Decimal, Decimal]
    """The sum of the ledger, and of all wallets, in AUD."""
    voices: Decimal
    """What is left in all voice budgets, in AUD."""
    everything: str
    """All rows as text."""
    inputs: tuple[Record, ...]
    results: tuple[Record, ...]
    letters: tuple[Record, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Snapshot of the state of all failures."""

    standings: tuple[DemoFailure, ...] = ()
    crowd: CrowdStanding = NOBODY
    drift: DriftStanding = NOTHING

    def of(self, name: str) -> DemoFailure | None:
        """Return the failure of a workflow; None while it has no row."""
        return next((one for one in self.standings if one.name == name), None)


Shown = Callable[[Look], None]


class Board:
    """Latest snapshot of the failures, with waiting for a condition on one."""

    def __init__(self, connection: asyncpg.Connection, dependency: str, shown: Shown) -> None:
        self._connection = connection
        self._dependency = dependency
        self._shown = shown
        self._changed = asyncio.Condition()
        self.look = Look()

    async def look_on(self) -> None:
        """Poll for snapshots a few times a second until cancelled."""
        while True:
            standings = await read_standings(self._connection)
            look = Look(
                standings=standings,
                crowd=await crowd.read_crowd(self._connection, self._dependency),
                drift=await drift.read_drift(self._connection),
            )
            async with self._changed:
                self.look = look
                self._changed.notify_all()
            self._shown(look)
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def until(self, so: Callable[[Look], bool], within: timedelta) -> bool:
        """Wait until a snapshot fulfils the condition; False on timeout."""
        try:
            async with asyncio.timeout(within.total_seconds()), self._changed:
                await self._changed.wait_for(lambda: so(self.look))
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def looking_on(dsn: str, dependency: str, shown: Shown) -> AsyncIterator[Board]:
    """Poll on a connection of its own until the block ends; `dependency` is the crowd's dependency."""
    connection = await asyncpg.connect(dsn, timeout=10)
    board = Board(connection, dependency, shown)
    try:
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(board.look_on())
            yield board
            looking.cancel()
    finally:
        await connection.close(timeout=5)


async def read_standings(connection: asyncpg.Connection) -> tuple[DemoFailure, ...]:
    """Read the state of every failure, except the crowd and the drifting ones."""
    rows = await connection.fetch(_STANDINGS, [crowd.NAME, drift.NAME])
    return tuple(
        DemoFailure(
            id=row["id"],
            name=row["workflow_name"],
            failure_type=row["failure_type"] or "",
            disposition=row["disposition"] or "",
            status=row["status"],
            step=row["step"],
            attempts=row["attempts"],
            owner=row["owner"],
            begun=row["begun"],
            strategy=row["strategy"] or "",
            result=row["result"] or "",
            details=json.loads(row["details"] or "{}"),
        )
        for row in rows
    )


async def read_output(connection: asyncpg.Connection, kafka: KafkaSettings, dependency: str) -> Output:
    """Read the tables, and the topics to their ends."""
    attempts = await connection.fetch(_ATTEMPTS)
    books = await connection.fetchrow(_BOOKS)
    if books is None:
        raise TransientError("the database gives no books")
    return Output(
        standings=await read_standings(connection),
        crowd=await crowd.read_crowd(connection, dependency),
        drift=await drift.read_drift(connection),
        attempts=tuple(
            Finished(id=row["id"], failure_id=row["failure_id"], step=row["step"], result=row["result"])
            for row in attempts
        ),
        left_over=await connection.fetchval(_LEFT_OVER),
        books=(books["moved"], books["wallets"]),
        voices=books["voices"],
        everything=await connection.fetchval(_EVERYTHING) or "",
        inputs=await read_topic(kafka, kafka.failures_topic),
        results=await read_topic(kafka, kafka.results_topic),
        letters=await read_topic(kafka, kafka.dlq_topic),
    )


async def read_topic(kafka: KafkaSettings, topic: str) -> tuple[Record, ...]:
    """Read a topic from its beginning to its current end.

    Raises
    ------
    TransientError
        The broker stopped answering.

    """
    records: list[Record] = []
    patience, what = PATIENCE.total_seconds(), f"reading {topic}"
    async with open_topic(kafka, topic) as client:
        begins = await beginnings(client, what)
        async for many in read_to_end(client, begins, at_most=READ_AT_ONCE, patience=patience, what=what):
            records += many
    return tuple(records)
