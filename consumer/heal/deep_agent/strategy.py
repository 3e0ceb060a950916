"""The rewrite strategy: planning (refusal, intent, estimate), and the steps of a heal in their order.

What a person has approved is proven once more on the definition in force, and handed to a person to put in place: no
definition is replaced here, for nothing here runs one run on a new version and takes it back.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from consumer.agent.model import chat_model
from consumer.agent.wire import Spending, TokenLedger
from consumer.catalog import ChangeRequest, WorkflowPolicy
from consumer.diagnose.fingerprint import fingerprint
from consumer.heal.deep_agent import rules
from consumer.heal.deep_agent.canary import CALL, CANARY, begin_canary, go_on_canary, take_back
from consumer.heal.deep_agent.changes.rendering import planned_requests
from consumer.heal.deep_agent.changes.sending import go_on, submit, too_long
from consumer.heal.deep_agent.changes.session import ChangeSession
from consumer.heal.deep_agent.changes.state import ChangeState
from consumer.heal.deep_agent.diagnosing import Asking, ask
from consumer.heal.deep_agent.learning import NOTHING_LEARNT, LearntRules
from consumer.heal.deep_agent.places import canary_of, config_of, in_force, kept_canary, place_of, put_watched_back
from consumer.heal.deep_agent.ports import NO_DEFINITIONS, Definitions, Rewrites
from consumer.heal.deep_agent.proposing import RewriteSession, RewriteTools, propose, propose_by_rule, replayed
from consumer.heal.deep_agent.state import CanaryState, RewriteState
from consumer.heal.deep_agent.views import views_of
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.refusals import missing_context
from consumer.heal.runs.rerun import run_of_failure
from consumer.heal.strategy import EffectGate, Redact, Task
from consumer.model import (
    AttemptId,
    Diagnosis,
    Failure,
    Intent,
    MicroAud,
    NotHealed,
    Outcome,
    Refused,
    RetryLater,
    Scope,
    Unknown,
)
from consumer.model.agent_diagnosis import DiagnosisAnswer
from consumer.model.definition_watch import DefinitionWatch
from consumer.model.rewrite import Rewrite
from consumer.model.token_budget import TokenUse
from consumer.outbound.calls import OutboundCalls
from consumer.runners.contract import NO_RUNNERS, LookFailed, Runners
from consumer.runners.places import dependency_of
from consumer.runners.templates import UnfitValue
from schemas.names import Code, Effect, StrategyName

if TYPE_CHECKING:
    from pydantic_ai.models import Model

_LONGEST_SUSPENSION: Final = timedelta(days=61)
"""Above the longest time that a change request may wait to be merged."""
_UNREAD: Final = timedelta(minutes=1)
"""Until the definition in force is read again, where its store could not be."""
_LONGEST_REWRITE: Final = timedelta(hours=1)
"""A rewrite waits for nothing: it is suspended where its process died or was interrupted."""


class DeepAgent:
    """Proposes another definition of a workflow, proven by code, and puts it in force once a person has approved it."""

    fields = rules.FIELDS
    oracles = (CANARY, "replay", "run")

    def __init__(
        self,
        *,
        calls: OutboundCalls,
        ledger: TokenLedger,
        rewrites: Rewrites,
        redact: Redact,
        model: "Callable[[Spending], AbstractAsyncContextManager[Model]]" = chat_model,
        runners: Runners = NO_RUNNERS,
        definitions: Definitions = NO_DEFINITIONS,
        learnt: LearntRules = NOTHING_LEARNT,
    ) -> None:
        self._tools = RewriteTools(
            calls=calls,
            ledger=ledger,
            rewrites=rewrites,
            redact=redact,
            model=model,
            runners=runners,
            definitions=definitions,
            learnt=learnt,
        )

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.WORKFLOW_REWRITE

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The states that it reads."""
        return (RewriteState, CanaryState, ChangeState)

    @property
    def longest_suspension(self) -> timedelta:
        """Time after which a change request that nobody merged is ended; its entry's `wait` is shorter."""
        return _LONGEST_SUSPENSION

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return the absent or unusable context fields; none where redaction is the cause: `refusal` reports that."""
        return () if rules.redacted_part(failure) else rules.missing(failure)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why no other definition may be proposed, or None."""
        return rules.refusal(failure, diagnosis, policy) or self._change_refusal(failure, policy)

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:
        """Return the most that its calls may cost."""
        del failure
        return None if policy.agent is None else rules.most(policy.agent, policy)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent to propose: its scope is the workflow's definition, one agent at a time works on it."""
        if policy.agent is None:
            raise TypeError("only a workflow with an agent is planned")
        return Intent(
            scope=Scope(f"{failure.org_id}:definition:{failure.workflow_name}"),
            effect=Effect.IDEMPOTENT,
            window=policy.agent.longest + rules.REPORTING,
            dependency=dependency_of(policy.agent.api),
        )

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Hand over what was approved, else have another definition proposed."""
        session = await self._session(task, gate)
        if isinstance(session, Refused | RetryLater):
            return session
        return await self._approved(session) or await propose_by_rule(session) or await propose(session, RewriteState())

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Go on with the agent's next state, a canary or a change request; calls that were lost are charged first."""
        if isinstance(kept.state, CanaryState):
            canary = await kept_canary(self._tools, task, gate, kept, kept.state)
            return canary if isinstance(canary, Refused) else await go_on_canary(canary, kept.state)
        if isinstance(kept.state, ChangeState):
            return await self._go_on_with_change(task, gate, kept.state, kept.suspended_for)
        if kept.suspended_for >= _LONGEST_REWRITE:
            return self.too_long(task, kept)
        state, session = _state_of(kept), await self._session(task, gate)
        if isinstance(session, Refused | RetryLater):
            await self._charge_lost(task, gate, state)
            return session
        return await propose(session, state)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """End it: a person has decided. A canary is taken back, a change request stays; what was used is charged."""
        if isinstance(kept.state, CanaryState):
            canary = await kept_canary(self._tools, task, gate, kept, kept.state)
            return canary if isinstance(canary, Refused) else await take_back(canary, kept.state)
        if isinstance(kept.state, ChangeState):
            return _revoked(kept.state)
        await self._charge_lost(task, gate, _state_of(kept))
        return Refused(code=Code.DENIED, reason="a person has decided meanwhile: nothing more is proposed")

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        """Return that nobody went on with it; all that is held for it counts as used."""
        if isinstance(kept.state, ChangeState):
            return too_long(kept.state)
        if isinstance(kept.state, CanaryState):
            return Unknown(reason="nobody went on with the canary in time: look which definition is in force")
        return NotHealed(
            code=Code.NOT_HEALED, reason="nobody went on with the agent in time", spent=MicroAud(task.plan.hold)
        )

    async def _charge_lost(self, task: Task, gate: EffectGate, state: RewriteState) -> None:
        if task.policy.agent is None:
            return
        price, spent = task.policy.agent.token_price, await self._tools.ledger.used_by(task.attempt_id)
        before = price.cost(state.charged)
        gate.charge(MicroAud(max(0, price.cost(TokenUse(input=spent.input, output=spent.output)) - before)))

    async def diagnose(self, asking: Asking) -> DiagnosisAnswer:
        """Ask the model what is broken, of a failure that no rule recognises."""
        return await ask(self._tools, asking)

    async def roll_back(self, watch: DefinitionWatch, policy: WorkflowPolicy) -> DefinitionWatch | str:
        """Put back what a watched definition has replaced; returns the row as it is then, or why nobody knows yet."""
        return await put_watched_back(self._tools, watch, policy)

    async def _approved(self, session: RewriteSession) -> Outcome | Suspended | None:
        """Return what becomes of a patch that a person has approved; None where none was."""
        approval, task, rewrites = session.task.plan.approval, session.task, self._tools.rewrites
        if approval is None or approval.edits is None:
            return None
        rewrite = await rewrites.proposed(task.failure.id, approval.edits)
        if rewrite is None:
            return None
        if rewrite.base_digest != session.config.definition.digest:
            return None  # the definition has changed since: another patch is proposed, and asked for
        if against := replayed(session, rewrite):
            return session.refused(Code.REFUSED, f"what was approved does not hold any more: {against[0]}")
        await rewrites.approve(rewrite.attempt_id)
        return await self._put_in_force(session, rewrite)

    async def _put_in_force(self, session: RewriteSession, rewrite: Rewrite) -> Outcome | Suspended:
        """Send what was approved as a change request, or run it once as a canary; else hand it over."""
        task = session.task
        if (declared := session.agent.change_request) is not None:
            return await submit(self._change(task, session.gate, declared, rewrite), session.config.definition)
        if rewrite.canary and session.place is not None and session.stored is not None:
            canary = canary_of(self._tools, task, session.gate, session.place, rewrite, session.failing)
            return await begin_canary(canary, session.stored)
        return Refused(
            code=Code.NEEDS_PERSON,
            reason="its patch is approved and proven, and nothing here runs one run of it: put it in place, "
            "run the workflow on it, then `shw resolve` or `shw heal`",
            details={"patch": [*rewrite.patch], "base": rewrite.base_digest, "definition": rewrite.digest},
        )

    async def _go_on_with_change(
        self, task: Task, gate: EffectGate, state: ChangeState, waited: timedelta
    ) -> Outcome | Suspended:
        """Go on with a change request, whatever the model's own declaration is by now."""
        declared = None if task.policy.agent is None else task.policy.agent.change_request
        rewrite = await self._tools.rewrites.of_attempt(AttemptId(state.rewrite))
        if declared is None or rewrite is None:
            why = "the catalog declares none any more" if declared is None else "its patch is not stored any more"
            return Refused(code=Code.NEEDS_PERSON, reason=f"its change request is waited for no more: {why}")
        config = await config_of(self._tools, task.failure.org_id, task.failure.workflow_name)
        definition = config if isinstance(config, str) else config.definition
        return await go_on(self._change(task, gate, declared, rewrite), state, definition, waited)

    def _change(self, task: Task, gate: EffectGate, declared: ChangeRequest, rewrite: Rewrite) -> ChangeSession:
        return ChangeSession(
            task=task,
            gate=gate,
            pause=asyncio.sleep,
            tools=self._tools,
            declared=declared,
            rewrite=rewrite,
            run=run_of_failure(task.failure),
        )

    def _change_refusal(self, failure: Failure, policy: WorkflowPolicy) -> str | None:
        """Return why what would be approved could not be sent as a change request, or None."""
        declared = None if policy.agent is None else policy.agent.change_request
        if declared is None:
            return None
        try:
            requests = planned_requests(declared, failure, run_of_failure(failure))
        except (UnfitValue, ValueError) as unfit:
            return f"its change request: {unfit}"
        refusals = (self._tools.calls.refusal(one, policy) for one in requests)
        return next((why for why in refusals if why is not None), None)

    async def _session(self, task: Task, gate: EffectGate) -> RewriteSession | Refused | RetryLater:
        failure, policy = task.failure, task.policy
        failing = rules.failing_run(failure)
        if failing is None:
            return missing_context(rules.missing(failure))
        if forbidden := rules.redacted_part(failure) or rules.unable(policy):
            return Refused(code=Code.REFUSED, reason=forbidden)
        if policy.agent is None:
            raise TypeError("what is not forbidden has an agent")
        limits = rules.limits_of(policy.agent)
        config = await config_of(self._tools, failure.org_id, failure.workflow_name)
        if isinstance(limits, str):
            return Refused(code=Code.REFUSED, reason=limits)
        place = place_of(self._tools, failure.org_id, failure.workflow_name, policy, config)
        stored = None if place is None else await place.read(min(CALL, gate.remaining()))
        if isinstance(stored, LookFailed):
            return _unread(stored)
        config = in_force(config, stored, policy.agent.good_runs)
        if isinstance(config, str):
            return Refused(code=Code.REFUSED, reason=config)
        past = await self._tools.rewrites.past(failure.org_id, fingerprint(failure, self.name))
        return RewriteSession(
            task=task,
            gate=gate,
            pause=asyncio.sleep,
            tools=self._tools,
            agent=policy.agent,
            config=config,
            place=place,
            stored=stored,
            failing=failing,
            limits=limits,
            views=views_of(failure, task.diagnosis, config, failing, limits, past, self._tools.redact),
        )


def _unread(seen: LookFailed) -> Refused | RetryLater:
    if seen.dependency_unhealthy or seen.after is not None:
        return RetryLater(after=seen.after or _UNREAD, reason=seen.reason)
    return Refused(code=Code.REFUSED, reason=seen.reason)


def _revoked(state: ChangeState) -> Outcome:
    decided = "a person has decided meanwhile"
    if state.stage == "running":
        return Unknown(reason=f"{decided}, and its run may go on upon the merged version")
    return Refused(code=Code.DENIED, reason=f"{decided}: a change request that is open stays so, close it at its host")


def _state_of(kept: Kept) -> RewriteState:
    if not isinstance(kept.state, RewriteState):
        raise TypeError(f"not a state of a rewrite: {type(kept.state).__name__}")
    return kept.state
