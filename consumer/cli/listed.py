"""Declaration of `shw failures` and `attempts`: which failures are listed, and how."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

from typing import Annotated
from uuid import UUID

import typer

from consumer.cli.options import TIMES, AsJson, FailureArgument, Wide, end, since_of
from schemas.names import FailureType, Status


def failures(  # noqa: PLR0913, PLR0917 - options, each by its name
    org: Annotated[UUID | None, typer.Option(help="Of this organisation only.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only.")] = None,
    source: Annotated[str | None, typer.Option(help="Published by this source only.")] = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Standing so. Default: all that are not resolved.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"Detected since: {TIMES}. Default: ever; of --top 7d."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    watch: Annotated[
        bool, typer.Option("--watch", help="A line for each, and one whenever where it stands changes, until Ctrl-C.")
    ] = False,
    top: Annotated[bool, typer.Option("--top", help="The most frequent causes instead, at most --limit.")] = False,
    top_unknown: Annotated[
        bool, typer.Option("--top-unknown", help="The same of those that no rule recognised.")
    ] = False,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """List failures, newest first; with --top or --top-unknown what they have in common, without their own data.

    Example: shw failures --status needs_person --since 1h
    """
    from consumer.cli.failures import print_causes, print_failures, watch_failures
    from consumer.model import OrgId
    from consumer.store.listed_failures import FailureFilter

    if not top and not top_unknown:
        wanted = FailureFilter(
            org_id=OrgId(org) if org else None,
            statuses=tuple(status or ()),
            workflow_name=workflow,
            source=source,
            since=since_of(since) if since is not None else None,
        )
        (watch_failures if watch else print_failures)(wanted, limit=limit, as_json=as_json)
        return
    if status or workflow or source or watch or (top and top_unknown):
        raise typer.BadParameter(
            "Give --top or --top-unknown, and of the choices --org and --since alone: closed failures count as well."
        )
    kind = FailureType.UNKNOWN if top_unknown else None
    print_causes(org_id=org, failure_type=kind, since=since_of(since), limit=limit, as_json=as_json)


def attempts(failure_id: FailureArgument, as_json: AsJson = False, _wide: Wide = False) -> None:
    """List the attempts to heal a failure, newest first."""
    from consumer.cli.failures import print_attempts

    end(print_attempts(failure_id, as_json=as_json))
