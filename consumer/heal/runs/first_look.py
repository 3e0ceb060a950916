"""The look before a step is run again: the outcome where the run no longer stands at its failure, else its state."""

from typing import Final, assert_never

from consumer.heal.runs.run_watch import is_superseded
from consumer.heal.runs.session import RunSession
from consumer.heal.session import proof
from consumer.model import Healed, Outcome, Refused
from consumer.runners.contract import LookFailed, Phase, RunState, StepPhase, StepState
from schemas.names import Code, Effect, Verdict

_COMPLETE: Final = frozenset({StepPhase.SUCCEEDED, StepPhase.SKIPPED})


async def check_run_first(session: RunSession) -> Outcome | RunState:
    """Look at the run before the order: return the outcome if it is no longer where it failed, else its state.

    Where the state is returned, the step may be ordered.
    """
    seen = await session.look(session.run)
    if isinstance(seen, LookFailed):
        return outcome_if_unseen(session, seen)
    match seen.phase:
        case Phase.SUCCEEDED:
            return outcome_of_success(session, seen)
        case Phase.QUEUED | Phase.RUNNING | Phase.WAITING:
            waits = "waits for a person or a time" if seen.phase is Phase.WAITING else "is under way"
            return session.later(f"the run {waits} ({seen.said[:60]}): it is not touched")
        case Phase.CANCELLING | Phase.CANCELLED | Phase.GONE:
            return refusal_if_over(seen)
        case Phase.FAILED:
            return _check_order(session, seen)
        case _:
            assert_never(seen.phase)


def refusal_if_over(seen: RunState) -> Refused:
    """Return the refusal of a run that nobody wants run again, or that is not there."""
    if seen.phase is Phase.GONE:
        return Refused(code=Code.REFUSED, reason="the engine does not know the run: nothing is left to run again")
    return Refused(code=Code.REFUSED, reason=f"the run was cancelled ({seen.said[:60]}): it is not run again")


def outcome_if_unseen(session: RunSession, seen: LookFailed) -> Outcome:
    """Return the outcome where it cannot be seen how the run stands: nothing was sent."""
    reason = f"where the run stands cannot be seen: {seen.reason}: nothing was sent"
    return session.later(reason, seen.after) if seen.after else session.not_healed(Code.NOT_HEALED, reason)


def outcome_of_success(session: RunSession, seen: RunState) -> Outcome:
    """Return the outcome of a run that has ended well before anything was ordered now.

    One that calls itself done while a step of it runs is not believed; nor, after an order of ours, one whose own
    step is not complete.
    """
    if (step := _not_done(session, seen)) is not None:
        why = f"the engine says {seen.said[:60]!r}, and of step {step.name[:60]!r} {step.phase}: that is not believed"
        return session.later(why, effect_in_doubt=session.task.failure.effect_in_doubt)
    ladder_progress, strategy = session.task.failure.ladder_progress, session.task.plan.strategy
    acted = session.task.failure.effect_in_doubt or ladder_progress.attempts.get(strategy, 0) > 0
    said = proof("run", Verdict.PASSED, f"the run has ended well: the engine says {seen.said[:60]!r}")
    return Healed(code=None if acted else Code.RECOVERED, proofs=(said,), details=session.details)


def _not_done(session: RunSession, seen: RunState) -> StepState | None:
    """Return a step that speaks against the end of its run, or None."""
    own = seen.step(session.run.step) if session.task.failure.effect_in_doubt else None
    if own is not None and own.phase not in _COMPLETE and own.name not in seen.removed and own.renamed_to is None:
        return own
    return next((one for one in seen.steps if one.phase is StepPhase.RUNNING), None)


def _check_order(session: RunSession, seen: RunState) -> Outcome | RunState:
    if superseded := refusal_if_superseded(session, seen):
        return superseded
    if session.task.failure.effect_in_doubt and session.order_effect is Effect.UNSAFE:
        return session.unknown(
            "the run stands at a failure, and an order before may still be carried out: not repeated"
        )
    return seen


def refusal_if_superseded(session: RunSession, seen: RunState) -> Refused | None:
    """Return the refusal where the run was started anew since this failure; None where it was not."""
    if not is_superseded(session.run, seen):
        return None
    reason = f"the run is at epoch {seen.epoch} by now, and this failure is of epoch {session.run.epoch}"
    return Refused(code=Code.REFUSED, reason=f"{reason}: its own failure is the one to heal")
