"""Puts an approved patch in force: one canary run of the new definition, then its promotion, step by step.

Each step is kept on the claim before its call, and each call may be made again: a run that was started is found by its
key, and whether a definition is in force its store says. The definition in force stays so until the canary has
succeeded; a canary that fails has replaced nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeAlias, TypeVar, assert_never

from consumer.catalog import AgentLimits
from consumer.heal.deep_agent.ports import DefinitionWatches
from consumer.heal.deep_agent.rollback import DefinitionPlace, put_back
from consumer.heal.deep_agent.state import CanaryState
from consumer.heal.gate import run_permitted
from consumer.heal.kept import Suspended, is_keepable
from consumer.heal.session import SECOND, HealSession, proof
from consumer.heal.strategy import Redact
from consumer.model import Healed, Json, JsonObject, NotHealed, Outcome, Refused, Unknown
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.model.definition_watch import DefinitionWatch, RewriteStage
from consumer.model.identity import uuid5_from_bytes
from consumer.model.rewrite import Rewrite
from consumer.runners.contract import Accepted, LookFailed, OrderResult, Phase, Rejected, RunRef, RunState
from consumer.runners.definitions import NewVersion, Replaced, ReplaceResult, StoredDefinition
from consumer.workflows.patch import apply_patch, parse_patch
from consumer.workflows.runs import RecordedRun
from schemas.names import Code, Verdict

CANARY: Final = "canary"
CALL: Final = timedelta(seconds=30)
"""Timeout of one step at the store, its own calls together."""
_AGAIN: Final = timedelta(seconds=10)
_FIRST_LOOK: Final = SECOND
_LAST_LOOK: Final = timedelta(minutes=1)
ResultT = TypeVar("ResultT")
End: TypeAlias = Outcome | Suspended


@dataclass(slots=True, kw_only=True)
class CanarySession(HealSession):
    """State of one approved patch on its way into force."""

    agent: AgentLimits
    place: DefinitionPlace
    watches: DefinitionWatches
    redact: Redact
    rewrite: Rewrite
    failing: RecordedRun
    suspended_for: timedelta = timedelta(0)
    told: JsonObject = field(default_factory=dict)

    @property
    def details(self) -> JsonObject:
        """What was done, for the attempt's details, redacted."""
        patch: list[Json] = [*self.rewrite.patch]
        told: JsonObject = {
            "patch": patch,
            "base": self.rewrite.base_digest,
            "definition": self.rewrite.digest,
            "canary": {**self.told},
        }
        clean, _ = self.redact(told)
        return clean if isinstance(clean, dict) else {}

    def key(self, step: str) -> str:
        """Return the key of a step: the same however often it is made."""
        return f"shw-{uuid5_from_bytes(self.task.attempt_id.bytes, f'definition:{step}')}"

    async def in_force(self) -> StoredDefinition | LookFailed:
        """Read the definition in force."""
        return await self.place.read(self.within(CALL))

    def again(self, state: CanaryState, why: str, after: timedelta = _AGAIN) -> Suspended:
        """Return that the step is made again later."""
        return Suspended(
            state=state, look_again=after, reason=why[:200], dependency_unhealthy=self.dependency_unhealthy
        )


async def begin_canary(session: CanarySession, stored: StoredDefinition) -> End:
    """Keep that a canary is being started, start it, and look."""
    state = CanaryState(rewrite=session.rewrite.attempt_id)
    await session.gate.keep(state)
    return await _start(session, stored, state)


async def go_on_canary(session: CanarySession, state: CanaryState) -> End:
    """Go on from a step: a start is made again under its key, a run is looked at, a promotion is finished."""
    match state.step:
        case "starting":
            stored = await session.in_force()
            if isinstance(stored, LookFailed):
                return _unseen(session, state, stored)
            return await _start(session, stored, state)
        case "running":
            return await _look(session, state)
        case "promoting":
            return await _promote(session, state)
        case _:
            assert_never(state.step)


