"""Reads what a model was asked of a failure, and what it answered, from its row."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from consumer.model.agent_diagnosis import AgentDiagnosis, DiagnosisAnswer, TextSpan
from schemas.names import DiagnosisAnswerKind, Disposition, FailureType


def parse_agent_diagnosis(text: str) -> AgentDiagnosis:
    """Parse what a model was asked of a failure, as `FAILURE_COLUMNS` gives it."""
    stored: Mapping[str, Any] = from_json(text)
    answer = stored["answer"]
    return AgentDiagnosis(
        asks=stored["asks"],
        answer=None if answer is None else _parse_answer(answer),
        model=stored["model"],
        input_tokens=stored["input_tokens"],
        output_tokens=stored["output_tokens"],
    )


def _parse_answer(stored: Mapping[str, Any]) -> DiagnosisAnswer:
    return DiagnosisAnswer(
        kind=DiagnosisAnswerKind(stored["answer"]),
        failure_type=FailureType(stored["failure_type"]),
        disposition=Disposition(stored["disposition"]),
        spans=tuple(TextSpan(source=one["source"], text=one["detail"]) for one in stored["evidence"]),
        reason=stored["reason"],
    )
