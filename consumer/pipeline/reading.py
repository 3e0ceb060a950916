"""The read stage: turns records into failures with a diagnosis and a plan, or into dead letters; stores nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import random
from typing import Final, TypeAlias, TypeVar

import structlog

from consumer.catalog import Catalog
from consumer.diagnose.agent_evidence import with_agent
from consumer.diagnose.diagnosis import diagnose
from consumer.errors import NoWorkerFree, NoWorkerStarts
from consumer.event_loop import BackOff, yielding_to_loop
from consumer.ingest.big_records import RecordWorkers, is_big
from consumer.ingest.decode import AdmissionRules, decode
from consumer.ingest.event_batches import Events, events_in, is_batch, parts_of
from consumer.ingest.foreign.translate import as_event, as_recorded
from consumer.model import DeadLetter, Diagnosed, Diagnosis, Failure, FailureId, Record, UnreadableRecord
from consumer.model.batch import Batch
from consumer.model.binding import NO_BINDINGS, Bindings
from consumer.ownership.clock import Clock
from consumer.plan.agent_question import asks_agent
from consumer.plan.approval import as_approved
from consumer.plan.planner import NO_BRAKES, FleetState, Planner
from schemas.names import Code, PoisonReason

log = structlog.get_logger(__name__)

_T = TypeVar("_T")
_Decoded: TypeAlias = tuple[Failure, Diagnosis | None] | DeadLetter
_FIRST_REST: Final = timedelta(milliseconds=500)
_YIELD_ABOVE: Final = 8 * 1024
"""Bytes of a record or a failure after which the event loop turns."""
_LONGEST_REST: Final = timedelta(seconds=15)


class Reading:
    """Decodes, diagnoses and plans under the catalog in force; a crash on one failure never stops the others."""

    def __init__(
        self,
        door: AdmissionRules,
        planner: Planner,
        clock: Clock,
        workers: RecordWorkers | None = None,
        bindings: Callable[[], Bindings] = lambda: NO_BINDINGS,
    ) -> None:
        self._bindings = bindings
        self._workers = workers
        self._admission = door
        self._planner = planner
        self._clock = clock
        self.standing = NO_BRAKES
        """State of the fleet: the workflows whose healing is braked at present."""

    def use_catalog(self, catalog: Catalog) -> None:
        """Read and plan under another catalog from now on."""
        self._admission = replace(self._admission, catalog=catalog)
        self._planner = replace(self._planner, catalog=catalog)

    async def read(self, records: Sequence[Record]) -> Batch:
        """Decode, diagnose and plan the records of a poll."""
        now = self._clock.now()
        accepted: dict[FailureId, tuple[Diagnosed, Record]] = {}
        letters: list[DeadLetter] = []
        again: list[tuple[Diagnosed, Record]] = []
        repeated = 0
        parts = await self._split(records)
        events = await self._translate(parts) if self._admission.catalog.topics else [(one, one) for one in parts]
        big = await self._decode_big([event for _, event in events], now)
        async for record, event in yielding_to_loop(events):
            decoded = big.pop(id(event)) if big and id(event) in big else self._decode(event, now)
            if isinstance(decoded, DeadLetter):
                letters.append(replace(decoded, record=record))
                continue
            failure, diagnosis = decoded
            failure = failure if event is record else as_recorded(failure, record)
            if (first := accepted.get(failure.id)) is not None:
                if first[0].failure.digest == failure.digest:
                    repeated += 1
                else:
                    again.append((self.diagnosed(failure, now, diagnosis), record))
            else:
                accepted[failure.id] = (self.diagnosed(failure, now, diagnosis), record)
            if failure.size > _YIELD_ABOVE:
                await asyncio.sleep(0)
        return Batch(
            accepted=tuple(accepted.values()),
            letters=tuple(letters),
            repeated=repeated,
            now=now,
            again=tuple(again),
            no_failures=len(parts) - len(events),
        )

    async def _translate(self, parts: Sequence[Record]) -> list[tuple[Record, Record]]:
        """Return each record with the event that it tells of, which is itself on our own topic; those that tell one."""
        events: list[tuple[Record, Record]] = []
        rules = self._admission
        for record in parts:
            try:
                event = as_event(record, rules.catalog.topics, rules.max_event_bytes)
            except Exception as error:  # as in splitting
                log.exception("decode_crashed", partition=record.partition, offset=record.offset)
                event = replace(record, fault=_broken(error))
            if event is not None:
                events.append((record, event))
            if event is not record and len(record.value or b"") > _YIELD_ABOVE:
                await asyncio.sleep(0)
        return events

    def is_slow(self, record: Record) -> bool:
        """Return whether a record is decoded by a worker."""
        return self._workers is not None and is_big(record.value)

    async def _split(self, records: Sequence[Record]) -> list[Record]:
        parts: list[Record] = []
        for record in records:
            try:
                if is_batch(record, max_bytes=self._admission.max_event_bytes):
                    parts += parts_of(record, await self._events_of(record))
                else:
                    parts.append(record)
            except Exception as error:  # a record that crashes reading: the partition goes on, and nothing is lost
                log.exception("decode_crashed", partition=record.partition, offset=record.offset)
                parts.append(replace(record, fault=_broken(error)))
            if len(record.value or b"") > _YIELD_ABOVE:
                await asyncio.sleep(0)
        return parts

    async def _events_of(self, record: Record) -> Events:
        if (workers := self._workers) is not None and is_big(record.value):
            return await _once_one_is_free(record, lambda: workers.split(record))
        return events_in(record.value or b"")

    async def _decode_big(self, records: Sequence[Record], now: datetime) -> dict[int, _Decoded]:
        """Decode the records that may cost much, as many at once as there are workers."""
        big = [record for record in records if self.is_slow(record)]
        if not big or (workers := self._workers) is None:
            return {}
        return dict(await asyncio.gather(*(self._decode_in_worker(workers, record, now) for record in big)))

    async def _decode_in_worker(self, workers: RecordWorkers, record: Record, now: datetime) -> tuple[int, _Decoded]:
        decoded = await _once_one_is_free(record, lambda: workers.decode(record, self._admission, now))
        return id(record), decoded

    def diagnosed(self, failure: Failure, now: datetime, diagnosis: Diagnosis | None = None) -> Diagnosed:
        """Diagnose a failure where that has not been done, and plan what to do about it."""
        try:
            failure = as_approved(failure, now)
            diagnosis = with_agent(diagnosis or diagnose(failure.failure_reason, failure.context), failure)
            plan = self._planner.plan(failure, diagnosis, now, self._standing_now())
            asks = asks_agent(failure, diagnosis, plan, self._planner.catalog, now)
        except Exception as error:  # a bug of ours in one failure must not stop all others, at each restart
            log.exception("plan_crashed", failure_id=failure.id)
            reason = f"planning it broke ({type(error).__name__}): report this, and ask for a heal after the fix"
            return self.unplannable(failure, reason)
        return Diagnosed(failure=failure, diagnosis=diagnosis, plan=plan, draw=_draw(), asks_agent=asks)

    def _standing_now(self) -> FleetState:
        """Return the state of the fleet with the bindings as this process knows them at this moment."""
        bindings = self._bindings()
        return replace(self.standing, bindings=bindings) if bindings else self.standing

    def unplannable(self, failure: Failure, reason: str) -> Diagnosed:
        """Give up a failure on which our own code crashed."""
        return replace(self._planner.unplannable(failure, reason), draw=_draw())

    def refused(self, failure: Failure, reason: str) -> Diagnosed:
        """Refuse a failure that may not be healed, whatever it holds."""
        return replace(self._planner.unplannable(failure, reason, Code.REFUSED), draw=_draw())

    def goes_on(self, diagnosis: Diagnosis, failure: Failure) -> bool:
        """Return whether a rung is left that may act on a failure in the state it will have."""
        try:
            return self._planner.goes_on(failure, diagnosis, self._clock.now())
        except Exception:  # as in planning: the failure stays open, and the next plan reports the crash
            log.exception("plan_crashed", failure_id=failure.id)
            return True

    def _decode(self, record: Record, now: datetime) -> _Decoded:
        try:
            decoded = decode(record, self._admission, now)
        except Exception as error:  # likewise
            log.exception("decode_crashed", partition=record.partition, offset=record.offset)
            fault = _broken(error)
            return DeadLetter(record=record, reason=fault.reason, message=fault.message)
        return decoded if isinstance(decoded, DeadLetter) else (decoded, None)


async def _once_one_is_free(record: Record, work: Callable[[], Awaitable[_T]]) -> _T:
    """Return what a worker makes of a record; while none can be had it waits, and its offset is not committed."""
    rests = BackOff(first=_FIRST_REST, longest=_LONGEST_REST)
    while True:
        try:
            return await work()
        except (NoWorkerFree, NoWorkerStarts) as error:  # a fault of our own
            rests.failed()
            log.warning(
                "record_without_worker",
                partition=record.partition,
                offset=record.offset,
                error=str(error),
                retry_in=rests.rest().total_seconds(),
            )
            await asyncio.sleep(max(0.0, rests.rest().total_seconds()))


def _broken(error: Exception) -> UnreadableRecord:
    message = f"reading it broke ({type(error).__name__}): report this, and replay it after the fix"
    return UnreadableRecord(reason=PoisonReason.UNSTORABLE, message=message)


def merge_batches(first: Batch, more: Batch) -> Batch:
    """Merge two batches into one; of a failure that is in both, the first delivery counts."""
    accepted = {diagnosed.failure.id: (diagnosed, record) for diagnosed, record in first.accepted}
    repeated, again = first.repeated + more.repeated, [*first.again]
    for diagnosed, record in more.accepted:
        known = accepted.setdefault(diagnosed.failure.id, (diagnosed, record))
        if known[1] is not record:
            if known[0].failure.digest == diagnosed.failure.digest:
                repeated += 1
            else:
                again.append((diagnosed, record))
    return Batch(
        accepted=tuple(accepted.values()),
        letters=(*first.letters, *more.letters),
        repeated=repeated,
        now=more.now,
        again=(*again, *more.again),
        no_failures=first.no_failures + more.no_failures,
    )


def _draw() -> int:
    return int(random() * 2**53)  # noqa: S311 - ids must differ, and may be guessed
