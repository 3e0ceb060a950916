"""An engine that answers as it is told, and keeps what it was ordered; and a clock that sleeping puts forward."""

from dataclasses import dataclass, field
from datetime import timedelta

from consumer.catalog import WorkflowPolicy
from consumer.model import Json
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Order,
    OrderResult,
    Phase,
    RerunStep,
    Runner,
    RunRef,
    RunState,
)
from schemas.names import Effect

RUN = RunRef(org_id="11111111-2222-4333-8444-555555555555", workflow_name="orders.sync", run_id="run-1", step="charge")
TAKEN = Accepted(run=RUN, said="taken")


def stands(phase: Phase, *, progress: str | None = None, epoch: int | None = None) -> RunState:
    return RunState(phase=phase, said=phase.value, progress=progress, epoch=epoch)


FAILED, RUNNING, WAITING = stands(Phase.FAILED), stands(Phase.RUNNING), stands(Phase.WAITING)
SUCCEEDED, GONE = stands(Phase.SUCCEEDED), stands(Phase.GONE)


@dataclass(slots=True, kw_only=True)
class ScriptedRunner:
    """Gives each answer once, in order; the last one stays."""

    gives: list[OrderResult] = field(default_factory=lambda: [TAKEN])
    looks: list[RunState | LookFailed] = field(default_factory=lambda: [FAILED, SUCCEEDED])
    declared: Effect = Effect.KEYED
    forbids: str | None = None
    orders: list[tuple[Order, str]] = field(default_factory=list)
    looked_at: list[RunRef] = field(default_factory=list)

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:
        del order, policy
        return self.forbids

    def effect(self, order: Order) -> Effect:
        del order
        return self.declared

    def dependency(self) -> str:
        return "https://runs.example.com:443"

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        assert within > timedelta(0), policy
        self.orders.append((order, key))
        return self.gives[min(len(self.orders), len(self.gives)) - 1]

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        assert within > timedelta(0), policy
        self.looked_at.append(run)
        return self.looks[min(len(self.looked_at), len(self.looks)) - 1]

    @property
    def sent(self) -> list[Json]:
        """The payloads that steps were run again with."""
        orders = (order for order, _ in self.orders)
        return [order.payload.document for order in orders if isinstance(order, RerunStep) and order.payload]

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.orders]


@dataclass(frozen=True, slots=True)
class OneRunner:
    """The engines of a deployment that has one, or none."""

    runner: Runner | None

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        del policy
        return self.runner


@dataclass(slots=True)
class VirtualTime:
    now: float = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now
