"""Creates the runners (engine clients) that the catalog declares, and those of the catalog in force."""

from collections.abc import Mapping
from typing import assert_never

from consumer.catalog import (
    AirflowRunner,
    Catalogs,
    ConductorRunner,
    DescribedRunner,
    HttpRunner,
    KafkaRunner,
    MaosRunner,
    PrefectRunner,
    WorkflowPolicy,
)
from consumer.outbound.calls import OutboundCalls
from consumer.outbound.tokens import engine_calls
from consumer.runners.airflow.engine import AirflowEngine
from consumer.runners.conductor.engine import ConductorEngine
from consumer.runners.contract import Runner
from consumer.runners.http.engine import HttpEngine
from consumer.runners.kafka.engine import KafkaRecords, RecordTopics
from consumer.runners.maos.engine import MaosEngine
from consumer.runners.prefect.engine import PrefectEngine


class ConfiguredRunners:
    """The runners of one catalog, by name; a new catalog gets a new instance."""

    def __init__(
        self, described: Mapping[str, DescribedRunner], calls: OutboundCalls, records: RecordTopics | None = None
    ) -> None:
        self._runners = {name: _runner(each, calls, records) for name, each in described.items()}

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Return the runner that a workflow's entry names, or None where it names none."""
        return None if policy.runner is None else self._runners.get(policy.runner)


def _runner(described: DescribedRunner, outbound: OutboundCalls, records: RecordTopics | None) -> Runner:
    if isinstance(described, KafkaRunner):
        return KafkaRecords(described, records)
    calls = engine_calls(described.token, outbound)
    match described:
        case AirflowRunner():
            return AirflowEngine(described, calls)
        case ConductorRunner():
            return ConductorEngine(described, calls)
        case HttpRunner():
            return HttpEngine(described, calls)
        case MaosRunner():
            return MaosEngine(described, calls)
        case PrefectRunner():
            return PrefectEngine(described, calls)
        case _:
            assert_never(described)


class CurrentRunners:
    """The runners of the catalog in force, recreated when the catalog changes."""

    def __init__(self, catalogs: Catalogs, calls: OutboundCalls, records: RecordTopics | None = None) -> None:
        self._catalogs = catalogs
        self._calls = calls
        self._records = records
        self._cached = catalogs.current, ConfiguredRunners(catalogs.current.runners, calls, records)

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Return the runner that a workflow's entry names, as the catalog in force declares it."""
        catalog, runners = self._cached
        if catalog is not self._catalogs.current:
            catalog = self._catalogs.current
            runners = ConfiguredRunners(catalog.runners, self._calls, self._records)
            self._cached = catalog, runners
        return runners.of(policy)
