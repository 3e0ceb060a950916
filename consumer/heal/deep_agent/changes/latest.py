"""Has a failed run go on upon the newest version of its workflow, once its change request is merged.

The state is kept before the order. Whoever inherits one whose order was not answered looks where the run stands: where
it stands as before, the order is given once more under the same key, which no engine here takes twice; else it is
watched. An engine whose order carries neither key nor look is given none: a person runs it.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from consumer.heal.deep_agent.changes.session import ChangeSession
from consumer.heal.deep_agent.changes.state import MAX_WORD, ChangeState
from consumer.heal.kept import SUSPEND_ABOVE, Suspended, is_keepable, keepable_text
from consumer.heal.runs.first_look import refusal_if_over, refusal_if_superseded
from consumer.heal.runs.ordering import give_order, stands_as
from consumer.heal.runs.rerun import key_at
from consumer.heal.runs.run_watch import FailedAgain, GoesOn, Proven, RunWatch, pause
from consumer.heal.runs.session import RunSession, RunTools
from consumer.heal.runs.step_read_back import reason_against_beginning
from consumer.heal.session import proof
from consumer.model import Healed, Outcome
from consumer.model.call import EgressRefused
from consumer.runners.contract import Accepted, LookFailed, Phase, Rejected, RerunStep, RunState
from schemas.names import Code, Effect, Verdict

_MOST_UNMOVED: Final = 30
"""Looks after which an order that nothing shows to be executed is given up."""
_BY_HAND: Final = "run the workflow on its newest version, then `shw resolve`"


async def run_on_latest(session: ChangeSession, state: ChangeState) -> Outcome | Suspended:
    """Order the failed run to go on upon the newest version, and watch it."""
    runs = _run_session(session)
    if isinstance(runs, str):
        return session.for_person(f"its change request is merged: {runs}: {_BY_HAND}")
    seen = await runs.look(runs.run)
    _note(session, runs)
    over = _unless_failed(session, runs, state, seen)
    if over is not None or isinstance(seen, LookFailed):
        return over or session.later(state, "its run cannot be seen")
    if why := await reason_against_beginning(runs, session.tools.calls, runs.run.step or "", seen.step(runs.run.step)):
        return session.for_person(f"its change request is merged: {why}; then {_BY_HAND}")
    kept = _running(runs, state, seen)
    if not is_keepable(kept):
        return session.for_person(f"its change request is merged, and its run's names cannot be kept: {_BY_HAND}")
    await session.gate.keep(kept)
    return await _order(session, runs, kept, seen)


def _unless_failed(
    session: ChangeSession, runs: RunSession, state: ChangeState, seen: RunState | LookFailed
) -> Outcome | Suspended | None:
    """Return what becomes of a run that does not stand at its failure; None where it does."""
    if isinstance(seen, LookFailed):
        return session.later(state, f"its change request is merged, and its run cannot be seen: {seen.reason}")
    match seen.phase:
        case Phase.FAILED:
            superseded = refusal_if_superseded(runs, seen)
            return replace(superseded, details=session.details) if superseded is not None else None
        case Phase.SUCCEEDED:
            said = proof("run", Verdict.PASSED, f"the run has ended well: the engine says {seen.said[:60]!r}")
            return Healed(proofs=(said,), details=session.details)
        case Phase.CANCELLED | Phase.CANCELLING | Phase.GONE:
            return replace(refusal_if_over(seen), details=session.details)
        case Phase.QUEUED | Phase.RUNNING | Phase.WAITING:
            return session.later(state, f"its change request is merged, and its run is {seen.said[:60]}")
        case _:
            assert_never(seen.phase)


async def go_on_with_run(session: ChangeSession, state: ChangeState) -> Outcome | Suspended:
    """Go on with a run that was ordered, or was to be."""
    runs = _run_session(session)
    if isinstance(runs, str):
        return session.unknown(f"the run may go on upon the merged version: {runs}")
    if not state.given:
        seen = await runs.look(runs.run)
        if isinstance(seen, RunState) and stands_as(state.before, seen):
            return await _order(session, runs, state, seen)
    return await _watch(session, runs, state)


async def _order(session: ChangeSession, runs: RunSession, state: ChangeState, seen: RunState) -> Outcome | Suspended:
    given = await give_order(runs, lambda run: RerunStep(run=run, latest=True), seen, key_at(runs.key, state.before))
    _note(session, runs)
    match given.answer:
        case Accepted(run=run):
            words = keepable_text(run.run_id, session.tools.redact, MAX_WORD) == run.run_id
            named = {"run_id": run.run_id, "run_epoch": run.epoch} if words else {}
            state = state.model_copy(update={"given": True} | named)
        case _ if given.in_doubt:
            state = state.model_copy(update={"given": True})
        case Rejected(conflict=True):
            state = state.model_copy(update={"given": True})  # it has moved: it is watched
        case Rejected(reason=reason, dependency_unhealthy=False) | EgressRefused(reason=reason):
            return session.for_person(f"its change request is merged, and its engine takes no order: {reason}")
        case _:
            return session.later(state, f"its change request is merged; its engine: {given.answer.reason}")
    await session.gate.keep(state)
    return await _watch(session, runs, state)


async def _watch(session: ChangeSession, runs: RunSession, state: ChangeState) -> Outcome | Suspended:
    """Look at the run until it is proven or has failed again; between two looks the heal is suspended."""
    run = replace(runs.run, run_id=state.run_id or runs.run.run_id, epoch=state.run_epoch)
    watch = RunWatch(before=state.before, is_another_run=run.run_id != runs.run.run_id, has_moved=state.moved)
    n = state.looks
    while True:
        n += 1
        seen = await runs.look(run)
        sight = watch.sees(seen)
        _note(session, runs)
        if isinstance(sight, Proven):
            said = proof("run", Verdict.PASSED, f"on the merged version: {sight.why}")
            return Healed(proofs=(said,), details=session.details)
        if isinstance(sight, FailedAgain):
            said = proof("run", Verdict.FAILED, f"on the merged version: {sight.why}")
            return session.not_healed(Code.NOT_HEALED, said.detail, (said,))
        if not isinstance(sight, GoesOn) and isinstance(seen, RunState) and n >= _MOST_UNMOVED:
            said = proof("run", Verdict.INCONCLUSIVE, sight.why)
            return session.not_healed(Code.UNVERIFIED, f"merged, and nothing shows its run: {sight.why}", (said,))
        wait = pause(n)
        if wait > SUSPEND_ABOVE or wait + runs.call_limit >= session.gate.remaining():
            state = state.model_copy(update={"looks": n, "moved": watch.has_moved})
            rest = wait if n < _MOST_UNMOVED else session.declared.every
            return session.later(state, f"its run on the merged version: {sight.why}", rest)
        await session.sleep(wait)


def _note(session: ChangeSession, runs: RunSession) -> None:
    session.told |= {"orders": runs.orders[-6:]} if runs.orders else {}
    session.told |= {"looks": runs.looks[-6:]} if runs.looks else {}
    session.dependency_unhealthy = False  # the engine's health is none of the model's


def _running(runs: RunSession, state: ChangeState, seen: RunState) -> ChangeState:
    return state.model_copy(
        update={
            "stage": "running",
            "run_id": runs.run.run_id[:MAX_WORD],
            "run_epoch": runs.run.epoch,
            "phase_before": seen.phase,
            "epoch_before": seen.epoch,
            "progress_before": seen.progress,
            "fence_before": seen.fence,
        }
    )


def _run_session(session: ChangeSession) -> RunSession | str:
    """Return the session of its run, or why nothing can be ordered."""
    policy, run = session.policy, session.run
    runner = session.tools.runners.of(policy)
    if run is None:
        return "the failure names no run (context.run)"
    if runner is None:
        return f"the catalog's entry {policy.name!r} names no runner"
    order = RerunStep(run=run, latest=True)
    if why := runner.refusal(order, policy):
        return why
    effect = runner.effect(order)
    if effect is Effect.UNSAFE:
        return "its engine's order carries no key: given twice, it would run twice"
    return RunSession(
        task=session.task,
        gate=session.gate,
        pause=session.pause,
        run_tools=RunTools(
            redact=session.tools.redact,
            sleep=asyncio.sleep,
            monotonic=time.monotonic,
            now=lambda: datetime.now(UTC),
        ),
        runner=runner,
        run=run,
        key=f"{session.key}-latest",
        order_effect=effect,
        call_limit=policy.auto_retry.timeout,
        watch_limit=timedelta(minutes=1),
    )
