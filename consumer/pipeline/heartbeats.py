"""Heartbeats from Kafka into the board of live runs, and from the board into the database, once an interval.

Records are taken as they come, and cost memory by the run, not by the beat; what they have changed is kept in a few
transactions, and only then their offsets may be committed. While the database is away, reading goes on, and nothing is
committed: after a crash the same records are read again. A bad record is counted, named in the log at most once in a
while, and dropped: no dead letter, since a heartbeat is worth nothing once it is late, and a producer that sends bad
ones sends thousands.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from consumer.catalog import Catalog, Catalogs, HeartbeatRules
from consumer.errors import RefusedByDatabase
from consumer.heartbeats.board import Absorbed, RunBoard
from consumer.heartbeats.deadline import Allowance, allowance_of
from consumer.heartbeats.decode import BadBeat, read_beat
from consumer.heartbeats.watermark import Watermarks
from consumer.metrics import HeartbeatOutcome, Metrics
from consumer.model import Record
from consumer.model.live_run import BeatBatch, StepName
from consumer.ownership.clock import Clock
from consumer.settings.heartbeats import HeartbeatSettings
from consumer.store import live_runs as store
from consumer.store.pool import Pool
from schemas.names import PoisonReason

log = structlog.get_logger(__name__)

KEPT_AT_ONCE: Final = 250
"""Live runs of one transaction, some milliseconds of this process and of the database: all that an interval has
changed, in one piece, would hold the loop for a tenth of a second, and intake with it."""
NAMED_EVERY: Final = timedelta(seconds=30)
"""The log names one bad record of each kind in so long."""
_UNDECLARED: Final = HeartbeatRules()


@dataclass(slots=True, kw_only=True)
class Heartbeats:
    """The live runs of this member's partitions, in memory and kept."""

    pool: Pool
    catalogs: Catalogs
    clock: Clock
    settings: HeartbeatSettings
    metrics: Metrics
    board: RunBoard = field(init=False)
    marks: Watermarks = field(default_factory=Watermarks)
    named: Callable[[], float] = time.monotonic
    _named: dict[PoisonReason, float] = field(default_factory=dict)
    _allowed_by: Catalog | None = None
    """The catalog by which all runs in memory have their deadline; None: those of runs that were loaded are of any."""
    _keeping: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Begin without a partition."""
        self.board = RunBoard(self.settings.runs)

    def now(self) -> float:
        """Return the database's time, as this process knows it, in seconds of the epoch."""
        return self.clock.now().timestamp()

    async def load(self, partitions: Iterable[int]) -> None:
        """Begin anew with these partitions: what is kept of their runs, and how far they were read."""
        numbers = frozenset(partitions)
        runs, read = await store.load_runs(self.pool, numbers, self.settings.runs)
        self.board.assign(runs)
        self._allowed_by = None
        self.marks.assign(numbers, read)

    def clear(self) -> None:
        """Let go of all partitions."""
        self.board.assign(())
        self.marks.assign(())

    def absorb(self, records: Sequence[Record]) -> None:
        """Take the records of one poll of one partition."""
        catalog, received = self.catalogs.current, self.now()
        not_before = self.marks.up_to(records[0].partition) if records else None
        for record in records:
            beat = read_beat(record, catalog)
            if isinstance(beat, BadBeat):
                self._drop(record, beat)
                continue
            absorbed = self.board.absorb(
                beat, received=received, not_before=received if not_before is None else not_before
            )
            self.metrics.heartbeats[HeartbeatOutcome(absorbed.value)].inc()
            if absorbed is Absorbed.NO_ROOM:
                self._name(PoisonReason.TOO_LARGE, "heartbeats_without_room", runs=self.settings.runs)

    def _drop(self, record: Record, bad: BadBeat) -> None:
        self.metrics.heartbeats[HeartbeatOutcome.REFUSED].inc()
        place = {"partition": record.partition, "offset": record.offset}
        self._name(bad.reason, "heartbeat_refused", reason=bad.reason.value, error=bad.message[:300], **place)

    def _name(self, kind: PoisonReason, what: str, **facts: object) -> None:
        now = self.named()
        if now >= self._named.get(kind, float("-inf")):
            self._named[kind] = now + NAMED_EVERY.total_seconds()
            log.warning(what, **facts)

    async def keep(self) -> None:
        """Make durable what the beats have changed; raises TransientError while the database is away."""
        async with self._keeping:  # a rebalance may begin while an interval's end is kept
            await self._keep()
        self.metrics.live_runs.set(len(self.board.runs))

    async def _keep(self) -> None:
        board = self.board
        if unread := board.unread_steps():
            board.learnt(await store.learnt_gaps(self.pool, unread), unread)
        if (catalog := self.catalogs.current) is not self._allowed_by:
            board.reconsider(self._allowance)
            self._allowed_by = catalog
        while True:
            batch = board.changes(self._allowance, self.marks, KEPT_AT_ONCE)
            await self._keep_batch(batch)
            if batch.is_last:
                return

    async def _keep_batch(self, batch: BeatBatch) -> None:
        try:
            learnt = await store.keep_beats(self.pool, batch)
        except RefusedByDatabase as error:  # a gap in the checks above: it must not stop the beats behind it
            log.error("heartbeats_unstorable", runs=len(batch.runs), error=str(error)[:300])  # noqa: TRY400
            for run in batch.runs:
                self.board.drop(run)
            learnt = {}
        self.board.kept(batch, learnt)

    def _allowance(self, step: StepName, gaps: Sequence[float]) -> Allowance | None:
        policy = self.catalogs.current.policy(step.workflow_name)
        return allowance_of(_UNDECLARED if policy is None else policy.heartbeats, step.step, gaps)
