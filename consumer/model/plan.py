"""Plans for a failure (heal, refuse, wait, adopt), the intent of a strategy, and the claim that a heal runs under."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from datetime import timedelta
from typing import TypeAlias

from consumer.model.approval import Approval, ChangedPlan, PlanRequest
from consumer.model.failure import NO_PROGRESS, Diagnosis, Failure
from consumer.model.identity import AttemptId, JsonObject, MicroAud, OrgId, Scope, attempt_id
from consumer.model.rung_name import ActionName, RungName
from schemas.names import Budget, Code, Effect, FailureType, RehearsalOutcome, StrategyName
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Intent:
    """Intended action of a strategy on one failure, as far as the plan and the store have to know it."""

    scope: Scope
    """Lock key of what it would act on: at most one live claim per scope in the fleet. Starts with the organisation's
    id."""
    effect: Effect
    """Effect class: what acting twice would do, as the call's owner declares it; of a conditional order UNSAFE."""
    window: timedelta
    """The longest time from its claim to the end of its last effect."""
    idempotency_key: str | None = None
    """The caller's idempotency key of a keyed effect; None for every other effect."""
    reads_back: bool = False
    """Whether it can find out, without acting, if an earlier effect happened."""
    dependency: str | None = None
    """Dependency that has to be healthy for it to work: `https://api.example.com:443`; None where nothing is shared."""
    others: tuple[str, ...] = ()
    """Further dependencies that it calls, to read back or to hand over: they have to be healthy as well."""
    fault_digest: str | None = None
    """Digest of what is broken: failures with an equal digest may share one verified outcome."""
    pays_from: Budget = Budget.TEXT
    """The budget of the wallet that its credits are held of, and what it spends is taken from."""


