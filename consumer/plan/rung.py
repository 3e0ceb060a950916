"""Planning interface of a strategy (a rung of the ladder): the pure half of its contract."""

from typing import Protocol, runtime_checkable

from consumer.catalog import DeclaredAction, WorkflowPolicy
from consumer.model import ActionName, Diagnosis, Failure, Intent, MicroAud
from consumer.plan.bindings import Course
from schemas.names import StrategyName


class Rung(Protocol):
    """One strategy on the ladder, as the planner sees it. Every method is pure, quick, and reads only its arguments."""

    @property
    def name(self) -> StrategyName:
        """The strategy's name, the seed's letter by letter."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """Every path that `needs` may name; one below a listed path counts as that one."""
        ...

    @property
    def oracles(self) -> tuple[str, ...]:
        """The oracles that may confirm a heal of it: without a passed proof of one of them no heal counts."""
        ...

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Dotted paths of the context fields without which it cannot act (`context.request.url`)."""
        ...

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Why it must not act on this failure, as text for its publisher or operator; None when it may."""
        ...

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """What it would do; asked only of a failure that lacks nothing and is not refused."""
        ...

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:
        """The most credits that one attempt may cost, which are held for it; None where that is unknown.

        Asked only of a failure that lacks nothing and is not refused.
        """
        ...


@runtime_checkable
class TakesActions(Rung, Protocol):
    """A rung that also carries out what the catalog declares, each as a rung of its own."""

    def of_action(self, name: ActionName, action: DeclaredAction) -> Rung:
        """Return the rung of one declared action."""
        ...


@runtime_checkable
class FollowsCourse(Rung, Protocol):
    """A rung whose intent depends on where calls go: on the binding of the dependency that a failure's call reaches."""

    def refusal_on(
        self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy, course: Course | None
    ) -> str | None:
        """Why it must not act where the call goes; as `refusal`."""
        ...

    def intent_on(self, failure: Failure, policy: WorkflowPolicy, course: Course) -> Intent:
        """What it would do where the call goes; as `intent`."""
        ...


@runtime_checkable
class ChosenByCause(Rung, Protocol):
    """A name on the ladder with several rungs behind it: the diagnosis, and what the entry declares, say which one."""

    def rung_of(self, diagnosis: Diagnosis, policy: WorkflowPolicy) -> Rung:
        """Return the rung that acts on a diagnosis."""
        ...


def rung_for(rung: Rung, diagnosis: Diagnosis, policy: WorkflowPolicy) -> Rung:
    """Return the rung that acts on a diagnosis under the name of one."""
    return rung.rung_of(diagnosis, policy) if isinstance(rung, ChosenByCause) else rung


def acting_rung(
    rung: Rung, diagnosis: Diagnosis, policy: WorkflowPolicy, course: Course | None
) -> tuple[Rung, Course | None]:
    """Return the rung that acts on a diagnosis, and where the call goes as far as that rung follows a binding."""
    acting = rung_for(rung, diagnosis, policy)
    follows = acting is rung or isinstance(acting, FollowsCourse)
    return acting, course if follows else None
