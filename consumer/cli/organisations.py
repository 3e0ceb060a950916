"""`shw org delete`: deletes an organisation with everything of it, safely beside a running service."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from collections import Counter
from typing import Annotated, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import end

organisations: Final = typer.Typer(help="Organisations of the database.", no_args_is_help=True)


@organisations.callback()
def _choose() -> None:
    """Keep `delete` a word of its own: a group of one command would swallow it."""


@organisations.command("delete")
def delete_organisation(
    org_id: Annotated[UUID, typer.Argument(metavar="ID")],
    yes: Annotated[bool, typer.Option("--yes", help="Delete. Without it nothing is changed, only counted.")] = False,
) -> None:
    """Delete an organisation: its failures in batches, then the rest of it, its wallet and its members."""
    end(asyncio.run(_delete(org_id, yes=yes)))


async def _delete(org_id: UUID, *, yes: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.model import OrgId
    from consumer.store.organisations import (
        delete_organisation,
        delete_some_failures,
        holdings,
        tables_not_allowed,
    )

    org = OrgId(org_id)
    async with open_database() as pool:
        held = await holdings(pool, org)
        if held is None:
            say(f"There is no organisation {org}: nothing was changed.")
            return ExitCode.NO
        if not yes:
            counts = ", ".join(f"{what} {number}" for what, number in held.items())
            say(f"Nothing was changed. It has: {counts}. To delete all of it, for good, add --yes.")
            return ExitCode.NO
        if denied := await tables_not_allowed(pool):
            say(
                f"This role lacks the right to delete: {', '.join(denied)}. Set SHW_POSTGRES__DSN to one that may, "
                "such as the owner of the tables. The service's own role cannot, on purpose."
            )
            return ExitCode.USAGE
        removed: Counter[str] = Counter()
        while some := await delete_some_failures(pool, org):
            removed["workflow_failures"] += some
            say(f"{removed['workflow_failures']} failures so far")
        removed.update(await delete_organisation(pool, org))
    for table, number in removed.items():
        print(f"{table}\t{number}")  # noqa: T201 - the answer
    say(f"Organisation {org} is gone. Events of it that still come in are dead letters `unknown_organisation`.")
    return ExitCode.OK
