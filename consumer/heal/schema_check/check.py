"""Validation of untrusted JSON Schemas: in this process when plainly cheap, else in a child process with a time limit.

A regular expression holds the GIL for as long as it backtracks, so a thread could not be abandoned.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from consumer.heal.schema_check import worker
from consumer.heal.schema_check.worker import Finding, check_body, check_schema
from schemas.json_text import to_json

MAX_SCHEMA_BYTES: Final = 256 * 1024
LIMIT: Final = timedelta(seconds=5)
"""Time limit of one validation, the wait for a child process included."""
_CHILDREN: Final = 2
_CHEAP_STEPS: Final = 20_000
"""Nodes of the schema times nodes of the body: some 50 ms at the most."""
_METASCHEMA_STEPS: Final = 50
_MAY_EXPLODE: Final = frozenset(
    {"pattern", "patternProperties", "$ref", "$dynamicRef", "uniqueItems", "unevaluatedItems", "unevaluatedProperties"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaCheck:
    """Validates callers' schemas and bodies; at most two child processes at once."""

    children: asyncio.Semaphore
    limit: timedelta = LIMIT

    async def usable(self, schema: Any) -> Finding:  # noqa: ANN401 - JSON is anything
        """Check that a schema is usable."""
        if too_large(schema):
            return "unusable", f"larger than {MAX_SCHEMA_BYTES} bytes"
        return check_schema(schema) if _is_cheap_schema(schema) else await self._check_in_child({"schema": schema})

    async def valid(self, schema: Any, body: Any) -> Finding:  # noqa: ANN401 - JSON is anything
        """Validate a body against a usable schema."""
        return (
            check_body(schema, body)
            if cheap(schema, body)
            else await self._check_in_child({"schema": schema, "body": body})
        )

    async def _check_in_child(self, asked: dict[str, Any]) -> Finding:
        try:
            async with asyncio.timeout(self.limit.total_seconds()), self.children:
                return _parse_finding(await _run_child(to_json(asked)))
        except TimeoutError:
            return "unusable", f"could not be judged within {self.limit.total_seconds():g} s"


async def _run_child(asked: bytes) -> bytes:
    # Isolated and without our environment: it holds secrets, and the child needs none.
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(Path(worker.__file__)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        out, _ = await child.communicate(asked)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return out


def schema_check() -> SchemaCheck:
    """Create a `SchemaCheck` with the default limits."""
    return SchemaCheck(children=asyncio.Semaphore(_CHILDREN))


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


def _parse_finding(out: bytes) -> Finding:
    try:
        verdict, detail = json.loads(out)
    except ValueError:
        return "unusable", "could not be judged: its validation ended without an answer"
    return verdict, detail
