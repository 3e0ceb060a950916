"""State machine of a binding: who may stand in for an ill dependency, from when on, and until when. Pure.

    first ──ejected──▶ canary ──enough good answers──▶ whole ──well for long enough──▶ returning ──still well──▶ first
      ▲                  │ the candidate failed,         │ it failed twice                │ ill again
      │                  │ or well for long enough       │                                └──▶ whole, for longer
      └──────────────────┴───────────────────────────────┘

Hysteresis keeps a dependency that flaps from being switched to and fro: it comes back only after every probe of a whole
span has found it well, never before its ejection's time is over, and each ejection in a row lasts twice as long.
A binding that no probe renews lapses with its lease: calls then go to the first, as if there had been none.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from consumer.catalog.dependencies import BindingTimes
from consumer.model import JsonObject, OrgId
from consumer.model.binding import REPLACED, Binding
from schemas.dependency_binding import BindingState
from schemas.value import value

FAILURES_IN_A_ROW: Final = 2
"""Calls in a row by which a candidate that had all calls loses them; one on trial by its first."""
_MAX_DOUBLINGS: Final = 16


@value(frozen=True, slots=True, kw_only=True)
class Ejection:
    """What is to stand in for a dependency that was proven ill, and the proof."""

    org_id: OrgId
    dependency: str
    workflow_name: str
    candidate: str
    reason: str
    evidence: tuple[JsonObject, ...] = ()


def eject(before: Binding | None, ejection: Ejection, times: BindingTimes, now: datetime) -> Binding:
    """Put a candidate on trial; a binding that holds stays as it is, and so does the time of one that goes on."""
    if before is not None and before.holds(now):
        return before
    if before is not None and before.ejections and now < before.ejected_until:
        ejections, until = before.ejections, before.ejected_until
    else:
        ejections = _ejections(before, times, now)
        until = now + _span(ejections, times)
    return Binding(
        org_id=ejection.org_id,
        dependency=ejection.dependency,
        workflow_name=ejection.workflow_name,
        state=BindingState.CANARY,
        candidate=ejection.candidate,
        changed_at=now,
        lease_until=now + times.lease,
        ejected_until=until,
        ejections=ejections,
        shunned=_still_shunned(before, now),
        version=1 if before is None else before.version + 1,
        reason=ejection.reason,
        evidence=ejection.evidence,
    )


def leave_alone(before: Binding | None, of: Ejection, until: datetime, now: datetime, *, well: bool = False) -> Binding:
    """Note that nothing stands in for the first until a time: it was found well, or nothing could stand in."""
    if before is not None and before.holds(now):
        return before
    if before is not None and before.state is BindingState.FIRST:
        return replace(before, idle_until=until, well_since=now if well else before.well_since)
    return Binding(
        org_id=of.org_id,
        dependency=of.dependency,
        workflow_name=of.workflow_name,
        state=BindingState.FIRST,
        candidate=None,
        changed_at=now,
        lease_until=now,
        ejected_until=now if before is None else before.ejected_until,
        ejections=0 if before is None else before.ejections,
        idle_until=until,
        well_since=now if well else None,
        shunned=_still_shunned(before, now),
        version=1 if before is None else before.version + 1,
        reason=of.reason,
    )


def candidate_answered(before: Binding, candidate: str, *, good: bool, times: BindingTimes, now: datetime) -> Binding:
    """Count an answer of the candidate; one of another candidate, or of a binding that lapsed, says nothing."""
    if before.candidate != candidate or not before.holds(now):
        return before
    if not good:
        failed, on_trial = before.failed + 1, before.state is BindingState.CANARY
        if on_trial or failed >= FAILURES_IN_A_ROW:
            return _dismiss(before, times, now)
        return replace(before, failed=failed)
    if before.state is not BindingState.CANARY:
        return replace(before, failed=0) if before.failed else before
    answered = before.answered + 1
    if answered < times.canary:
        return replace(before, answered=answered, failed=0)
    reason = f"{candidate} has answered {answered} calls in a row as the contract demands"
    return _change(before, BindingState.WHOLE, now, reason, answered=answered, failed=0)


def first_probed(before: Binding, *, well: bool, times: BindingTimes, now: datetime) -> Binding:
    """Go on with a probe of the first, which renews the lease while the binding stands."""
    if before.state is BindingState.FIRST:
        return before
    probed = _renew(before, times, now)
    return _probed_well(probed, times, now) if well else _probed_ill(probed, times, now)


def _probed_ill(before: Binding, times: BindingTimes, now: datetime) -> Binding:
    if before.state in REPLACED:
        return replace(before, well_since=None)
    ejections = before.ejections + 1
    again = replace(before, ejections=ejections, ejected_until=now + _span(ejections, times), well_since=None)
    return _change(again, BindingState.WHOLE, now, "the first fell ill again on its way back")


def _probed_well(before: Binding, times: BindingTimes, now: datetime) -> Binding:
    since = before.well_since or now
    probed = replace(before, well_since=since)
    if before.state in REPLACED:
        if now - since < times.steady or now < before.ejected_until:
            return probed
        if before.state is BindingState.CANARY:
            return _back(probed, times, now, "the first was well before the trial was over")
        return _change(probed, BindingState.RETURNING, now, f"the first has been well since {since.isoformat()}")
    if now - before.changed_at < times.steady:
        return probed
    return _back(probed, times, now, "the first is well, with a share of the calls too")


def _back(before: Binding, times: BindingTimes, now: datetime, reason: str) -> Binding:
    back = _change(before, BindingState.FIRST, now, reason)
    return replace(back, candidate=None, well_since=now, lease_until=now, idle_until=now + times.probe_every)


def share_of(binding: Binding, times: BindingTimes) -> float:
    """Return the share of the calls that goes to the candidate."""
    match binding.state:
        case BindingState.FIRST:
            return 0.0
        case BindingState.CANARY:
            return times.share
        case BindingState.WHOLE:
            return 1.0
        case BindingState.RETURNING:
            return 1.0 - times.share


def most_replaced(declared: int, share: float) -> int:
    """Return how many of a workflow's dependencies may be replaced at once: a share of them, and always one."""
    return max(1, int(declared * share))


