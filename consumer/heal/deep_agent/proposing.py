"""Runs the agent for one failure: its patches are proven by code, and what it ends with becomes an outcome."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

from consumer.agent.answers import GivesUp, NeedInfo, Patch
from consumer.agent.prompts import prompt_version
from consumer.agent.states import AgentEnd, AgentRun, Broke, Checked, Progress
from consumer.agent.toolbox import Toolbox, Views
from consumer.agent.wire import Spending, TokenLedger
from consumer.catalog import AgentLimits
from consumer.diagnose.fingerprint import fingerprint
from consumer.heal.deep_agent.learning import NOTHING_LEARNT, LearntRules
from consumer.heal.deep_agent.ports import NO_DEFINITIONS, Definitions, Rewrites
from consumer.heal.deep_agent.rollback import DefinitionPlace
from consumer.heal.deep_agent.rules import evidence_of, made_again
from consumer.heal.deep_agent.state import RewriteState, state_of
from consumer.heal.digest import digest
from consumer.heal.gate import run_permitted
from consumer.heal.session import HealSession
from consumer.heal.strategy import Redact
from consumer.model import Json, JsonObject, NotHealed, Outcome, Refused
from consumer.model.rewrite import Rewrite
from consumer.model.rewrite_rule import RewriteRule
from consumer.model.token_budget import TokenUse
from consumer.outbound.calls import OutboundCalls
from consumer.runners.contract import NO_RUNNERS, Runners
from consumer.runners.definitions import StoredDefinition
from consumer.workflows.catalogue import Limits
from consumer.workflows.findings import PatchFinding
from consumer.workflows.patch import UnfitPatch, parse_patch, patch_json
from consumer.workflows.proof import ProvenPatch, prove
from consumer.workflows.runs import Ending, RecordedRun, WorkflowConfig
from schemas.names import Code, StrategyName

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_ai.models import Model

_MARGIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteTools:
    """Dependencies of every rewrite."""

    calls: OutboundCalls
    ledger: TokenLedger
    rewrites: Rewrites
    redact: Redact
    model: "Callable[[Spending], AbstractAsyncContextManager[Model]]"
    runners: Runners = NO_RUNNERS
    definitions: Definitions = NO_DEFINITIONS
    learnt: LearntRules = NOTHING_LEARNT


@dataclass(slots=True, kw_only=True)
class RewriteSession(HealSession):
    """State of one rewrite: the definition, the run that failed, and what the agent has come to."""

    tools: RewriteTools
    agent: AgentLimits
    config: WorkflowConfig
    place: DefinitionPlace | None
    """Where its definition can be put in force; None where a person has to."""
    stored: StoredDefinition | None
    """The definition in force, as that place has it."""
    failing: RecordedRun
    limits: Limits
    views: Views
    used: TokenUse = field(default_factory=TokenUse)
    checked: list[Json] = field(default_factory=list)
    """What the checks said of each patch."""
    proven: dict[str, ProvenPatch] = field(default_factory=dict)
    """Patches that nothing speaks against, by their digest."""
    states: list[Json] = field(default_factory=list)

    @property
    def has_canary(self) -> bool:
        """Whether what is approved is put in force after one run of it: one that is to be undone proves no success."""
        is_code = self.agent.change_request is not None
        return not is_code and self.place is not None and self.failing.ends is Ending.COMPLETED

    @property
    def details(self) -> JsonObject:
        """What the agent did, for the attempt's details, redacted."""
        told: JsonObject = {
            "agent": {
                "model": self.agent.model,
                "prompts": prompt_version(),
                "input_tokens": self.used.input,
                "output_tokens": self.used.output,
                "states": self.states,
            }
        }
        told |= {"patches": self.checked} if self.checked else {}
        clean, _ = self.tools.redact(told)
        return clean if isinstance(clean, dict) else {}

    def refused(self, code: Code, reason: str, missing: tuple[str, ...] = ()) -> Refused:
        """Build the end of a rewrite that comes to nothing."""
        clean, _ = self.tools.redact(reason)
        return Refused(code=code, reason=str(clean)[:600], missing=missing, details=self.details)


async def propose_by_rule(session: RewriteSession) -> Refused | None:
    """Ask for the patch of a learnt rule; None where there is none, or code has something against it by now."""
    failure = session.task.failure
    mark = fingerprint(failure, StrategyName.WORKFLOW_REWRITE)
    rule = await session.tools.learnt.in_force(failure.org_id, mark, failure.workflow_name)
    if rule is None:
        return None
    learnt = rule.learnt
    if found := await _judge(session, learnt.patch):
        session.checked[-1] = {"rule": str(rule.id), "findings": [*found[:10]]}
        return None
    session.checked[-1] = {"rule": str(rule.id), "findings": []}
    document = {"operations": [*learnt.patch], "hypothesis": learnt.hypothesis, "risk": learnt.risk}
    return await _ask(session, Checked(patch=Patch.model_validate(document)), rule=rule)


async def propose(session: RewriteSession, state: RewriteState) -> Outcome:
    """Have the agent go on from a state, and return what it came to."""
    spending = _spending(session)
    spending.used = state.charged
    # What calls used of which an earlier process told nothing any more; those without an answer count whole.
    spent = await session.tools.ledger.used_by(session.task.attempt_id)
    spending.count(TokenUse(input=spent.input - state.input_tokens, output=spent.output - state.output_tokens))

    async def keep(progress: Progress) -> None:
        session.states.append(progress.state)
        await session.gate.keep(state_of(progress, spending.used, session.tools.redact))

    await keep(state.progress)
    try:
        async with session.tools.model(spending) as model:
            run = AgentRun(
                model=model,
                limits=session.agent,
                spending=spending,
                toolbox=Toolbox(views=session.views),
                judge=partial(_judge, session),
                keep=keep,
            )
            ended = await run.run(state.progress)
    finally:
        session.used = spending.used
    return await _outcome(session, ended)


