"""auto-retry's decisions: whether to act, for how long, and what an answer means."""

from datetime import timedelta
from typing import Any

import pytest

from consumer.catalog import AutoRetryLimits, WorkflowPolicy
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.calls.backoff import jitter
from consumer.heal.calls.planned import fault_digest
from consumer.heal.calls.request import origin, outbound
from consumer.heal.calls.status_verdict import Definite, MayHaveRun, Repeat, Verify, judge, signals_unhealthy
from consumer.heal.calls.verify import unmet
from consumer.model import Failure, Intent
from consumer.model.call import (
    Ambiguous,
    Answer,
    CallResult,
    EgressRefused,
    NotSent,
    advised_against,
    requested_wait,
)
from consumer.redact import redact_json
from schemas.context import Assertion, Expectation, RequestContext, request_of
from schemas.json_value import same
from schemas.names import Disposition, Effect
from tests.support.healing import NOW, NoCalls, diagnosis, failure, policy

URL = "https://api.example.com/orders"
POST = {"method": "post", "url": URL, "body": {"a": 1}}

STRATEGY = AutoRetry(NoCalls(), redact_json)


def intent(failed: Failure, allowed: WorkflowPolicy | None = None) -> Intent:
    return STRATEGY.intent(failed, allowed or policy())


@pytest.mark.parametrize(
    ("context", "missing"),
    [
        ({}, ("context.request.method", "context.request.url")),
        ({"request": {}}, ("context.request.method", "context.request.url")),
        ({"request": {"method": "GET"}}, ("context.request.url",)),
        ({"request": {"method": "GET", "url": "gopher://x"}}, ("context.request.url",)),
        ({"request": POST | {"effect": "keyed"}}, ("context.request.idempotency_key",)),
        ({"request": POST | {"idempotency_key": "k"}, "resume": {}}, ("context.resume.url",)),
        ({"request": {"method": "GET", "url": URL}}, ()),
    ],
)
def test_needs_names_what_is_missing_or_unusable(context: dict[str, Any], missing: tuple[str, ...]) -> None:
    assert STRATEGY.needs(failure(context)) == missing


@pytest.mark.parametrize(
    ("request_part", "effect"),
    [
        ({"method": "GET"}, Effect.NONE),
        ({"method": "head"}, Effect.NONE),
        ({"method": "PUT"}, Effect.IDEMPOTENT),
        ({"method": "DELETE"}, Effect.IDEMPOTENT),
        ({"method": "POST", "idempotency_key": "k"}, Effect.KEYED),
        ({"method": "POST"}, Effect.UNSAFE),
        ({"method": "PATCH"}, Effect.UNSAFE),
        ({"method": "POST", "effect": "idempotent"}, Effect.IDEMPOTENT),
        ({"method": "GET", "effect": "unsafe"}, Effect.UNSAFE),
    ],
)
def test_the_owner_declares_the_effect_else_the_method_does(request_part: dict[str, Any], effect: Effect) -> None:
    assert intent(failure({"request": request_part | {"url": URL}})).effect is effect


def test_only_a_keyed_effect_has_a_key() -> None:
    keyed = failure({"request": POST | {"idempotency_key": "k-1"}})
    declared_none = failure({"request": POST | {"idempotency_key": "k-1", "effect": "none"}})
    assert intent(keyed).idempotency_key == "k-1"
    assert intent(declared_none).idempotency_key is None


@pytest.mark.parametrize(
    ("pointer", "refused"),
    [
        ("/context/request/headers/Authorization", True),
        ("/context/request/body/card", True),
        ("/context/request", True),
        ("/context/resume/headers/X-Token", True),
        ("/context", True),
        ("/context/requests/headers", False),
        ("/context/error/message", False),
        ("/failure_reason", False),
    ],
)
def test_a_request_that_redaction_touched_is_refused_with_the_path(pointer: str, *, refused: bool) -> None:
    touched = failure({"request": {"method": "GET", "url": URL}}, redactions=(pointer,))
    reason = STRATEGY.refusal(touched, diagnosis(), policy())
    assert (reason is not None) is refused
    if reason is not None:
        assert pointer in reason
        assert "secret://NAME" in reason


