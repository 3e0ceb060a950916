"""What a model's answer adds to the rules' diagnosis, and whether its evidence stands in the text. Pure.

A model is asked only where no rule knows the type, and it speaks after all rules: it never overrules one, and makes a
diagnosis no surer. It says what is broken, never that trying again helps: the disposition is the careful default of its
type, or what the model says, whichever is the more careful. So a text that misleads the model gains nothing by it that
words for the rules would not gain.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from consumer.diagnose.diagnosis import DISPOSITIONS, SHOWN, diagnose
from consumer.diagnose.rule import CAUTION
from consumer.model import Diagnosis, Evidence, Failure, JsonObject
from consumer.model.agent_diagnosis import DiagnosisAnswer, TextSpan
from schemas.json_value import value_at
from schemas.names import DiagnosisAnswerKind, FailureType

REASON: Final = "failure_reason"
LEAST_SPAN: Final = 3
"""Characters of a span: two letters stand in every text."""
_WEIGHT: Final = 1.0
"""As it is shown: below every rule's that decides a type."""


def diagnosis_of(failure: Failure) -> Diagnosis:
    """Return a failure's diagnosis: the rules', and what a model that was asked has answered beside it."""
    return with_agent(diagnose(failure.failure_reason, failure.context), failure)


def with_agent(diagnosis: Diagnosis, failure: Failure) -> Diagnosis:
    """Return the rules' diagnosis with a model's answer beside it, where there is one and no rule knows the type."""
    asked = failure.agent_diagnosis
    answer = asked.answer if asked is not None else None
    if answer is None or diagnosis.failure_type is not FailureType.UNKNOWN:
        return diagnosis
    if answer.kind is not DiagnosisAnswerKind.DIFFERS:
        return replace(diagnosis, agent=answer)
    usual = DISPOSITIONS[answer.failure_type]
    careful = min(usual, answer.disposition, key=CAUTION.index)
    said = tuple(
        Evidence(
            source=span.source,
            text=span.text,
            rule=f"agent.{answer.failure_type}",
            weight=_WEIGHT,
            failure_type=answer.failure_type,
            disposition=None if careful is usual else careful,
        )
        for span in answer.spans
    )
    against = tuple(replace(one, decided=one.disposition is careful) for one in diagnosis.evidence)
    return replace(
        diagnosis,
        failure_type=answer.failure_type,
        disposition=careful,
        evidence=(*said, *against)[:SHOWN],
        agent=answer,
        rules=diagnosis,
    )


def unfounded(spans: Sequence[TextSpan], reason: str, context: JsonObject) -> TextSpan | None:
    """Return the first span that does not stand in the text word for word, or says nothing; None where all do."""
    return next((one for one in spans if not _stands(one, reason, context)), None)


def _stands(span: TextSpan, reason: str, context: JsonObject) -> bool:
    found = reason if span.source == REASON else value_at(context, span.source, None)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return span.text == str(found)
    return isinstance(found, str) and len(span.text.strip()) >= LEAST_SPAN and span.text in found


def answered(answer: DiagnosisAnswer, reason: str, context: JsonObject) -> DiagnosisAnswer:
    """Return a model's answer as it counts: refused where its evidence does not stand in the text that it was shown."""
    wrong = unfounded(answer.spans, reason, context)
    if wrong is None and (answer.spans or answer.kind is not DiagnosisAnswerKind.DIFFERS):
        return answer
    why = "it names no evidence" if wrong is None else f"its evidence does not stand in {wrong.source[:200]}"
    return DiagnosisAnswer(
        kind=DiagnosisAnswerKind.REFUSED, reason=f"{why}: {answer.failure_type}, {answer.disposition}"
    )
