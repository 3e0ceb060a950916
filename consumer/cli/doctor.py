"""`shw doctor`: what stands in the way of a start, all of it at once, each with the line that mends it."""
# --help must not wait for the service to be imported.
# ruff: noqa: PLC0415

import asyncio
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import AsJson, end

if TYPE_CHECKING:
    from consumer.service.doctor import StartFinding


def doctor(as_json: AsJson = False) -> None:
    """Look at settings, catalog, Kafka, database and host, and print all that is wrong, with the line that mends it.

    0 when `shw run` would start; 2 when something has to be changed first; 3 when only a server does not answer. Notes
    keep no service from starting. Nothing is changed.
    """
    found = asyncio.run(_examine(as_json=as_json))
    wrong = [one for one in found if not one.is_note]
    if not wrong:
        say(f"`shw run` can start; {len(found)} notes." if found else "All is well: `shw run` can start.")
        return
    say(f"{len(wrong)} findings keep `shw run` from starting.")
    end(ExitCode.OUTSIDE if all(one.is_outside for one in wrong) else ExitCode.USAGE)


async def _examine(*, as_json: bool) -> "list[StartFinding]":
    """Print each finding as it comes: a server that is away is waited for some seconds."""
    from consumer.service.doctor import examine

    found = []
    async for one in examine():
        _print(one, as_json=as_json)
        sys.stdout.flush()
        found.append(one)
    return found


def _print(finding: "StartFinding", *, as_json: bool) -> None:
    from consumer.cli.tables import plain, print_json
    from consumer.redact import redact_text

    shown = asdict(finding) | {"what": redact_text(finding.what)}
    if as_json:
        print_json(shown)
        return
    print(plain(f"{'note' if finding.is_note else 'wrong'}  {finding.about}: {shown['what']}"))  # noqa: T201 - the answer
    if finding.mend:
        print(f"       {plain(finding.mend)}")  # noqa: T201 - as above
