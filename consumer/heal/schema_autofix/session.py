"""Session of one payload repair: its tools, its parsed context, and its orders and looks so far."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from consumer.catalog import SchemaAutofixLimits
from consumer.heal.runs.session import RunSession, RunTools
from consumer.heal.schema_check.check import SchemaCheck
from consumer.model import Json, JsonObject, OrgId
from consumer.repair.values import Repair
from consumer.runners.contract import Runners
from schemas.names import Grade


class RepairWorkers(Protocol):
    """Pool of workers that repair documents, bounded in time and memory."""

    async def repair(
        self, given: Json, schema: dict[str, Any] | bool, *, most: Grade, guarded: tuple[str, ...], of: OrgId
    ) -> Repair:
        """Repair an organisation's document, or a text that should have been one; a refusal is a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairTools(RunTools):
    """Dependencies of every repair; sleep and the clocks are injected."""

    runners: Runners
    workers: RepairWorkers
    schemas: SchemaCheck


@dataclass(slots=True, kw_only=True)
class RepairSession(RunSession):
    """State of one heal of a refused payload, which is repaired and rerun, with its context parsed."""

    tools: RepairTools
    payload: Json
    schema: dict[str, Any] | bool
    repair: JsonObject = field(default_factory=dict)

    @property
    def limits(self) -> SchemaAutofixLimits:
        """The limits of schema-autofix for its workflow."""
        return self.policy.schema_autofix

    @property
    def told(self) -> JsonObject:
        """The repair, besides its orders and looks."""
        return {"repair": self.repair} if self.repair else {}