def test_a_url_that_redaction_broke_is_refused_and_not_called_missing() -> None:
    touched = failure({"request": {"method": "GET", "url": "[redacted]"}}, redactions=("/context/request/url",))
    assert STRATEGY.needs(touched) == ()
    assert "/context/request/url" in (STRATEGY.refusal(touched, diagnosis(), policy()) or "")


@pytest.mark.parametrize("part", ["request", "resume"])
def test_a_host_outside_the_catalog_is_refused_by_name(part: str) -> None:
    context = {"request": {"method": "GET", "url": URL}, "resume": {"url": URL}}
    context[part] = context[part] | {"url": "https://evil.example/"}
    reason = STRATEGY.refusal(failure(context), diagnosis(), policy())
    assert reason is not None
    assert reason.startswith(f"context.{part}: ")
    assert "evil.example" in reason


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        ({"code": "ECONNREFUSED"}, True),
        ({"code": "ENOTFOUND"}, True),
        ({"type": "httpx.ConnectError"}, True),
        ({"type": "urllib3.exceptions.NewConnectionError"}, True),
        ({"type": "PoolTimeout"}, True),
        ({"http_status": 429}, True),
        ({"http_status": 425}, True),
        ({"type": "httpx.ConnectError", "http_status": 500}, False),
        ({"type": "httpx.ReadTimeout"}, False),
        ({"code": "ECONNRESET"}, False),
        ({"code": "ETIMEDOUT"}, False),
        ({"http_status": 503}, False),
        ({"message": "connect ECONNREFUSED"}, False),
        ({}, False),
    ],
)
def test_an_unsafe_call_is_made_again_only_where_it_provably_had_no_effect(
    error: dict[str, Any], *, allowed: bool
) -> None:
    reason = STRATEGY.refusal(failure({"request": POST, "error": error}), diagnosis(), policy())
    assert (reason is None) is allowed
    if reason is not None:
        assert "idempotency_key" in reason
        assert "effect" in reason


@pytest.mark.parametrize("disposition", list(Disposition))
def test_what_the_diagnosis_rules_out_is_refused(disposition: Disposition) -> None:
    ruled_out = {Disposition.NEVER, Disposition.NEEDS_MONEY, Disposition.NEEDS_CREDENTIAL, Disposition.NEEDS_PERSON}
    reason = STRATEGY.refusal(failure({"request": {"method": "GET", "url": URL}}), diagnosis(disposition), policy())
    assert (reason is not None) is (disposition in ruled_out)


def test_the_same_request_has_one_scope_whatever_else_the_failure_says() -> None:
    one = failure({"request": POST | {"body": {"a": 1, "b": 2}}, "error": {"code": "x"}})
    same_request = failure({"request": POST | {"method": "POST", "body": {"b": 2, "a": 1}}})
    other = failure({"request": POST | {"body": {"a": 2}}})
    assert intent(one).scope == intent(same_request).scope != intent(other).scope
    assert intent(one).scope.startswith(f"{one.org_id}:request:")


def test_the_window_covers_tries_waits_and_hand_over_and_has_an_end() -> None:
    plain = failure({"request": {"method": "GET", "url": URL}})
    quick = failure({"request": {"method": "GET", "url": URL, "timeout_seconds": 1}})
    resumed = failure({"request": {"method": "GET", "url": URL}, "resume": {"url": URL}})
    allowed = policy(tries=3, timeout=timedelta(seconds=10), inline_wait=timedelta(seconds=5))
    assert intent(quick, allowed).window < intent(plain, allowed).window < intent(resumed, allowed).window
    assert intent(plain, allowed).window == timedelta(seconds=3 * 10 + 2 * 5 + 5)
    assert intent(plain, policy(tries=10, timeout=timedelta(minutes=5))).window == timedelta(minutes=10)


def test_the_callers_key_replaces_whatever_the_header_held() -> None:
    request = RequestContext.model_validate(
        POST | {"headers": {"idempotency-key": "old", "X": "1"}, "idempotency_key": "new"}
    )
    sent = outbound(request)
    assert dict(sent.headers) == {"X": "1", "Content-Type": "application/json", "Idempotency-Key": "new"}
    assert sent.body == b'{"a":1}'


