"""Records that may cost much are split, decoded, redacted and diagnosed in worker processes with a budget of CPU time.

Every stage takes time in proportion to a record's size, so that an ordinary record is done at once where it is. What
is large, or of many parts, would hold the event loop; and what nobody has thought of ends a worker and not the service.
Where no worker can be had nothing is decided: the caller tries again.
"""

import gc
import io
import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias, assert_never

from consumer.ingest.decode import AdmissionRules, source_not_allowed, value_may_hold_secret
from consumer.ingest.event_batches import Events
from consumer.ingest.run_key import with_run_key
from consumer.ingest.splitting import LARGE
from consumer.model import DeadLetter, Diagnosis, Failure, Record, UnreadableRecord
from consumer.redact import REDACTED
from consumer.redact.pointers import DeclaredPlaces
from consumer.workers.pool import WorkEnd, WorkEnded, WorkerLimits, WorkerPool, worker_pool
from schemas.names import PoisonReason

BIG_BYTES: Final = 32 * 1024
SUSPECT_BYTES: Final = LARGE
"""The same for a record that may hold a secret: only the search for them takes more than a few milliseconds."""
BIG_PARTS: Final = 2000
"""Signs between the parts of a record: commas and opening brackets."""
_SURELY_SMALL: Final = 8 * 1024
_MEMORY: Final = 1024 * 1024 * 1024
_WAIT: Final = timedelta(seconds=60)
_CHILDREN: Final = 2
_WORKER: Final = Path(__file__).with_name("record_worker.py")

Answer: TypeAlias = tuple[Failure, str, Diagnosis] | tuple[PoisonReason, str]
"""Of a record: the failure, its source as it came, and its diagnosis; or why it is none."""


def is_big(value: bytes | None) -> bool:
    """Return whether a record's value goes to a worker; for a small one this is a comparison of lengths."""
    if value is None or len(value) <= _SURELY_SMALL:
        return False
    if len(value) > BIG_BYTES or sum(map(value.count, (b",", b"[", b"{"))) > BIG_PARTS:
        return True
    return len(value) > SUSPECT_BYTES and value_may_hold_secret(value)


def is_big_row(failure: Failure) -> bool:
    """Return whether a failure that was read from the database goes to a worker."""
    return not 0 < failure.size <= _SURELY_SMALL


class RecordWorkers:
    """Decodes and redacts in workers; each method raises NoWorkerFree and NoWorkerStarts."""

    def __init__(self, pool: WorkerPool, budget: timedelta) -> None:
        self._pool = pool
        self._budget = budget

    async def decode(
        self, record: Record, door: AdmissionRules, now: datetime
    ) -> tuple[Failure, Diagnosis] | DeadLetter:
        """Decode and diagnose a record; what ends a worker is a dead letter."""
        request = pickle.dumps((record, door.max_event_bytes, now, door.catalog.declared_places))
        worked = await self._pool.work(request, of=(record.topic, record.partition))
        if isinstance(worked, WorkEnded):
            reason, message = self._letter(worked)
            return DeadLetter(record=record, reason=reason, message=message)
        answer: Answer = _load(worked)
        if len(answer) == 2:  # noqa: PLR2004 - the shorter form
            return DeadLetter(record=record, reason=answer[0], message=answer[1])
        failure, source, diagnosis = answer
        if not door.catalog.may_speak(source, failure.org_id):
            return source_not_allowed(record, source, failure.org_id)
        return with_run_key(failure, door.catalog.runner_of(failure.workflow_name)), diagnosis

    async def split(self, record: Record) -> Events:
        """Return the events of the batch that a record holds; what ends a worker is a dead letter."""
        worked = await self._pool.work(pickle.dumps(record.value), of=(record.topic, record.partition))
        if isinstance(worked, WorkEnded):
            reason, message = self._letter(worked)
            return UnreadableRecord(reason=reason, message=message)
        events: Events = _load(worked)
        return events

    async def redact(self, failure: Failure, declared: DeclaredPlaces = ()) -> tuple[Failure, str | None]:
        """Redact a failure that somebody wrote into the database; with the reason where it took too long.

        Then nothing of its content is known to be free of secrets, and all of it is redacted.
        """
        worked = await self._pool.work(pickle.dumps((failure, declared)), of=failure.org_id)
        if not isinstance(worked, WorkEnded):
            clean: Failure = _load(worked)
            return clean, None
        found = ("/context", "/failure_reason")
        nothing = replace(
            failure, workflow_name=REDACTED, failure_reason=REDACTED, context={}, extra={}, redactions=found
        )
        return nothing, self._letter(worked)[1]

    def _letter(self, ended: WorkEnded) -> tuple[PoisonReason, str]:
        advice = "send less context, or simpler"
        match ended.why:
            case WorkEnd.TOOK_TOO_LONG:
                budget = self._budget.total_seconds()
                return PoisonReason.TOOK_TOO_LONG, f"reading it took more than {budget:g} s of CPU time: {advice}"
            case WorkEnd.TOO_MUCH_MEMORY:
                memory = _MEMORY // 1024**2
                return PoisonReason.TOOK_TOO_LONG, f"reading it took more than {memory} MiB of memory: {advice}"
            case WorkEnd.DIED:
                return PoisonReason.TOOK_TOO_LONG, f"reading it ended its process twice: {advice}"
            case WorkEnd.TOO_DEEP:
                return PoisonReason.TOO_DEEP, "nested deeper than can be read: send what lies below as a JSON string"
            case WorkEnd.CRASHED:
                message = f"reading it broke ({ended.detail}): report this, and replay it after the fix"
                return PoisonReason.UNSTORABLE, message
            case _:
                assert_never(ended.why)


@asynccontextmanager
async def record_workers(budget: timedelta) -> AsyncIterator[RecordWorkers]:
    """Open the workers; the first record that needs one starts it, and they end with the block."""
    limits = WorkerLimits(children=_CHILDREN, budget=budget, memory=_MEMORY, wait=_WAIT)
    async with worker_pool(_WORKER, limits) as pool:
        yield RecordWorkers(pool, budget)


class _Values(pickle.Unpickler):
    """Reads values of the model alone: a worker has read hostile input, and is not believed to be its own master."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if module.startswith("consumer.model.") or (module, name) in _PLAIN or module == "schemas.names":
            found: Callable[..., Any] = super().find_class(module, name)
            return found
        msg = f"{module}.{name} is no value of a record"
        raise pickle.UnpicklingError(msg)


_PLAIN: Final = frozenset(
    (
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("uuid", "UUID"),
        ("asyncpg.pgproto.pgproto", "UUID"),
    )
)


def _load(answer: bytes) -> Any:  # noqa: ANN401 - one of the answers above
    # Hundreds of thousands of new containers, and no garbage among them: the collector would take most of the time.
    gc.disable()
    try:
        return _Values(io.BytesIO(answer)).load()
    finally:
        gc.enable()
