"""Session of one heal of a run that stands still: its tools, and what was found and changed so far."""

from dataclasses import dataclass, field

from consumer.catalog import RouteRepairLimits
from consumer.heal.calls.session import Calls
from consumer.heal.route_repair.finding import Found
from consumer.heal.route_repair.repair import Act, RouteChange
from consumer.heal.runs.rerun import given_input
from consumer.heal.runs.session import RunSession, RunTools
from consumer.model import JsonObject, Refused
from consumer.runners.contract import Payload, Runners
from schemas.names import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTools(RunTools):
    """Dependencies of every heal of a run that stands still."""

    runners: Runners
    calls: Calls


@dataclass(slots=True, kw_only=True)
class RouteSession(RunSession):
    """State of one heal of a run that stands still, with its context parsed."""

    tools: RouteTools
    found: JsonObject = field(default_factory=dict)
    route: JsonObject = field(default_factory=dict)

    @property
    def limits(self) -> RouteRepairLimits:
        """The limits of route-repair for its workflow."""
        return self.policy.route_repair

    @property
    def told(self) -> JsonObject:
        """The cause that was found, and the route before and after."""
        found: JsonObject = {"stall": self.found} if self.found else {}
        return found | ({"route": self.route} if self.route else {})

    def input_of(self, repair: RouteChange) -> Payload | None:
        """Return the input that a person gave the failed step, where that one is run again."""
        is_failed_step = self.run.step is None or repair.step == self.run.step
        return given_input(self.task.failure) if repair.act is Act.RERUN and is_failed_step else None

    def note(self, found: Found, cause: str | None, step: str | None) -> None:
        """Record what two looks have said."""
        self.found = {"cause": cause, "step": step, "evidence": found.evidence}

    def refused(self, code: Code, reason: str) -> Refused:
        """Build the end of a heal that does not act, with the cause that it found."""
        return Refused(code=code, reason=reason, details=self.details)