def test_a_string_body_goes_out_as_it_is() -> None:
    request = RequestContext.model_validate(POST | {"body": "a=1&b=2", "headers": {"Content-Type": "x/y"}})
    assert outbound(request).body == b"a=1&b=2"


def answer(status: int, *headers: tuple[str, str]) -> Answer:
    return Answer(status=status, headers=headers, body=b"", truncated=False, elapsed=timedelta(0))


AMBIGUOUS = Ambiguous(kind="ReadTimeout", reason="r", elapsed=timedelta(0))
NOT_SENT = NotSent(kind="ConnectError", reason="r", elapsed=timedelta(0))
TRANSIENT = {408, 409, 425, 429, 500, 502, 503, 504, 509}


@pytest.mark.parametrize("effect", [Effect.NONE, Effect.IDEMPOTENT, Effect.KEYED])
@pytest.mark.parametrize("status", [301, 400, 401, 404, 408, 409, 422, 425, 429, 500, 501, 502, 503, 504, 505, 509])
def test_a_harmless_call_is_repeated_after_transient_statuses_only(effect: Effect, status: int) -> None:
    expected = Repeat if status in TRANSIENT else Definite
    assert isinstance(judge(answer(status), effect, None), expected)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (425, Repeat),
        (429, Repeat),
        (400, Definite),
        (404, Definite),
        (409, Definite),
        (501, Definite),
        (307, Definite),
        (302, MayHaveRun),
        (303, MayHaveRun),
        (408, MayHaveRun),
        (500, MayHaveRun),
        (502, MayHaveRun),
        (503, MayHaveRun),
        (504, MayHaveRun),
    ],
)
def test_an_unsafe_call_is_never_repeated_once_it_may_have_run(status: int, expected: type) -> None:
    assert isinstance(judge(answer(status), Effect.UNSAFE, None), expected)


def test_an_unexpected_success_of_an_unsafe_call_may_have_run() -> None:
    assert isinstance(judge(answer(202), Effect.UNSAFE, Expectation(status=201)), MayHaveRun)


@pytest.mark.parametrize("effect", list(Effect))
def test_what_was_not_sent_is_repeated_whatever_the_effect(effect: Effect) -> None:
    assert isinstance(judge(NOT_SENT, effect, None), Repeat)


@pytest.mark.parametrize("effect", list(Effect))
def test_what_is_ambiguous_is_repeated_only_without_harm(effect: Effect) -> None:
    assert isinstance(judge(AMBIGUOUS, effect, None), MayHaveRun if effect is Effect.UNSAFE else Repeat)


@pytest.mark.parametrize(
    ("rule", "status", "expected"),
    [
        (None, 204, True),
        (None, 304, False),
        (404, 404, True),
        ("4xx", 404, True),
        ((200, "3xx"), 302, True),
        ((200, "3xx"), 201, False),
    ],
)
def test_the_caller_says_which_status_it_wants(
    rule: str | int | tuple[str | int, ...] | None, status: int, *, expected: bool
) -> None:
    judged = judge(answer(status), Effect.NONE, Expectation.model_validate({"status": rule}))
    assert isinstance(judged, Verify) is expected


@pytest.mark.parametrize("header", ["x-should-retry", "Stripe-Should-Retry"])
def test_the_other_sides_no_is_obeyed(header: str) -> None:
    said_no = answer(503, (header, "false"))
    assert advised_against(said_no)
    assert isinstance(judge(said_no, Effect.NONE, None), Definite)
    assert not advised_against(answer(503, (header, "true")))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        ({"Retry-After": "99", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "999999999999"}, 366 * 86400),
        ({"Retry-After": "9" * 5000}, 366 * 86400),
        ({"Retry-After": "1000000000000"}, 0),
        ({"retry-after-ms": "9" * 5000}, 366 * 86400),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 366 * 86400),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, 366 * 86400),
        ({"Retry-After": "Sun, 01 Mar 2026 13:00:30 +0100"}, 30),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30"}, 30),
        ({"Retry-After": "Sun, 01 Mar 2026 18:00:30 GMT", "Date": "Sun, 01 Mar 2026 18:00:00 GMT"}, 30),
        ({"Retry-After": "Sun, 01 Mar 2026 06:00:30 GMT", "Date": "Sun, 01 Mar 2026 06:00:00 GMT"}, 30),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT", "Date": "yesterday"}, 30),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT", "Date": "Fri, 31 Dec 9999 23:59:59 GMT"}, 0),
        ({"Retry-After": "\u0663"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "Mon, 99 Foo 99999 99:99:99 GMT"}, None),
        ({}, None),
    ],
)
def test_a_named_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    wait = requested_wait(answer(429, *headers.items()), NOW)
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


