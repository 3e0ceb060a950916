"""Proves the first ill by one health call, finds a candidate by one probe without effect, and puts it on trial.

Only one heal at a time of an organisation does this for a dependency: its scope is the dependency itself.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from consumer.catalog.candidates import Candidate, LookTemplate
from consumer.heal.calls.request import origin
from consumer.heal.dependency_replacement.candidates import choose
from consumer.heal.dependency_replacement.illness import (
    IllnessSign,
    IllnessVerdict,
    OtherCause,
    Strikes,
    of_failure,
    of_health,
    of_input,
    of_network,
    of_strikes,
    verdict,
)
from consumer.heal.dependency_replacement.machine import Ejection, eject, leave_alone, most_replaced
from consumer.heal.dependency_replacement.probing import LOOK_BYTES, LookResult, look
from consumer.heal.dependency_replacement.session import ReplacementSession
from consumer.heal.dependency_replacement.translation import look_call, sample_call
from consumer.model import Outcome, Refused
from consumer.model.binding import Binding
from consumer.model.call import CallResult, NotSent, OutboundRequest
from consumer.runners.templates import UnfitValue
from schemas.names import Code

NOW: Final = timedelta(0)
SECOND: Final = timedelta(seconds=1)
_NOT_HEALED_BY_THIS: Final = frozenset({OtherCause.KEY, OtherCause.INPUT})


async def bind(session: ReplacementSession, before: Binding | None, now: datetime) -> Binding | Outcome:
    """Return a binding to a candidate that was put on trial, or how the heal ends without one."""
    said = await _said_without_asking(session)
    health: CallResult | None = None
    if all(one.cause is None for one in said):
        asked = await _ask_first(session)
        if asked is None:
            return session.retry_later(SECOND, f"{session.name} is being asked just now by another")
        health, evidence = asked
        said.append(evidence)
    judged = verdict(said)
    session.evidence[:] = judged.told
    if health is None or not judged.is_ill:
        return await _end_unproven(session, judged)
    found, network = await _find_candidate(session, before, now, health)
    said.append(network)
    judged = verdict(said)
    session.evidence[:] = judged.told
    if not judged.is_ill:
        return await _end_unproven(session, judged)
    if found is None:
        return await _end_without_candidate(session)
    return await _put_on_trial(session, found, judged)


async def _said_without_asking(session: ReplacementSession) -> list[IllnessSign]:
    place = origin(session.dependency.url)
    strikes = await session.book.strikes(session.org_id, (place,))
    said = [of_failure(session.task.failure, session.task.diagnosis), *of_strikes(strikes.get(place, Strikes()))]
    schema = session.dependency.contract.request
    fault = None
    if schema is not None:
        found, detail = await session.judge(schema, session.request.body)
        fault = None if found == "passed" else detail
    return [*said, of_input(fault)]


async def _ask_first(session: ReplacementSession) -> tuple[CallResult, IllnessSign] | None:
    """Make the health call; None where somebody else makes it just now: one at a time."""
    prober = f"attempt:{session.task.attempt_id}"
    if not await session.book.take_probe(session.named, prober):
        return None
    try:
        seen = await _look(session, session.dependency.health)
    finally:
        await session.book.end_probe(session.named, prober)
    return seen.result, of_health(seen.result, as_declared=seen.fault is None)


async def _look(session: ReplacementSession, declared: LookTemplate) -> LookResult:
    async def send(call: OutboundRequest, given: LookTemplate) -> CallResult:
        return await session.send(call, within=given.timeout, max_bytes=LOOK_BYTES)

    return await look(declared, session.org_id, send, session.judge)


async def _find_candidate(
    session: ReplacementSession, before: Binding | None, now: datetime, health: CallResult
) -> tuple[Candidate | None, IllnessSign]:
    choice = choose(
        session.dependency,
        session.task.failure,
        session.request,
        refusal=partial(_refusal, session),
        observed=await session.observed(),
        shunned={} if before is None else before.shunned,
        now=now,
    )
    session.ruled_out.update(choice.ruled_out)
    asked = unreachable = 0
    for candidate in choice.eligible:
        seen = await _look(session, candidate.probe)
        asked, unreachable = asked + 1, unreachable + isinstance(seen.result, NotSent)
        session.probes.append({"candidate": candidate.name, "says": seen.fault or "as declared"})
        if seen.fault is None:
            return candidate, of_network(candidates=asked, unreachable=unreachable, health=health)
        session.ruled_out[candidate.name] = f"its probe: {seen.fault}"
    return None, of_network(candidates=asked, unreachable=unreachable, health=health)


def _refusal(session: ReplacementSession, candidate: Candidate) -> str | None:
    try:
        calls = (sample_call(candidate, session.org_id), look_call(candidate.probe, session.org_id))
    except UnfitValue as why:
        return str(why)
    refused = (session.tools.calls.refusal(call, session.policy) for call in calls)
    return next((why for why in refused if why is not None), None)


async def _put_on_trial(session: ReplacementSession, candidate: Candidate, judged: IllnessVerdict) -> Binding | Outcome:
    ejection = _ejection(session, candidate.name, judged.reason, judged)
    most = most_replaced(len(session.policy.dependencies), session.policy.most_replaced)

    def decide(before: Binding | None, siblings: int, now: datetime) -> Binding | None:
        if siblings >= most and not (before is not None and before.holds(now)):
            return before
        return eject(before, ejection, session.dependency.binding, now)

    binding = await session.book.change(session.named, decide)
    if binding is not None and binding.candidate is not None:
        return binding
    reason = f"{most} of the workflow's dependencies are replaced already: more at once point to another cause"
    await _leave(session, reason, session.dependency.binding.shun, judged)
    return session.retry_later(NOW, f"{session.name} is ill, but {reason}")


async def _end_unproven(session: ReplacementSession, judged: IllnessVerdict) -> Outcome:
    if judged.cause in _NOT_HEALED_BY_THIS:
        return Refused(code=Code.REFUSED, reason=judged.reason)
    well = judged.cause is OtherCause.NOTHING
    await _leave(session, judged.reason, session.dependency.binding.steady, judged, well=well)
    return session.retry_later(NOW, judged.reason)


async def _end_without_candidate(session: ReplacementSession) -> Outcome:
    told = "; ".join(f"{name}: {why}" for name, why in session.ruled_out.items())
    reason = f"{session.name} is ill, and nothing may stand in for it: {told}"
    await _leave(session, reason, session.dependency.binding.shun)
    return session.retry_later(NOW, reason)


async def _leave(
    session: ReplacementSession,
    reason: str,
    span: timedelta,
    judged: IllnessVerdict | None = None,
    *,
    well: bool = False,
) -> None:
    of = _ejection(session, "", reason, judged)
    await session.book.change(session.named, lambda before, _, now: leave_alone(before, of, now + span, now, well=well))


def _ejection(session: ReplacementSession, candidate: str, reason: str, judged: IllnessVerdict | None) -> Ejection:
    return Ejection(
        org_id=session.org_id,
        dependency=session.name,
        workflow_name=session.task.failure.workflow_name,
        candidate=candidate,
        reason=reason[:500],
        evidence=tuple(judged.told) if judged is not None else (),
    )
