"""Diagnosis: what decides, what may not mislead, and that every rule is needed."""

import json
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.diagnose import diagnose
from consumer.diagnose.diagnosis import DISPOSITIONS, INDEX, SHOWN, judge
from consumer.diagnose.facts import ERROR_KEYS, Tier, context_facts, text_facts
from consumer.diagnose.index import Index
from consumer.diagnose.lexer import EXCERPT, READ, read
from consumer.diagnose.packs import PACKS
from consumer.diagnose.rule import Rule
from consumer.diagnose.rules import RULES
from consumer.model import Json, JsonObject
from schemas.names import Disposition, FailureType
from tests.support.paths import DATA
from tests.support.unseen_texts import matched

FROZEN = [json.loads(line) for line in (DATA / "diagnoses.jsonl").read_text().splitlines()]


def question(example: str) -> tuple[str, JsonObject]:
    """Read a rule's example: a reason, or a context."""
    return ("it failed", json.loads(example)) if example.startswith('{"error"') else (example, {})


def said(reason: str, **context: Any) -> tuple[str, str]:  # noqa: ANN401 - any context
    diagnosis = diagnose(reason, context)
    return diagnosis.failure_type.value, diagnosis.disposition.value


def index_without(rule: Rule, reason: str, context: JsonObject) -> Index:
    """Index all other rules, with those of their phrases that begin with a word of this question."""
    error: dict[str, Json] = {key: context[key] for key in ERROR_KEYS if key in context}
    texts = [reason, *(fact.text for fact in chain(context_facts(error), text_facts(reason)))]
    words = {token for text in texts for token in read(text).tokens}
    others = [other for other in INDEX.rules if other is not rule]
    return Index(
        [
            replace(other, phrases=tuple(phrase for phrase in other.phrases if not words.isdisjoint(phrase[0])))
            for other in others
        ]
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_a_rule_recognises_its_own_example_and_nothing_else_does(rule: Rule) -> None:
    reason, context = question(rule.example)
    row = {"failure_reason": reason, "context": context}
    assert judge(matched(INDEX, row))[:2] != judge(matched(index_without(rule, reason, context), row))[:2]


@pytest.mark.parametrize("row", FROZEN, ids=lambda row: str(row["rule"]))
def test_what_was_diagnosed_once_is_diagnosed_the_same(row: dict[str, Any]) -> None:
    reason, context = question(row["example"])
    assert said(reason, **context) == (row["failure_type"], row["disposition"])


def test_every_rule_has_a_frozen_row_and_an_id_of_its_own() -> None:
    assert [rule.id for rule in RULES] == [row["rule"] for row in FROZEN]
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("API TIMEOUT while generating the image", "api_timeout"),
        ("schema of the stalled run", "invalid_schema"),
        ("stuck at the image", "workflow_stall"),
        ("image of a voice", "missing_image"),
        ("audio for a payment", "voice_generation_error"),
        ("payment by the concierge", "billing_sync_issue"),
        ("Concierge", "concierge_action_failure"),
        ("", "unknown"),
    ],
)
def test_of_the_seeds_own_whole_words_the_first_in_its_order_decides(reason: str, expected: str) -> None:
    assert said(reason)[0] == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("INSTALLATION failed on node 3", "unknown"),
        ("Reinstallation aborted, see the installer's log", "unknown"),
        ("The invoice was not paid", "billing_sync_issue"),
        ("docker: Error response from daemon: pull access denied for base image", "unknown"),
        ("The container image could not be pulled", "unknown"),
        ("Flashing the firmware image to the sensor failed", "unknown"),
        ("disk image has a wrong checksum", "unknown"),
        ("DB schema is behind the release", "unknown"),
        ("relation does not exist in schema public of the database", "unknown"),
        ("cross-validation of the churn model left no folds", "unknown"),
        ("validation loss is NaN after epoch 3", "unknown"),
        ("TLS validation of the proxy gave up", "unknown"),
        ("SSL certificate validation error", "unknown"),
        ("The voicemail of the office is full", "unknown"),
        ("A stalled payment in the May run", "billing_sync_issue"),
        ("Refund stuck for nine days", "billing_sync_issue"),
        ("Waiting for approval of the legal team since Monday", "unknown"),
        ("Run is paused until the manager's review", "unknown"),
        ("Awaiting confirmation by a human", "unknown"),
        ("SyntaxError: Unexpected token < in JSON at position 0", "unknown"),
        ("Session timeout settings were changed by nobody", "unknown"),
        ("The idle timeout value is 30", "unknown"),
        ("No space left on device while writing the audio", "unknown"),
        ("npm install of the image package failed", "unknown"),
        ("Cannot find module 'voice-kit'", "unknown"),
        ("Merge conflict in billing.py, fix conflicts and commit the result", "unknown"),
        ("duplicate key value violates unique constraint on payments", "unknown"),
        ("The microphone is not plugged in", "unknown"),
        ("TypeError: stage.image is not a function", "unknown"),
        ("x-ratelimit-remaining: 29", "unknown"),
        ("The outvoiced majority imagined a stallholder", "unknown"),
        ("The imagery of the paymaster's schematic", "unknown"),
        ("Repayment plan of the conciergerie", "unknown"),
        ("socket hang up", "api_timeout"),
        ("The bucket holds 504 pictures", "missing_image"),
        ("504 ms were spent", "unknown"),
        ("Task timed out after 3.07 seconds", "api_timeout"),
        ("rpc error: code = DeadlineExceeded", "api_timeout"),
        ("getaddrinfo ETIMEDOUT", "api_timeout"),
        ("upstream timed out", "api_timeout"),
        ("HTTP 504 from the ledger", "api_timeout"),
        ("deadline exceeded", "api_timeout"),
    ],
)
def test_words_that_mislead_do_not(reason: str, expected: str) -> None:
    assert said(reason)[0] == expected


