"""Asks a model what is broken: one conversation, typed answers, and nothing believed that the text does not hold."""

import asyncio
from typing import TYPE_CHECKING, Final

from consumer.agent.answers import NotRecognised, Recognised
from consumer.agent.conversation import Conversation, converse
from consumer.agent.prompts import DIAGNOSE, prompt
from consumer.agent.toolbox import quoted
from consumer.agent.wire import AgentStopped, Spending
from consumer.catalog import AgentDiagnosisLimits
from consumer.diagnose.agent_evidence import answered
from consumer.model import JsonObject
from consumer.model.agent_diagnosis import DiagnosisAnswer, TextSpan
from schemas.names import DiagnosisAnswerKind, FailureType

if TYPE_CHECKING:
    from pydantic_ai.models import Model

_TURNS: Final = 2
"""Calls of the model: the answer, and once more where it has a wrong form."""


async def ask_what_is_broken(
    model: "Model", spending: Spending, limits: AgentDiagnosisLimits, reason: str, context: JsonObject
) -> DiagnosisAnswer:
    """Return what a model says of a failure, whose text is redacted; whatever the model does, that is an answer.

    Raises what its gate, or the database, raised.
    """
    talk = Conversation(
        instructions=prompt(DIAGNOSE),
        question=quoted({"failure_reason": reason, "context": context}),
        answers=(Recognised, NotRecognised),
        turns=_TURNS,
        retries=_TURNS - 1,
    )
    try:
        async with asyncio.timeout(limits.longest.total_seconds()):
            said: Recognised | NotRecognised = await converse(model, spending, talk)
    except TimeoutError:
        return _none_came(f"no answer came within {limits.longest}")
    except AgentStopped as stopped:
        return _none_came(str(stopped))
    return answered(_answer(said), reason, context)


def _answer(said: Recognised | NotRecognised) -> DiagnosisAnswer:
    if isinstance(said, NotRecognised):
        return DiagnosisAnswer(kind=DiagnosisAnswerKind.AGREES, reason=said.why)
    agrees = said.failure_type is FailureType.UNKNOWN
    return DiagnosisAnswer(
        kind=DiagnosisAnswerKind.AGREES if agrees else DiagnosisAnswerKind.DIFFERS,
        failure_type=said.failure_type,
        disposition=said.disposition,
        spans=tuple(TextSpan(source=one.source, text=one.text) for one in said.evidence),
        reason=said.why,
    )


def _none_came(why: str) -> DiagnosisAnswer:
    return DiagnosisAnswer(kind=DiagnosisAnswerKind.UNANSWERED, reason=why)
