"""Verification of an answer with the expected status: JSON Schema, assertions, and detection of false successes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from consumer.heal.calls.body import Content
from consumer.heal.calls.false_success import Asked, false_success
from consumer.heal.schema_check.worker import Finding
from consumer.heal.session import proof
from consumer.model import Json, Proof
from consumer.model.call import Answer
from schemas.context import Assertion, Expectation
from schemas.json_value import same, value_at
from schemas.names import Code, Verdict

Judge: TypeAlias = Callable[[Any, Json], Awaitable[Finding]]
"""Validates a body against a schema."""
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The verdicts of the oracles, and the code under which the heal fails; None: it is proven."""

    proofs: tuple[Proof, ...]
    code: Code | None

    @property
    def reason(self) -> str:
        """The detail of the first oracle that did not confirm the answer."""
        return next(
            (f"{p.oracle}: {p.detail}" for p in self.proofs if p.verdict is not Verdict.PASSED), "verify_answer"
        )


async def verify_answer(
    answer: Answer, content: Content, expect: Expectation | None, asked: Asked, judge: Judge
) -> Verification:
    """Verify an answer by its status, by what it says of itself, by the schema and by the caller's assertions."""
    expect = expect or Expectation()
    status = proof("status", Verdict.PASSED, f"answered {answer.status}")
    if answer.truncated:
        size = proof("size", Verdict.INCONCLUSIVE, f"longer than {len(answer.body)} bytes: not read to its end")
        return Verification(proofs=(status, size), code=Code.UNVERIFIED)
    body = _body_proof(answer, content, expect, asked)
    if body is not None:
        return Verification(proofs=(status, body), code=Code.UNVERIFIED)
    checks = [await _schema_proof(content.value, expect, judge), _assertion_proof(content.value, expect)]
    made = tuple(check for check in checks if check is not None)
    return Verification(proofs=(status, *made), code=_code(made))


def _body_proof(answer: Answer, content: Content, expect: Expectation, asked: Asked) -> Proof | None:
    """Return the verdict on an answer that is no success by itself, or is not what the caller can make demands of."""
    sign = false_success(answer, content, asked)
    if sign is not None:
        return proof("body", Verdict.FAILED if sign.sure else Verdict.INCONCLUSIVE, sign.why)
    if content.kind == "json" or (expect.schema_ is None and not expect.json_):
        return None
    what = "empty" if content.kind == "empty" else "not JSON"
    return proof("body", Verdict.FAILED, f"{what}, where the caller expects JSON")


def _code(proofs: tuple[Proof, ...]) -> Code | None:
    verdicts = {said.verdict for said in proofs}
    if Verdict.FAILED in verdicts:
        return Code.NOT_HEALED
    return Code.UNVERIFIED if Verdict.INCONCLUSIVE in verdicts else None


async def _schema_proof(body: Json, expect: Expectation, judge: Judge) -> Proof | None:
    if expect.schema_ is None:
        return None
    found, detail = await judge(expect.schema_, body)
    match found:
        case "passed":
            return proof("schema", Verdict.PASSED, detail)
        case "failed":
            return proof("schema", Verdict.FAILED, detail)
        case "unusable":
            return proof("schema", Verdict.INCONCLUSIVE, detail)


def _assertion_proof(body: Json, expect: Expectation) -> Proof | None:
    if not expect.json_:
        return None
    failed = [why for assertion in expect.json_ if (why := unmet(body, assertion)) is not None]
    if failed:
        return proof("expect", Verdict.FAILED, "; ".join(failed))
    return proof("expect", Verdict.PASSED, f"{len(expect.json_)} of {len(expect.json_)} hold")


def unmet(body: object, assertion: Assertion) -> str | None:
    """Return which check of an assertion does not hold, or None; the body's own values are never quoted."""
    found = value_at(body, assertion.path, _ABSENT)
    where = f"at {assertion.path or 'the root'}"
    given = assertion.model_fields_set
    if "exists" in given and assertion.exists is not None and assertion.exists is not (found is not _ABSENT):
        return f"{where}: there {'is something' if found is not _ABSENT else 'is nothing'}"
    if found is _ABSENT:
        return f"{where}: there is nothing" if given & {"equals", "one_of", "min", "max"} else None
    if "equals" in given and not same(found, assertion.equals):
        return f"{where}: not the expected value"
    if assertion.one_of is not None and not any(same(found, value) for value in assertion.one_of):
        return f"{where}: none of the expected values"
    return _out_of_range(found, assertion, where)


def _out_of_range(found: object, assertion: Assertion, where: str) -> str | None:
    if assertion.min is None and assertion.max is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return f"{where}: not a number"
    if assertion.min is not None and found < assertion.min:
        return f"{where}: below the minimum"
    if assertion.max is not None and found > assertion.max:
        return f"{where}: above the maximum"
    return None
