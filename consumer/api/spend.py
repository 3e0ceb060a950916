"""Spend over HTTP: what healing cost an organisation, by strategy and day, and whether its ledger adds up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints, signed_in
from consumer.api.shown import ApiReply
from consumer.api.tokens import User
from consumer.model import OrgId
from consumer.redact import redact_text
from consumer.store import reports
from consumer.store.spend import Spend, SpentOfDay, spend_of
from schemas.names import Budget

SPAN: Final = 30
"""Days that are shown where nothing else is asked for."""
LONGEST: Final = 92
_MILLIONTH: Final = Decimal("0.000001")


class SpendQuery(BaseModel):
    """Of which organisation and budget, and of which days (UTC), the last one included."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    org_id: UUID | None = None
    budget: Budget = Budget.TEXT
    since: Annotated[date | None, Field(ge=date(2000, 1, 1), le=date(2999, 1, 1))] = None
    until: Annotated[date | None, Field(ge=date(2000, 1, 1), le=date(2999, 1, 1))] = None

    def days(self, today: date) -> tuple[date, date]:
        """Return the first and the last day; ApiError (400) where they are no span, or too long a one."""
        until = self.until or max(today, self.since or today)
        since = self.since or until - timedelta(days=SPAN - 1)
        if since > until or (until - since).days >= LONGEST:
            message = f"From since to until are {LONGEST} days at most, and since is not after until."
            raise ApiError(HTTPStatus.BAD_REQUEST, "bad_span", message)
        return since, until


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendEndpoints:
    """Reads what was spent as a user, for the API and for pages."""

    healing: HealingEndpoints

    async def of(self, user: User, wanted: SpendQuery) -> dict[str, object]:
        """Return what an organisation spent; the one that the user leads where none is named."""
        since, until = wanted.days(datetime.now(UTC).date())
        async with self.healing.as_user(user) as connection:
            own = await reports.own_organisations(connection, OrgId(wanted.org_id) if wanted.org_id else None)
            if not own:
                message = "No such organisation among those that you administer."
                raise ApiError(HTTPStatus.NOT_FOUND, "not_found", message)
            org_id = min(own)
            found = await spend_of(
                connection, org_id, wanted.budget, _midnight(since), _midnight(until + timedelta(days=1))
            )
        days = {"since": since.isoformat(), "until": until.isoformat()}
        return {"orgId": str(org_id), "budget": wanted.budget, **days} | shown_spend(found)


def add_spend(router: APIRouter, healing: HealingEndpoints) -> SpendEndpoints:
    """Add the endpoint of what was spent; returns its access to the database."""
    spend = SpendEndpoints(healing=healing)

    @router.get("/spend")
    async def of(wanted: Annotated[SpendQuery, Query()], user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Tell what an organisation's ledger says of some days, by strategy and day; negative amounts are spent."""
        return ApiReply(await spend.of(user, wanted))

    return spend


def shown_spend(found: Spend) -> dict[str, object]:
    """Render what was spent, and whether opening, lines and closing of the ledger agree. Pure."""
    total = sum((one.amount for one in found.spent), Decimal(0))
    return {
        "lines": [{"day": one.day.isoformat()} | _shown_sum(one.name, [one]) for one in found.spent],
        "sums": list(_sums(found.spent)),
        "openingAud": _aud(found.opening),
        "totalAud": _aud(total),
        "closingAud": _aud(found.closing),
        "agrees": found.opening is None or found.closing is None or _same(found.opening + total, found.closing),
    }


def _sums(spent: Sequence[SpentOfDay]) -> Iterator[dict[str, object]]:
    by_name: dict[tuple[bool, str], list[SpentOfDay]] = {}
    for one in spent:
        by_name.setdefault((not one.of_healing, one.name), []).append(one)
    for (_, name), parts in sorted(by_name.items()):
        yield _shown_sum(name, parts)


def _shown_sum(name: str, parts: Sequence[SpentOfDay]) -> dict[str, object]:
    return {
        "name": redact_text(name),
        "ofHealing": parts[0].of_healing,
        "aud": _aud(sum((one.amount for one in parts), Decimal(0))),
        "lines": sum(one.lines for one in parts),
    }


def _aud(amount: Decimal | None) -> str | None:
    return f"{amount:f}" if amount is not None and amount.is_finite() else None


def _same(one: Decimal, other: Decimal) -> bool:
    """Compare to the millionth, to which the healer rounds; what is no number leads nowhere."""
    return one.is_finite() and other.is_finite() and abs(one - other) < _MILLIONTH


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
