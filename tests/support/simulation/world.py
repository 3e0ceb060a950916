"""What is healed in a simulation: a world that remembers every effect, and a strategy that acts on it as scripted."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from consumer.catalog import WorkflowPolicy
from consumer.errors import DeadlinePassed
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.strategy import EffectGate, Task
from consumer.model import (
    AttemptId,
    Diagnosed,
    Diagnosis,
    Failure,
    FailureId,
    Healed,
    Intent,
    Json,
    MicroAud,
    NotHealed,
    Outcome,
    OwnerId,
    Proof,
    Refused,
    RetryLater,
    Scope,
    Unknown,
)
from consumer.model.call import MAY_START
from consumer.model.pause import place_of
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from schemas.names import Code, Effect, StrategyName, Verdict
from tests.support.simulation.loop import Timeline
from tests.support.simulation.store import Claimed, ModelStore

WINDOW: Final = timedelta(seconds=30)
LATEST: Final = NOTHING_STARTS_AFTER.total_seconds()
"""After a decision's commit: when it is answered."""
PROOF: Final = Proof(oracle="world", verdict=Verdict.PASSED, detail="it is there")


class Act(StrEnum):
    """What comes of one try."""

    WORKS = "works"
    SICK = "sick"  # answers that it did nothing
    MUTE = "mute"  # does it, and does not answer
    DEAF = "deaf"  # neither does it nor answers
    SLOW = "slow"  # takes long to prepare, and does it
    DAWDLES = "dawdles"  # takes longer to prepare than its window is
    LATE = "late"  # does it, and answers after most of the window
    DEAR = "dear"  # does it, and charges more than was held
    NO = "no"  # refuses, before any effect: the next rung may do better
    JOB = "job"  # orders a job that lasts, and looks again until it is done
    LATER = "later"  # says when to come back, before any effect
    BUG = "bug"  # the strategy breaks before its effect
    BREAKS = "breaks"  # the strategy breaks after its effect


PREPARES_FOR: Final = {Act.SLOW: 12.0, Act.DAWDLES: 40.0}
ANSWERS_AFTER: Final = {Act.LATE: 20.0}


LONGEST: Final = timedelta(seconds=90)
NOTHING: Final[frozenset[int]] = frozenset()


class JobKept(HealState):
    """What is kept of a job: that it is about to be ordered, or its id."""

    job: int | None = None


@dataclass(slots=True, kw_only=True)
class Written:
    """One effect that left a process."""

    at: float
    owner: OwnerId
    key: str | None
    happened: bool
    answered: bool = False
    scope: str
    until: float
    """When it has ended at the latest, by the world's time."""
    over: bool = False
    """Whether its process has seen its end."""
    ahead: float
    """How far the database's clock had jumped when it left."""


