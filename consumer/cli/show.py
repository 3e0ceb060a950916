"""`shw show`: where a failure stands, what the heal under way on it waits for and has kept, and what can be done."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import end
from schemas.names import Status

if TYPE_CHECKING:
    from consumer.model import JsonObject
    from consumer.store.reports import FailureState
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


def show_failure(failure_id: Annotated[UUID, typer.Argument(metavar="ID", help="The failure.")]) -> None:
    """Print where a failure stands and what its heal waits for and has kept, as JSON; then what can be done.

    Of billing that was out of step also what the last heal has found: missing, applied, and what differs.
    """
    end(asyncio.run(_show(failure_id)))


async def _show(failure_id: UUID) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json
    from consumer.model import FailureId
    from consumer.redact import redact_text
    from consumer.store.billing_events import last_report
    from consumer.store.pool import transaction
    from consumer.store.reports import failure_state
    from consumer.store.shown_heals import heal_under_way

    async with open_database() as pool, transaction(pool) as connection:
        stands = await failure_state(connection, FailureId(failure_id))
        heal = await heal_under_way(connection, FailureId(failure_id))
        report = await last_report(connection, FailureId(failure_id))
    if stands is None:
        say(f"No failure {failure_id} in this database: `shw failures` lists what there is.")
        return ExitCode.NO
    print_json(_as_json(failure_id, stands, heal))
    for line in (*_next_steps(failure_id, stands, heal), *map(redact_text, report)):
        say(line)
    return ExitCode.OK


def _as_json(failure_id: UUID, stands: "FailureState", heal: "HealUnderWay | None") -> "JsonObject":
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
        "heal": _heal_as_json(heal) if heal is not None else None,
    }


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
