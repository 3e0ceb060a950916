"""Who may stand in: a candidate keeps every rule that holds for the organisation, or gets not one byte of it. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, assert_never

from consumer.catalog.candidates import Candidate, MovableCalls
from consumer.catalog.dependencies import Dependency, Prefer, ReplacementRule
from consumer.heal.calls.earlier_tries import provably_not_run
from consumer.model import Failure, MicroAud
from schemas.context import RequestContext
from schemas.names import Effect
from schemas.value import value

_FAR: Final = float("inf")


@value(frozen=True, slots=True, kw_only=True)
class Observed:
    """What this process has seen of a candidate of late."""

    seconds: float | None = None
    """How long its answers take; None: it was never called."""
    strikes: int = 0
    """Strikes of the organisation against it."""


@value(frozen=True, slots=True, kw_only=True)
class Choice:
    """The candidates that may be asked, best first; and why the others may not."""

    eligible: tuple[Candidate, ...]
    ruled_out: Mapping[str, str]


def choose(
    dependency: Dependency,
    failure: Failure,
    request: RequestContext,
    *,
    refusal: Callable[[Candidate], str | None],
    observed: Mapping[str, Observed],
    shunned: Mapping[str, datetime],
    now: datetime,
) -> Choice:
    """Choose who may stand in for a call; `refusal` tells why the catalog does not allow a candidate's calls."""
    ruled_out: dict[str, str] = {}
    kept: list[Candidate] = []
    for candidate in dependency.candidates:
        shunned_until = shunned.get(candidate.name)
        why = broken_rule(dependency, candidate, failure) or unmovable(candidate, failure, request)
        if why is None and shunned_until is not None and now < shunned_until:
            why = f"it failed the contract: left out until {shunned_until.isoformat()}"
        why = why or refusal(candidate)
        if why is None:
            kept.append(candidate)
        else:
            ruled_out[candidate.name] = why
    return Choice(eligible=ranked(dependency.prefer, kept, observed), ruled_out=ruled_out)


def broken_rule(dependency: Dependency, candidate: Candidate, failure: Failure) -> str | None:
    """Return which rule a candidate breaks for an organisation, whatever the call, or None."""
    if candidate.organisations != "*" and failure.org_id not in candidate.organisations:
        return "not for this organisation"
    if lacks := sorted(set(dependency.contract.requires) - set(candidate.provides)):
        return f"it does not provide {', '.join(lacks)}"
    broken = (_broken(rule, candidate) for rule in dependency.rules_for(failure.org_id))
    return next((why for why in broken if why is not None), None)


def _broken(rule: ReplacementRule, candidate: Candidate) -> str | None:
    if rule.regions is not None:
        if not candidate.regions:
            return "it does not declare its regions, and a rule names some"
        if outside := sorted(set(candidate.regions) - set(rule.regions)):
            return f"it is in {', '.join(outside)}, where the data may not go"
    if lacks := sorted(set(rule.data_policy) - set(candidate.data_policy)):
        return f"it does not promise {', '.join(lacks)}"
    if rule.max_price_aud is not None:
        if candidate.price_aud is None:
            return "it has no price, and a rule limits it"
        if candidate.price_aud > rule.max_price_aud:
            return f"it costs {candidate.price_aud} AUD, above {rule.max_price_aud}"
    return None


def unmovable(candidate: Candidate, failure: Failure, request: RequestContext) -> str | None:
    """Return why this call may not be made at another place than the first, or None.

    An idempotency key tells the first alone that a call came before: elsewhere the same call is a second effect.
    """
    effect = request.effect_or_default
    if effect is Effect.NONE:
        return None
    if candidate.moves is MovableCalls.NONE:
        return "only calls without effect may go to it"
    if effect is not Effect.KEYED or not request.idempotency_key:
        return "a call with an effect goes to it with an idempotency key only"
    if candidate.moves is MovableCalls.SHARED_KEYS:
        return None
    acted = failure.attempts or failure.ladder_progress.attempts or failure.ladder_progress.in_doubt is not None
    if failure.effect_in_doubt or acted or not provably_not_run(failure):
        return "the call may have had its effect at the first, whose keys it does not know"
    return None


def ranked(prefer: Prefer, candidates: list[Candidate], observed: Mapping[str, Observed]) -> tuple[Candidate, ...]:
    """Return candidates in the preferred order; those that are equal stay as they are declared."""
    return tuple(sorted(candidates, key=lambda one: _cost(prefer, one, observed.get(one.name, Observed()))))


def _cost(prefer: Prefer, candidate: Candidate, seen: Observed) -> float:
    match prefer:
        case Prefer.ORDER:
            return 0.0
        case Prefer.PRICE:
            return _FAR if candidate.price is None else float(candidate.price)
        case Prefer.LATENCY:
            return _FAR if seen.seconds is None else seen.seconds
        case Prefer.HEALTH:
            return float(seen.strikes)
        case _:
            assert_never(prefer)


def dearest(dependency: Dependency, failure: Failure) -> MicroAud | None:
    """Return what the dearest candidate that keeps the rules costs; None where one of them has no price."""
    prices = [one.price for one in dependency.candidates if broken_rule(dependency, one, failure) is None]
    known = [price for price in prices if price is not None]
    return MicroAud(max(known, default=0)) if len(known) == len(prices) else None
