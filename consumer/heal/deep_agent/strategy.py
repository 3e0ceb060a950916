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
from consumer.catalog import WorkflowPolicy
from consumer.diagnose.fingerprint import fingerprint
from consumer.heal.deep_agent import rules
from consumer.heal.deep_agent.ports import Rewrites
from consumer.heal.deep_agent.proposing import RewriteSession, RewriteTools, propose, replayed
from consumer.heal.deep_agent.state import RewriteState
from consumer.heal.deep_agent.views import views_of
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.refusals import missing_context
from consumer.heal.strategy import EffectGate, Redact, Task
from consumer.model import Diagnosis, Failure, Intent, MicroAud, NotHealed, Outcome, Refused, Scope
from consumer.model.token_budget import TokenUse
from consumer.outbound.calls import OutboundCalls
from consumer.runners.places import dependency_of
from consumer.workflows.definition import UnreadableDefinition
from consumer.workflows.runs import WorkflowConfig
from schemas.names import Code, Effect, StrategyName

if TYPE_CHECKING:
    from pydantic_ai.models import Model

_LONGEST_SUSPENSION: Final = timedelta(hours=1)
"""A rewrite waits for nothing: it is suspended where its process died or was interrupted."""


class DeepAgent:
    """Proposes another definition of a workflow, proven by code, for a person to approve."""

    fields = rules.FIELDS
    oracles = ("replay",)

    def __init__(
        self,
        *,
        calls: OutboundCalls,
        ledger: TokenLedger,
        rewrites: Rewrites,
        redact: Redact,
        model: "Callable[[Spending], AbstractAsyncContextManager[Model]]" = chat_model,
    ) -> None:
        self._tools = RewriteTools(calls=calls, ledger=ledger, rewrites=rewrites, redact=redact, model=model)

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.WORKFLOW_REWRITE

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The states that it reads."""
        return (RewriteState,)

    @property
    def longest_suspension(self) -> timedelta:
        """Time after which a rewrite with which nobody went on is ended."""
        return _LONGEST_SUSPENSION

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return the absent or unusable context fields; none where redaction is the cause: `refusal` reports that."""
        return () if rules.redacted_part(failure) else rules.missing(failure)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why no other definition may be proposed, or None."""
        return rules.refusal(failure, diagnosis, policy)

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
        if isinstance(session, Refused):
            return session
        return await self._approved(session) or await propose(session, RewriteState())

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Go on with the agent's next state; what calls used whose process died is charged first."""
        state, session = _state_of(kept), await self._session(task, gate)
        if isinstance(session, Refused):
            await self._charge_lost(task, gate, state)
            return session
        return await propose(session, state)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """End it: a person has decided meanwhile. What was used is charged."""
        await self._charge_lost(task, gate, _state_of(kept))
        return Refused(code=Code.DENIED, reason="a person has decided meanwhile: nothing more is proposed")

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        """Return that nobody went on with it; all that is held for it counts as used."""
        del kept
        return NotHealed(
            code=Code.NOT_HEALED, reason="nobody went on with the agent in time", spent=MicroAud(task.plan.hold)
        )

    async def _charge_lost(self, task: Task, gate: EffectGate, state: RewriteState) -> None:
        if task.policy.agent is None:
            return
        price, spent = task.policy.agent.token_price, await self._tools.ledger.used_by(task.attempt_id)
        before = price.cost(state.charged)
        gate.charge(MicroAud(max(0, price.cost(TokenUse(input=spent.input, output=spent.output)) - before)))

    async def _approved(self, session: RewriteSession) -> Outcome | None:
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
        return Refused(
            code=Code.NEEDS_PERSON,
            reason="its patch is approved and proven, and no definition is replaced by the healer: put it in place, "
            "run the workflow on it, then `shw resolve` or `shw heal`",
            details={"patch": [*rewrite.patch], "base": rewrite.base_digest, "definition": rewrite.digest},
        )

    async def _session(self, task: Task, gate: EffectGate) -> RewriteSession | Refused:
        failure, policy = task.failure, task.policy
        failing = rules.failing_run(failure)
        if failing is None:
            return missing_context(rules.missing(failure))
        if forbidden := rules.redacted_part(failure) or rules.unable(policy):
            return Refused(code=Code.REFUSED, reason=forbidden)
        if policy.agent is None:
            raise TypeError("what is not forbidden has an agent")
        limits = rules.limits_of(policy.agent)
        config = await self._config(failure)
        if isinstance(config, str) or isinstance(limits, str):
            return Refused(code=Code.REFUSED, reason=config if isinstance(config, str) else str(limits))
        if len(config.good_runs) < policy.agent.good_runs:
            reason = (
                f"the registry has {len(config.good_runs)} recorded good runs of it, and {policy.agent.good_runs} are "
                "needed: nothing else says what a patch must not change"
            )
            return Refused(code=Code.REFUSED, reason=reason)
        past = await self._tools.rewrites.past(failure.org_id, fingerprint(failure, self.name))
        return RewriteSession(
            task=task,
            gate=gate,
            pause=asyncio.sleep,
            tools=self._tools,
            agent=policy.agent,
            config=config,
            failing=failing,
            limits=limits,
            views=views_of(failure, task.diagnosis, config, failing, limits, past, self._tools.redact),
        )

    async def _config(self, failure: Failure) -> WorkflowConfig | str:
        document = await self._tools.rewrites.config(failure.org_id, failure.workflow_name)
        if document is None:
            return "deep_agent_workflows has no definition of this workflow"
        try:
            return WorkflowConfig.from_json(document)
        except UnreadableDefinition as error:
            return f"deep_agent_workflows has no readable definition of this workflow: {error}"


def _state_of(kept: Kept) -> RewriteState:
    if not isinstance(kept.state, RewriteState):
        raise TypeError(f"not a state of a rewrite: {type(kept.state).__name__}")
    return kept.state
