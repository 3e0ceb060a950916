"""Watches a job that was ordered: looked at until it has made an asset, has failed, is lost, or lasts too long."""

from datetime import timedelta
from functools import partial

from consumer.generators.contract import Declined, Generator, JobLost, JobRuns, JobUnseen, Made
from consumer.heal.auto_regenerate.making import Refusals, decline, make, take
from consumer.heal.auto_regenerate.session import RegenerateSession
from consumer.heal.auto_regenerate.state import MakeState
from consumer.heal.gate import run_permitted
from consumer.heal.kept import Suspended
from consumer.heal.session import SECOND
from consumer.model import Outcome
from schemas.names import Code


async def watch_job(session: RegenerateSession, state: MakeState) -> Outcome | Suspended:
    """Look at the job once, and go on: with what it made, with the next generator, or later."""
    generator, job_id = session.generator(state.generator), state.job_id
    if generator is None or job_id is None:
        session.lose(max(session.left, 0))
        reason = f"the catalog has no generator {state.generator} any more: its job cannot be looked at"
        return session.failed(Code.NOT_HEALED, reason)
    within = session.call_time(generator.longest_call())
    seen = await generator.look(job_id, session.order, session.policy, within=within)
    session.dependency_unhealthy = isinstance(seen, JobUnseen) and seen.dependency_unhealthy
    choice, ended = Refusals(), None
    match seen:
        case Made():
            ended = await take(session, generator, seen)
        case Declined():
            ended = await decline(session, generator, seen, choice)
        case JobLost(said=said):
            await _lose(session, generator, f"the job is lost: {said}")
        case JobRuns(said=said, after=after):
            if _lasts_too_long(session, state):
                taken_back = await cancel_job(session, generator, job_id)
                await _lose(session, generator, f"the job has lasted too long ({said}): {taken_back}")
            else:
                return _later(session, state, after, f"{generator.name} says {said}")
        case JobUnseen(reason=reason, after=after):
            if _lasts_too_long(session, state):
                await _lose(session, generator, f"the job could not be seen in time: {reason}")
            else:
                return _later(session, state, after, reason)
    return ended if ended is not None else await make(session, choice)


async def cancel_job(session: RegenerateSession, generator: Generator, job_id: str) -> str:
    """Take a job back where its generator can; returns what came of it, in words."""
    cancel = partial(generator.cancel, job_id, session.order, session.policy, within=session.call_time())
    return await run_permitted(session.gate, cancel)


async def _lose(session: RegenerateSession, generator: Generator, why: str) -> None:
    """Count a job as paid that brings nothing any more."""
    price = generator.most(session.order) or 0
    session.answered += 1
    session.lose(price)
    session.passed_over.add(generator.name)
    session.note(generator, "lost", f"{why}; it counts as paid", price)
    await session.keep(session.state("answered", generator=generator.name[:160]))


def _lasts_too_long(session: RegenerateSession, state: MakeState) -> bool:
    return session.tools.now().timestamp() - state.began > session.limits.job / SECOND


def _later(session: RegenerateSession, state: MakeState, after: timedelta | None, reason: str) -> Suspended:
    limits = session.limits
    wait = min(limits.poll * 1.5 ** min(state.looks, 20), limits.poll_cap) if after is None else after
    later = state.model_copy(update={"looks": state.looks + 1})
    return Suspended(
        state=later,
        look_again=min(wait, limits.job),
        reason=reason,
        dependency_unhealthy=session.dependency_unhealthy,
    )
