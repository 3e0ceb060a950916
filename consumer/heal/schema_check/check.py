"""Validation of untrusted JSON Schemas: in this process when plainly cheap, else in a worker process with a budget.

A regular expression holds the GIL for as long as it backtracks, so a thread could not be abandoned. Only the judging
is limited, in CPU time: where no worker comes free, the heal comes again later, and nothing is refused.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol, assert_never

from consumer.heal.schema_check import worker
from consumer.heal.schema_check.worker import Finding, check_body, check_schema
from consumer.model import OrgId
from consumer.workers.pool import Worked, WorkEnd, WorkEnded, WorkerLimits, worker_pool
from schemas.json_text import to_json

MAX_SCHEMA_BYTES: Final = 256 * 1024
BUDGET: Final = timedelta(seconds=2)
"""CPU time of one validation."""
WAIT: Final = timedelta(seconds=10)
"""Longest wait for a worker, each of which may be busy with another validation."""
LIMIT: Final = WAIT + 2 * BUDGET
"""How long one validation may take, the wait included, on a machine that is not overloaded."""
LIMITS: Final = WorkerLimits(children=3, budget=BUDGET, memory=512 * 1024 * 1024, wait=WAIT)
_SCRIPT: Final = Path(worker.__file__)
_CHEAP_STEPS: Final = 20_000
"""Nodes of the schema times nodes of the body: some 50 ms at the most."""
_METASCHEMA_STEPS: Final = 50
_MAY_EXPLODE: Final = frozenset(
    {"pattern", "patternProperties", "$ref", "$dynamicRef", "uniqueItems", "unevaluatedItems", "unevaluatedProperties"}
)


class Judges(Protocol):
    """Worker processes that validate."""

    async def work(self, request: bytes, *, of: OrgId) -> Worked:
        """Have a request of an organisation answered."""
        ...


class _LoneJudge:
    """A worker for each validation, for those who seldom have one and keep no pool."""

    async def work(self, request: bytes, *, of: OrgId) -> Worked:
        async with worker_pool(_SCRIPT, LIMITS) as workers:
            return await workers.work(request, of=of)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaCheck:
    """Validates callers' schemas and bodies; the workers are shared fairly among organisations."""

    workers: Judges
    budget: timedelta = BUDGET

    async def usable(self, schema: Any, of: OrgId) -> Finding:  # noqa: ANN401 - JSON is anything
        """Check that a schema of an organisation is usable; raises NoWorkerFree and NoWorkerStarts."""
        if too_large(schema):
            return "unusable", f"larger than {MAX_SCHEMA_BYTES} bytes"
        return check_schema(schema) if _is_cheap_schema(schema) else await self._ask_worker({"schema": schema}, of)

    async def valid(self, schema: Any, body: Any, of: OrgId) -> Finding:  # noqa: ANN401 - JSON is anything
        """Validate a body against a usable schema; raises NoWorkerFree and NoWorkerStarts."""
        if cheap(schema, body):
            return check_body(schema, body)
        return await self._ask_worker({"schema": schema, "body": body}, of)

    async def _ask_worker(self, asked: dict[str, Any], of: OrgId) -> Finding:
        worked = await self.workers.work(to_json(asked), of=of)
        if isinstance(worked, WorkEnded):
            return "unusable", _describe(worked, self.budget)
        verdict, detail = json.loads(worked)
        return verdict, detail


def _describe(ended: WorkEnded, budget: timedelta) -> str:
    match ended.why:
        case WorkEnd.TOOK_TOO_LONG:
            return f"could not be judged within {budget.total_seconds():g} s of CPU time"
        case WorkEnd.TOO_MUCH_MEMORY:
            return "could not be judged within the memory that a validation may have"
        case WorkEnd.TOO_DEEP:
            return "nested too deeply"
        case WorkEnd.DIED:
            return "could not be judged: its validation ended without an answer"
        case WorkEnd.CRASHED:
            return f"could not be judged: its validation broke ({ended.detail})"
        case _:
            assert_never(ended.why)


@asynccontextmanager
async def schema_check(limits: WorkerLimits = LIMITS) -> AsyncIterator[SchemaCheck]:
    """Open a `SchemaCheck` with its workers, which end with the block."""
    async with worker_pool(_SCRIPT, limits) as workers:
        yield SchemaCheck(workers=workers, budget=limits.budget)


def lone_schema_check() -> SchemaCheck:
    """Create a `SchemaCheck` that starts a worker when it needs one, and ends it at once."""
    return SchemaCheck(workers=_LoneJudge())


def too_large(schema: object) -> bool:
    """Return whether a schema is beyond the limit of 256 KiB."""
    return len(to_json(schema)) > MAX_SCHEMA_BYTES


def cheap(schema: object, body: object) -> bool:
    """Return whether validation takes a bounded, short time: nothing that recurs or backtracks, and few nodes."""
    nodes = _count_nodes(schema, _CHEAP_STEPS)
    return nodes * _count_nodes(body, _CHEAP_STEPS) <= _CHEAP_STEPS and not _may_explode(schema)


def _is_cheap_schema(schema: object) -> bool:
    # Each node of a schema is validated by the metaschema, itself a schema of this many steps.
    return _count_nodes(schema, _CHEAP_STEPS) * _METASCHEMA_STEPS <= _CHEAP_STEPS and not _may_explode(schema)


def _count_nodes(value: object, most: int) -> int:
    count, waiting = 0, [value]
    while waiting and count <= most:
        count += 1
        match waiting.pop():
            case dict() as members:
                waiting += members.values()
            case list() as items:
                waiting += items
            case str() as text:
                count += len(text) // 1000
    return count


def _may_explode(schema: object) -> bool:
    waiting = [schema]
    while waiting:
        match waiting.pop():
            case dict() as members:
                if not _MAY_EXPLODE.isdisjoint(members):
                    return True
                waiting += members.values()
            case list() as items:
                waiting += items
    return False
