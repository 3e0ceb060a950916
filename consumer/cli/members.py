"""`shw member add` and `shw token`: users of the API, for a database without a platform and for development."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from typing import Annotated, Final, Literal
from uuid import UUID, uuid4

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import end, span_of

members: Final = typer.Typer(help="Users of an organisation.", no_args_is_help=True)


@members.callback()
def _choose() -> None:
    """Keep `add` a word of its own: a group of one command would swallow it."""


@members.command("add")
def add_member(
    org_id: Annotated[UUID, typer.Argument(metavar="ORG", help="The organisation's id.")],
    user: Annotated[UUID | None, typer.Option(help="The user's id. Default: a new one, which is printed.")] = None,
    role: Annotated[
        Literal["owner", "admin", "member"], typer.Option(help="Owners and admins decide; members read.")
    ] = "owner",
) -> None:
    """Make a user a member of an organisation, in a role that replaces an earlier one; prints the user's id."""
    end(asyncio.run(_add(org_id, user or uuid4(), role)))


def make_token(
    user: Annotated[UUID, typer.Argument(metavar="USER", help="The user's id, as `shw member add` prints it.")],
    lasts: Annotated[str, typer.Option("--for", metavar="SPAN", help="How long it is valid: 30m, 12h or 7d.")] = "12h",
) -> None:
    """Sign a token for the API with SHW_API__JWT_SECRET: for development, where no platform signs people in."""
    from consumer.api.development_tokens import sign_token
    from consumer.settings import read_settings

    print(sign_token(read_settings().api, user, span_of("--for", lasts)))  # noqa: T201 - the answer


async def _add(org_id: UUID, user: UUID, role: str) -> ExitCode:
    from consumer.cli.database import open_owned_database
    from consumer.model import OrgId
    from consumer.store.tenants import set_member

    async with open_owned_database() as pool:
        if not await set_member(pool, OrgId(org_id), user, role):
            say(f"There is no organisation {org_id}: nothing was changed. `shw org list` shows them.")
            return ExitCode.NO
    print(user)  # noqa: T201 - the answer
    return ExitCode.OK
