"""Creates the runners (engine clients) that the catalog declares, those of the catalog in force, and watched ones."""

from collections.abc import Mapping
from typing import TypeAlias, assert_never

from consumer.catalog import (
    AirflowRunner,
    Catalogs,
    ConductorRunner,
    DescribedRunner,
    HttpRunner,
    KafkaRunner,
    MaosRunner,
    PrefectRunner,
    TemporalRunner,
    WorkflowPolicy,
)
from consumer.outbound.calls import OutboundCalls
from consumer.outbound.pacing import PacedCalls
from consumer.outbound.tokens import EngineCalls, engine_calls
from consumer.runners.airflow.engine import AirflowEngine
from consumer.runners.conductor.engine import ConductorEngine
from consumer.runners.contract import Runner
from consumer.runners.http.engine import HttpEngine
from consumer.runners.kafka.engine import KafkaRecords, RecordTopics
from consumer.runners.maos.engine import MaosEngine
from consumer.runners.prefect.engine import PrefectEngine
from consumer.runners.temporal.engine import TemporalEngine
from consumer.runners.watching import WatchedEngine

CalledRunner: TypeAlias = AirflowRunner | ConductorRunner | HttpRunner | MaosRunner | PrefectRunner | TemporalRunner
"""Engines that are called over HTTP."""


class ConfiguredRunners:
    """The runners of one catalog, by name; a new catalog gets a new instance."""

    def __init__(
        self, described: Mapping[str, DescribedRunner], calls: OutboundCalls, records: RecordTopics | None = None
    ) -> None:
        self._runners = {name: _runner(each, calls, records) for name, each in described.items()}

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Return the runner that a workflow's entry names, or None where it names none."""
        return None if policy.runner is None else self._runners.get(policy.runner)


class WatchedRunners:
    """Clients of the engines that are watched: their calls are made at the pace that the watch declares."""

    def __init__(self, calls: OutboundCalls) -> None:
        self._calls = calls
        self._opened: dict[str, tuple[DescribedRunner, Runner]] = {}

    def of(self, name: str, described: DescribedRunner) -> WatchedEngine | None:
        """Return the client of a runner, the same while it is declared the same; None where it is not watched."""
        if isinstance(described, HttpRunner | KafkaRunner) or (watch := described.watch) is None:
            return None
        known = self._opened.get(name)
        if known is None or known[0] != described:
            calls = PacedCalls(engine_calls(described.token, self._calls), watch.calls_a_minute)
            known = self._opened[name] = described, _engine(described, calls)
        return known[1] if isinstance(known[1], WatchedEngine) else None


def _runner(described: DescribedRunner, outbound: OutboundCalls, records: RecordTopics | None) -> Runner:
    if isinstance(described, KafkaRunner):
        return KafkaRecords(described, records)
    return _engine(described, engine_calls(described.token, outbound))


def _engine(described: CalledRunner, calls: EngineCalls) -> Runner:
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
        case TemporalRunner():
            return TemporalEngine(described, calls)
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