LIMIT = timedelta(seconds=10)


def failed_as(kind: str) -> list[CallResult]:
    took = timedelta(0)
    return [NotSent(kind=kind, reason="r", elapsed=took), Ambiguous(kind=kind, reason="r", elapsed=took)]


@pytest.mark.parametrize(
    ("results", "within", "expected"),
    [
        *((failed_as(kind), LIMIT, True) for kind in ("ConnectError", "NameResolutionError", "ReadError", "SSLError")),
        *((failed_as(kind), LIMIT, True) for kind in ("ReadTimeout", "ConnectTimeout", "RemoteProtocolError")),
        (failed_as("ReadTimeout"), timedelta(seconds=0.9), False),
        (failed_as("ReadError"), timedelta(seconds=0.9), True),
        (failed_as("PoolTimeout"), LIMIT, False),
        ([EgressRefused(reason="not allowed")], LIMIT, False),
        *(([answer(status)], LIMIT, True) for status in (429, 500, 502, 503, 504, 509)),
        *(([answer(status)], LIMIT, False) for status in (200, 301, 400, 401, 404, 408, 409, 422, 425, 451, 501, 505)),
    ],
    ids=repr,
)
def test_only_what_something_well_would_not_do_counts_as_ill(
    results: list[CallResult], within: timedelta, *, expected: bool
) -> None:
    assert [signals_unhealthy(result, within) for result in results] == [expected] * len(results)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://api.example.com/a?b#c", "https://api.example.com:443"),
        ("HTTPS://API.Example.com", "https://api.example.com:443"),
        ("https://api.example.com:443/", "https://api.example.com:443"),
        ("http://api.example.com?x=//y", "http://api.example.com:80"),
        ("https://api.example.com:8443/", "https://api.example.com:8443"),
        ("https://user:pass@api.example.com/", "https://api.example.com:443"),
        ("http://[2001:DB8:0:0::1]:80/", "http://[2001:db8::1]:80"),
        ("https://b\u00fccher.example/", "https://xn--bcher-kva.example:443"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example:443"),
    ],
)
def test_a_dependency_has_one_name_however_it_is_spelled(url: str, named: str) -> None:
    assert origin(url) == named


@pytest.mark.parametrize("url", ["https://[", "https://:1", "https://a:99999999/", "x", "", "https://\u0000/"])
def test_a_url_that_cannot_be_read_breaks_nothing(url: str) -> None:
    assert isinstance(origin(url), str)


@pytest.mark.parametrize("url", ["HTTPS://API.example.com/orders", "https://api.example.com:443/orders"])
def test_one_call_has_one_scope_however_its_host_is_spelled(url: str) -> None:
    assert intent(failure({"request": POST | {"url": url}, "error": {"code": "ECONNREFUSED"}})).scope == (
        intent(failure({"request": POST})).scope
    )


RUN = {"id": "r", "epoch": 1, "step": "s"}


@pytest.mark.parametrize(
    ("change", "equal"),
    [
        ({}, True),
        ({"error": {"code": "x"}}, True),
        ({"run": RUN | {"heartbeat": "2026-03-01T12:00:00Z"}}, True),
        ({"request": dict(reversed(POST.items()))}, True),
        ({"request": POST | {"body": 2**70}}, False),
        ({"request": POST | {"body": "\ud800"}}, False),
        ({"run": RUN | {"epoch": 2}}, False),
        ({"run": RUN | {"step": "t"}}, False),
        ({"run": RUN | {"id": "q"}}, False),
        ({"request": POST | {"headers": {"X-Account": "7"}}}, False),
        ({"request": POST | {"expect": {"status": 201}}}, False),
        ({"request": POST | {"body": {"a": 1.5}}}, False),
        ({"resume": {"url": URL}}, False),
    ],
)
def test_damage_is_equal_only_where_the_same_call_of_the_same_step_is_missing(
    change: dict[str, Any], *, equal: bool
) -> None:
    one, other = failure({"request": POST, "run": RUN}), failure({"request": POST, "run": RUN} | change)
    assert (fault_digest(one) == fault_digest(other)) is equal