async def take_back(session: CanarySession, state: CanaryState) -> Outcome:
    """End what a person has decided against: the run, or the definition where that is in force already."""
    decided = "a person has decided meanwhile"
    if state.step != "promoting":
        run = _run(session, state)
        if state.run_id:
            await _effect(session, partial(_end_run, session, run))
        return Refused(code=Code.DENIED, reason=f"{decided}: the canary run is ended, and no definition was replaced")
    watch = await session.watches.find(session.task.attempt_id)
    if watch is None:
        return Refused(code=Code.DENIED, reason=f"{decided}: no definition was replaced")
    back = await put_back(
        session.place, watch, partial(_effect, session), key=session.key("back"), within=session.within(CALL)
    )
    if isinstance(back, str):
        return Unknown(reason=f"{decided}, and whether the new definition is in force is not known: {back}")
    await session.watches.change(replace(back, reason=decided))
    return Refused(code=Code.DENIED, reason=f"{decided}: the definition that it had replaced is in force")


async def _start(session: CanarySession, stored: StoredDefinition, state: CanaryState) -> End:
    document = _document(session, stored)
    if document is None:
        return session.not_healed(Code.NOT_HEALED, "another definition is in force by now: no canary is started")
    if isinstance(document, str):
        return session.not_healed(Code.NOT_HEALED, document)
    new = NewVersion(document=document, replaces=stored.version)
    given = dict(session.failing.input)
    place, key = session.place, session.key(CANARY)
    result = await _effect(
        session,
        lambda: place.store.start(place.of, new, given, place.policy, key=key, within=session.within(CALL)),
    )
    match result:
        case Accepted(run=run, said=said):
            session.told |= {"run": run.run_id[:200], "started": said[:200]}
            running = CanaryState(rewrite=state.rewrite, step="running", run_id=run.run_id[:512])
            running = running if is_keepable(running) else running.model_copy(update={"run_id": "", "step": "starting"})
            await session.gate.keep(running)
            return await _look(session, running, run)
        case Rejected(dependency_unhealthy=False, reason=reason):
            return session.not_healed(Code.NOT_HEALED, f"no canary was started: {reason}")
        case EgressRefused(reason=reason):
            return Refused(code=Code.REFUSED, reason=f"no canary may be started: {reason}", details=session.details)
        case Rejected(reason=reason) | NotSent(reason=reason) | Ambiguous(reason=reason):
            session.dependency_unhealthy = True
            return _later(session, state, f"the canary is started again: {reason}")
        case _:
            assert_never(result)


async def _look(session: CanarySession, state: CanaryState, run: RunRef | None = None) -> End:
    run = run or _run(session, state)
    seen = await session.place.store.look(run, session.policy, within=session.within(CALL))
    if isinstance(seen, LookFailed):
        return _unseen(session, state, seen)
    session.told |= {"run": run.run_id[:200], "said": seen.said[:200]}
    match seen.phase:
        case Phase.SUCCEEDED:
            promoting = state.model_copy(update={"step": "promoting"})
            await session.gate.keep(promoting)
            return await _promote(session, promoting)
        case Phase.FAILED | Phase.CANCELLED:
            return _failed(session, f"the canary run did not succeed: the engine says {seen.said[:60]!r}")
        case Phase.QUEUED | Phase.RUNNING | Phase.WAITING | Phase.CANCELLING | Phase.GONE:
            return await _wait(session, state, run, seen)
        case _:
            assert_never(seen.phase)


async def _wait(session: CanarySession, state: CanaryState, run: RunRef, seen: RunState) -> End:
    if session.suspended_for < session.agent.canary:
        after = min(max(_FIRST_LOOK, session.suspended_for / 4), _LAST_LOOK)
        return session.again(state, f"the canary run is under way: the engine says {seen.said[:60]!r}", after)
    await _effect(session, partial(_end_run, session, run))
    return _failed(session, f"the canary run has not succeeded in {session.agent.canary}: it is ended")


async def _promote(session: CanarySession, state: CanaryState) -> End:
    """Have the row of its watch first, then the definition replaced, then its window begun."""
    stored = await session.in_force()
    if isinstance(stored, LookFailed):
        return _unseen(session, state, stored)
    watch = await session.watches.find(session.task.attempt_id)
    if watch is not None and watch.state is not RewriteStage.PROMOTING:
        return _settled_before(session, watch)
    if watch is None:
        if stored.definition.digest != session.rewrite.base_digest:
            return _moved(session)
        watch = await session.watches.open(_watch(session, stored))
    if stored.definition.digest != session.rewrite.digest:
        replaced = await _replace(session, stored)
        if isinstance(replaced, Ambiguous | NotSent):
            session.dependency_unhealthy = True
            return session.again(state, f"the definition is being put in force: {replaced.reason}")
        if not isinstance(replaced, Replaced):
            await session.watches.change(replace(watch, state=RewriteStage.SUPERSEDED, reason=replaced.reason))
            return _moved(session, replaced.reason)
        stored = replace(stored, version=replaced.version)
    session.told |= {"version": stored.version[:200]}
    watching = replace(
        watch, state=RewriteStage.WATCHING, version=stored.version, reason="its canary run has succeeded"
    )
    await session.watches.change(watching, session.policy.watch)
    return _healed(session)


