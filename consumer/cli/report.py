"""`shw report`: what a month came to, by organisation."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import AsJson, Wide, end
from consumer.cli.wallets import span_of_month

_COLUMNS: Final = ("organisation", "healed", "recovered", "relapsed", "not_healed", "refused", "spent_aud")


def report_month(
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Which month (UTC).")],
    org: Annotated[UUID | None, typer.Option("--org", metavar="ID", help="Of this organisation only.")] = None,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """Tell what a month came to by organisation: healed, recovered by itself, relapsed, refused and why, spent."""
    end(asyncio.run(_report(*span_of_month(month), org, as_json=as_json)))


async def _report(since: datetime, until: datetime, org: UUID | None, *, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.model import OrgId, in_aud
    from consumer.store.month import month_of

    async with open_database() as pool:
        months = await month_of(pool, since=since, until=until, org_id=OrgId(org) if org is not None else None)
    rows = [
        (str(org_id), one.healed, one.recovered, one.relapsed, one.not_healed, dict(one.refused), in_aud(one.spent))
        for org_id, one in sorted(months.items())
    ]
    if as_json:
        for row in rows:
            print_json(dict(zip(_COLUMNS, row, strict=True)))
    elif rows:
        refused = _COLUMNS.index("refused")
        shown = [
            tuple(_by_code(said) if place == refused else str(said) for place, said in enumerate(row)) for row in rows
        ]
        print_rows(_COLUMNS, shown)
    else:
        say("Nothing was attempted in that month.")
    return ExitCode.OK


def _by_code(said: object) -> str:
    return ", ".join(f"{code} {number}" for code, number in sorted(said.items())) if isinstance(said, dict) else ""