@pytest.mark.parametrize("run", [None, {}, {"id": "r"}, {"id": 7, "epoch": 1}, {"id": "r", "epoch": True}, "r"])
def test_without_a_run_and_its_epoch_no_damage_is_shared(run: Any) -> None:  # noqa: ANN401 - JSON is anything
    assert fault_digest(failure({"request": POST, "run": run})) is None


def test_planning_reads_the_request_once() -> None:
    strategy, failed = AutoRetry(NoCalls(), redact_json), failure({"request": {"method": "GET", "url": URL}})
    with pytest.MonkeyPatch.context() as patch:
        read: list[object] = []

        def counted(context: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever it gives
            read.append(context)
            return request_of(context)

        patch.setattr("consumer.heal.auto_retry.strategy.request_of", counted)
        strategy.needs(failed)
        strategy.refusal(failed, diagnosis(), policy())
        strategy.intent(failed, policy())
    assert len(read) == 1


def test_a_plan_never_speaks_of_the_failure_before() -> None:
    strategy = AutoRetry(NoCalls(), redact_json)
    one, other = (failure({"request": {"method": "GET", "url": f"{URL}/{n}"}}) for n in (1, 2))
    alone = AutoRetry(NoCalls(), redact_json).intent(other, policy())
    strategy.needs(one)
    assert strategy.intent(other, policy()) == alone


def test_full_jitter_doubles_up_to_its_cap() -> None:
    limits = AutoRetryLimits(base=timedelta(seconds=1), throttled_base=timedelta(seconds=2), cap=timedelta(seconds=5))
    drawn = [jitter(limits, n, throttled=False, random=lambda: 0.5) / timedelta(seconds=1) for n in range(1, 6)]
    assert drawn == [0.5, 1, 2, 2.5, 2.5]
    assert jitter(limits, 1, throttled=True, random=lambda: 0.5) == timedelta(seconds=1)
    assert jitter(limits, 9, throttled=True, random=lambda: 0.0) == timedelta(0)


BODY = {"state": "done", "n": 3, "items": [{"id": 1}, {"id": None}], "a/b": {"~": True}, "": 1}


@pytest.mark.parametrize(
    ("assertion", "holds"),
    [
        ({"path": "/state", "equals": "done"}, True),
        ({"path": "/state", "equals": "open"}, False),
        ({"path": "/items/1/id", "equals": None}, True),
        ({"path": "/items/2/id", "exists": False}, True),
        ({"path": "/items/01", "exists": True}, False),
        ({"path": "/items/-", "exists": True}, False),
        ({"path": "/a~1b/~0", "equals": True}, True),
        ({"path": "/a~1b/~0", "equals": 1}, False),
        ({"path": "/", "equals": 1}, True),
        ({"path": "", "exists": True}, True),
        ({"path": "/n", "min": 3, "max": 3}, True),
        ({"path": "/n", "min": 4}, False),
        ({"path": "/n", "max": 2}, False),
        ({"path": "/n", "one_of": [1, 2, 3.0]}, True),
        ({"path": "/n", "one_of": ["3"]}, False),
        ({"path": "/state", "min": 0}, False),
        ({"path": "/gone", "equals": None}, False),
        ({"path": "/state", "exists": False}, False),
    ],
)
def test_an_assertion_holds_or_says_where_it_does_not(assertion: dict[str, Any], *, holds: bool) -> None:
    why = unmet(BODY, Assertion.model_validate(assertion))
    assert (why is None) is holds
    if why is not None:
        assert "done" not in why


def test_json_equality_is_not_pythons() -> None:
    assert same({"a": [1, 2.0]}, {"a": [1.0, 2]})
    assert not same([True], [1])
    assert not same({"a": 1}, {"a": 1, "b": 2})
