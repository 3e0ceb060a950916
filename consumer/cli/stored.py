"""`shw diagnose --stored`: backtest of the present rules and catalog on stored failures; changes and heals nothing."""

import asyncio
from datetime import datetime
from typing import Final

from consumer.analysis.backtest import Change, Comparison, Conclusion, decide
from consumer.catalog import Catalogs
from consumer.cli.database import open_database
from consumer.cli.exits import say
from consumer.cli.tables import print_json, print_rows
from consumer.model import JsonObject, in_aud
from consumer.plan.planner import Planner
from consumer.service.catalog_file import read_catalog
from consumer.service.strategies import installed_strategies
from consumer.settings import read_settings
from consumer.store.reports import stored_diagnoses

_COLUMNS: Final = ("failures", "before", "now", "acted_on_before", "acted_on_now", "credits_held_more_aud", "example")


def diagnose_stored(*, since: datetime, limit: int, as_json: bool) -> None:
    """Print which failures detected since a time would be decided differently now, and the totals."""
    found = asyncio.run(_compare(since, limit))
    if as_json:
        for one in found.ordered():
            print_json(_as_json(*one))
        print_json(found.summary())
        return
    print_rows(_COLUMNS, (_as_row(*one) for one in found.ordered()))
    say(
        f"{found.failures} failures: {found.same} stay the same, {found.failures - found.same} change. "
        f"{found.more} more would be acted on, with {in_aud(found.credits)} AUD held for them; {found.fewer} fewer. "
        f"{found.refused} would be refused, {found.crashed} of them because planning broke."
    )


async def _compare(since: datetime, limit: int) -> Comparison:
    catalog = read_catalog(read_settings().catalog)
    found = Comparison()
    async with installed_strategies(Catalogs(catalog), connections=1) as strategies, open_database() as pool:
        planner = Planner(rungs=strategies, catalog=catalog)
        async for stored in stored_diagnoses(pool, since=since, limit=limit):
            before = Conclusion(stored.failure_type, stored.disposition, stored.strategy or "")
            # Planned as of the time when it came in: as of now, most would be older than max_age allows.
            now = decide(planner, stored.failure, stored.received_at)
            found.add(before, now, acted=stored.acted)
    return found


def _as_json(before: Conclusion, now: Conclusion, change: Change) -> JsonObject:
    return {
        "before": dict(before._asdict()),
        "now": dict(now._asdict()),
        "failures": change.count,
        "acted_on_before": change.acted_before,
        "acted_on_now": change.acted_now,
        "credits_held_more_aud": in_aud(change.credits),
        "example": str(change.example),
    }


def _as_row(before: Conclusion, now: Conclusion, change: Change) -> list[object]:
    return [
        change.count,
        _format(before),
        _format(now),
        change.acted_before,
        change.acted_now,
        in_aud(change.credits),
        change.example,
    ]


def _format(decided: Conclusion) -> str:
    return " ".join(part or "-" for part in decided)
