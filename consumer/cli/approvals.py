"""`shw plan`, `approve` and `deny`: shows the plan that is asked for of a failure, and answers exactly that."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import By, FailureArgument, Reason, end

if TYPE_CHECKING:
    from consumer.model import FailureId
    from consumer.model.approval import ChangedPlan, PlanAnswer
    from consumer.store.plan_answers import Answered
    from consumer.store.pool import Pool

_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '5s'"
Hash = Annotated[str, typer.Option("--hash", help="Of the plan, as it is told: another one is not touched.")]
Changes = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help='JSON with the new parts of the context, each whole: {"payload": ...} or {"request": ...}.',
    ),
]
Step = Annotated[int, typer.Option(min=0, help="At which the plan was asked for, as it is told.")]


def show_plan(failure_id: FailureArgument) -> None:
    """Print the plan of a failure that was asked for last, with its hash, step and answers, as JSON."""
    end(asyncio.run(_show(failure_id)))


def approve_plan(
    failure_id: FailureArgument, plan_hash: Hash, step: Step, reason: Reason, changes: Changes = None, by: By = None
) -> None:
    """Say yes to exactly this plan, or to it with changes: it is carried out once, while it is valid."""
    given = _read_changes(changes) if changes is not None else None
    end(_answer(failure_id, plan_hash, step, reason, by, approves=True, changes=given))


def deny_plan(failure_id: FailureArgument, plan_hash: Hash, step: Step, reason: Reason, by: By = None) -> None:
    """Say no to exactly this plan: once this answers, no effect of it begins; the next strategy goes on."""
    end(_answer(failure_id, plan_hash, step, reason, by, approves=False))


async def _show(failure_id: UUID) -> ExitCode:
    from pydantic_core import from_json

    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json
    from consumer.model import FailureId
    from consumer.store.approvals import shown_approval
    from consumer.store.pool import transaction

    async with open_database() as pool, transaction(pool) as connection:
        found = await shown_approval(connection, FailureId(failure_id))
    if found is None:
        say(f"No plan of {failure_id} was asked for: `shw failures --status awaiting_approval` lists those that wait.")
        return ExitCode.NO
    print_json(
        {
            "state": found.state,
            "step": found.step,
            "strategy": found.strategy,
            "plan_hash": found.plan_hash,
            "plan": from_json(found.plan),
            "why": from_json(found.why),
            "asked": found.asked,
            "asks": found.asks,
            "approvers": found.approvers,
            "self_approval": found.self_approval,
            "asked_at": found.asked_at,
            "expires_at": found.expires_at,
            "answers": [*found.answers],
        }
    )
    return ExitCode.OK


def _read_changes(path: Path) -> dict[str, Any]:
    try:
        given = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"--changes {path} is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise typer.BadParameter(f'--changes {path}: must be an object, such as {{"payload": ...}}')
    return given


def _answer(
    failure_id: UUID,
    plan_hash: str,
    step: int,
    reason: str,
    by: str | None,
    *,
    approves: bool,
    changes: dict[str, Any] | None = None,
) -> ExitCode:
    from consumer.cli.operator import login
    from consumer.model.approval import CHANGED, REFUSALS, AnswerResult, PlanAnswer
    from consumer.redact.words import redact_words

    answer = PlanAnswer(approves=approves, plan_hash=plan_hash, step=step, by=by or login(), reason=reason)
    answered = asyncio.run(_commit(failure_id, answer, changes))
    if isinstance(answered, str):
        say(f"Refused: {redact_words(answered)}. Nothing was changed.")
        return ExitCode.NO
    if answered.result not in CHANGED:
        told = REFUSALS[answered.result]
        say(
            f"{'Nothing to do' if answered.result is AnswerResult.ALREADY else 'Refused'}: {told}. Nothing was changed."
        )
        return ExitCode.OK if answered.result is AnswerResult.ALREADY else ExitCode.NO
    match answered.result:
        case AnswerResult.COUNTED:
            say(f"Recorded: {answered.wanting} more people have to approve the plan of {failure_id}.")
        case AnswerResult.APPROVED:
            if changes is not None:
                say(f"With the changes its hash is {answered.plan_hash}.")
            say(f"The plan of {failure_id} is approved: a running consumer carries it out within seconds.")
        case _:
            say(f"The plan of {failure_id} is denied: no effect of it begins.")
    say(f"Recorded as answered by {redact_words(answer.by)}.")
    return ExitCode.OK


async def _commit(failure_id: UUID, answer: "PlanAnswer", changes: dict[str, Any] | None) -> "Answered | str":
    from functools import partial

    from consumer.cli.database import open_database
    from consumer.model import FailureId
    from consumer.ownership.permission import NOTHING_STARTS_AFTER
    from consumer.results.decision import status_message
    from consumer.results.events import Outlet
    from consumer.settings import read_settings
    from consumer.store.plan_answers import answer_plan
    from consumer.store.pool import transaction

    tell = partial(status_message, outlet=Outlet.of(read_settings().kafka))
    async with open_database() as pool:
        if changes is not None:
            changed = await _change(pool, FailureId(failure_id), changes)
            if isinstance(changed, str):
                return changed
            answer = replace(answer, changed=changed)
        async with transaction(pool) as connection:
            await connection.execute(_LOCK_TIMEOUT)
            answered = await answer_plan(connection, FailureId(failure_id), answer, tell)
        if answered.revoked:
            await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
    return answered


async def _change(pool: "Pool", failure_id: "FailureId", changes: dict[str, Any]) -> "ChangedPlan | str":
    """Return the plan under changes, by the catalog that the settings name, or why there is none."""
    from datetime import UTC, datetime

    from consumer.catalog import Catalogs
    from consumer.pipeline.changed_plans import change_plan
    from consumer.service.catalog_file import read_catalog
    from consumer.service.strategies import installed_strategies
    from consumer.settings import read_settings
    from consumer.store.approvals import failure_of
    from consumer.store.pool import transaction

    async with transaction(pool) as connection:
        failure = await failure_of(connection, failure_id)
    if failure is None:
        return "no such failure, or it is too large to be read"
    catalog = read_catalog(read_settings().catalog)
    async with installed_strategies(Catalogs(catalog), connections=1) as strategies:
        return await change_plan(failure, changes, catalog, strategies, datetime.now(UTC))
