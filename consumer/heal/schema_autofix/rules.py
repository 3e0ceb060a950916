"""Rules of schema-autofix: missing context, refusals, the schema to follow, the window. Pure."""

from datetime import timedelta
from typing import Any, Final

from consumer.catalog import SchemaAutofixLimits, WorkflowPolicy
from consumer.heal import refusals
from consumer.heal.digest import digest
from consumer.heal.runs.ordering import MAX_SENDS, PAUSE
from consumer.heal.schema_check.check import LIMIT
from consumer.model import Diagnosis, Failure, Json, JsonObject
from consumer.repair.prepared_schema import with_nullable
from consumer.runners.contract import RunRef
from schemas.context import ContextFault, RunContext, run_of

FIELDS: Final = ("context.payload", "context.run.id", "context.run.step", "context.run")
_REPAIR_LIMIT: Final = timedelta(seconds=5)
"""Time limit of the repair in its worker, the wait for a worker included."""
_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)


def missing(context: JsonObject) -> tuple[str, ...]:
    """Return the paths of the context fields that are absent or unusable; a payload of null counts as present."""
    paths = [] if "payload" in context else ["context.payload"]
    match run_of(context):
        case None:
            paths += ["context.run.id", "context.run.step"]
        case ContextFault(missing=absent, path=path):
            paths += absent or (path,)
        case RunContext(step=None):
            paths.append("context.run.step")
        case RunContext():
            pass
    return tuple(paths)


def redacted_part(failure: Failure) -> str | None:
    """Return why a failure is refused where redaction touched its payload, schema or run, or None."""
    advice = "keep secrets out of payloads, and use secret://NAME in the headers of the catalog's runner"
    return refusals.redacted_part(failure, ("payload", "schema", "run"), advice)


def hopeless(diagnosis: Diagnosis) -> str | None:
    """Return why the diagnosis rules out a payload repair, or None."""
    return refusals.hopeless(
        diagnosis, money="a repaired payload would be refused as well", credential="no payload mends that"
    )


def schema_for(failure: Failure, step: str, policy: WorkflowPolicy) -> dict[str, Any] | bool | None:
    """Return the schema to follow: the catalog's, and the event's own only where the catalog declares none."""
    return schema_in(failure.context, step, policy)


def schema_in(context: JsonObject, step: str, policy: WorkflowPolicy) -> dict[str, Any] | bool | None:
    """Return the schema to follow, of a failure's context."""
    declared = policy.schema_autofix.schema_of(step)
    found = context.get("schema") if declared is None else declared
    if not isinstance(found, dict | bool):
        return None
    return _with_nullable(found) if policy.schema_autofix.openapi_nullable else found


def _with_nullable(schema: dict[str, Any] | bool) -> dict[str, Any] | bool:
    try:
        written: dict[str, Any] | bool = with_nullable(schema)
    except RecursionError:  # refused where it is judged
        return schema
    return written


def fault_digest(run: RunRef, payload: Json, schema: object) -> str | None:
    """Return the digest of what is broken: this payload in this step of this run's epoch.

    None without an epoch: then two faults are never the same.
    """
    if run.epoch is None:
        return None
    return digest([run.run_id, run.epoch, run.step, digest(payload), digest(schema)])


def window(limits: SchemaAutofixLimits) -> timedelta:
    """Return the upper bound of the time from the claim to the end of the watch."""
    calls = limits.timeout + MAX_SENDS * (limits.timeout + PAUSE)
    return min(_REPAIR_LIMIT + LIMIT + calls + limits.verify + _MARGIN, _LONGEST_WINDOW)
