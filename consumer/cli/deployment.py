"""`shw deployment`: prints whose database it is, and gives it this deployment's name deliberately."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from typing import Annotated, Final

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import end

deployment: Final = typer.Typer(help="Whose database it is: one deployment's.", invoke_without_command=True)


@deployment.callback()
def show_deployment(context: typer.Context) -> None:
    """Print the name of the deployment that the database serves; 1 when it is not this one's."""
    if context.invoked_subcommand is None:
        end(asyncio.run(_show()))


@deployment.command("rename")
def rename_deployment(
    before: Annotated[str, typer.Option("--from", metavar="NAME", help="The name that the database has now.")],
) -> None:
    """Give the database this deployment's name, with all replicas stopped: its topic or its group has changed."""
    end(asyncio.run(_rename(before)))


async def _show() -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.settings import read_settings
    from consumer.store.deployment import deployment_name

    mine = read_settings().deployment_name
    async with open_database() as pool:
        row = await deployment_name(pool)
    if row is None:
        say(f"The database serves no deployment yet: the first to start gives its name. This one is '{mine}'.")
        return ExitCode.OK
    print(row["name"])  # noqa: T201 - the answer
    same = row["name"] == mine
    this = "the same" if same else f"'{mine}', and cannot start here"
    say(f"Named {row['named_at'].isoformat()}. This one is {this}.")
    return ExitCode.OK if same else ExitCode.NO


async def _rename(before: str) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.settings import read_settings
    from consumer.store.deployment import rename

    mine = read_settings().deployment_name
    async with open_database() as pool:
        renamed = await rename(pool, mine, before=before)
    if not renamed:
        say(f"Nothing was changed: the database's deployment is not '{before}'. `shw deployment` says which it is.")
        return ExitCode.NO
    say(f"The database serves the deployment '{mine}' now. Replicas of '{before}' do not start on it any more.")
    return ExitCode.OK
