"""The engines of this deployment: one runner for each that the catalog names."""

from collections.abc import Mapping
from typing import assert_never

from consumer.catalog import (
    Catalogs,
    DescribedRunner,
    HttpRunner,
    PrefectRunner,
    WorkflowPolicy,
)
from consumer.outbound.calls import OutboundCalls
from consumer.runners.contract import Runner
from consumer.runners.http.engine import HttpEngine
from consumer.runners.prefect.engine import PrefectEngine


class ConfiguredRunners:
    """Gives each workflow the runner that its entry names; a catalog's own, so that a new catalog gets a new one."""

    def __init__(self, described: Mapping[str, DescribedRunner], calls: OutboundCalls) -> None:
        self._runners = {name: _runner(each, calls) for name, each in described.items()}

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Give the runner of a workflow, or None where its entry names none."""
        return None if policy.runner is None else self._runners.get(policy.runner)


def _runner(described: DescribedRunner, calls: OutboundCalls) -> Runner:
    match described:
        case HttpRunner():
            return HttpEngine(described, calls)
        case PrefectRunner():
            return PrefectEngine(described, calls)
        case _:
            assert_never(described)


class CurrentRunners:
    """The engines of the catalog in force."""

    def __init__(self, catalogs: Catalogs, calls: OutboundCalls) -> None:
        self._catalogs = catalogs
        self._calls = calls
        self._made = catalogs.current, ConfiguredRunners(catalogs.current.runners, calls)

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Give the runner that a workflow's entry names, as it is described now."""
        catalog, runners = self._made
        if catalog is not self._catalogs.current:
            catalog = self._catalogs.current
            runners = ConfiguredRunners(catalog.runners, self._calls)
            self._made = catalog, runners
        return runners.of(policy)
