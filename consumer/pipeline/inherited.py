"""How an inherited claim goes on or ends; with a kept state, under the plan that it was made for, whatever today's is.

What was ordered is under way at another system: a catalog that has changed, an age that has passed and a ladder that
has moved on do not undo it. A person's decision does, through the strategy's own `cancel`.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, assert_never

from consumer.heal.gate import KeptOnClaim
from consumer.heal.kept import Kept, UnreadableState, decode_state
from consumer.heal.strategy import LastingStrategy, Strategies
from consumer.model import (
    Adopt,
    Ask,
    Heal,
    Intent,
    NotHealed,
    Outcome,
    Plan,
    Refuse,
    Refused,
    RetryLater,
    Scope,
    Unknown,
    Wait,
)
from consumer.model.suspension import KeptState, SuspendedHeal
from consumer.store.leases import DECIDED, Inherited
from schemas.names import Code, Effect, StrategyName

_NO_SLOT_WAIT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Continued:
    """A heal that goes on from what its claim carries; or its end, where that cannot be read."""

    plan: Heal
    carried: KeptOnClaim
    kept: Kept | None
    longest: timedelta
    end: Outcome | None = None

    def again(self, reason: str) -> SuspendedHeal | None:
        """Return the heal as it is suspended once more before it has gone on; None where a decision ends it."""
        if self.kept is None or self.kept.revoked or self.carried.state is None:
            return None
        return SuspendedHeal(
            state=self.carried.state,
            look_again=_NO_SLOT_WAIT,
            longest=self.longest,
            reason=reason,
            begun_since=self.carried.begun_since,
        )


def continue_from_state(inherited: Inherited, kept_state: KeptState, plan: Plan, strategies: Strategies) -> Continued:
    """Return how an inherited claim with a state goes on; where no strategy here reads it, a person has to look."""
    heal = plan_of_claim(inherited, plan)
    strategy = strategies.get(inherited.strategy)
    # What carries no key is recorded before it begins; of every other effect one may always have begun.
    begins_unseen = inherited.effect is not Effect.UNSAFE and not inherited.was_suspended
    carried = KeptOnClaim(
        state=kept_state,
        begun=inherited.begun or inherited.effect is not Effect.UNSAFE,
        begun_since=inherited.begun_since or begins_unseen,
    )
    longest = strategy.longest_suspension if isinstance(strategy, LastingStrategy) else timedelta(0)
    models = strategy.states if isinstance(strategy, LastingStrategy) else ()
    try:
        state = decode_state(kept_state, models)
    except UnreadableState as error:
        end = _unreadable(inherited.strategy, kept_state, str(error))
        return Continued(plan=heal, carried=carried, kept=None, longest=longest, end=end)
    kept = Kept(
        state=state,
        begun=carried.begun_since,
        suspended_for=inherited.suspended_for or timedelta(0),
        charged=kept_state.charged,
        revoked=inherited.revoked,
    )
    return Continued(plan=replace(heal, action=state.of_action), carried=carried, kept=kept, longest=longest)


def _unreadable(strategy: StrategyName, kept_state: KeptState, why: str) -> Unknown:
    return Unknown(
        reason=f"{strategy} has kept a state (version {kept_state.version}) from which no release has gone on: {why}. "
        "Look at the other system for what it has ordered, and decide",
        details={"kept": kept_state.content},
        spent=kept_state.charged,
    )


def plan_of_claim(inherited: Inherited, plan: Plan) -> Heal:
    """Return the plan that a claim was made for: today's where that is the same, else one from the claim itself."""
    if (
        isinstance(plan, Heal)
        and (plan.intent.scope, plan.strategy, plan.intent.effect)
        == (inherited.scope, inherited.strategy, inherited.effect)
        and plan.intent.idempotency_key == inherited.idempotency_key
    ):
        return plan
    intent = Intent(
        scope=Scope(inherited.scope),
        effect=inherited.effect,
        window=inherited.window,
        idempotency_key=inherited.idempotency_key,
        pays_from=inherited.pays_from,
    )
    return Heal(
        strategy=inherited.strategy,
        intent=intent,
        hold=inherited.held,
        catalog_version=plan.catalog_version,
    )


def ends_unhealed(inherited: Inherited, plan: Plan) -> Outcome | None:
    """Return the outcome of an inherited claim that ends without a heal; None when it is healed as it was planned."""
    if inherited.begun:
        return Unknown(reason="the process that made this call died in it: whether it took effect is not known")
    if inherited.revoked and inherited.effect is not Effect.KEYED:
        return Refused(code=Code.DENIED, reason=DECIDED)
    if inherited.effect is Effect.KEYED and (inherited.revoked or plan.strategy is not inherited.strategy):
        why = DECIDED if inherited.revoked else f"{plan.strategy} does not carry its key"
        return NotHealed(code=Code.UNVERIFIED, reason=f"the process that made this call died in it, and {why}")
    return _outcome_of_plan(inherited, plan)


def _outcome_of_plan(inherited: Inherited, plan: Plan) -> Outcome | None:
    match plan:
        case Refuse():
            return Refused(code=plan.code, reason=plan.reason, missing=plan.missing)
        case Wait():
            return RetryLater(after=plan.after, reason=plan.reason)
        case Adopt():
            return RetryLater(after=timedelta(0), reason="another heal has mended the same damage")
        case Ask():
            return RetryLater(after=timedelta(0), reason="its plan is to be asked for first: the catalog marks it now")
        case Heal():
            why = _plan_mismatch(inherited, plan)
            return RetryLater(after=timedelta(seconds=1), reason=why) if why else None
        case _:
            assert_never(plan)


def _plan_mismatch(inherited: Inherited, plan: Heal) -> str | None:
    if (plan.intent.scope, plan.strategy) != (inherited.scope, inherited.strategy):
        return "the plan changed while a dead process held the claim"
    if plan.hold > inherited.held:
        # The wallet had refused, and the process died before it could record that; or the catalog now asks for more.
        return "its credits were not held when a process died"
    return None
