"""`shw shadow report`: what strategies in shadow mode would have healed, held against what happened."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import TIMES, AsJson, Wide, end, since_of

shadow: Final = typer.Typer(help="What strategies in shadow mode would do.", no_args_is_help=True)
_COLUMNS: Final = (
    "workflow", "strategy", "would_heal", "cost_aud", "would_act", "would_not_act", "recovered", "healed",
    "mended_by_person", "open", "given_up",
)  # fmt: skip


@shadow.callback()
def _only_commands() -> None:
    """Keep `report` a command of its own."""


@shadow.command("report")
def report(
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"Since: {TIMES}. Default: 7d.")] = None,
    org: Annotated[UUID | None, typer.Option("--org", metavar="ID", help="Of this organisation only.")] = None,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """Tell what strategies in shadow mode would have healed, and what became of it."""
    end(asyncio.run(_report(since_of(since), org, as_json=as_json)))


async def _report(since: datetime, org: UUID | None, *, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.model import OrgId, in_aud
    from consumer.store.shadows import grade

    async with open_database() as pool:
        grades = await grade(pool, since=since, org_id=OrgId(org) if org is not None else None)
    rows = [
        (
            one.workflow_name,
            one.strategy,
            one.would_heal,
            in_aud(one.cost),
            one.would_act,
            one.would_not_act,
            one.recovered,
            one.healed,
            one.mended_by_person,
            one.open,
            one.given_up,
        )
        for one in grades
    ]
    if as_json:
        for row in rows:
            print_json(dict(zip(_COLUMNS, row, strict=True)))
    elif rows:
        print_rows(_COLUMNS, [tuple(map(str, row)) for row in rows])
    else:
        say("No strategy in shadow mode would have healed anything in that time.")
    return ExitCode.OK
