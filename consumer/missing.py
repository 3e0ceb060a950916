"""Which context fields failures lacked, counted by who should have sent them."""

from collections.abc import Mapping, Sequence
from typing import Final

from consumer.catalog import Catalog
from consumer.metrics import Metrics
from consumer.model import Diagnosed, Heal, PassedOver, Refuse
from consumer.plan.rung import Rung
from schemas.names import StrategyName

MEMBER: Final = "member"
"""In the place of a source: a signed-in member inserted the row."""
OTHER: Final = "other"
"""In the place of what nobody declares, so that no event makes a new series."""


def count_missing(diagnosed: Diagnosed, catalog: Catalog, rungs: Mapping[StrategyName, Rung], metrics: Metrics) -> None:
    """Count the fields for whose lack rungs of a new failure's ladder were passed over."""
    lacking = [one for one in _passed_over(diagnosed) if one.missing]
    if not lacking:
        return
    failure = diagnosed.failure
    source = MEMBER if failure.source is None else catalog.speaks_as(failure.source, failure.org_id) or OTHER
    for one in lacking:
        rung = rungs.get(one.strategy)
        fields = rung.fields if rung is not None else ()
        for field in {declared_field(path, fields) for path in one.missing}:
            metrics.missing_context[source, one.strategy, field].inc()


def _passed_over(diagnosed: Diagnosed) -> tuple[PassedOver | Refuse, ...]:
    match diagnosed.plan:
        case Heal(passed_over=passed_over):
            return passed_over
        case Refuse(passed_over=passed_over) as plan:
            return (plan, *passed_over)
        case _:
            return ()


def declared_field(path: str, declared: Sequence[str]) -> str:
    """Give the declared field that a path is, or lies below: few enough for a label."""
    return next((f for f in declared if path == f or path.startswith((f"{f}.", f"{f}["))), OTHER)
