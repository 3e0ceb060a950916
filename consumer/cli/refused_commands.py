"""Declaration of the commands on refused events: dead letters, and the intake pause that too many of them cause."""
# --help must not wait for Kafka's client to be imported.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from consumer.cli.options import TIMES, AsJson, Wide, end, length_of, place_of, since_of
from schemas.names import PoisonReason

if TYPE_CHECKING:
    from consumer.cli.letter_choice import LetterFilter

dlq: Final = typer.Typer(help="What was refused: list it, look at it, send it again.", no_args_is_help=True)
intake: Final = typer.Typer(
    help="Whether dead letters from everywhere have paused the reading; and letting it go on.",
    invoke_without_command=True,
)


ReasonOf = Annotated[PoisonReason | None, typer.Option("--reason", help="Of this reason only.")]
SourceOf = Annotated[
    str | None,
    typer.Option("--source", help="Of this source only, or of a pattern with `*`, as far as its bytes tell."),
]
OrganisationOf = Annotated[
    UUID | None, typer.Option("--organisation", help="Of this organisation only, as far as its bytes tell.")
]
RefusedSince = Annotated[str | None, typer.Option("--since", metavar="TIME", help=f"Refused since: {TIMES}.")]
RefusedUntil = Annotated[str | None, typer.Option("--until", metavar="TIME", help=f"Refused before: {TIMES}.")]


@dlq.command("list")
def list_letters(
    reason: ReasonOf = None,
    source: SourceOf = None,
    organisation: OrganisationOf = None,
    since: RefusedSince = None,
    until: RefusedUntil = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The newest of them.")] = 1000,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """List dead letters: where, when, why, from where, how large, how often sent again."""
    from consumer.cli.dead_letters import list_letters

    list_letters(_filter_of(reason, source, organisation, since, until), limit=limit, as_json=as_json)


@dlq.command("show")
def show_letter(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET")],
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they are, secrets and all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a dead letter as JSON, without what looks like a secret; at a terminal in many lines, and what to do."""
    from consumer.cli.dead_letters import show_letter
    from consumer.kafka.dead_letters import LetterPosition

    end(show_letter(place_of(LetterPosition, place), raw=raw, as_json=as_json))


@dlq.command("replay")
def replay_letters(  # noqa: PLR0913, PLR0917 - options, each by its name
    places: Annotated[list[str] | None, typer.Argument(metavar="PARTITION:OFFSET...")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every original, or with the options below some.")] = False,
    reason: ReasonOf = None,
    source: SourceOf = None,
    organisation: OrganisationOf = None,
    since: RefusedSince = None,
    until: RefusedUntil = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent and what not; send nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Send also what would be refused again.")] = False,
    catalog: Annotated[Path | None, typer.Option(help="Default: SHW_CATALOG.")] = None,
) -> None:
    """Send dead letters to where they came from, as they were, once their cause is gone.

    Asked before: whether the catalog and the limits accept the event now, whether its organisation exists, and whether
    it was accepted already. A letter stays where it is; however often it is sent, its event makes one failure.
    """
    from consumer.cli.replay_letters import ReplayOptions, replay_letters
    from consumer.kafka.dead_letters import LetterPosition

    choice = _filter_of(reason, source, organisation, since, until)
    if bool(places) == every or not (every or choice.is_any):
        raise typer.BadParameter("Give places, or --all with or without --reason and the other options that choose.")
    manner = ReplayOptions(force=force, dry_run=dry_run, catalog=catalog)
    end(replay_letters([place_of(LetterPosition, one) for one in places or ()], choice, manner))


def _filter_of(
    reason: PoisonReason | None, source: str | None, organisation: UUID | None, since: str | None, until: str | None
) -> "LetterFilter":
    from consumer.cli.letter_choice import LetterFilter

    return LetterFilter(
        reason=reason,
        source=source,
        organisation=organisation,
        since=since_of(since) if since is not None else None,
        until=since_of(until, "--until") if until is not None else None,
    )


@intake.callback()
def show_intake(context: typer.Context, as_json: AsJson = False, _wide: Wide = False) -> None:
    """Say whether dead letters from everywhere have paused the reading, and whose; 0 when it is not paused."""
    from consumer.cli.intake import show_intake

    if context.invoked_subcommand is None:
        end(show_intake(as_json=as_json))


@intake.command("resume")
def resume_intake(
    off_for: Annotated[
        str, typer.Option("--off-for", metavar="SPAN", help="Do not pause again for so long: 1h, or seconds.")
    ] = "0",
) -> None:
    """Let every consumer read again at once; it pauses again where the cause is still there, unless --off-for."""
    from consumer.cli.intake import resume_intake

    end(resume_intake(length_of("--off-for", off_for)))
