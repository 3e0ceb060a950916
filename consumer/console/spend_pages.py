"""The page of what was spent: by day and strategy, as a statement that is held against the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumer.api.errors import ApiError
from consumer.api.spend import SpendQuery
from consumer.api.tokens import User
from consumer.console.frame import PageFrame
from schemas.names import Budget

SPEND: Final = "/spend"
_SPANS: Final = {"7": 7, "30": 30, "92": 92}
"""Days that are offered, by how the address has them."""
_SHOWN: Final = "30"
BAR: Final = 100
"""Width of the bar of the day that cost most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendDay:
    """One day: what each strategy spent, all of them together, and how wide its bar is."""

    day: str
    by_strategy: Mapping[str, str]
    total: str
    bar: int


def spend_days(lines: Sequence[Mapping[str, Any]]) -> list[SpendDay]:
    """Return the days of the lines of heals, the newest first, with what was spent as positive amounts. Pure."""
    days: dict[str, dict[str, Decimal]] = {}
    for line in lines:
        if line["ofHealing"]:
            days.setdefault(line["day"], {})[line["name"]] = -Decimal(line["aud"] or 0)
    totals = {day: sum(parts.values(), Decimal(0)) for day, parts in days.items()}
    most = max(totals.values(), default=Decimal(0))
    return [
        SpendDay(
            day=day,
            by_strategy={name: _amount(amount) for name, amount in parts.items()},
            total=_amount(totals[day]),
            bar=max(0, round(BAR * totals[day] / most)) if most > 0 else 0,
        )
        for day, parts in sorted(days.items(), reverse=True)
    ]


def spend_routes(frame: PageFrame) -> list[Route]:
    """Return the page of what was spent."""

    async def show(request: Request, user: User) -> Response:
        asked = request.query_params
        today = datetime.now(UTC).date()
        days = asked.get("days", _SHOWN)
        try:
            since = today - timedelta(days=_SPANS[days] - 1)
            given = {name: asked[name] for name in ("orgId", "budget") if asked.get(name)}
            wanted = SpendQuery.model_validate(given | {"since": since, "until": today})
        except (ValidationError, KeyError):
            message = "This address asks for something that means nothing. Begin anew with Spend."
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_filter", message) from None
        organisations = await frame.parts.pauses.organisations(user)
        spent: Any = await frame.parts.spend.of(user, wanted) if organisations else None
        return frame.page(
            request,
            "spend.html",
            spent=spent,
            days=spend_days(spent["lines"]) if spent else [],
            strategies=[one["name"] for one in spent["sums"] if one["ofHealing"]] if spent else [],
            amount=_written,
            organisations=list(map(str, organisations)),
            budgets=list(Budget),
            spans=list(_SPANS),
            chosen_days=days,
        )

    return [Route(SPEND, frame.signed(show))]


def _written(aud: str | None) -> str:
    return _amount(Decimal(aud)) if aud is not None else "no number"


def _amount(amount: Decimal) -> str:
    """Write an amount to the cent, and more of it where there is less than that."""
    written = f"{amount:.6f}".rstrip("0")
    whole, _, rest = written.partition(".")
    return f"{whole}.{rest:0<2}" if written.strip("-0.") else "0.00"
