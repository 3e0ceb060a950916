"""Asks the agent's model what is broken, where no rule knows: before any plan, and without a claim."""

from dataclasses import dataclass
from typing import Any

from consumer.agent.diagnosing import ask_what_is_broken
from consumer.agent.installed import missing_agent
from consumer.agent.prompts import diagnosis_prompt_version
from consumer.agent.wire import Spending
from consumer.catalog import AgentLimits, WorkflowPolicy, micro_aud
from consumer.heal.deep_agent.proposing import RewriteTools
from consumer.heal.strategy import Redact
from consumer.model import Failure, JsonObject, MicroAud
from consumer.model.agent_diagnosis import AgentQuestion, DiagnosisAnswer
from consumer.model.call import Permitted
from schemas.names import DiagnosisAnswerKind

PURPOSE = "diagnosis"
_REPLY = 2_000
"""Most tokens of one reply: an answer has a few hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One failure that is asked about, by the process whose row it is."""

    failure: Failure
    policy: WorkflowPolicy
    question: AgentQuestion
    permitted: Permitted
    """Makes a call of the model, while the asking is this process's own and nothing is paused."""


def question_of(failure: Failure, policy: WorkflowPolicy) -> AgentQuestion:
    """Return what is made durable before a model is asked."""
    agent = _agent(policy)
    price = agent.token_price
    return AgentQuestion(
        failure_id=failure.id,
        org_id=failure.org_id,
        workflow_name=failure.workflow_name,
        model=agent.model,
        prompts=diagnosis_prompt_version(),
        price=price,
        needs=_hold(agent) if price.input or price.output else 0,
    )


async def ask(tools: RewriteTools, asking: Asking) -> DiagnosisAnswer:
    """Ask the model of a failure's entry what is broken; whatever it does is an answer, redacted."""
    if (missing := missing_agent()) is not None:
        return DiagnosisAnswer(kind=DiagnosisAnswerKind.UNANSWERED, reason=missing)
    agent, failure = _agent(asking.policy), asking.failure
    shown, _ = tools.redact({"reason": failure.failure_reason, "context": failure.context})
    reason, context = _text_of(shown)
    spending = await _spending(tools, asking, agent)
    async with tools.model(spending) as model:
        answer = await ask_what_is_broken(model, spending, agent.diagnosis, reason, context)
    return _redacted(answer, tools.redact)


async def _spending(tools: RewriteTools, asking: Asking, agent: AgentLimits) -> Spending:
    failure, question = asking.failure, asking.question
    own = {"tokens": agent.diagnosis.tokens, "reply": min(agent.reply, _REPLY)}
    spending = Spending(
        model=agent.model_copy(update=own),
        policy=asking.policy,
        calls=tools.calls,
        ledger=tools.ledger,
        permitted=asking.permitted,
        charge=_charged_at_its_end,
        remaining=lambda: agent.diagnosis.longest,
        attempt_id=question.attempt_id,
        failure_id=failure.id,
        org_id=failure.org_id,
        workflow_name=failure.workflow_name,
        hold=_hold(agent),
        purpose=PURPOSE,
    )
    # What calls used in a process that has died since; those without an answer count whole.
    spending.count(await tools.ledger.used_by(question.attempt_id))
    return spending


def _agent(policy: WorkflowPolicy) -> AgentLimits:
    if policy.agent is None:
        raise TypeError("only an entry with an agent says `diagnose: agent`")
    return policy.agent


def _hold(agent: AgentLimits) -> MicroAud:
    return micro_aud(agent.diagnosis.allowance_aud)


def _charged_at_its_end(_: MicroAud) -> None:
    """Charge nothing now: the end of the asking charges what the ledger has of all its calls."""


def _text_of(shown: Any) -> tuple[str, JsonObject]:  # noqa: ANN401 - JSON is anything
    context = shown.get("context")
    return str(shown.get("reason", "")), context if isinstance(context, dict) else {}


def _redacted(answer: DiagnosisAnswer, redact: Redact) -> DiagnosisAnswer:
    clean, _ = redact(answer.reason)
    return DiagnosisAnswer(
        kind=answer.kind,
        failure_type=answer.failure_type,
        disposition=answer.disposition,
        spans=answer.spans,
        reason=str(clean)[:600],
    )
