"""`shw bindings`: lists where the calls to dependencies go that are replaced, or were."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.options import AsJson, Wide, end

if TYPE_CHECKING:
    from consumer.model.binding import Binding

_LISTED: Final = 200
_COLUMNS: Final = ("org", "dependency", "state", "candidate", "since", "lease_until", "ejections", "reason")


def list_bindings(
    org: Annotated[UUID | None, typer.Option("--org", metavar="ID", help="Of this organisation only.")] = None,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """List the dependencies that are or were replaced: by what, since when, for how long, and why."""
    end(asyncio.run(_list(org, as_json=as_json)))


async def _list(org: UUID | None, *, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.redact import redact_json
    from consumer.store import bindings
    from consumer.store.pool import transaction

    async with open_database() as pool, transaction(pool) as connection:
        within = [org] if org is not None else None
        found = await bindings.list_bindings(connection, within=within, limit=_LISTED)
    if as_json:
        for one in found:
            evidence, _ = redact_json([dict(said) for said in one.evidence])
            print_json(dict(zip(_COLUMNS, _row(one), strict=True)) | {"evidence": evidence})
    elif found:
        print_rows(_COLUMNS, [_row(one) for one in found])
    else:
        say("No dependency was ever replaced.")
    return ExitCode.OK


def _row(one: "Binding") -> tuple[str, ...]:
    from consumer.redact import redact_text

    since, until = one.changed_at.isoformat(), one.lease_until.isoformat() if one.candidate is not None else ""
    reason = redact_text(one.reason)
    return str(one.org_id), one.dependency, one.state, one.candidate or "", since, until, str(one.ejections), reason
