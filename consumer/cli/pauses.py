"""`shw pause`, `resume` and `pauses`: holds healing within a reach, ends that, and lists what is held."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import TIMES_AHEAD, AsJson, By, Reason, Wide, ahead_of, end, named, span_of
from schemas.names import FailureType, StrategyName

if TYPE_CHECKING:
    from consumer.model.pause import HealingPause, PauseReach, PauseRequest, PauseResult
    from consumer.store.pauses import ListedPause, PauseMade

_LISTED: Final = 200
_COLUMNS: Final = ("id", "state", "reach", "from", "until", "held", "by", "reason", "ended")

Fleet = Annotated[bool, typer.Option("--fleet", help="Everything. Else name at least one of the others.")]
Organisation = Annotated[UUID | None, typer.Option("--org", metavar="ID", help="This organisation only.")]
Workflow = Annotated[
    str | None, typer.Option(help="This workflow only: a name, or a pattern with * and ?.", callback=named)
]
Type = Annotated[FailureType | None, typer.Option("--type", help="This failure type only.")]
Strategy = Annotated[StrategyName | None, typer.Option(help="Heals by this strategy only.")]
Dependency = Annotated[
    str | None,
    typer.Option(metavar="ORIGIN", help="Heals that call this only: https://api.example.com:443.", callback=named),
]


def add_pauses(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("pause")(pause_healing)
    app.command("resume")(resume_healing)
    app.command("pauses")(list_pauses)


def pause_healing(  # noqa: PLR0913, PLR0917 - options, each by its name
    reason: Reason,
    fleet: Fleet = False,
    org: Organisation = None,
    workflow: Workflow = None,
    failure_type: Type = None,
    strategy: Strategy = None,
    dependency: Dependency = None,
    starts: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help=f"Begins then: {TIMES_AHEAD}. Default: now.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"Ends then: {TIMES_AHEAD}. Default: once it is resumed.")
    ] = None,
    lasts: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="In place of --until: 30m, 2h, 7d after it began.")
    ] = None,
    by: By = None,
) -> None:
    """Hold healing within a reach: once this answers no effect begins there, on any replica; what is sent finishes."""
    from consumer.cli.operator import login
    from consumer.model.pause import PauseRequest

    if until is not None and lasts is not None:
        raise typer.BadParameter("--until and --for exclude each other")
    starts_at = ahead_of("--from", starts) if starts is not None else None
    ends_at = ahead_of("--until", until) if until is not None else None
    if lasts is not None:
        ends_at = (starts_at or datetime.now(UTC)) + span_of("--for", lasts)
    reach = _reach(org, workflow, failure_type, strategy, dependency, fleet=fleet)
    request = PauseRequest(reach=reach, reason=reason, by=by or login(), starts_at=starts_at, ends_at=ends_at)
    made = asyncio.run(_pause(request))
    say(_describe_made(made.result, request, made.pauses))
    end(ExitCode.OK if made.pauses else ExitCode.NO)


def resume_healing(  # noqa: PLR0913, PLR0917 - options, each by its name
    reason: Reason,
    pause_id: Annotated[UUID | None, typer.Argument(metavar="ID", help="The pause; or name its reach.")] = None,
    fleet: Fleet = False,
    org: Organisation = None,
    workflow: Workflow = None,
    failure_type: Type = None,
    strategy: Strategy = None,
    dependency: Dependency = None,
    by: By = None,
) -> None:
    """End a pause, by its id or by exactly its reach; a running consumer goes on with what it held within seconds."""
    from consumer.cli.operator import login

    named = any((fleet, org, workflow, failure_type, strategy, dependency))
    if pause_id is not None and named:
        raise typer.BadParameter("an ID and a reach exclude each other")
    which = pause_id or _reach(org, workflow, failure_type, strategy, dependency, fleet=fleet)
    ended = asyncio.run(_resume(which, by=by or login(), reason=reason))
    say(_describe_ended(ended.result, ended.pauses))
    end(ExitCode.OK if ended.pauses else ExitCode.NO)


def list_pauses(
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too: the last 200.")] = False,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """List the pauses that stand: who, why, until when, and how many failures wait for each."""
    end(asyncio.run(_list(every=every, as_json=as_json)))


def _reach(
    org: UUID | None,
    workflow: str | None,
    failure_type: FailureType | None,
    strategy: StrategyName | None,
    dependency: str | None,
    *,
    fleet: bool,
) -> "PauseReach":
    from consumer.model import OrgId
    from consumer.model.pause import PauseReach

    reach = PauseReach(
        org_id=OrgId(org) if org is not None else None,
        workflow_name=workflow,
        failure_type=failure_type,
        strategy=strategy,
        dependency=dependency,
    )
    if fleet and reach != PauseReach():
        raise typer.BadParameter("--fleet and a narrower reach exclude each other")
    if not fleet and reach == PauseReach():
        raise typer.BadParameter("name what is meant: --org, --workflow, --type, --strategy, --dependency, or --fleet")
    return reach


async def _pause(request: "PauseRequest") -> "PauseMade":
    from functools import partial

    from consumer.cli.database import open_database
    from consumer.ownership.permission import NOTHING_STARTS_AFTER
    from consumer.results.events import Outlet
    from consumer.results.pauses import pause_message
    from consumer.settings import read_settings
    from consumer.store.pauses import pause
    from consumer.store.pool import transaction

    outlet = Outlet.of(read_settings().kafka)
    async with open_database() as pool:
        async with transaction(pool) as connection:
            made = await pause(connection, request, partial(pause_message, outlet=outlet))
        if made.pauses:
            # Once the command answers, its caller may rely on it that no effect begins.
            await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
    return made


async def _resume(which: "UUID | PauseReach", *, by: str, reason: str) -> "PauseMade":
    from functools import partial

    from consumer.cli.database import open_database
    from consumer.results.events import Outlet
    from consumer.results.pauses import pause_message
    from consumer.settings import read_settings
    from consumer.store.pauses import resume
    from consumer.store.pool import transaction

    tell = partial(pause_message, outlet=Outlet.of(read_settings().kafka))
    async with open_database() as pool, transaction(pool) as connection:
        return await resume(connection, which, by=by, reason=reason, tell=tell)


async def _list(*, every: bool, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.store.pauses import listed
    from consumer.store.pool import transaction

    async with open_database() as pool, transaction(pool) as connection:
        found = await listed(connection, within=None, is_whole=every, limit=_LISTED)
    if as_json:
        for one in found:
            print_json(dict(zip(_COLUMNS, _row(one), strict=True)))
    elif found:
        print_rows(_COLUMNS, [_row(one) for one in found])
    else:
        say("Nothing is paused.")
    return ExitCode.OK


def _row(one: "ListedPause") -> tuple[str, ...]:
    pause, now = one.pause, datetime.now(UTC)
    state = "ended" if not one.stands else "planned" if pause.starts_at > now else "in_force"
    until = pause.ends_at.isoformat() if pause.ends_at is not None else ""
    ended = f"{pause.ended_by}: {pause.end_reason or ''}".rstrip(": ") if pause.ended_by is not None else ""
    at = pause.starts_at.isoformat()
    return str(pause.id), state, str(pause.reach), at, until, str(one.held), pause.by, pause.reason, ended


def _describe_made(result: "PauseResult", request: "PauseRequest", pauses: Sequence["HealingPause"]) -> str:
    from consumer.model.pause import NO_ORIGIN, PauseResult
    from consumer.store.pauses import MOST_OF_AN_ORGANISATION, MOST_OF_THE_FLEET

    match result:
        case PauseResult.NOT_FOUND:
            return f"There is no organisation {request.reach.org_id}. Nothing was paused."
        case PauseResult.TOO_MANY:
            limit = MOST_OF_THE_FLEET if request.reach.org_id is None else MOST_OF_AN_ORGANISATION
            return f"Refused: {limit} pauses stand already (`shw pauses`): resume some. Nothing was paused."
        case PauseResult.NO_ORIGIN:
            return f"Refused: {NO_ORIGIN}. Nothing was paused."
        case PauseResult.OVER:
            return "Refused: it would be over before it begins. Nothing was paused."
        case _:
            (made,) = pauses
            start = f" from {made.starts_at.isoformat()} on" if request.starts_at is not None else ""
            return f"Paused as {made.id}{start}: {made}"


def _describe_ended(result: "PauseResult", pauses: Sequence["HealingPause"]) -> str:
    from consumer.model.pause import PauseResult

    if result is PauseResult.ALREADY:
        return "It is over already. Nothing was changed."
    if not pauses:
        return "There is no such pause (`shw pauses` lists them). Nothing was changed."
    return "\n".join(f"Resumed: {one.id} ({one.reach})" for one in pauses)