@pytest.mark.parametrize(
    ("reason", "context", "expected"),
    [
        ("Your card was declined.", {}, Disposition.NEEDS_PERSON),
        ("Payment failed", {"error": {"code": "insufficient_funds"}}, Disposition.NEEDS_MONEY),
        ("Payment failed", {"error_code": "stolen_card"}, Disposition.NEVER),
        ("Too many requests", {"http_status": 429}, Disposition.RETRY_AFTER),
        ("429: insufficient_quota, check your plan", {"http_status": 429}, Disposition.NEEDS_MONEY),
        ("TTS: quota_exceeded", {"http_status": 401, "error_code": "quota_exceeded"}, Disposition.NEEDS_MONEY),
        ("The answer was cut off at max tokens", {}, Disposition.RETRY_NOW),
        ("Image blocked by our content policy", {"http_status": 400}, Disposition.NEEDS_PERSON),
        ("Waiting for approval", {}, Disposition.NEEDS_PERSON),
        ("Unexpected token < in JSON, <html><title>502", {}, Disposition.RETRY_IF_IDEMPOTENT),
        ("connect ECONNREFUSED 10.0.0.7:443", {}, Disposition.RETRY_NOW),
        ("Cancelled by the user", {}, Disposition.NEVER),
        (
            "It failed",
            {"error": {"http_status": 500, "headers": {"X-Should-Retry": "false"}}},
            Disposition.NEEDS_PERSON,
        ),
        ("It failed", {"error": {"grpc_status": 14}}, Disposition.RETRY_AFTER),
        ("It failed", {"error": {"grpc_status": "StatusCode.PERMISSION_DENIED"}}, Disposition.NEEDS_CREDENTIAL),
    ],
)
def test_what_was_said_of_trying_again_counts(reason: str, context: JsonObject, expected: Disposition) -> None:
    assert diagnose(reason, context).disposition is expected


def test_a_structured_code_goes_before_words_and_says_where_it_stood() -> None:
    first, *_ = diagnose("The image was not generated", {"error": {"code": "voice_not_found"}}).evidence
    assert (first.source, first.rule, first.decided) == ("context.error.code", "voice.parameter", True)
    assert said("The image was not generated", error_code="voice_not_found")[0] == "voice_generation_error"


def test_what_stands_in_a_json_body_is_read_with_its_path() -> None:
    reason = 'Answer of the provider: {"error": {"code": "insufficient_quota", "message": "no"}} (request 7)'
    evidence = {one.source: one for one in diagnose(reason, {}).evidence}
    assert evidence["failure_reason/error/code"].disposition is Disposition.NEEDS_MONEY


def test_what_speaks_against_is_kept_and_marked() -> None:
    evidence = diagnose("Rendering the image: request timed out", {}).evidence
    assert {one.rule: one.decided for one in evidence} == {"timeout.timed-out": True, "image.generation": False}


