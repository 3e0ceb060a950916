"""`shw diagnose`: diagnoses failures from standard input, line by line; needs neither settings nor servers."""

from collections.abc import Mapping
from typing import Any, BinaryIO

from consumer.cli.lines import MAX_LINE, Readable, line_batches
from consumer.diagnose import diagnose
from consumer.model import JsonObject
from consumer.plan.default_ladder import strategy_for
from consumer.redact import may_hold_secret, redact_json
from consumer.results.events import evidence_of
from schemas.errors import EnvelopeError
from schemas.json_text import load_json, to_json
from schemas.printable import escape_json


def diagnose_lines(source: Readable, sink: BinaryIO) -> bool:
    """Answer each line in order as it arrives; return whether every one was valid.

    Blank lines are skipped. A line that cannot be parsed is answered with `{"error": ...}`.
    """
    understood = True
    for batch in line_batches(source):
        answers = [_answer(line) for line in batch if line is None or line.strip()]
        sink.write(b"".join(escape_json(to_json(answer)) + b"\n" for answer in answers))
        sink.flush()
        understood = understood and not any("error" in answer for answer in answers)
    return understood


def diagnosed(failure_reason: str, context: JsonObject) -> JsonObject:
    """Return a failure's diagnosis as JSON, with the strategy that answers it, and the evidence for and against."""
    diagnosis = diagnose(failure_reason, context)
    return {
        "failure_type": diagnosis.failure_type.value,
        "disposition": diagnosis.disposition.value,
        "confidence": diagnosis.confidence,
        "strategy": strategy_for(diagnosis, context).value,
        **({"wait_seconds": diagnosis.wait.total_seconds()} if diagnosis.wait is not None else {}),
        **({"wait_until": diagnosis.until.isoformat()} if diagnosis.until is not None else {}),
        "evidence": list(evidence_of(diagnosis)),
    }


def _answer(line: bytes | None) -> JsonObject:
    if line is None:
        return {"error": f"the line is longer than {MAX_LINE} bytes: send less context"}
    try:
        question = load_json(line)
        if may_hold_secret(line):  # as intake does: evidence quotes the input, and must hold no secret
            question, _ = redact_json(question)
    except EnvelopeError as error:
        return {"error": error.message}
    match question:
        case {"failure_reason": str(reason), **rest} if isinstance(context := _context(rest), dict):
            return diagnosed(reason, context)
        case _:
            return {"error": _fault(question)}


def _context(question: Mapping[Any, Any]) -> object:
    given = question.get("context")
    return {} if given is None else given


def _fault(question: object) -> str:
    match question:
        case {"failure_reason": str()}:
            return "context: must be an object"
        case {"failure_reason": _}:
            return "failure_reason: must be a string"
        case dict():
            return "failure_reason: is missing"
        case _:
            return 'not an object: send {"failure_reason": "...", "context": {...}}'
