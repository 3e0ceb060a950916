"""`shw org`: organisations of the database; where a platform stands, it adds its own."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from collections import Counter
from typing import Annotated, Final
from uuid import UUID, uuid4

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import AsJson, Wide, end

organisations: Final = typer.Typer(help="Organisations of the database.", no_args_is_help=True)


@organisations.command("add")
def add_organisation(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    org_id: Annotated[UUID | None, typer.Option("--id", help="Its id. Default: a new one, which is printed.")] = None,
) -> None:
    """Add an organisation, and print its id: for a database without a platform."""
    end(asyncio.run(_add(org_id or uuid4(), name)))


@organisations.command("list")
def list_organisations(as_json: AsJson = False, _wide: Wide = False) -> None:
    """List the organisations, with what is in their wallets, in the order of their ids."""
    end(asyncio.run(_list(as_json=as_json)))


@organisations.command("delete")
def delete_organisation(
    org_id: Annotated[UUID, typer.Argument(metavar="ID")],
    yes: Annotated[bool, typer.Option("--yes", help="Delete. Without it nothing is changed, only counted.")] = False,
) -> None:
    """Delete an organisation: its failures in batches, then the rest of it, its wallet and its members."""
    end(asyncio.run(_delete(org_id, yes=yes)))


async def _add(org_id: UUID, name: str) -> ExitCode:
    from consumer.cli.database import open_owned_database
    from consumer.model import OrgId
    from consumer.store.tenants import add_organisation

    async with open_owned_database() as pool:
        if not await add_organisation(pool, OrgId(org_id), name):
            say(f"There is an organisation {org_id} already: nothing was changed.")
            return ExitCode.NO
    print(org_id)  # noqa: T201 - the answer
    say(f"Its events are taken in now. Heals cost credits: shw wallet set {org_id} --text 10")
    return ExitCode.OK


async def _list(*, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.model import JsonObject
    from consumer.store.tenants import Tenant, organisations_after

    found: list[Tenant] = []
    async with open_database() as pool:
        while page := await organisations_after(pool, found[-1].id if found else None):
            found += page
    if as_json:
        for one in found:
            told: JsonObject = {
                "id": str(one.id),
                "name": one.name,
                "text_budget_aud": f"{one.text_budget_aud:f}" if one.text_budget_aud is not None else None,
                "voice_budget_aud": f"{one.voice_budget_aud:f}" if one.voice_budget_aud is not None else None,
                "members": one.members,
            }
            print_json(told)
    else:
        rows = [(one.id, one.name, one.text_budget_aud, one.voice_budget_aud, one.members) for one in found]
        print_rows(("id", "name", "text_aud", "voice_aud", "members"), rows)
    if not found:
        say("There is no organisation. Events of an unknown one are dead letters: shw org add NAME")
    return ExitCode.OK


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
