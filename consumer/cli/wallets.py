"""`shw wallet` and `shw ledger`: an organisation's credits, and a statement that is proven against its wallet."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import typer
from typer.core import TyperGroup

from consumer.cli.exits import ExitCode, say
from consumer.cli.operator import login
from consumer.cli.options import AsJson, By, Wide, end

_MONTH: Final = re.compile(r"((?:19|2[0-9])[0-9]{2})-(0[1-9]|1[0-2])")
_AUD: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)
_COLUMNS: Final = ("at", "type", "amount_aud", "remaining_aud", "what", "attempt")
Organisation = Annotated[UUID, typer.Argument(metavar="ORG", help="The organisation's id.")]
OfBudget = Annotated[
    Literal["text", "voice"], typer.Option("--budget", help="Which of the wallet's budgets the statement is of.")
]
Month = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="That month alone (UTC). Default: all of it.")]


class _ShowIsMeant(TyperGroup):
    """`shw wallet ORG` is `shw wallet show ORG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the library hides its type
        """Put the command in front where the first word is none."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


wallet: Final = typer.Typer(
    help="Show an organisation's wallet (`shw wallet ORG`), or set it.", cls=_ShowIsMeant, no_args_is_help=True
)


@wallet.command("show")
def show_wallet(org_id: Organisation, as_json: AsJson = False, _wide: Wide = False) -> None:
    """Show an organisation's wallet: budgets, what heals hold, what it owes, and its lockouts."""
    end(asyncio.run(_show_wallet(org_id, as_json=as_json)))


@wallet.command("set")
def set_wallet(
    org_id: Organisation,
    text: Annotated[str | None, typer.Option(metavar="AUD", help="What its text budget holds from now on.")] = None,
    voice: Annotated[str | None, typer.Option(metavar="AUD", help="The same of its voice budget.")] = None,
    by: By = None,
) -> None:
    """Set what is in an organisation's wallet, and write the change into its ledger: without a platform that does."""
    budgets = {"text": _amount("--text", text), "voice": _amount("--voice", voice)}
    given = {budget: amount for budget, amount in budgets.items() if amount is not None}
    if not given:
        raise typer.BadParameter("give --text, --voice or both")
    end(asyncio.run(_set_wallet(org_id, given, by or login())))


def show_ledger(
    org_id: Organisation, month: Month = None, budget: OfBudget = "text", as_json: AsJson = False, _wide: Wide = False
) -> None:
    """Print a statement of one of an organisation's budgets; exit code 1 where it does not add up to the wallet."""
    end(asyncio.run(_show_ledger(org_id, budget, *span_of_month(month), as_json=as_json)))


def span_of_month(month: str | None) -> tuple[datetime, datetime]:
    """Return the span of a month; None: all time."""
    if month is None:
        return datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
    found = _MONTH.fullmatch(month)
    if found is None:
        raise typer.BadParameter(f"--month {month!r}: must be YYYY-MM")
    year, number = int(found[1]), int(found[2])
    return datetime(year, number, 1, tzinfo=UTC), datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _amount(option: str, text: str | None) -> Decimal | None:
    """Parse an amount of AUD: not negative, and no finer than a micro-AUD, as the ledger counts."""
    if text is None:
        return None
    if not _AUD.fullmatch(text):
        raise typer.BadParameter(f"{option} {text!r}: must be an amount such as 10 or 2.50, with six decimals at most")
    return Decimal(text)


async def _set_wallet(org_id: UUID, given: Mapping[str, Decimal], by: str) -> ExitCode:
    from consumer.cli.database import open_owned_database
    from consumer.model import OrgId
    from consumer.redact import redact_text
    from consumer.store.tenants import set_wallet
    from schemas.names import Budget

    async with open_owned_database() as pool:
        budgets = {Budget(name): amount for name, amount in given.items()}
        if not await set_wallet(pool, OrgId(org_id), budgets, redact_text(by)):
            say(f"There is no organisation {org_id}: nothing was changed. `shw org list` shows them.")
            return ExitCode.NO
    return await _show_wallet(org_id, as_json=False)


async def _show_wallet(org_id: UUID, *, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.model import JsonObject, OrgId, in_aud
    from consumer.store.ledger import read_wallet

    async with open_database() as pool:
        found = await read_wallet(pool, OrgId(org_id))
    if found is None:
        say(f"Organisation {org_id} has no wallet: heals that cost something say `No billing wallet configured`.")
        return ExitCode.NO
    whole: JsonObject = {
        "tier": found.tier,
        "text_budget_aud": f"{found.text_budget_aud:f}",
        "voice_budget_aud": f"{found.voice_budget_aud:f}",
        "held_aud": in_aud(found.held),
        "voice_held_aud": in_aud(found.voice_held),
        "held_until_a_person_decides_aud": in_aud(found.parked),
        "given_back_when_unlocked_aud": in_aud(found.owed),
        "debt_aud": in_aud(found.debt),
        "renew_day": found.renew_day,
        "auto_topup": found.auto_topup,
        "topup_amount_aud": f"{found.topup_amount_aud:f}" if found.topup_amount_aud is not None else None,
        "lockouts": list(found.lockouts),
    }
    if as_json:
        print_json(whole)
    else:
        rows = [(name, "; ".join(found.lockouts) if name == "lockouts" else said) for name, said in whole.items()]
        print_rows(("what", "value"), rows)
    return ExitCode.OK


async def _show_ledger(org_id: UUID, budget_name: str, since: datetime, until: datetime, *, as_json: bool) -> ExitCode:
    from consumer.analysis.statement import Statement
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.model import OrgId
    from consumer.store.ledger import read_ledger
    from schemas.names import Budget

    budget = Budget(budget_name)
    rows: list[tuple[object, ...]] = []
    async with open_database() as pool, read_ledger(pool, OrgId(org_id), budget, since, until) as read:
        statement = Statement(budget=budget, before=read.before)
        async for line in read.lines:
            statement.add(line)
            what = line.phase or ("debt" if line.debt_of else None)
            attempt = line.attempt_id or line.debt_of
            rows.append((line.created_at.isoformat(), line.event_type, line.amount, line.remaining, what, attempt))
        statement.close(read.wallet, is_latest=read.is_latest, lost_holds=read.lost_holds)
    if as_json:
        for row in rows:
            print_json(
                {name: str(cell) if cell is not None else None for name, cell in zip(_COLUMNS, row, strict=True)}
            )
    else:
        print_rows(_COLUMNS, rows)
    if statement.before is None or statement.after is None:
        say(f"The ledger of {org_id} has no line in that time.")
    else:
        sums = ", ".join(f"{kind} {amount:f}" for kind, amount in sorted(statement.sums.items())) or "nothing"
        say(f"{statement.before:f} AUD before, {sums}: {statement.after:f} AUD after {len(rows)} lines.")
    for fault in statement.faults:
        say(f"It does not add up: {fault}.")
    if statement.more_faults:
        say(f"And {statement.more_faults} faults more.")
    return ExitCode.NO if statement.faults else ExitCode.OK
