"""Acts on the cause that was found: asks the rule, ends what may still run, gives the order, and watches the run.

Before any order stands the rule of `runs/again.py`. What may still run is terminated, and has to be *seen* to have
ended: an engine that only says that it will end it has not, and a second copy would live beside the first.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final, assert_never

from consumer.errors import DeadlinePassed
from consumer.heal.kept import SUSPEND_ABOVE, Suspended
from consumer.heal.route_repair.finding import NamedCause
from consumer.heal.route_repair.proving import Refuted, Satisfied, Undecided, before_of, judge
from consumer.heal.route_repair.repair import ForPerson, LeaveAlone, RouteChange, choose, order_of
from consumer.heal.route_repair.route import changed, edges_of, nodes_of, route
from consumer.heal.route_repair.session import RouteSession
from consumer.heal.route_repair.state import GivenChange, watch_state
from consumer.heal.runs.ordering import Given, give_order, outcome_of_refused_order, outcome_of_rejection
from consumer.heal.runs.run_watch import pause
from consumer.heal.runs.step_read_back import reason_against_beginning
from consumer.heal.session import NO_TIME
from consumer.model import Healed, NotHealed, Outcome
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Phase,
    Rejected,
    RunRef,
    RunState,
    StepPhase,
    Terminate,
)
from schemas.names import Code, Effect

_MIN_WAIT: Final = timedelta(milliseconds=50)
_ENDED: Final = frozenset({Phase.FAILED, Phase.CANCELLED})
_MAY_RUN: Final = frozenset({StepPhase.QUEUED, StepPhase.RUNNING})


async def act_on(session: RouteSession, found: NamedCause, seen: RunState) -> Outcome | Suspended:
    """Choose what to do about a cause, and do it; `seen` is the second of the looks that agree on it."""
    session.route = {"before": route(nodes_of(seen), edges_of(seen), seen.said[:80])}
    chosen = choose(found, seen, session.run, session.limits)
    cause = f"{found.cause}: {found.evidence}"
    match chosen:
        case LeaveAlone(why=why, later=True):
            return session.later(f"{cause}: {why}")
        case LeaveAlone(why=why):
            return session.refused(Code.REFUSED, f"{cause}: {why}: it is left alone")
        case ForPerson(why=why):
            return session.refused(Code.NEEDS_PERSON, f"{cause}: {why}")
        case RouteChange():
            if against := await _reason_against(session, chosen, seen):
                return session.refused(Code.NEEDS_PERSON, f"{cause}: {against}")
            return await _repair(session, found, chosen, seen)
        case _:
            assert_never(chosen)


async def _reason_against(session: RouteSession, repair: RouteChange, seen: RunState) -> str | None:
    """Return why a repair must not be ordered: its engine takes no such order, or its step must not begin again."""
    run = replace(session.run, step=repair.step)
    orders = [order_of(repair, run, session.input_of(repair))]
    if repair.ends_first is not None:
        orders.append(Terminate(run=replace(run, step=repair.ends_first)))
    for order in orders:
        if why := session.runner.refusal(order, session.policy):
            return why
    if not repair.begins_again or repair.step is None:
        return None
    return await reason_against_beginning(session, session.tools.calls, repair.step, seen.step(repair.step))


async def _reason_since(session: RouteSession, repair: RouteChange, ended: RunState) -> str | None:
    """Return why a step must not be begun again that was begun after all, between the look and its end, or None."""
    state = ended.step(repair.step)
    if repair.step is None or (state is not None and not state.has_begun):
        return None
    return await reason_against_beginning(session, session.tools.calls, repair.step, state)


async def _repair(session: RouteSession, found: NamedCause, repair: RouteChange, seen: RunState) -> Outcome | Suspended:
    if repair.ends_first is not None:
        ended = await _end_first(session, repair.ends_first, seen)
        if not isinstance(ended, RunState):
            return ended
        if not repair.begins_again and (against := await _reason_since(session, repair, ended)):
            return session.refused(Code.NEEDS_PERSON, f"{found.cause}: {found.evidence}: {against}")
        seen = ended
    run = replace(session.run, step=repair.step)
    changed_input = session.input_of(repair)
    order = order_of(repair, run, changed_input)
    session.order_effect = session.runner.effect(order)
    if session.task.failure.effect_in_doubt and session.order_effect is Effect.UNSAFE:
        return session.unknown("the run stands still, and an order before may still be carried out: not repeated")
    before = before_of(seen)
    session.route["changed"] = changed(repair, gets_input=changed_input is not None)
    given = await give_order(
        session,
        lambda reference: order_of(repair, replace(reference, step=repair.step), changed_input),
        seen,
        _key(session, repair, before.place, seen.fence),
        still=lambda now: (now.phase, now.fence) == (seen.phase, seen.fence) and before_of(now).place == before.place,
    )
    ordered = GivenChange(
        found=found,
        repair=repair,
        run_id=session.run.run_id,
        before=before,
        nodes=nodes_of(seen),
        state=seen.said[:80],
        in_doubt=given.in_doubt,
        left=session.watch_limit,
    )
    return await _after_order(session, given, ordered)


def _key(session: RouteSession, repair: RouteChange, place: str, fence: str | None) -> str:
    """Return the key of an order: the same for the same order at the same place, whichever attempt gives it."""
    return f"{session.key}-{repair.act}-{place}" + (f"-{fence}"[:40] if fence is not None and fence.isalnum() else "")


async def _after_order(session: RouteSession, given: Given, ordered: GivenChange) -> Outcome | Suspended:
    match given.answer:
        case Accepted(run=run):
            return await watch(session, replace(ordered, run_id=run.run_id))
        case _ if given.in_doubt:
            return await watch(session, replace(ordered, in_doubt=True))
        case _:
            return outcome_of_refused_order(session, given.answer)


async def _end_first(session: RouteSession, step: str, seen: RunState) -> RunState | Outcome:
    """Terminate what may still run of a step, and wait until a look shows that it has ended."""
    run, before = replace(session.run, step=step), before_of(seen)
    session.order_effect = session.runner.effect(Terminate(run=run))
    given = await give_order(
        session,
        lambda reference: Terminate(run=replace(reference, step=step)),
        seen,
        f"{session.key}-terminate-{before.place}",
        still=lambda now: (now.fence, before_of(now).place) == (seen.fence, before.place),
    )
    if not isinstance(given.answer, Accepted) and not given.in_doubt:
        if isinstance(given.answer, Rejected):
            return outcome_of_rejection(session, given.answer)
        return session.not_healed(Code.NOT_HEALED, f"what may still run could not be ended: {given.answer.reason}")
    left, n = session.limits.ends, 0
    while True:
        n += 1
        now = await session.look(session.run)
        if isinstance(now, RunState) and has_ended(now, step, seen):
            return now
        wait = min(pause(n), left)
        if wait <= _MIN_WAIT:
            why = f"step {step!r} may still run: it was terminated, and is not seen to have ended"
            return session.refused(Code.NEEDS_PERSON, f"{why}: a second copy would live beside it")
        await session.sleep(wait)
        left -= wait


def has_ended(now: RunState, step: str, before: RunState) -> bool:
    """Return whether a look shows that a step runs nowhere any more."""
    state = now.step(step)
    if now.at is not None and before.at is not None and now.at < before.at:
        return False
    if state is None:
        return not now.steps and now.phase in _ENDED
    return state.phase not in _MAY_RUN or state.worker_alive is False


async def watch(session: RouteSession, ordered: GivenChange) -> Outcome | Suspended:
    """Look at the run until the oracle is satisfied or says no, or the time for that is over."""
    run = replace(session.run, run_id=ordered.run_id)
    until = session.run_tools.monotonic() + ordered.left.total_seconds()
    n, moved = ordered.looks, ordered.moved
    while True:
        n += 1
        seen = await look_in_time(session, run)
        said = judge(ordered.before, seen, ordered.repair, moved=moved)
        moved = moved or (isinstance(said, Undecided) and said.moved)
        left = max(NO_TIME, timedelta(seconds=until - session.run_tools.monotonic()))
        wait = min(pause(n), left)
        if not isinstance(said, Undecided) or wait <= _MIN_WAIT:
            return outcome_of(session, replace(ordered, moved=moved), said, seen)
        if wait > SUSPEND_ABOVE:
            state = watch_state(replace(ordered, moved=moved, looks=n, left=left - wait), session.run_tools.redact)
            if state is not None:
                reason = f"{ordered.found.cause}: {ordered.repair.act} was ordered; {said.why}"
                return Suspended(
                    state=state,
                    look_again=wait,
                    reason=reason,
                    dependency_unhealthy=session.dependency_unhealthy,
                )
        if wait + session.call_limit >= session.gate.remaining():
            return outcome_of(session, replace(ordered, moved=moved), said, seen)
        await session.sleep(wait)


async def look_in_time(session: RouteSession, run: RunRef) -> RunState | LookFailed:
    """Look at a run; where the window is over, that is a look that failed."""
    try:
        return await session.look(run)
    except DeadlinePassed as passed:
        return LookFailed(reason=str(passed))


def outcome_of(
    session: RouteSession, ordered: GivenChange, said: Satisfied | Refuted | Undecided, seen: RunState | LookFailed
) -> Outcome:
    """Return the outcome of a heal whose order was given, by its last look."""
    _note_after(session, ordered, seen)
    cause = f"{ordered.found.cause}: {ordered.found.evidence}"
    match said:
        case Satisfied(proofs=proofs):
            named = replace(proofs[0], detail=f"{ordered.found.cause}: {proofs[0].detail}"[:200])
            return Healed(proofs=(named, *proofs[1:]), details=session.details)
        case Refuted(why=why, proofs=proofs, twice=True):
            return session.unknown(f"{cause}; after the order: {why}", proofs)
        case Refuted(why=why, proofs=proofs):
            return session.not_healed(Code.NOT_HEALED, f"{cause}; after the order: {why}", proofs)
        case Undecided(why=why):
            return session.unknown(f"{cause}; after the order: {why}")
        case _:
            assert_never(said)


def _note_after(session: RouteSession, ordered: GivenChange, seen: RunState | LookFailed) -> None:
    edges = edges_of(seen) if isinstance(seen, RunState) else []
    gets_input = session.input_of(ordered.repair) is not None
    session.route.setdefault("changed", changed(ordered.repair, gets_input=gets_input))
    session.route.setdefault("before", route(ordered.nodes, edges, ordered.state))
    if isinstance(seen, RunState):
        session.route["after"] = route(nodes_of(seen), edges, seen.said[:80])


def denied(reason: str) -> NotHealed:
    """Return the end of a heal that had ordered nothing when a person decided."""
    return NotHealed(code=Code.DENIED, reason=reason)
