"""`shw show`: all that is known of a failure: what came in, diagnosis, plan, attempts and decisions, and what to do."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import AsJson, FailureArgument, end
from schemas.names import Status

if TYPE_CHECKING:
    from consumer.model import Failure, FailureId, JsonObject
    from consumer.store.attempts import ReportedAttempt
    from consumer.store.decisions import KeptDecision
    from consumer.store.heal_requests import KeptRequest
    from consumer.store.pool import Connection
    from consumer.store.reports import FailureState
    from consumer.store.same_run import FurtherEvent
    from consumer.store.shown_heals import HealUnderWay

_OVERDUE: Final = 60.0
"""Seconds after which a suspended heal that nobody goes on with is worth a word."""

_OF_PARKED: Final = (
    "Its last heal's outcome is unknown. Look at the other system for what it has kept, then `shw resolve`, `shw heal "
    "--did-not-happen` or `shw give-up` it."
)
_THEN: Final = {
    Status.AWAITING_APPROVAL: "`shw plan` shows what it waits for a yes to.",
    Status.NEEDS_PERSON: "`shw attempts` says why; then `shw resolve`, `shw heal` or `shw give-up` it.",
    Status.GIVEN_UP: "`shw attempts` says why; `shw heal` begins it anew.",
}
_OF_REVOKED: Final = "A person has decided: it takes back what it ordered, where that can be done, and ends."


def add_show(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("show")(show_failure)


def show_failure(failure_id: FailureArgument, as_json: AsJson = False) -> None:
    """Show a failure: request and context without secrets, diagnosis, plan, attempts, decisions, and what to type next.

    The plan is what would be done now by the catalog of SHW_CATALOG. Of billing that was out of step also what the last
    heal has found: missing, applied, and what differs.
    """
    end(asyncio.run(_show(failure_id, as_json=as_json)))


async def _show(failure_id: UUID, *, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.failure_page import failure_page
    from consumer.cli.tables import print_json
    from consumer.model import FailureId
    from consumer.redact import redact_text
    from consumer.store.billing_events import last_report
    from consumer.store.pool import transaction

    async with open_database() as pool, transaction(pool) as connection:
        stored = await _read(connection, FailureId(failure_id))
        report = await last_report(connection, FailureId(failure_id))
    if stored is None:
        say(f"No failure {failure_id} in this database: `shw failures` lists what there is.")
        return ExitCode.NO
    page = _as_json(failure_id, stored) | await _planned(stored)
    if as_json:
        print_json(page)
    else:
        sys.stdout.write(failure_page(page))
    for line in (*_next_steps(failure_id, stored.stands, stored.heal), *map(redact_text, report)):
        say(line)
    return ExitCode.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    stands: "FailureState"
    failure: "Failure | None"
    """None where it is too large to be read."""
    heal: "HealUnderWay | None"
    attempts: "Sequence[ReportedAttempt]"
    decisions: "Sequence[KeptDecision]"
    requests: "Sequence[KeptRequest]"
    further_events: "Sequence[FurtherEvent]"


async def _read(connection: "Connection", failure_id: "FailureId") -> _Stored | None:
    from consumer.store.approvals import failure_of
    from consumer.store.attempts import attempts_of
    from consumer.store.decisions import decisions_of
    from consumer.store.heal_requests import requests_of
    from consumer.store.reports import failure_state
    from consumer.store.same_run import further_events
    from consumer.store.shown_heals import heal_under_way

    stands = await failure_state(connection, failure_id)
    if stands is None:
        return None
    return _Stored(
        stands=stands,
        failure=await failure_of(connection, failure_id),
        heal=await heal_under_way(connection, failure_id),
        attempts=await attempts_of(connection, failure_id),
        decisions=await decisions_of(connection, failure_id),
        requests=await requests_of(connection, failure_id),
        further_events=await further_events(connection, failure_id),
    )


def _as_json(failure_id: UUID, stored: _Stored) -> "JsonObject":
    from consumer.cli.failures import attempt_as_json
    from consumer.cli.next_commands import next_commands

    stands = stored.stands
    attempts = [attempt_as_json(one) for one in stored.attempts]
    last = next((one["details"] for one in attempts if one["step"] is not None), None)
    last_code = last.get("code") if isinstance(last, dict) else None
    commands = next_commands(failure_id, stands.status, stored.heal, str(last_code) if last_code else None)
    return {
        "id": str(failure_id),
        "status": stands.status,
        "step": stands.step,
        "attempts": stands.attempts,
        "failure_type": stands.failure_type,
        "disposition": stands.disposition,
        "waits_on": stands.waits_on,
        "received_at": stands.received_at,
        "due_at": stands.due_at,
        **_what_came_in(stored.failure),
        "heal": _heal_as_json(stored.heal) if stored.heal is not None else None,
        "attempt_list": list(attempts),
        "decisions": [asdict(one) for one in stored.decisions],
        "heal_requests": [asdict(one) for one in stored.requests],
        "further_events": [asdict(one) for one in stored.further_events],
        "next": [asdict(one) for one in commands],
    }


def _what_came_in(failure: "Failure | None") -> "JsonObject":
    """Return the failure as it was sent, redacted once more: a member's row may have been inserted a moment ago."""
    from consumer.cli.diagnose import diagnosed
    from consumer.redact import redact_json

    if failure is None:
        return {"too_large": True, "request": None, "context": {}, "diagnosis": None, "agent_diagnosis": None}
    told: JsonObject = {
        "org_id": str(failure.org_id),
        "workflow_name": failure.workflow_name,
        "source": failure.source,
        "detected_at": failure.detected_at.isoformat(),
        "failure_reason": failure.failure_reason,
        "context": dict(failure.context),
    }
    clean: Any = redact_json(dict(told))[0]
    context = dict(clean.pop("context"))
    diagnosis = diagnosed(str(clean["failure_reason"]), context)
    return {
        **clean,
        "too_large": False,
        "request": context.pop("request", None),
        "context": context,
        "diagnosis": diagnosis,
        "agent_diagnosis": _agent_says(failure),
    }