def _dismiss(before: Binding, times: BindingTimes, now: datetime) -> Binding:
    shunned = {**_still_shunned(before, now), str(before.candidate): now + times.shun}
    reason = f"{before.candidate} failed the contract"
    free = _change(before, BindingState.FIRST, now, reason, failed=0)
    return replace(free, candidate=None, lease_until=now, idle_until=None, well_since=None, shunned=shunned)


def _renew(before: Binding, times: BindingTimes, now: datetime) -> Binding:
    """Renew the lease once half of it is over, so that followers are told twice a lease and not at each probe."""
    if before.lease_until - now > times.lease / 2:
        return before
    return replace(before, lease_until=now + times.lease, version=before.version + 1)


def _change(
    before: Binding, state: BindingState, now: datetime, reason: str, *, answered: int = 0, failed: int = 0
) -> Binding:
    return replace(
        before,
        state=state,
        changed_at=now,
        reason=reason,
        answered=answered,
        failed=failed,
        version=before.version + 1,
    )


def _ejections(before: Binding | None, times: BindingTimes, now: datetime) -> int:
    if before is None or (before.state is BindingState.FIRST and now - before.changed_at >= times.forgive):
        return 1
    return before.ejections + 1


def _span(ejections: int, times: BindingTimes) -> timedelta:
    return min(times.eject * (1 << min(ejections - 1, _MAX_DOUBLINGS)), times.eject_cap)


def _still_shunned(before: Binding | None, now: datetime) -> dict[str, datetime]:
    return {} if before is None else {name: until for name, until in before.shunned.items() if now < until}
