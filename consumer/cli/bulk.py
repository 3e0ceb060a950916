"""`shw bulk` and `shw edit`: what is done to many failures at once, and another input for one failed step."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import TIMES, AsJson, By, FailureArgument, Reason, Remark, Wide, end, named, since_of
from schemas.names import BulkAction, Code, FailureType, Status

if TYPE_CHECKING:
    from consumer.model.bulk import BulkStatus
    from schemas.bulk import BulkFilter

bulk: Final = typer.Typer(
    help="Many failures at once: freeze what a filter finds, look at it, do it.", no_args_is_help=True
)
_COLUMNS: Final = (
    "id",
    "state",
    "action",
    "failures",
    "waiting",
    "accepted",
    "already",
    "refused",
    "under way",
    "healed",
)
_LISTED: Final = 50
_PAGE: Final = 1000
BulkId = Annotated[UUID, typer.Argument(metavar="ID", help="As `shw bulk preview` printed it.")]


def add_orders(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(bulk, name="bulk")
    app.command("edit")(edit_step)


@bulk.command("preview")
def preview(  # noqa: PLR0913, PLR0917 - options, each by its name
    action: Annotated[BulkAction, typer.Option(help="What is done to each.")],
    reason: Reason,
    org: Annotated[UUID | None, typer.Option(metavar="ID", help="Of this organisation only.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.", callback=named)] = None,
    failure_type: Annotated[FailureType | None, typer.Option("--type", help="Of this type only.")] = None,
    code: Annotated[Code | None, typer.Option(help="Whose last attempt has this code.")] = None,
    cause: Annotated[str | None, typer.Option(help="Of this cause: as `shw failures --top` names it.")] = None,
    target: Annotated[str | None, typer.Option(help="Whose dependency or host this is.", callback=named)] = None,
    status: Annotated[list[Status] | None, typer.Option(help="Standing so. Default: all that are open.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"Detected then or later: {TIMES}.")] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help=f"Detected earlier: {TIMES}.")] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=500, help="A second, at most, over all replicas.")] = 20,
    by: By = None,
) -> None:
    """Freeze what a filter finds now: how many, and what a heal of each may cost. Nothing is done yet."""
    from schemas.bulk import Bulk

    wanted: dict[str, Any] = {
        "workflow_name": workflow,
        "failure_type": failure_type,
        "code": code,
        "fingerprint": cause,
        "target": target,
        "statuses": tuple(status) if status else None,
        "detected_since": since_of(since) if since is not None else None,
        "detected_before": since_of(before, "--before") if before is not None else None,
    }
    command = Bulk(org_id=org, action=action, filter=_filter_of(wanted), rate=rate, issued_by=_who(by), reason=reason)
    end(asyncio.run(_preview(command)))


@bulk.command("start")
def start(bulk_id: BulkId, reason: Remark = "", by: By = None) -> None:
    """Do what was frozen, or go on with what was stopped; running consumers do it, slice by slice."""
    from schemas.bulk import BulkStart

    end(asyncio.run(_turn(BulkStart, bulk_id, reason, by)))


@bulk.command("stop")
def stop(bulk_id: BulkId, reason: Remark = "", by: By = None) -> None:
    """Do nothing more of it; heals that were asked for already go on."""
    from schemas.bulk import BulkStop

    end(asyncio.run(_turn(BulkStop, bulk_id, reason, by)))


@bulk.command("list")
def list_bulks(as_json: AsJson = False, _wide: Wide = False) -> None:
    """List bulks, the newest first, and how far they are."""
    asyncio.run(_list(None, as_json=as_json))


@bulk.command("show")
def show(
    bulk_id: BulkId,
    outcomes: Annotated[bool, typer.Option("--outcomes", help="What became of each failure, too.")] = False,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """Show how far a bulk is, and what became of each of its failures."""
    end(asyncio.run(_show(bulk_id, outcomes=outcomes, as_json=as_json)))


def edit_step(
    failure_id: FailureArgument,
    reason: Reason,
    payload: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON, for context.payload.")
    ] = None,
    body: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON, for the body of context.request.")
    ] = None,
    did_not_happen: Annotated[
        bool, typer.Option("--did-not-happen", help="You looked: the failed call had no effect.")
    ] = False,
    by: By = None,
) -> None:
    """Give a failed step another input, and have it healed with that."""
    if (payload is None) == (body is None):
        raise typer.BadParameter("Give --payload or --body.")
    given = payload if payload is not None else body
    assert given is not None  # noqa: S101 - one of the two is
    try:
        value = json.loads(given.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{given} is no JSON: {error}") from None
    name = "payload" if payload is not None else "body"
    end(asyncio.run(_edit(failure_id, {name: value}, did_not_happen=did_not_happen, reason=reason, by=_who(by))))


def _filter_of(wanted: dict[str, Any]) -> "BulkFilter":
    from pydantic import ValidationError

    from schemas.bulk import BulkFilter
    from schemas.fault_words import fault_in_words

    try:
        return BulkFilter(**{name: value for name, value in wanted.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        options = {"workflow_name": "--workflow", "fingerprint": "--cause", "target": "--target"}
        option = options.get(str(first["loc"][0])) if first["loc"] else "--since and --before"
        raise typer.BadParameter(f"{option}: {fault_in_words(first)}") from None


def _who(by: str | None) -> str:
    from consumer.cli.operator import login

    return (by or login())[:512]  # as the schema of orders has it


async def _preview(command: Any) -> ExitCode:  # noqa: ANN401 - a Bulk, imported where it is made
    from consumer.cli.database import open_database
    from consumer.cli.orders import describe, priced

    async with open_database() as pool:
        kept = await priced(pool, command)
    details: Any = (kept.executed.details or {}).get("bulk")
    if details is None:
        return describe(kept)
    print(details["bulk_id"])  # noqa: T201 - the command's answer
    cost = details["at_most_aud"]
    say(
        f"{details['failures']} failures are frozen; one attempt for each costs "
        + (f"{cost} AUD at most. " if cost is not None else "what nobody has declared. ")
        + f"Nothing is done yet: `shw bulk start {details['bulk_id']}`."
    )
    return ExitCode.OK


async def _turn(kind: Any, bulk_id: UUID, reason: str, by: str | None) -> ExitCode:  # noqa: ANN401 - as above
    from consumer.cli.database import open_database
    from consumer.cli.orders import describe, obey, organisation_of_bulk

    async with open_database() as pool:
        is_there, org_id = await organisation_of_bulk(pool, bulk_id)
        if not is_there:
            say(f"No bulk {bulk_id} in this database: `shw bulk list` lists what there is.")
            return ExitCode.NO
        return describe(await obey(pool, kind(org_id=org_id, bulk_id=bulk_id, issued_by=_who(by), reason=reason)))


async def _list(bulk_id: UUID | None, *, as_json: bool) -> bool:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.store.bulk import bulks
    from consumer.store.pool import transaction

    async with open_database() as pool, transaction(pool) as connection:
        found = await bulks(connection, bulk_id, _LISTED)
    if as_json:
        for one in found:
            print_json(_shown(one))
    else:
        print_rows(_COLUMNS, [list(_shown(one).values())[: len(_COLUMNS)] for one in found])
    return bool(found)


async def _show(bulk_id: UUID, *, outcomes: bool, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.store.bulk import bulk_items
    from consumer.store.pool import transaction

    if not await _list(bulk_id, as_json=as_json):
        say(f"No bulk {bulk_id} in this database: `shw bulk list` lists what there is.")
        return ExitCode.NO
    if not outcomes:
        return ExitCode.OK
    after = 0
    async with open_database() as pool:
        while True:
            async with transaction(pool) as connection:
                page = await bulk_items(connection, bulk_id, after, _PAGE)
            rows = [
                {"failure": str(one.failure_id), "outcome": one.outcome, "result": one.result, "reason": one.reason}
                for one in page
            ]
            if as_json:
                for row in rows:
                    print_json(row)
            elif rows:
                print_rows(("failure", "outcome", "result", "reason"), [list(row.values()) for row in rows])
            if len(page) < _PAGE:
                return ExitCode.OK
            after = page[-1].place


async def _edit(
    failure_id: UUID,
    given: dict[str, Any],
    *,
    did_not_happen: bool,
    reason: str,
    by: str,
) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.orders import describe, obey, organisation_of_failure
    from schemas.edit import Edit

    async with open_database() as pool:
        org_id = await organisation_of_failure(pool, failure_id)
        if org_id is None:
            say(f"No failure {failure_id} in this database: `shw failures` lists what there is.")
            return ExitCode.NO
        command = Edit(
            org_id=org_id,
            failure_id=failure_id,
            issued_by=by,
            reason=reason,
            did_not_happen=did_not_happen,
            **given,
        )
        return describe(await obey(pool, command))


def _shown(one: "BulkStatus") -> dict[str, object]:
    counts = one.counts
    return {
        "id": str(one.id),
        "state": one.state,
        "action": one.action,
        "failures": counts.failures,
        "waiting": counts.waiting,
        "accepted": counts.accepted,
        "already": counts.already,
        "refused": counts.refused,
        "under_way": counts.under_way,
        "healed": counts.healed,
        "organisation": str(one.org_id) if one.org_id is not None else None,
        "by": one.issued_by,
        "rate": one.rate,
        "created_at": one.created_at.isoformat(),
    }
