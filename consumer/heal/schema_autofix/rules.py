"""What schema-autofix must not do, and by what it names a repair: pure."""

from datetime import timedelta
from typing import Any, Final

from consumer.catalog import SchemaAutofixLimits, WorkflowPolicy
from consumer.heal import refusals
from consumer.heal.digest import digest
from consumer.heal.schema_check.check import LIMIT
from consumer.model import Diagnosis, Failure, Json, JsonObject
from consumer.model.identity import named
from consumer.runners.contract import RunRef, RunState
from schemas.context import ContextFault, RunContext, run_of

FIELDS: Final = ("context.payload", "context.run.id", "context.run.step", "context.run")
GIVES: Final = 3
"""Times that one order is given, under one key, where its answer is lost."""
PAUSE: Final = timedelta(seconds=1)
"""Before it is given again."""
_REPAIR: Final = timedelta(seconds=5)
"""For the repair in its room, with the wait for the room."""
_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)


def missing(context: JsonObject) -> tuple[str, ...]:
    """Name the context fields that are absent or unusable; a payload of null is one."""
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
    """Refuse what redaction touched of what is sent or judged by."""
    advice = "keep secrets out of payloads, and use secret://NAME in the headers of the catalog's runner"
    return refusals.redacted_part(failure, ("payload", "schema", "run"), advice)


def hopeless(diagnosis: Diagnosis) -> str | None:
    """Refuse what the diagnosis rules out."""
    return refusals.hopeless(
        diagnosis, money="a repaired payload would be refused as well", credential="no payload mends that"
    )


def schema_for(failure: Failure, step: str, policy: WorkflowPolicy) -> dict[str, Any] | bool | None:
    """Give the schema to follow: the catalog's, and the event's own only where the catalog declares none."""
    declared = policy.schema_autofix.schema_of(step)
    if declared is not None:
        return declared
    brought = failure.context.get("schema")
    return brought if isinstance(brought, dict | bool) else None


def run_ref(failure: Failure, run: RunContext) -> RunRef:
    """Name the run as its engine knows it."""
    return RunRef(
        org_id=str(failure.org_id), workflow_name=failure.workflow_name, run_id=run.id, epoch=run.epoch, step=run.step
    )


def key_of(failure: Failure) -> str:
    """Name the order for the engine.

    It stays the same until an attempt has counted: one that ends without knowing what came of its order counts for
    nothing (`RetryLater`), so that whoever goes on sends the same key.
    """
    return f"shw-{named(failure.id.bytes, f'rerun:{failure.lifetime_attempts}')}"


def key_at(key: str, before: RunState) -> str:
    """Name the order of a run that stands there: once it has moved, an order before is no doubt any more."""
    place: list[Json] = [before.epoch, before.progress]
    return key if place == [None, None] else f"{key}-{digest(place)[:12]}"


def fault_digest(run: RunRef, payload: Json, schema: object) -> str | None:
    """Name what is broken: this payload in this step of this run's epoch. Without an epoch two are never the same."""
    if run.epoch is None:
        return None
    return digest([run.run_id, run.epoch, run.step, digest(payload), digest(schema)])


def window(limits: SchemaAutofixLimits) -> timedelta:
    """Bound the time from the claim to the end of the watch."""
    calls = limits.timeout + GIVES * (limits.timeout + PAUSE)
    return min(_REPAIR + LIMIT + calls + limits.verify + _MARGIN, _LONGEST_WINDOW)
