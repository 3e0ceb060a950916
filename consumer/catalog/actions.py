"""Declared actions: calls that mend what a workflow runs on, such as a worker, a cache, or its memory class.

Each has its bounds, and a look that proves it. A ladder names one as `action:NAME`.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.limits import micro_aud
from consumer.catalog.runners.checks import fault
from consumer.catalog.runners.http import CallTemplate, OrderCall
from consumer.catalog.runners.run_look import Pointer
from consumer.model import MicroAud
from schemas.names import Effect

Word: TypeAlias = str | int | bool
MemoryClass: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]


class ActionCall(OrderCall):
    """Template of the call that acts. It need not name a run: what it acts upon may serve many."""

    places: ClassVar[frozenset[str]] = (OrderCall.places - {"run.fence"}) | {"class", "larger"}
    demanded: ClassVar[frozenset[str]] = frozenset()
    effect: Literal[Effect.IDEMPOTENT, Effect.KEYED, Effect.UNSAFE] = Effect.UNSAFE
    new_run: None = None


class ActionLook(CallTemplate):
    """Template of the look, without effect, by which an action is proven."""

    demanded: ClassVar[frozenset[str]] = frozenset()
    method: Literal["GET"] = "GET"
    value: Pointer
    """Pointer to what the action changes."""
    done: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    """What stands there once it is done. Empty: another value than before the call."""


class ActionCap(Declared):
    """How often an action may begin: over all organisations and replicas of this deployment."""

    starts: Annotated[int, Field(ge=1, le=1000)]
    within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))]


class DeclaredAction(Declared):
    """An action that whoever runs the workflows allows the healer."""

    call: ActionCall
    read_back: ActionLook
    cap: ActionCap
    heals: bool = False
    """Its read-back shows that the failure itself is mended. Else the next rung of the ladder goes on once it is."""
    larger: Annotated[dict[MemoryClass, MemoryClass], Field(max_length=64)] = Field(default_factory=dict)
    """The next larger memory class of each, for what ran out of memory. The call names it as `{larger}`, the read-back
    finds the one in force, and of one that is not listed here there is no larger one."""
    cost_aud: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Decimal(0)
    """What one call costs its organisation's wallet."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=10)
    """Timeout of one call, connect to last byte."""
    verify: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=30))] = timedelta(minutes=1)
    """How long it is looked for after the call."""

    @property
    def cost(self) -> MicroAud:
        """What one call costs."""
        return micro_aud(self.cost_aud)

    @property
    def used(self) -> frozenset[str]:
        """The names of all places that its calls use."""
        return self.call.used | self.read_back.used

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return self.call.secrets | self.read_back.secrets

    @model_validator(mode="after")
    def _check_larger(self) -> Self:
        if self.larger and "larger" not in self.call.used:
            fault("nothing in its `call` says `{larger}`: it would not know which class is meant", "larger")
        if not self.larger and self.call.used & {"class", "larger"}:
            fault("there is no `{larger}`: declare the classes under `larger`", "call")
        if self.larger and self.read_back.done:
            fault(
                "of an action with `larger` classes, the larger one is what stands there once it is done", "read_back"
            )
        if circle := _circle_in(self.larger):
            fault(f"{circle} comes after itself: there has to be a largest class", "larger")
        return self


def _circle_in(larger: dict[str, str]) -> str | None:
    """Return a class from which growing leads back to itself, or None."""
    for first in larger:
        at = larger.get(first)
        for _ in larger:
            if at is None:
                break
            if at == first:
                return first
            at = larger.get(at)
    return None