async def _replace(session: CanarySession, stored: StoredDefinition) -> ReplaceResult:
    document = _document(session, stored)
    if document is None or isinstance(document, str):
        return Rejected(reason=document or "another definition is in force by now", conflict=True)
    new = NewVersion(document=document, replaces=stored.version)
    place, key = session.place, session.key("promote")
    result = await _effect(session, lambda: place.replace(new, key=key, within=session.within(CALL)))
    if isinstance(result, Rejected) and result.dependency_unhealthy:
        return NotSent(kind="Unhealthy", reason=result.reason, elapsed=timedelta(0))
    return result


def _document(session: CanarySession, stored: StoredDefinition) -> JsonObject | str | None:
    """Return the approved definition in its store's form, or why it has none; None where another one is in force."""
    if stored.definition.digest != session.rewrite.base_digest:
        return None
    changed = apply_patch(stored.definition, parse_patch([*session.rewrite.patch]))
    return session.place.store.document_of(changed, stored)


def _watch(session: CanarySession, stored: StoredDefinition) -> DefinitionWatch:
    failure = session.task.failure
    return DefinitionWatch(
        attempt_id=session.task.attempt_id,
        rewrite_id=session.rewrite.attempt_id,
        failure_id=failure.id,
        org_id=failure.org_id,
        workflow_name=failure.workflow_name,
        fingerprint=session.rewrite.fingerprint,
        base_digest=session.rewrite.base_digest,
        digest=session.rewrite.digest,
        before=stored.document,
    )


def _run(session: CanarySession, state: CanaryState) -> RunRef:
    failure = session.task.failure
    return RunRef(org_id=str(failure.org_id), workflow_name=failure.workflow_name, run_id=state.run_id)


async def _effect(session: CanarySession, act: Callable[[], Awaitable[ResultT]]) -> ResultT:
    return await run_permitted(session.gate, act)


async def _end_run(session: CanarySession, run: RunRef) -> OrderResult:
    """End a canary, as well as its engine can: it has been told what became of it in any case."""
    place, within = session.place, session.within(CALL)
    return await place.store.end(run, place.policy, key=session.key("end"), within=within)


def _unseen(session: CanarySession, state: CanaryState, seen: LookFailed) -> End:
    session.dependency_unhealthy = seen.dependency_unhealthy
    return _later(session, state, seen.reason, seen.after or _AGAIN)


def _later(session: CanarySession, state: CanaryState, why: str, after: timedelta = _AGAIN) -> End:
    """Return that a step is made again, unless the canary has had its time."""
    if state.step != "promoting" and session.suspended_for >= session.agent.canary:
        return _failed(session, f"the canary run could not be brought to an end in {session.agent.canary}: {why}")
    return session.again(state, why, after)


def _failed(session: CanarySession, why: str) -> NotHealed:
    said = proof(CANARY, Verdict.FAILED, why)
    return session.not_healed(Code.NOT_HEALED, f"{why}; no definition was replaced", (said,))


def _moved(session: CanarySession, why: str = "another definition is in force by now") -> NotHealed:
    return session.not_healed(Code.NOT_HEALED, f"its canary run has succeeded, and it is not put in force: {why}")


def _settled_before(session: CanarySession, watch: DefinitionWatch) -> Outcome:
    """Return the end of a heal whose process died after the definition was in force, and before it was told."""
    session.told |= {"version": watch.version[:200]}
    if watch.state in {RewriteStage.WATCHING, RewriteStage.KEPT}:
        return _healed(session)
    return session.not_healed(Code.NOT_HEALED, f"its definition was put in force, and is {watch.state} by now")


def _healed(session: CanarySession) -> Healed:
    said = proof(CANARY, Verdict.PASSED, "one run of the new definition has succeeded with the failing input")
    return Healed(proofs=(said,), details=session.details)