def _spending(session: RewriteSession) -> Spending:
    task, gate = session.task, session.gate
    return Spending(
        model=session.agent,
        policy=session.policy,
        calls=session.tools.calls,
        ledger=session.tools.ledger,
        permitted=partial(run_permitted, gate),
        charge=gate.charge,
        remaining=lambda: gate.remaining() - _MARGIN,
        attempt_id=task.attempt_id,
        failure_id=task.failure.id,
        org_id=task.failure.org_id,
        workflow_name=task.failure.workflow_name,
        hold=task.plan.hold,
    )


async def _judge(session: RewriteSession, operations: Sequence[JsonObject]) -> tuple[Json, ...]:
    """Return what code has against a patch; in a thread, for runs are replayed."""
    found = await asyncio.to_thread(_proof, session, operations)
    said: list[Json] = []
    if isinstance(found, ProvenPatch):
        session.proven[digest([*operations])] = found
    else:
        said = [*found]
    session.checked.append({"n": len(session.checked) + 1, "findings": said[:10]})
    return tuple(said)


def _proof(session: RewriteSession, operations: Sequence[JsonObject]) -> ProvenPatch | tuple[Json, ...]:
    try:
        patch = parse_patch([*operations])
    except UnfitPatch as unfit:
        return (_told(unfit.finding),)
    found = prove(
        session.config.definition,
        patch,
        evidence=evidence_of(session.task.failure),
        failing=session.failing,
        good=session.config.good_runs,
        limits=session.limits,
    )
    if isinstance(found, ProvenPatch):
        return found
    return tuple(map(_told, found))


def _told(finding: PatchFinding) -> Json:
    return {"rule": finding.rule, "where": finding.where, "why": finding.why}


async def _outcome(session: RewriteSession, ended: AgentEnd) -> Outcome:
    match ended:
        case Checked():
            return await _ask(session, ended)
        case NeedInfo(missing=missing, why=why):
            named = ", ".join(missing)
            return session.refused(Code.REFUSED, f"the agent cannot tell without {named}: {why}")
        case GivesUp(reason=reason):
            return session.refused(Code.REFUSED, f"the agent gives up: {reason}")
        case Broke(reason=reason):
            clean, _ = session.tools.redact(reason)
            return NotHealed(code=Code.NOT_HEALED, reason=f"the agent: {clean}"[:600], details=session.details)
        case _:
            assert_never(ended)


async def _ask(session: RewriteSession, ended: Checked, rule: RewriteRule | None = None) -> Refused:
    """Keep a proven patch, and ask for exactly it."""
    task, patch = session.task, parse_patch(ended.patch.operations)
    proven = session.proven[digest([*ended.patch.operations])]
    told = _plan_of(session, ended, proven, rule)
    await session.tools.rewrites.remember(
        Rewrite(
            attempt_id=task.attempt_id,
            failure_id=task.failure.id,
            org_id=task.failure.org_id,
            workflow_name=task.failure.workflow_name,
            fingerprint=fingerprint(task.failure, StrategyName.WORKFLOW_REWRITE),
            base_digest=session.config.definition.digest,
            digest=proven.definition.digest,
            told_digest=digest(told),
            patch=tuple(patch_json(patch)),
            hypothesis=str(told["hypothesis"]),
            risk=ended.patch.risk,
            objections=str(told["objections"]),
            prompts=prompt_version(),
            good_runs=proven.good_runs,
            canary=session.has_canary,
        )
    )
    return Refused(
        code=Code.AWAITING_APPROVAL,
        reason="another definition of its workflow is proposed: the failing run reaches its end on it, and "
        f"{proven.good_runs} recorded good runs end as they did",
        details=session.details,
        edits=told,
    )


def _plan_of(session: RewriteSession, ended: Checked, proven: ProvenPatch, rule: RewriteRule | None) -> JsonObject:
    """Return what a person is shown of a patch, and approves."""
    operations: list[Json] = [*patch_json(parse_patch(ended.patch.operations))]
    clean, _ = session.tools.redact(
        {
            "patch": operations,
            "hypothesis": ended.patch.hypothesis,
            "objections": ended.objections,
        }
    )
    told: JsonObject = {
        **(clean if isinstance(clean, dict) else {}),
        "risk": ended.patch.risk,
        "base": session.config.definition.digest,
        "definition": proven.definition.digest,
        "diff": digest(operations),
        "good_runs": proven.good_runs,
        "prompts": prompt_version(),
    }
    if session.has_canary:
        given, _ = session.tools.redact(dict(session.failing.input))
        again: list[Json] = [*made_again(session.config.definition, session.failing, session.limits)]
        told["canary"] = {"input": given, "made_again": again, "watched_for": str(session.policy.watch)}
    if rule is not None:  # no model was asked
        told |= {"rule": str(rule.id), "accepted_by": rule.accepted_by}
    return told


def replayed(session: RewriteSession, rewrite: Rewrite) -> tuple[Json, ...]:
    """Return what code has by now against a patch that was approved."""
    found = _proof(session, rewrite.patch)
    return () if isinstance(found, ProvenPatch) else found
