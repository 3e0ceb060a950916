"""Chooses the definition store of a catalog entry: its engine, where that keeps definitions, or our registry."""

from consumer.catalog import WorkflowPolicy
from consumer.runners.conductor.definitions import ConductorDefinitions
from consumer.runners.conductor.engine import ConductorEngine
from consumer.runners.contract import Runners
from consumer.runners.definitions import DefinitionStore
from consumer.runners.maos.definitions import MaosDefinitions
from consumer.runners.maos.engine import MaosEngine
from consumer.runners.registry import Registry, RegistryDefinitions


class ConfiguredDefinitions:
    """The definition stores of the catalog in force."""

    def __init__(self, runners: Runners, registry: Registry) -> None:
        self._runners = runners
        self._registry = registry

    def of(self, policy: WorkflowPolicy) -> DefinitionStore | None:
        """Return where the definitions of an entry's workflows are kept; None where it names no engine to run one."""
        match self._runners.of(policy):
            case None:
                return None
            case ConductorEngine() as engine:
                return ConductorDefinitions(engine)
            case MaosEngine(keeps_definitions=True) as engine:
                return MaosDefinitions(engine)
            case runner:
                return RegistryDefinitions(self._registry, runner)
