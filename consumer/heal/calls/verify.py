"""Verification of an answer with the expected status: JSON Schema, assertions, and detection of false successes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consumer.heal.calls.body import Content, wants_json
from consumer.heal.schema_check.check import SchemaCheck
from consumer.heal.session import proof
from consumer.model import Json, Proof
from consumer.model.call import Answer
from schemas.context import Assertion, Expectation
from schemas.json_value import same, value_at
from schemas.names import Code, Verdict

_ABSENT: Final = object()
_BAD_WORDS: Final = frozenset({"error", "fail", "failed", "failure"})
_SUCCESS_BEGINS: Final = 200
_SUCCESS_ENDS: Final = 300


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
    answer: Answer, content: Content, expect: Expectation | None, headers: Mapping[str, str], schemas: SchemaCheck
) -> Verification:
    """Verify an answer by status, schema and the caller's assertions; without these two, detect a false success.

    `headers` are those of the request: they say which media type it asked for.
    """
    expect = expect or Expectation()
    status = proof("status", Verdict.PASSED, f"answered {answer.status}")
    if answer.truncated:
        size = proof("size", Verdict.INCONCLUSIVE, f"longer than {len(answer.body)} bytes: not read to its end")
        return Verification(proofs=(status, size), code=Code.UNVERIFIED)
    if expect.schema_ is None and not expect.json_:
        lie = _false_success(answer, content, headers)
        if lie is None:
            return Verification(proofs=(status,), code=None)
        return Verification(proofs=(status, proof("body", Verdict.FAILED, lie)), code=Code.UNVERIFIED)
    if content.kind != "json":
        what = "empty" if content.kind == "empty" else "not JSON"
        body = proof("body", Verdict.FAILED, f"{what}, where the caller expects JSON")
        return Verification(proofs=(status, body), code=Code.UNVERIFIED)
    checks = [await _schema_proof(content.value, expect, schemas), _assertion_proof(content.value, expect)]
    asked = tuple(check for check in checks if check is not None)
    return Verification(proofs=(status, *asked), code=_code(asked))


def _code(proofs: tuple[Proof, ...]) -> Code | None:
    verdicts = {said.verdict for said in proofs}
    if Verdict.FAILED in verdicts:
        return Code.NOT_HEALED
    return Code.UNVERIFIED if Verdict.INCONCLUSIVE in verdicts else None


async def _schema_proof(body: Json, expect: Expectation, schemas: SchemaCheck) -> Proof | None:
    if expect.schema_ is None:
        return None
    found, detail = await schemas.valid(expect.schema_, body)
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


def _false_success(answer: Answer, content: Content, headers: Mapping[str, str]) -> str | None:
    """Return why a 2xx answer is a false success by its own body; another status that the caller expects is trusted."""
    if not _SUCCESS_BEGINS <= answer.status < _SUCCESS_ENDS:
        return None
    if content.looks_like_a_page and (wants_json(headers) or content.claims_json):
        return "a page, where JSON was asked for"
    if content.claims_json and content.kind in ("text", "bytes"):
        return "says that it is JSON, and is not"
    return _error_in_body(content.value) if isinstance(content.value, dict) else None


def _error_in_body(body: dict[str, Json]) -> str | None:
    for name in ("error", "errors"):
        if body.get(name) not in (None, False, "", 0, [], {}):
            return f"the body has `{name}`"
    for name in ("success", "ok"):
        if body.get(name) is False:
            return f"the body says `{name}: false`"
    status = body.get("status")
    if isinstance(status, str) and status.lower() in _BAD_WORDS:
        return f"the body says `status: {status.lower()}`"
    return None


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
