"""`shw runs`: lists the live runs whose heartbeats are read, those first that are nearest to their deadline."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import AsJson, Wide, end

if TYPE_CHECKING:
    from consumer.model import JsonObject
    from consumer.model.live_run import LiveRun

_LISTED: Final = 200
_COLUMNS: Final = ("org", "workflow", "run", "step", "status", "heard", "deadline", "learnt", "failure")


def list_runs(
    org: Annotated[UUID | None, typer.Option("--org", metavar="ID", help="Of this organisation only.")] = None,
    stalled: Annotated[bool, typer.Option("--stalled", help="Only those whose silence has become a failure.")] = False,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """List the live runs whose heartbeats are read: when each was heard last, and when its silence is a stall."""
    end(asyncio.run(_list(org, stalled=stalled, as_json=as_json)))


async def _list(org: UUID | None, *, stalled: bool, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.store import live_runs

    async with open_database() as pool:
        found = await live_runs.list_runs(pool, org_id=org, stalled=stalled, limit=_LISTED)
    shown = [_document(one) for one in found]
    if as_json:
        for one in shown:
            print_json(one)
    elif shown:
        print_rows(_COLUMNS, [["" if one[name] is None else one[name] for name in _COLUMNS] for one in shown])
    else:
        say("No run is known by heartbeats. They are read where SHW_HEARTBEATS__READ is true: docs/heartbeats.md.")
    return ExitCode.OK


def _document(run: "LiveRun") -> "JsonObject":
    from consumer.redact import redact_text

    beat, due = run.beat, run.due
    return {
        "org": str(beat.name.org_id),
        "workflow": redact_text(beat.name.workflow_name),
        "run": redact_text(beat.name.run_id),
        "step": redact_text(beat.step),
        "status": beat.status.value,
        "heard": _time(run.heard),
        "deadline": None if due is None else _time(due),
        "learnt": run.learnt,
        "failure": None if run.told is None else str(run.told),
    }


def _time(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