@dataclass(slots=True, kw_only=True)
class World:
    """Keeps every effect by failure, and holds it against what was promised."""

    timeline: Timeline
    store: ModelStore
    written: dict[FailureId, list[Written]] = field(default_factory=lambda: defaultdict(list))
    last: dict[str, Written] = field(default_factory=dict)
    """The last effect on each scope."""
    broken: list[str] = field(default_factory=list)
    """Promises that an effect has broken: what is raised in a strategy ends there."""
    jobs: set[AttemptId] = field(default_factory=set)
    """Attempts whose job's id is kept: it is never ordered again."""
    under_way: set[tuple[OwnerId, AttemptId]] = field(default_factory=set)
    """Runs of a strategy: no suspension takes a claim away from its owner in the middle of one."""
    said_not_to_have_happened: Counter[FailureId] = field(default_factory=Counter)
    """How often a person said of a failure that its effect did not happen."""
    kept: Counter[AttemptId] = field(default_factory=Counter)
    """What heals have cost as far as a state that is kept tells."""
    unkept: Counter[tuple[AttemptId, OwnerId]] = field(default_factory=Counter)
    """What heals have cost besides, by the process that knows it."""
    unanswered: set[tuple[AttemptId, OwnerId]] = field(default_factory=set)
    """Processes that do not know whether what a heal has cost is kept."""

    permits: dict[tuple[FailureId, int], int] = field(default_factory=dict)
    """Which yes, by its number, permits the heal of which step."""
    used: dict[int, AttemptId] = field(default_factory=dict)
    """Which attempt has acted by which yes."""

    def __post_init__(self) -> None:
        self.store.on_permit = self._is_permitted
        self.store.on_suspend = self._is_suspended
        self.store.on_keep = self._is_kept

    def _is_kept(self, claim: Claimed) -> None:
        self.kept[claim.attempt_id] += self.unkept.pop((claim.attempt_id, claim.owner), 0)

    def _is_suspended(self, claim: Claimed) -> None:
        if (claim.owner, claim.attempt_id) in self.under_way:
            self.broken.append(f"G3: {claim.scope} is suspended while {claim.owner} heals it")

    def _is_permitted(self, failure_id: FailureId, step: int, carried_from: int | None) -> None:
        number = len(self.permits) if carried_from is None else self.permits[failure_id, carried_from]
        self.permits[failure_id, step] = number

    def _is_approved(self, task: Task, claim: Claimed) -> None:
        """Hold an effect that needs a person's yes against what people answered."""
        failure_id, strategy = task.failure.id, task.plan.strategy
        rules = task.policy.approval
        if rules is None or strategy not in rules.strategies:
            return
        number = self.permits.get((failure_id, claim.step))
        assert number is not None, f"approval: {claim.scope} is acted on without a yes, at step {claim.step}"
        by = self.used.setdefault(number, claim.attempt_id)
        assert by == claim.attempt_id, f"approval: one yes permits two heals of {claim.scope}"
        late = self.timeline.now - self.store.tables.denials.get((failure_id, strategy), self.timeline.now)
        assert late <= LATEST, f"approval: {claim.scope} is acted on {late:.3f} s after a denial"

    def charges_of(self, attempt: AttemptId, alive: Collection[OwnerId]) -> frozenset[int]:
        """Give what a heal may have cost: what a process alone knew, and died, may be lost, or be settled before."""
        sums = frozenset({self.kept[attempt]})
        for run, amount in self.unkept.items():
            if run[0] == attempt:
                is_known = run[1] in alive and run not in self.unanswered
                sums = frozenset(before + amount for before in sums) | (NOTHING if is_known else sums)
        return sums

    def charge(self, task: Task, owner: OwnerId, gate: EffectGate, amount: int) -> None:
        """Charge a heal."""
        self.unkept[task.attempt_id, owner] += amount
        gate.charge(MicroAud(amount))

    async def keep(self, task: Task, owner: OwnerId, gate: EffectGate, state: HealState) -> None:
        """Keep a state, and with it what the heal has cost."""
        try:
            await gate.keep(state)
        except BaseException:
            self.unanswered.add((task.attempt_id, owner))
            raise

    @contextmanager
    def running(self, owner: OwnerId, task: Task) -> Iterator[None]:
        """Know that a process runs its strategy."""
        run = (owner, task.attempt_id)
        self.under_way.add(run)
        try:
            yield
        finally:
            self.under_way.discard(run)

    def write(self, task: Task, owner: OwnerId, *, happened: bool) -> Written:
        """Let an effect leave the process `owner`."""
        try:
            self._may_write(task, owner)
        except AssertionError as error:
            self.broken.append(str(error))
            raise
        key = task.plan.intent.idempotency_key
        scope = task.plan.intent.scope
        until = self.store.tables.claims[scope].until
        written = Written(
            at=self.timeline.now,
            owner=owner,
            key=key,
            happened=happened,
            scope=scope,
            until=until,
            ahead=self.store.ahead,
        )
        self.written[task.failure.id].append(written)
        self.last[scope] = written
        return written

    def _may_write(self, task: Task, owner: OwnerId) -> None:
        now, intent = self.timeline.now, task.plan.intent
        claim = self.store.tables.claims.get(intent.scope)
        assert task.attempt_id not in self.jobs, f"G4: the job of {task.attempt_id} is ordered again"
        assert claim is not None, f"G3: an effect on {intent.scope} without a claim"
        who = f"{owner} acts on {intent.scope}, which {claim.owner} has"
        assert (claim.owner, claim.attempt_id) == (owner, task.attempt_id), f"G3: {who}"
        assert now <= claim.until, f"G3: {owner} acts {now - claim.until:.3f} s past its deadline"
        late = now - (now if claim.revoked_at is None else claim.revoked_at)
        assert late <= LATEST, f"G3: {owner} acts {late:.3f} s after a person decided"
        self._is_approved(task, claim)
        newest = self.store.tables.failures[task.failure.id].failure.context.get("payload")
        acted_on = task.failure.context.get("payload")
        assert acted_on == newest, f"edit: {intent.scope} is acted on with {acted_on}, after it was edited to {newest}"
        place = place_of(Diagnosed(failure=task.failure, diagnosis=task.diagnosis, plan=task.plan))
        for pause, since in self.store.tables.pauses.values():
            late = now - since if pause.reach.covers(place) else 0.0
            assert late <= LATEST, f"pause: {owner} acts {late:.3f} s after {pause.reach} was paused"
        other = self.last.get(intent.scope)
        if other is not None and other.ahead != self.store.ahead:
            other = None  # a jump shortens the wait for what a dead process left under way
        assert other is None or other.over or other.owner == owner or now >= other.until, (
            f"G3: {owner} acts on {intent.scope} while the effect of {other.owner} is under way"
        )
        before = self.written[task.failure.id]
        if intent.effect is Effect.UNSAFE:
            done = sum(one.happened or not one.answered for one in before)
            assert done <= self.said_not_to_have_happened[task.failure.id], f"G4: {intent.scope} is repeated blindly"
        if intent.effect is Effect.KEYED:
            # A definitive no to a key frees the next rung to act under its own; an answer that never came does not.
            last = {one.key: one for one in before}
            open_ones = {key for key, one in last.items() if one.happened or not one.answered}
            again = self.said_not_to_have_happened[task.failure.id]
            assert again or open_ones <= {intent.idempotency_key}, f"G4: {intent.scope} under two keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """A rung of the ladder: does to the world what the failure's context says, try by try."""

    world: World
    owner: OwnerId
    name: StrategyName = StrategyName.AUTO_RETRY
    fields: tuple[str, ...] = ("context.scope",)
    oracles: tuple[str, ...] = ("world",)
    states: tuple[type[HealState], ...] = (JobKept,)
    longest_suspension: timedelta = LONGEST

    def needs(self, failure: Failure) -> tuple[str, ...]:
        return () if "scope" in failure.context else ("context.scope",)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002 - the Protocol's
        unsafe = failure.effect_in_doubt and failure.context["effect"] == Effect.UNSAFE
        return "it may have happened, and nothing tells" if unsafe else None

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:  # noqa: ARG002 - the Protocol's
        effect = Effect(str(failure.context["effect"]))
        return Intent(
            scope=Scope(f"{failure.org_id}:{failure.context['scope']}"),
            effect=effect,
            window=WINDOW,
            idempotency_key=f"{self.name}:{failure.id}" if effect is Effect.KEYED else None,
            dependency=_text(failure.context.get("dependency")),
            fault_digest=_text(failure.context.get("damage")),
        )

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud:  # noqa: ARG002 - the Protocol's
        return policy.allowances[self.name]

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        with self.world.running(self.owner, task):
            return await self._heal(task, gate)

    async def _heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        act, timeline = self._act(task), self.world.timeline
        await asyncio.sleep(PREPARES_FOR.get(act, timeline.between(0, 1)))
        match act:
            case Act.JOB:
                await self.world.keep(task, self.owner, gate, JobKept())
                return await self._order(task, gate)
            case Act.NO:
                return Refused(code=Code.REFUSED, reason="not this way")
            case Act.LATER:
                return RetryLater(after=timedelta(seconds=20), reason="come back")
            case Act.BUG:
                raise ValueError("a bug")
        await self._begin(gate)
        happened = act in (Act.WORKS, Act.MUTE, Act.SLOW, Act.DAWDLES, Act.LATE, Act.DEAR, Act.BREAKS)
        written = self.world.write(task, self.owner, happened=happened)
        self.world.charge(task, self.owner, gate, 120_000 if act is Act.DEAR else 10_000)
        if act is Act.BREAKS:
            written.over = True
            raise ValueError("a bug, after the effect")
        outcome = await self._answered(act, task, written)
        written.over = True
        return outcome

    async def _begin(self, gate: EffectGate) -> None:
        await gate.begin()
        await asyncio.sleep(self.world.timeline.between(0, 1))
        if gate.remaining() <= timedelta(0) or not MAY_START.get()():  # as the socket layer does before each write
            raise DeadlinePassed("too late to write")

    async def _order(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        await self._begin(gate)
        written = self.world.write(task, self.owner, happened=True)
        await asyncio.sleep(self.world.timeline.between(0.01, 2))
        written.answered = written.over = True
        self.world.charge(task, self.owner, gate, 10_000)
        state = JobKept(job=len(self.world.written[task.failure.id]))
        await self.world.keep(task, self.owner, gate, state)
        self.world.jobs.add(task.attempt_id)
        await asyncio.sleep(self.world.timeline.between(0, 12))  # its id is kept, and it is not suspended yet
        return self._later(state)

    def _later(self, state: HealState) -> Suspended:
        return Suspended(state=state, look_again=timedelta(seconds=self.world.timeline.between(1, 30)))

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        with self.world.running(self.owner, task):
            return await self._go_on(task, gate, kept)

    async def _go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        await asyncio.sleep(self.world.timeline.between(0, 2))
        if isinstance(kept.state, JobKept) and kept.state.job is not None:
            done = self.world.timeline.chance(0.4)
            return Healed(proofs=(PROOF,)) if done else self._later(kept.state)
        if kept.begun and task.plan.intent.effect is Effect.UNSAFE:
            return Unknown(reason="whether it was ordered is not known")
        return await self._order(task, gate)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:  # noqa: ARG002 - the Protocol's
        if kept.begun:
            return self.too_long(task, kept)
        if isinstance(kept.state, JobKept) and kept.state.job is not None:
            self.world.written[task.failure.id][
                kept.state.job - 1
            ].happened = False  # taken back: it may be ordered anew
        return NotHealed(code=Code.DENIED, reason="cancelled")

    def too_long(self, task: Task, kept: Kept) -> Outcome:  # noqa: ARG002 - the Protocol's
        if task.plan.intent.effect is Effect.UNSAFE:
            return Unknown(reason="nobody knows")
        return NotHealed(code=Code.UNVERIFIED, reason="nobody knows")

    async def _answered(self, act: Act, task: Task, written: Written) -> Outcome:
        if act in (Act.MUTE, Act.DEAF):
            await asyncio.sleep(self.world.timeline.between(1, 2 * WINDOW.total_seconds()))
            if task.plan.intent.effect is Effect.UNSAFE:
                return Unknown(reason="no answer", dependency_unhealthy=True)
            return NotHealed(code=Code.UNVERIFIED, reason="no answer", dependency_unhealthy=True)
        await asyncio.sleep(ANSWERS_AFTER.get(act, self.world.timeline.between(0.01, 2)))
        written.answered = True
        if act is Act.SICK:
            return NotHealed(code=Code.NOT_HEALED, reason="it says no")
        return Healed(proofs=(PROOF,))

    def _act(self, task: Task) -> Act:
        script: Any = task.failure.context["acts"]
        return Act(script[task.failure.step]) if task.failure.step < len(script) else Act.WORKS


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
