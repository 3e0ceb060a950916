"""What heals may cost at most, by the catalog."""

from collections.abc import Collection, Mapping

from consumer.catalog import Catalog
from consumer.model import MicroAud, strategy_of
from schemas.names import StrategyName


def at_most(catalog: Catalog, strategies: Collection[StrategyName], workflows: Mapping[str, int]) -> MicroAud | None:
    """Return what one attempt each may cost together: of each workflow the dearest of the installed strategies.

    A workflow that the catalog does not have is not healed, and costs nothing.
    """
    sum_of_all = 0
    for workflow, failures in workflows.items():
        policy = catalog.policy(workflow)
        if policy is not None:
            sum_of_all += failures * max(
                (policy.allowances[rung] for rung in policy.allowances if strategy_of(rung) in strategies), default=0
            )
    return MicroAud(sum_of_all)
