"""What is to be done about a failure, and the claim under which it is done."""

from datetime import timedelta
from typing import TypeAlias

from consumer.model.failure import Diagnosis, Failure
from consumer.model.identity import AttemptId, MicroAud, Scope, attempt_id
from schemas.names import Code, Effect, StrategyName
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a strategy would do to one failure, as far as the plan and the store have to know."""

    scope: Scope
    """What it would act on: at most one live claim per scope in the fleet. Starts with the organisation's id."""
    effect: Effect
    """What acting twice would do, as the call's owner declares it."""
    window: timedelta
    """The longest time from its claim to the end of its last effect."""
    idempotency_key: str | None = None
    """The key of a keyed effect, the caller's own; None for every other effect."""
    reads_back: bool = False
    """Whether it can find out, without acting, if an earlier effect happened."""
    dependency: str | None = None
    """What has to be well for it to work, such as `https://api.example.com:443`; None where nothing is shared."""
    fault_digest: str | None = None
    """A digest of the very thing that is broken: failures of equal damage may share one verified outcome."""


@value(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A rung of the ladder that may not act, and why."""

    strategy: StrategyName
    code: Code
    reason: str
    missing: tuple[str, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Heal:
    """The plan to act: which strategy, to do what, with how many credits held."""

    strategy: StrategyName
    intent: Intent
    hold: MicroAud
    catalog_version: str
    dependency: str | None = None
    """The intent's dependency as its organisation's own: one's outage, or one's wrong address, holds up nobody else."""
    rate: "Rate | None" = None
    """How often the same thing may be healed, where the catalog says so."""
    passed_over: tuple[PassedOver, ...] = ()
    """The rungs before it on the ladder, in order."""


@value(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The plan not to act, with the reason that its publisher or operator can do something about."""

    strategy: StrategyName
    code: Code
    reason: str
    catalog_version: str
    missing: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    """The rungs after it on the ladder, none of which may act either."""


@value(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most so many heals of the same thing within a span, with a pause after each."""

    key: str
    heals: int
    within: timedelta
    cool_down: timedelta


@value(frozen=True, slots=True, kw_only=True)
class Wait:
    """The plan to look again later: nothing is tried, and no attempt is counted."""

    strategy: StrategyName
    after: timedelta
    reason: str
    catalog_version: str


@value(frozen=True, slots=True, kw_only=True)
class Adopt:
    """The plan to take over a verified outcome: another heal has mended the very same damage."""

    strategy: StrategyName
    attempt_id: AttemptId
    catalog_version: str


Plan: TypeAlias = Heal | Refuse | Wait | Adopt


@value(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """A failure with its diagnosis and its plan: what intake and start work on."""

    failure: Failure
    diagnosis: Diagnosis
    plan: Plan
    draw: int = 0
    """What tells its attempt from any other of the same step, also of a history that the database has lost."""

    @property
    def heal(self) -> Heal:
        """The plan to act; TypeError where that is not the plan."""
        if not isinstance(self.plan, Heal):
            raise TypeError("only what is planned to be healed is claimed")
        return self.plan

    @property
    def attempt_id(self) -> AttemptId:
        """The id of the attempt that the failure makes at its present step."""
        return attempt_id(self.failure.id, self.failure.step, self.draw)


@value(frozen=True, slots=True, kw_only=True)
class Claim:
    """A live heal under this process's name."""

    attempt_id: AttemptId
    step: int
    held: MicroAud
    deadline: float
    """`time.monotonic()` by which the last effect has ended; counted from before the claim was sent."""
    probe: bool = False
    """Tries an ill dependency, for all that wait for it."""
    sent_at: float = 0.0
    """`time.monotonic()` before the statement that claimed it, or took it over, was sent."""
    epoch: int = 0
    """How often it had been taken over when it came to this process: with the owner, what fences its settlement."""
