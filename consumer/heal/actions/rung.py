"""The rung of one declared action: what it lacks, why it must not act, what it would do, and what it costs. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from consumer.catalog import DeclaredAction, WorkflowPolicy
from consumer.heal import refusals
from consumer.heal.actions.session import call_request, look_request
from consumer.heal.calls.session import Calls
from consumer.heal.runs.rerun import order_key, redacted_run, run_of_failure
from consumer.model import ActionName, Diagnosis, Failure, Intent, MicroAud, Scope
from consumer.model.call import OutboundRequest
from consumer.plan.memory import memory_evidence
from consumer.runners.contract import Runners
from consumer.runners.places import dependency_of
from consumer.runners.templates import UnfitValue
from schemas.context import ContextFault, RunContext, run_of
from schemas.names import Effect, StrategyName

_MARGIN: Final = timedelta(seconds=10)
_LONGEST_WINDOW: Final = timedelta(minutes=10)
_CALLS: Final = 12
ORACLE: Final = "read_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRung:
    """One declared action on the ladder."""

    declared_as: ActionName
    action: DeclaredAction
    calls: Calls
    runners: Runners

    @property
    def name(self) -> StrategyName:
        """The strategy that it counts as."""
        return StrategyName.ROUTE_REPAIR

    @property
    def fields(self) -> tuple[str, ...]:
        """What `needs` may name."""
        return ("context.run.id", "context.run.step", "context.run")

    @property
    def oracles(self) -> tuple[str, ...]:
        """What may confirm it."""
        return (ORACLE,)

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return the absent context fields that its templates name."""
        if not any(name.startswith("run.") for name in self.action.used) or redacted_run(failure):
            return ()
        match run_of(failure.context):
            case None:
                return ("context.run.id",)
            case ContextFault(missing=absent, path=path):
                return absent or (path,)
            case RunContext(step=step):
                return ("context.run.step",) if step is None and "run.step" in self.action.used else ()

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why the action must not be carried out, or None."""
        reason = redacted_run(failure) or refusals.hopeless(
            diagnosis, money=f"{self.declared_as} pays nothing", credential=f"{self.declared_as} renews none"
        )
        return reason or self._memory_refusal(failure, policy) or self.call_refusal(failure, policy)

    def _memory_refusal(self, failure: Failure, policy: WorkflowPolicy) -> str | None:
        if not self.action.larger or memory_evidence(failure) is not None:
            return None
        if run_of_failure(failure) is not None and self.runners.of(policy) is not None:
            return None  # a look at its run may say so
        return "nothing says that it ran out of memory: a larger class would not help"

    def call_refusal(self, failure: Failure, policy: WorkflowPolicy) -> str | None:
        """Return why one of its calls cannot be made: a value is missing, or the catalog does not allow it."""
        try:
            requests = self._requests(failure)
        except UnfitValue as unfit:
            return f"{self.declared_as}: {unfit}"
        return next((why for one in requests if (why := self.calls.refusal(one, policy)) is not None), None)

    def _requests(self, failure: Failure) -> tuple[OutboundRequest, ...]:
        run = run_of_failure(failure)
        any_class = next(iter(self.action.larger), "")
        call = call_request(self.action, run, failure, "key", any_class, any_class)
        return call, look_request(self.action.read_back, run, failure)

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:  # noqa: ARG002 - the contract's
        """Return its declared price."""
        return self.action.cost

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:  # noqa: ARG002 - the contract's
        """Return the intent to carry it out, on what it names: one run, or what serves many."""
        run = run_of_failure(failure)
        names_run = run is not None and any(name.startswith("run.") for name in self.action.call.used)
        scope = f"run:{run.run_id}" if run is not None and names_run else str(self.declared_as)
        effect, own = self.action.call.effect, dependency_of(self.action.call.url)
        other = dependency_of(self.action.read_back.url)
        return Intent(
            scope=Scope(f"{failure.org_id}:{scope}"),
            effect=effect,
            window=min(_CALLS * self.action.timeout + self.action.verify + _MARGIN, _LONGEST_WINDOW),
            idempotency_key=self.key(failure) if effect is Effect.KEYED else None,
            reads_back=True,
            dependency=own,
            others=(other,) if other != own else (),
        )

    def key(self, failure: Failure) -> str:
        """Return the key of its call: the same until an attempt of it has counted."""
        made = failure.ladder_progress.attempts.get(self.declared_as, 0)
        return order_key(replace(failure, lifetime_attempts=made), self.declared_as)