@value(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A rung of the ladder that may not act, and why."""

    rung: RungName
    code: Code
    reason: str
    missing: tuple[str, ...] = ()
    would_heal: "Heal | None" = None
    """Of a strategy in shadow mode: what it would do."""


@value(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of a heal in shadow mode, up to its first effect, which was not made."""

    outcome: RehearsalOutcome
    reason: str = ""
    would_send: tuple[JsonObject, ...] = ()
    """The calls of that effect, redacted."""


@value(frozen=True, slots=True, kw_only=True)
class Heal:
    """The plan to act: strategy, intent, and the credits to hold."""

    strategy: StrategyName
    intent: Intent
    hold: MicroAud
    catalog_version: str
    dependency: str | None = None
    """The intent's dependency, keyed by organisation: an outage or a wrong address of one does not block the others."""
    others: Mapping[str, str] = field(default_factory=dict)
    """The intent's further dependencies, by key."""
    rate: "Rate | None" = None
    """Rate limit of heals of the same thing, where the catalog declares one."""
    passed_over: tuple[PassedOver, ...] = ()
    """The rungs before it on the ladder, in order."""
    approval: Approval | None = None
    """The approval under which it acts; None where none is needed."""
    rehearsal: Rehearsal | None = None
    """Of a strategy in shadow mode: what came of it, once it was rehearsed."""
    action: ActionName | None = None
    """The declared action that is carried out; it counts as its strategy."""
    cap: "Rate | None" = None
    """How often that action may begin in this deployment."""

    @property
    def rung(self) -> RungName:
        """Its rung on the ladder."""
        return self.strategy if self.action is None else self.action

    @property
    def rates(self) -> "tuple[Rate, ...]":
        """All limits on how often it may begin."""
        return tuple(one for one in (self.rate, self.cap) if one is not None)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The keys of all its dependencies, each of which has to be healthy."""
        return tuple(self.others) if self.dependency is None else (self.dependency, *self.others)

    @property
    def described(self) -> JsonObject:
        """The plan in the form in which it is told to a person."""
        intent = self.intent
        return {
            "strategy": self.strategy,
            "effect": intent.effect,
            "keyed": intent.idempotency_key is not None,
            "window_seconds": intent.window.total_seconds(),
            "dependencies": [name for name in (intent.dependency, *intent.others) if name is not None],
            **({} if self.action is None else {"action": self.action.action}),
        }

    @property
    def would_heal(self) -> "tuple[Heal, ...]":
        """What the strategies in shadow mode before it would do."""
        return _would_heal(self.passed_over)


def _would_heal(passed_over: tuple[PassedOver, ...]) -> tuple[Heal, ...]:
    return tuple(one.would_heal for one in passed_over if one.would_heal is not None)


@value(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The plan not to act, with the reason that its publisher or operator can act upon."""

    strategy: StrategyName
    code: Code
    reason: str
    catalog_version: str
    missing: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    """The rungs after it on the ladder, none of which may act either."""
    for_person: bool = False
    """The failure is not given up: it waits until a person asks for its heal."""
    shadow: Heal | None = None
    """Where its strategy is in shadow mode: what it would do."""

    @property
    def would_heal(self) -> tuple[Heal, ...]:
        """What the strategies in shadow mode would do, in the order of the ladder."""
        own = () if self.shadow is None else (self.shadow,)
        return (*own, *_would_heal(self.passed_over))


@value(frozen=True, slots=True, kw_only=True)
class Rate:
    """Rate limit: at most `heals` of the same thing within a span, with a cool-down after each."""

    key: str
    heals: int
    within: timedelta
    cool_down: timedelta


@value(frozen=True, slots=True, kw_only=True)
class Wait:
    """The plan to defer the failure: nothing is tried, and no attempt is counted."""

    strategy: StrategyName
    after: timedelta
    reason: str
    catalog_version: str


@value(frozen=True, slots=True, kw_only=True)
class Adopt:
    """The plan to take over a verified outcome: another heal has repaired the same fault."""

    strategy: StrategyName
    attempt_id: AttemptId
    catalog_version: str


@value(frozen=True, slots=True, kw_only=True)
class Ask:
    """The plan to act once a person has approved it: until then nothing is claimed or held."""

    heal: Heal
    request: PlanRequest

    @property
    def strategy(self) -> StrategyName:
        """The strategy that would act."""
        return self.heal.strategy

    @property
    def catalog_version(self) -> str:
        """The catalog under which it was planned."""
        return self.heal.catalog_version


Plan: TypeAlias = Heal | Refuse | Wait | Adopt | Ask


def with_rehearsals(plan: Heal | Refuse, rehearsals: Mapping[RungName, Rehearsal]) -> Heal | Refuse:
    """Return a plan with what came of the rehearsals of its strategies in shadow mode."""

    def rehearsed(heal: Heal | None) -> Heal | None:
        return None if heal is None else replace(heal, rehearsal=rehearsals.get(heal.rung))

    passed = tuple(replace(one, would_heal=rehearsed(one.would_heal)) for one in plan.passed_over)
    if isinstance(plan, Refuse):
        return replace(plan, passed_over=passed, shadow=rehearsed(plan.shadow))
    return replace(plan, passed_over=passed)


@value(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """A failure with its diagnosis and its plan: the input of intake and start."""

    failure: Failure
    diagnosis: Diagnosis
    plan: Plan
    draw: int = 0
    """Random draw that makes its attempt's id differ from any other of the same step, even in a lost history."""
    asks_agent: bool = False
    """A model is asked what is broken before anything is done by this plan."""

    @property
    def heal(self) -> Heal:
        """The plan to act; raises TypeError where the plan is another one."""
        if not isinstance(self.plan, Heal):
            raise TypeError("only what is planned to be healed is claimed")
        return self.plan

    @property
    def would_heal(self) -> tuple[Heal, ...]:
        """What strategies in shadow mode would do; told with the first step of a ladder alone."""
        begins = self.failure.ladder_progress is NO_PROGRESS and not self.failure.attempts
        return self.plan.would_heal if begins and isinstance(self.plan, Heal | Refuse) else ()

    @property
    def unrehearsed(self) -> tuple[Heal, ...]:
        """Those of them that have yet to be rehearsed."""
        return tuple(one for one in self.would_heal if one.rehearsal is None)

    @property
    def is_preliminary(self) -> bool:
        """Whether RESUME does something first, after which it is planned anew or goes on: it asks, or rehearses."""
        return self.asks_agent or bool(self.unrehearsed)

    @property
    def attempt_id(self) -> AttemptId:
        """The id of the attempt that the failure makes at its present step."""
        return attempt_id(self.failure.id, self.failure.step, self.draw)


ChangePlan: TypeAlias = Callable[[Failure, JsonObject], Awaitable[ChangedPlan | str]]
"""Returns the plan of a failure under new parts of its context, or why it cannot be approved so."""


@value(frozen=True, slots=True, kw_only=True)
class HealPlace:
    """Where one heal acts, as far as a pause may reach it."""

    org_id: OrgId
    workflow_name: str
    failure_type: FailureType
    strategy: StrategyName
    dependencies: frozenset[str]
    """Every dependency that it calls: `https://api.example.com:443`."""


@value(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim of this process on a scope: the exclusive right to run one heal, until its deadline."""

    attempt_id: AttemptId
    step: int
    held: MicroAud
    pays_from: Budget = Budget.TEXT
    """The budget that it is held of."""
    deadline: float
    """`time.monotonic()` by which the last effect has ended; counted from before the claim was sent."""
    probe: bool = False
    """The heal is the circuit breaker's probe of an unhealthy dependency, for all failures that wait for it."""
    sent_at: float = 0.0
    """`time.monotonic()` before the statement that claimed it, or took it over, was sent."""
    cancels: bool = False
    """A person has decided against its heal: it only takes back what was ordered, which the revocation permits."""
    epoch: int = 0
    """Fencing token: how often it had been taken over when this process got it; with the owner it fences settlement."""
    place: HealPlace | None = None
    """Where its heal acts, as far as a pause may reach it."""