def _agent_says(failure: "Failure") -> "JsonObject | None":
    """Return what a model says is broken, beside the rules' diagnosis; None where none was asked."""
    from consumer.redact import redact_json

    asked = failure.agent_diagnosis
    if asked is None:
        return None
    answer = {"answer": None} if asked.answer is None else asked.answer.described
    clean: Any = redact_json({**answer})[0]
    return {**clean, "model": asked.model, "asks": asked.asks, "tokens": asked.input_tokens + asked.output_tokens}


async def _planned(stored: _Stored) -> "JsonObject":
    """Return what would be done about it now, and why each other rung may not act."""
    from datetime import UTC, datetime

    from consumer.analysis.explained_plan import plan_as_json, rung_as_json
    from consumer.catalog import Catalogs
    from consumer.diagnose.agent_evidence import diagnosis_of
    from consumer.errors import ConfigError
    from consumer.plan.planner import Planner
    from consumer.redact import redact_json
    from consumer.service.catalog_file import read_catalog
    from consumer.service.strategies import installed_strategies
    from consumer.settings import read_settings

    none: JsonObject = {"plan": None, "no_plan": None, "strategy": None, "ladder": []}
    if stored.failure is None or stored.stands.status is Status.RESOLVED:
        return none
    try:
        catalog = read_catalog(read_settings().catalog)
    except ConfigError as error:
        return none | {"no_plan": str(error)}
    failure, now = stored.failure, datetime.now(UTC)
    diagnosis = diagnosis_of(failure)
    async with installed_strategies(Catalogs(catalog), connections=1) as strategies:
        planner = Planner(rungs=strategies, catalog=catalog)
        plan, ladder = planner.plan(failure, diagnosis, now), planner.rungs_for(failure, diagnosis, now)
    told: JsonObject = {
        "plan": plan_as_json(plan),
        "no_plan": None,
        "strategy": plan.strategy.value,
        "ladder": [rung_as_json(rung, passed_over) for rung, passed_over in ladder],
    }
    clean: Any = redact_json(dict(told))[0]
    return dict(clean)


def _heal_as_json(heal: "HealUnderWay") -> "JsonObject":
    from pydantic_core import from_json

    from consumer.model import in_aud
    from consumer.redact import redact_json, redact_text

    return {
        "attempt_id": str(heal.attempt_id),
        "strategy": heal.strategy,
        "stands": heal.stands,
        "waits_for": redact_text(heal.waits_for) if heal.waits_for is not None else None,
        "since": heal.suspended_since,
        "until": heal.suspended_until,
        "suspensions": heal.suspensions,
        "state_version": heal.state_version,
        "state": redact_json(from_json(heal.state))[0] if heal.state is not None else None,
        "scope": redact_text(heal.scope),
        "effect": heal.effect,
        "effect_begun": heal.begun,
        "effect_begun_since_state": heal.begun_since,
        "revoked": heal.revoked,
        "credits_held_aud": in_aud(heal.held),
        "claimed_at": heal.claimed_at,
    }


def _next_steps(failure_id: UUID, stands: "FailureState", heal: "HealUnderWay | None") -> list[str]:
    if heal is None:
        due = f", due at {stands.due_at}" if stands.due_at and stands.status is not Status.NEEDS_PERSON else ""
        then = _THEN.get(stands.status, "`shw attempts` it.")
        return [f"{failure_id} is {stands.status}{due}; no heal of it is under way. {then}"]
    match heal.stands:
        case "parked":
            return [_OF_PARKED]
        case "running":
            return ["A consumer heals it now, or died in it: then another one takes it over once its window is over."]
        case _:
            return _of_suspended(failure_id, heal)


def _of_suspended(failure_id: UUID, heal: "HealUnderWay") -> list[str]:
    waits = (
        f"Its heal by {heal.strategy} waits for another system since {heal.suspended_since}, and goes on at "
        f"{heal.suspended_until}: it holds no slot. `shw heal {failure_id}` has it look there now; "
        f"`shw give-up {failure_id} --reason ...` has it take back what it ordered, where that can be done."
    )
    lines = [_OF_REVOKED if heal.revoked else waits]
    if heal.untold:
        lines.append("Kafka has yet to take what was told of it: until then it does not go on.")
    elif heal.overdue is not None and heal.overdue > _OVERDUE:
        lines.append(
            f"It is overdue by {heal.overdue:.0f} s: no consumer runs that reads version {heal.state_version} of its "
            "state, or none has a free slot."
        )
    return lines
