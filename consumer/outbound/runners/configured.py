"""The engines of this deployment: one runner for each that the catalog names."""

from collections.abc import Mapping
from typing import assert_never

from consumer.catalog import DescribedRunner, HttpRunner, PrefectRunner, WorkflowPolicy
from consumer.outbound.calls import Calls
from consumer.outbound.runners.over_http import HttpEngine
from consumer.outbound.runners.prefect import PrefectEngine
from consumer.runner import Runner


class ConfiguredRunners:
    """Gives each workflow the runner that its entry names; a catalog's own, so that a new catalog gets a new one."""

    def __init__(self, described: Mapping[str, DescribedRunner], calls: Calls) -> None:
        self._runners = {name: _runner(each, calls) for name, each in described.items()}

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Give the runner of a workflow, or None where its entry names none."""
        return None if policy.runner is None else self._runners.get(policy.runner)


def _runner(described: DescribedRunner, calls: Calls) -> Runner:
    match described:
        case HttpRunner():
            return HttpEngine(described, calls)
        case PrefectRunner():
            return PrefectEngine(described, calls)
        case _:
            assert_never(described)