JAVA = """java.lang.RuntimeException: could not render the invoice image
    at com.example.images.Voice.validate(Voice.java:12)
    at com.example.Schema.run(Schema.java:7)
Caused by: java.net.SocketTimeoutException: Read timed out
    at java.net.SocketInputStream.read(SocketInputStream.java:1)
    ... 12 more"""
PYTHON = """Traceback (most recent call last):
  File "/srv/image/voice/timeout.py", line 3, in stall
    raise ValidationError("audio")
httpx.ConnectTimeout: connection to the index

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/billing/schema.py", line 9, in payment
    run()
JobFailed: the job failed"""


@pytest.mark.parametrize(("trace", "disposition"), [(JAVA, "retry_if_idempotent"), (PYTHON, "retry_now")])
def test_of_a_trace_the_cause_counts_and_no_frame_does(trace: str, disposition: str) -> None:
    assert said(trace) == ("api_timeout", disposition)


@pytest.mark.parametrize(
    ("reason", "context", "seconds"),
    [
        ("Rate limit reached, try again in 20s", {}, 20),
        ("Too many requests. Retry after 2 minutes", {}, 120),
        ('Quota per minute: rate limit {"retryDelay": "34s"}', {}, 34),
        ("Too many requests", {"error": {"http_status": 429, "headers": {"Retry-After": "7"}}}, 7),
        ("Too many requests", {"error": {"http_status": 429, "retry_after": 0.5}}, 0.5),
        ("Too many requests", {"http_status": 429}, None),
        ("Too many requests, retry after lunch", {}, None),
        ("Too many requests", {"error": {"http_status": 429, "retry_after": "nan"}}, None),
    ],
)
def test_the_time_that_was_asked_for_is_told(reason: str, context: JsonObject, seconds: float | None) -> None:
    diagnosis = diagnose(reason, context)
    assert diagnosis.disposition is Disposition.RETRY_AFTER
    assert (diagnosis.wait.total_seconds() if diagnosis.wait else None) == seconds


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("请求超时", "api_timeout"),
        ("Tiempo de espera agotado al llamar al almacén", "api_timeout"),
        ("Délai d\u2019attente dépassé", "api_timeout"),
        ("Zeitüberschreitung der Anforderung", "api_timeout"),
        ("リクエストがタイムアウトしました", "api_timeout"),
        ("Превышено время ожидания", "api_timeout"),
        ("요청 시간 초과", "api_timeout"),
        ("انتهت مهلة الطلب", "api_timeout"),
        ("O campo valor é obrigatório", "invalid_schema"),
        ("字段缺失", "invalid_schema"),
        ("Der Lauf hängt seit Stunden", "workflow_stall"),
        ("任务一直卡住", "workflow_stall"),
        ("La imagen no se generó", "missing_image"),
        ("음성이 생성되지 않았습니다", "voice_generation_error"),
        ("La facture n\u2019est pas arrivée", "billing_sync_issue"),
        ("La reserva no se pudo hacer", "concierge_action_failure"),
        ("भुगतान दिखाई नहीं देता", "billing_sync_issue"),
    ],
)
def test_other_languages_are_read_too(reason: str, expected: str) -> None:
    assert said(reason)[0] == expected


@pytest.mark.parametrize(
    "reason",
    [
        "The picture is missing",
        "The narration did not come",
        "Something is wrong with the invoice",
        "The booking did not work",
        "La imagen no se generó",
    ],
)
def test_where_only_the_subject_is_known_nothing_is_paid_for_and_nothing_repeated(reason: str) -> None:
    diagnosis = diagnose(reason, {})
    assert diagnosis.failure_type is not FailureType.UNKNOWN
    assert diagnosis.disposition is Disposition.NEEDS_PERSON


def test_nothing_recognised_is_left_to_a_person_without_evidence() -> None:
    diagnosis = diagnose("the moon was in the way", {"error": {"code": "EMOON"}})
    assert diagnosis.failure_type is FailureType.UNKNOWN
    assert diagnosis.disposition is Disposition.NEEDS_PERSON
    assert diagnosis.evidence == ()


WORDS = sorted({word for rule in RULES for phrase in rule.phrases for e in phrase if e != "*" for word in e})


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(st.sampled_from(WORDS), st.sampled_from(["İ", "\n", "{", '{"code": "', "Caused by:"]), st.text())
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["error", "code", "type"]), inner),
        max_leaves=8,
    ),
)
def test_every_text_and_every_context_has_a_diagnosis_with_short_evidence(parts: list[str], error: object) -> None:
    reason = " ".join(parts)
    context: Any = {"error": error, "http_status": error}
    diagnosis = diagnose(reason, context)
    assert diagnosis == diagnose(reason, context)
    assert len(diagnosis.evidence) <= SHOWN
    assert all(len(one.text) <= EXCERPT and "\n" not in one.text for one in diagnosis.evidence)
    if not diagnosis.evidence:
        assert diagnosis.failure_type is FailureType.UNKNOWN


