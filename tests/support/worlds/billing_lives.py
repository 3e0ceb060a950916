"""Heals of a billing world, life after life: a process may die at any boundary, and an heir goes on from its claim."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from uuid import uuid4

from consumer.catalog import WorkflowPolicy, parse_catalog
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.billing_sync.strategy import BillingSync
from consumer.heal.kept import HealState, Kept, Suspended, decode_state, encode_state
from consumer.heal.strategy import Task
from consumer.model import AttemptId, Diagnosis, Heal, MicroAud, OrgId, Outcome
from consumer.model.approval import Approval
from consumer.model.billing_event import DONE, EventMark
from consumer.redact import redact_json
from schemas.names import Disposition, FailureType
from tests.support.healing import Clock, failure
from tests.support.worlds.billing_world import BillingWorld, DirectCalls, billing_catalog


class Killed(BaseException):
    """SIGKILL: nothing of the process runs on."""


@dataclass(slots=True, kw_only=True)
class Mortal:
    """Counts the boundaries of a life, and ends it at one of them."""

    at: int | None = None
    passed: int = 0
    names: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> None:
        self.passed += 1
        self.names.append(name)
        if self.passed == self.at:
            raise Killed(name)


@dataclass(slots=True, kw_only=True)
class MemoryBook:
    """The book, kept in memory; a life may end before and after each of its statements."""

    marks: dict[str, EventMark] = field(default_factory=dict)
    boundary: Callable[[str], None] = lambda _: None

    async def known(self, org_id: OrgId, account: str, event_ids: Sequence[str]) -> Mapping[str, EventMark]:  # noqa: ARG002
        return {one: self.marks[one] for one in event_ids if one in self.marks}

    async def note(self, org_id: OrgId, account: str, mark: EventMark) -> None:  # noqa: ARG002
        self.boundary("before note")
        before = self.marks.get(mark.event_id)
        if before is None or before.state not in DONE:
            self.marks[mark.event_id] = mark
        self.boundary("after note")

    async def of_attempt(self, org_id: OrgId, account: str, attempt_id: AttemptId) -> Sequence[EventMark]:  # noqa: ARG002
        found = [one for one in self.marks.values() if one.attempt_id == attempt_id]
        return sorted(found, key=lambda one: (one.created, one.event_id))


@dataclass(slots=True, kw_only=True)
class LivesGate:
    """The gate of one claim over all its lives: what was kept stays."""

    boundary: Callable[[str], None] = lambda _: None
    kept: HealState | None = None
    left: timedelta = timedelta(minutes=5)

    async def begin(self) -> None:
        self.boundary("begin")

    async def keep(self, state: HealState) -> None:
        self.boundary("before keep")
        encode_state(state)
        self.kept = state
        self.boundary("after keep")

    def unsent(self) -> None:
        """Nothing is counted."""

    def charge(self, amount: MicroAud) -> None:
        raise AssertionError(amount)

    def cover(self, amount: MicroAud) -> None:
        raise AssertionError(amount)

    def remaining(self) -> timedelta:
        return self.left


@lru_cache
def _policy(text: str) -> WorkflowPolicy:
    found = parse_catalog(text).policy("billing.sync")
    assert found is not None
    return found


@dataclass(slots=True, kw_only=True)
class Lives:
    """Heals of one world; each `heal` is one attempt, over as many lives as it takes."""

    world: BillingWorld
    approval: str = ""
    kind: str = "stripe"
    more: dict[str, str] = field(default_factory=dict)
    book: MemoryBook = field(default_factory=MemoryBook)
    clock: Clock = field(default_factory=Clock)
    lives: int = 0
    suspensions: int = 0
    boundaries: list[str] = field(default_factory=list)
    approved: Approval | None = None
    left: timedelta = timedelta(minutes=5)

    @property
    def policy(self) -> WorkflowPolicy:
        return _policy(billing_catalog("http://127.0.0.1:1", 1, approval=self.approval, kind=self.kind, **self.more))

    def task(self, strategy: BillingSync) -> Task:
        failed, policy = failure({}), self.policy
        diagnosis = Diagnosis(
            failure_type=FailureType.BILLING_SYNC_ISSUE, disposition=Disposition.NEEDS_REPAIR, evidence=()
        )
        assert strategy.refusal(failed, diagnosis, policy) is None
        plan = Heal(
            strategy=strategy.name,
            intent=strategy.intent(failed, policy),
            hold=MicroAud(0),
            catalog_version="test",
            approval=self.approved,
        )
        return Task(failure=failed, diagnosis=diagnosis, plan=plan, policy=policy, attempt_id=AttemptId(uuid4()))

    async def heal(self, deaths: Iterable[int] = ()) -> Outcome:
        """Make one attempt; each life ends at its boundary from `deaths`, and the rest live on."""
        gate, task, ends = LivesGate(left=self.left), None, iter(deaths)
        while True:
            mortal = Mortal(at=next(ends, None))
            self.lives += 1
            calls = DirectCalls(world=self.world, boundary=mortal)
            tools = AutoRetry(calls, redact_json, random=lambda: 0.0, sleep=self.clock.sleep, now=self.world.now).tools
            strategy = BillingSync(tools, self.book)
            task = task or self.task(strategy)
            self.book.boundary = gate.boundary = mortal
            try:
                if gate.kept is None:
                    ended = await strategy.heal(task, gate)
                else:
                    state = decode_state(encode_state(gate.kept), strategy.states)
                    ended = await strategy.go_on(task, gate, Kept(state=state, begun=True))
            except Killed:
                if gate.kept is None:  # without a state its end is not known, and another attempt begins
                    task = replace(task, attempt_id=AttemptId(uuid4()))
                continue
            finally:
                self.boundaries = mortal.names
            if isinstance(ended, Suspended):
                self.suspensions += 1
                gate.kept, gate.left = ended.state, timedelta(minutes=5)
                await self.clock.sleep(ended.look_again.total_seconds())
                continue
            return ended
