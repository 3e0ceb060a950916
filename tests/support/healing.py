"""Builders for a heal: a failure, a policy, a task and a gate, with defaults so that a test shows what matters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid5

from consumer.catalog import AutoRetryLimits, Host, WorkflowPolicy
from consumer.heal.kept import HealState, Kept, Suspended, decode_state, encode_state
from consumer.heal.strategy import EffectGate, LastingStrategy, Strategy, Task
from consumer.model import (
    Diagnosis,
    Failure,
    FailureId,
    Heal,
    Intent,
    MicroAud,
    OrgId,
    Outcome,
    Scope,
    attempt_id,
)
from consumer.model.call import CallResult, OutboundRequest
from consumer.model.suspension import SuspendedHeal
from schemas.names import Disposition, Effect, FailureType

ORG = OrgId(UUID("11111111-2222-4333-8444-555555555555"))
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def failure(context: dict[str, Any], *, redactions: tuple[str, ...] = (), reason: str = "timed out") -> Failure:
    return Failure(
        id=FailureId(uuid5(ORG, repr(context))),
        org_id=ORG,
        workflow_name="orders.sync",
        failure_reason=reason,
        context=context,
        detected_at=NOW,
        source="urn:test",
        digest=b"\0" * 32,
        redactions=redactions,
    )


def diagnosis(disposition: Disposition = Disposition.RETRY_IF_IDEMPOTENT) -> Diagnosis:
    return Diagnosis(failure_type=FailureType.API_TIMEOUT, disposition=disposition, evidence=())


def policy(
    *ports: int, host: str = "127.0.0.1", secrets: tuple[str, ...] = (), **limits: timedelta | int
) -> WorkflowPolicy:
    allowed = Host(host=host, ports=ports or (443,), schemes=("http", "https"), addresses=(ip_network("127.0.0.0/8"),))
    return WorkflowPolicy(
        name="*",
        hosts=(allowed,),
        secrets=secrets,
        auto_retry=AutoRetryLimits.model_validate({"timeout": timedelta(seconds=5)} | limits),
    )


UNPLANNED = Intent(scope=Scope("nothing"), effect=Effect.UNSAFE, window=timedelta(minutes=1))
"""Of what is refused or incomplete: a strategy that is run all the same has to find that out by itself."""


def task(strategy: Strategy, failed: Failure, allowed: WorkflowPolicy) -> Task:
    usable = not strategy.needs(failed) and not strategy.refusal(failed, diagnosis(), allowed)
    intent = strategy.intent(failed, allowed) if usable else UNPLANNED
    hold = (strategy.estimate(failed, allowed) if usable else None) or MicroAud(0)
    plan = Heal(strategy=strategy.name, intent=intent, hold=hold, catalog_version="test")
    return Task(
        failure=failed, diagnosis=diagnosis(), plan=plan, policy=allowed, attempt_id=attempt_id(failed.id, failed.step)
    )


@dataclass(slots=True, kw_only=True)
class Gate:
    """A gate that counts; `refuse_at` the n-th beginning it raises what it was given."""

    left: timedelta = timedelta(minutes=1)
    begins: int = 0
    unsents: int = 0
    charged: int = 0
    covered: int = 0
    states: list[HealState] = field(default_factory=list)
    refuse_at: int | None = None
    refusal: Exception = field(default_factory=lambda: AssertionError("no refusal given"))

    async def begin(self) -> None:
        if self.refuse_at == self.begins + 1:
            raise self.refusal
        self.begins += 1

    async def keep(self, state: HealState) -> None:
        self.states.append(state)

    def unsent(self) -> None:
        self.unsents += 1

    def charge(self, amount: MicroAud) -> None:
        self.charged += amount

    def cover(self, amount: MicroAud) -> None:
        self.covered = amount

    def remaining(self) -> timedelta:
        return self.left


def outcome_of(ended: Outcome | Suspended | SuspendedHeal) -> Outcome:
    """Give the outcome of a heal that does not suspend."""
    assert not isinstance(ended, Suspended | SuspendedHeal), ended
    return ended


def as_kept(strategy: LastingStrategy, ended: Suspended, *, begun: bool = False) -> Kept:
    """Give what an heir reads of a suspended heal, from the form in which it is stored."""
    return Kept(state=decode_state(encode_state(ended.state), strategy.states), begun=begun)


async def heal_to_its_end(
    strategy: LastingStrategy, healed: Task, gate: EffectGate, sleep: Callable[[float], Awaitable[None]]
) -> Outcome:
    """Heal, and go on each time when it is due, as another process would."""
    ended = await strategy.heal(healed, gate)
    while isinstance(ended, Suspended):
        await sleep(ended.look_again.total_seconds())
        kept = as_kept(strategy, ended)
        ended = await strategy.go_on(replace(healed, kept=kept), gate, kept)
    return ended


@dataclass(slots=True, kw_only=True)
class Clock:
    """Remembers how long it was asked to sleep."""

    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """Give the time, which passes in sleep alone."""
        return NOW + timedelta(seconds=sum(self.slept))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class NoCalls:
    """Allows every call but those to the evil host, and makes none."""

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        del policy
        return "the host evil.example is not allowed" if "evil.example" in request.url else None

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        raise AssertionError((request, policy, within, max_bytes))