@pytest.mark.parametrize(
    "piece", ["timed ", "a", "超", '{"a":', "{", "Caused by: x\n", "  at x(y:1)\n", "\n", "/a", "404 "]
)
def test_of_a_hostile_text_only_so_much_is_read(piece: str) -> None:
    text = read(piece * 1_000_000)
    assert len(text.lowered) <= READ + 1
    assert len(text.tokens) <= READ


def test_every_type_has_a_disposition() -> None:
    assert set(DISPOSITIONS) == set(FailureType)
    assert {rule.failure_type for rule in RULES} >= set(FailureType)
    assert INDEX.rules == (*RULES, *PACKS)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "x" * 1_000_000},
        {"type": "Y" * 1_000_000},
        {"grpc_status": "z" * 1_000_000},
        {"body": {str(n): {"code": f"C{n}"} for n in range(50_000)}},
        {"body": [[[{"code": "A"}] * 100] * 100] * 10},
        {"message": "timed out " * 100_000},
    ],
    ids=lambda error: str(next(iter(error))),
)
def test_of_a_hostile_context_only_so_much_is_read(error: JsonObject) -> None:
    facts = list(context_facts({"error": error}))
    assert len(facts) <= 50
    assert all(len(fact.text) <= 1_000_000 if fact.tier is Tier.WORDS else len(fact.text) <= 512 for fact in facts)
    diagnose("it failed", {"error": error})


@pytest.mark.parametrize(
    ("error", "disposition", "wait"),
    [
        ({"http_status": 429, "headers": {"Retry-After": "9", "set-cookie": ["a=b", "c=d"]}}, "retry_after", 9),
        ({"http_status": 429, "headers": {"Retry-After": 9, "x-cache": None, "via": {"a": 1}}}, "retry_after", 9),
        ({"http_status": 429, "headers": {"Retry-After": ["9"], "x": True}}, "retry_after", 9),
        ({"http_status": 429, "headers": [["Retry-After", "9"], ["odd"]]}, "retry_after", 9),
        ({"http_status": 429, "headers": [{"name": "Retry-After", "value": "9"}, 7]}, "retry_after", 9),
        ({"http_status": 500, "headers": {"x-should-retry": "false", "x-list": [1]}}, "needs_person", None),
        ({"http_status": 429, "headers": "Retry-After: 9"}, "retry_after", None),
    ],
)
def test_one_odd_header_drops_itself_alone(error: JsonObject, disposition: str, wait: float | None) -> None:
    diagnosis = diagnose("it failed", {"error": error})
    assert diagnosis.disposition == disposition
    assert (diagnosis.wait.total_seconds() if diagnosis.wait else None) == wait


@pytest.mark.parametrize(
    ("error", "disposition"),
    [
        ({"code": 429}, "retry_after"),
        ({"code": "504"}, "retry_if_idempotent"),
        ({"code": 401, "message": "no"}, "needs_credential"),
        ({"code": 404, "http_status": 503}, "retry_after"),
        ({"name": "AxiosError", "code": "ERR_BAD_RESPONSE", "response": {"status": 503, "data": {}}}, "retry_after"),
        ({"name": "HTTPError", "code": "ERR_NON_2XX_3XX_RESPONSE", "response": {"statusCode": 402}}, "needs_money"),
        ({"name": "TypeError", "message": "fetch failed", "cause": {"code": "ECONNREFUSED"}}, "retry_now"),
        ({"type": "ApplicationFailure", "nonRetryable": True, "message": "step timed out"}, "needs_person"),
        (
            {"applicationFailureInfo": {"type": "Busy", "nonRetryable": False}, "message": "timed out"},
            "retry_if_idempotent",
        ),
        ({"status": "RESOURCE_EXHAUSTED", "code": 429}, "retry_after"),
        ({"retryable": False, "message": "server error"}, "needs_person"),
    ],
)
def test_the_shapes_of_the_common_clients_are_read(error: JsonObject, disposition: str) -> None:
    assert diagnose("it failed", {"error": error}).disposition == disposition
