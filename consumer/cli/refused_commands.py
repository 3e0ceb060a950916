"""The commands on what was refused: dead letters, and the pause that too many of them bring."""
# --help must not wait for Kafka's client to be imported.
# ruff: noqa: PLC0415

from datetime import timedelta
from typing import Annotated, Final

import typer

from consumer.cli.options import AsJson, end, place_of
from schemas.names import PoisonReason

dlq: Final = typer.Typer(help="What was refused: list it, look at it, send it again.", no_args_is_help=True)
intake: Final = typer.Typer(
    help="Whether dead letters from everywhere have paused the reading; and letting it go on.",
    invoke_without_command=True,
)


@dlq.command("list")
def list_letters(
    reason: Annotated[PoisonReason | None, typer.Option(help="Of this reason only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The newest of them.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """List dead letters: where, when, why, from where, how large."""
    from consumer.cli.dead_letters import list_letters

    list_letters(reason=reason, limit=limit, as_json=as_json)


@dlq.command("show")
def show_letter(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET")],
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they are, secrets and all.")] = False,
) -> None:
    """Print a dead letter as JSON, without what looks like a secret."""
    from consumer.cli.dead_letters import Place, show_letter

    end(show_letter(place_of(Place, place), raw=raw))


@dlq.command("replay")
def replay_letters(
    places: Annotated[list[str] | None, typer.Argument(metavar="PARTITION:OFFSET...")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter, or every one of --reason.")] = False,
    reason: Annotated[PoisonReason | None, typer.Option(help="With --all: of this reason only.")] = None,
) -> None:
    """Send dead letters to where they came from, as they were, once their cause is gone.

    A letter stays where it is. Sent twice, an event with an id makes one failure, bare JSON makes two.
    """
    from consumer.cli.dead_letters import Place, replay_letters

    if bool(places) == every or (reason and not every):
        raise typer.BadParameter("Give places, or --all with or without --reason.")
    end(replay_letters([place_of(Place, one) for one in places or ()], every=every, reason=reason))


@intake.callback()
def show_intake(context: typer.Context, as_json: AsJson = False) -> None:
    """Say whether dead letters from everywhere have paused the reading, and whose; 0 when it is not paused."""
    from consumer.cli.intake import show_intake

    if context.invoked_subcommand is None:
        end(show_intake(as_json=as_json))


@intake.command("resume")
def resume_intake(
    off_for: Annotated[
        float, typer.Option("--off-for", min=0, metavar="SECONDS", help="Do not pause again for so long.")
    ] = 0,
) -> None:
    """Let every consumer read again at once; it pauses again where the cause is still there, unless --off-for."""
    from consumer.cli.intake import resume_intake

    end(resume_intake(timedelta(seconds=off_for)))
