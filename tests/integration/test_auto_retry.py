"""auto-retry against a real server that fails, recovers, lies and counts its effects."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from consumer.errors import DeadlinePassed, LostClaim, RevokedClaim
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.schema_check.check import SchemaCheck, lone_schema_check
from consumer.model import Healed, Json, NotHealed, OrgId, Outcome, Refused, RetryLater, Unknown
from consumer.outbound.calls import OutboundCalls, open_calls
from consumer.redact import redact_json
from schemas.names import Code, Verdict
from tests.support.healing import NOW, ORG, Clock, Gate, failure, outcome_of, policy, task
from tests.support.worlds.http_world import Reply, World, http_world, json_reply, page_reply

OK = json_reply({"id": 7, "state": "done"})
FAILS = json_reply({"error": "busy"}, 503)


@dataclass(slots=True, kw_only=True)
class Stage:
    """A world, and an auto-retry that may reach it."""

    world: World
    calls: OutboundCalls
    clock: Clock = field(default_factory=Clock)
    gate: Gate = field(default_factory=Gate)
    limits: dict[str, Any] = field(default_factory=dict)
    schemas: SchemaCheck = field(default_factory=lone_schema_check)

    async def heal(self, method: str = "GET", path: str = "/orders", **context: Json) -> Outcome:
        resume = context.pop("resume", None)
        request = {"method": method, "url": self.world.url(path)} | context
        failed = failure({"request": request} | ({"resume": resume} if resume else {}))
        strategy = AutoRetry(
            self.calls, redact_json, random=lambda: 0.5, sleep=self.clock.sleep, now=lambda: NOW, schemas=self.schemas
        )
        return outcome_of(
            await strategy.heal(task(strategy, failed, policy(self.world.port, **self.limits)), self.gate)
        )


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with http_world() as world, open_calls({}) as calls:
        yield Stage(world=world, calls=calls)


def verdicts(outcome: Outcome) -> dict[str, Verdict]:
    assert isinstance(outcome, Healed | NotHealed | Unknown)
    assert all(len(said.detail) <= 200 for said in outcome.proofs)
    return {said.oracle: said.verdict for said in outcome.proofs}


async def test_a_service_that_recovers_is_healed_with_its_answer(stage: Stage) -> None:
    stage.world.on("/orders", FAILS, Reply(drop=True), OK)
    outcome = await stage.heal()
    assert isinstance(outcome, Healed)
    assert verdicts(outcome) == {"status": Verdict.PASSED}
    assert outcome.recovered is not None
    assert outcome.recovered.body == {"id": 7, "state": "done"}
    assert (outcome.recovered.status, outcome.recovered.size) == (200, len(OK.body))
    assert outcome.recovered.digest.startswith("sha256:")
    assert stage.gate.begins == 3
    assert stage.clock.slept == [0.5, 0.05]
    tries = outcome.details["tries"]
    assert isinstance(tries, list)
    assert [(t["n"], t.get("status"), t.get("failure")) for t in tries if isinstance(t, dict)] == [
        (1, 503, None),
        (2, None, "RemoteProtocolError"),
        (3, 200, None),
    ]


async def test_a_service_that_stays_ill_is_not_healed(stage: Stage) -> None:
    stage.world.on("/orders", FAILS)
    outcome = await stage.heal()
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.NOT_HEALED
    assert "503" in outcome.reason
    assert len(stage.world.seen) == 3


@pytest.mark.parametrize(
    ("method", "reply", "dependency_unhealthy"),
    [
        ("GET", FAILS, True),
        ("GET", json_reply({}, 429), True),
        ("GET", json_reply({}, 429, headers=(("Retry-After", "60"),)), True),
        ("GET", json_reply({}, 503, headers=(("x-should-retry", "false"),)), True),
        ("GET", Reply(drop=True), True),
        ("GET", Reply(status=529), True),
        ("GET", Reply(status=522), True),
        ("POST", json_reply({}, 500), True),
        ("POST", Reply(cut=True, body=b"{}"), True),
        ("POST", json_reply({"ok": False}), False),
        ("GET", json_reply({"ok": False}), False),
        ("GET", json_reply({}, 404), False),
        ("GET", json_reply({}, 409), False),
        ("GET", json_reply({}, 501), False),
    ],
)
async def test_only_a_dependency_that_did_not_answer_well_is_called_ill(
    stage: Stage, method: str, reply: Reply, *, dependency_unhealthy: bool
) -> None:
    stage.world.on("/orders", reply)
    outcome = await stage.heal(method)
    assert isinstance(outcome, NotHealed | RetryLater | Unknown)
    assert outcome.dependency_unhealthy is dependency_unhealthy


async def test_one_that_recovered_and_lies_is_not_ill_and_neither_is_one_whose_answer_nobody_takes(
    stage: Stage,
) -> None:
    stage.world.on("/orders", FAILS, json_reply({"ok": False}), OK)
    stage.world.on("/resume", FAILS)
    lies, not_taken = await stage.heal(), await stage.heal(resume=resume(stage))
    assert isinstance(lies, NotHealed)
    assert isinstance(not_taken, NotHealed)
    assert not lies.dependency_unhealthy
    assert not not_taken.dependency_unhealthy


async def test_a_time_out_that_the_event_itself_made_too_short_is_nobodys_illness(stage: Stage) -> None:
    stage.world.on("/orders", Reply(never=True))
    outcome = await stage.heal(timeout_seconds=0.05)
    assert isinstance(outcome, NotHealed)
    assert not outcome.dependency_unhealthy
    # `not_healed` would say that the other side had answered.
    assert outcome.code is Code.UNVERIFIED


async def test_a_target_that_only_fails_is_left_alone_but_for_first_calls(stage: Stage) -> None:
    strategy = AutoRetry(stage.calls, redact_json, random=lambda: 0.0, sleep=stage.clock.sleep, monotonic=lambda: 0.0)
    stage.world.on("/orders", json_reply({}, 500))
    stage.world.on("/well", json_reply({}, 500), OK)
    allowed = policy(stage.world.port)
    ends = []
    for n in range(60):
        failed = failure({"request": {"method": "GET", "url": stage.world.url(f"/orders?{n}")}})
        ends.append(await strategy.heal(task(strategy, failed, allowed), stage.gate))
    assert all(isinstance(end, NotHealed) and end.dependency_unhealthy for end in ends)
    assert len(stage.world.calls("/orders")) == 60 + 500 // 14
    # Who asks for another organisation is not held up by it.
    other = replace(failure({"request": {"method": "GET", "url": stage.world.url("/well")}}), org_id=OrgId(uuid4()))
    assert isinstance(await strategy.heal(task(strategy, other, allowed), stage.gate), Healed)


async def test_a_target_that_recovers_gets_its_tries_back(stage: Stage) -> None:
    strategy = AutoRetry(stage.calls, redact_json, random=lambda: 0.0, sleep=stage.clock.sleep, monotonic=lambda: 0.0)
    stage.world.on("/orders", lambda n, _: json_reply({}, 500) if n % 2 else OK)
    allowed = policy(stage.world.port)
    for n in range(40):
        failed = failure({"request": {"method": "GET", "url": stage.world.url(f"/orders?{n}")}})
        assert isinstance(await strategy.heal(task(strategy, failed, allowed), stage.gate), Healed)


async def test_a_definite_no_is_asked_for_once(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({"detail": "bad"}, 422))
    outcome = await stage.heal()
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.NOT_HEALED
    assert len(stage.world.seen) == 1


async def test_a_keyed_call_carries_one_key_through_all_tries_and_acts_once(stage: Stage) -> None:
    did_it_but_failed = json_reply({"error": "late"}, 500, effect=True)
    stage.world.on("/orders", did_it_but_failed, Reply(drop=True), OK)
    outcome = await stage.heal("POST", body={"n": 1}, idempotency_key="order-7")
    assert isinstance(outcome, Healed)
    assert [seen.key for seen in stage.world.seen] == ["order-7"] * 3
    assert stage.world.performed("/orders") == 1
    assert stage.world.seen[0].json == {"n": 1}


@pytest.mark.parametrize(
    "reply", [json_reply({}, 500, effect=True), json_reply({}, 503), Reply(drop=True), Reply(status=302)]
)
async def test_an_unsafe_call_that_may_have_acted_is_not_repeated(stage: Stage, reply: Reply) -> None:
    stage.world.on("/orders", reply, OK)
    outcome = await stage.heal("POST")
    assert isinstance(outcome, Unknown)
    assert len(stage.world.seen) == 1
    assert stage.gate.begins == 1


async def test_an_unsafe_call_is_repeated_while_it_is_turned_away(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({}, 429), json_reply({}, 425), OK)
    assert isinstance(await stage.heal("POST"), Healed)
    assert stage.world.performed("/orders") == 1


async def test_a_call_that_never_left_is_tried_again_even_when_unsafe(stage: Stage) -> None:
    async with http_world() as gone:
        port = gone.port
    strategy = AutoRetry(stage.calls, redact_json, random=lambda: 0.0, sleep=stage.clock.sleep)
    failed = failure({"request": {"method": "POST", "url": f"http://127.0.0.1:{port}/"}})
    outcome = await strategy.heal(task(strategy, failed, policy(port)), stage.gate)
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.NOT_HEALED
    assert stage.gate.begins == 3


async def test_an_unsafe_success_that_cannot_be_verified_is_unknown_and_not_repeatable(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({"success": False}))
    outcome = await stage.heal("POST")
    assert isinstance(outcome, Unknown)
    assert verdicts(outcome)["body"] is Verdict.FAILED


@pytest.mark.parametrize(
    ("reply", "context"),
    [
        (json_reply({"error": {"code": 1}}), {}),
        (json_reply({"errors": ["x"], "data": None}), {}),
        (json_reply({"success": False}), {}),
        (json_reply({"status": "ERROR"}), {}),
        (page_reply("<!doctype html><h1>Sorry</h1>"), {"headers": {"accept": "application/json, */*"}}),
        (Reply(body=b"<html>", headers=(("Content-Type", "application/json"),)), {}),
        (Reply(), {"expect": {"json": [{"path": "/id", "exists": True}]}}),
        (page_reply("<p>"), {"expect": {"schema": {"type": "object"}}}),
    ],
)
async def test_a_lying_200_is_not_healed(stage: Stage, reply: Reply, context: dict[str, Any]) -> None:
    stage.world.on("/orders", reply)
    outcome = await stage.heal(**context)
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.UNVERIFIED
    assert verdicts(outcome) == {"status": Verdict.PASSED, "body": Verdict.FAILED}


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"error": None, "errors": [], "ok": True, "status": "done"}),
        json_reply([]),
        Reply(status=204),
        Reply(body=b"plain"),
        page_reply("<h1>Welcome</h1>"),
    ],
)
async def test_an_honest_success_is_believed(stage: Stage, reply: Reply) -> None:
    stage.world.on("/orders", reply)
    assert isinstance(await stage.heal(), Healed)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b'{"title": "x", "status": 409}', headers=(("Content-Type", "application/problem+json"),)),
        Reply(
            body=b"<e:Envelope xmlns:e='x'><e:Body><e:Fault/></e:Body></e:Envelope>",
            headers=(("Content-Type", "text/xml"),),
        ),
        Reply(headers=(("Content-Type", "application/grpc"), ("grpc-status", "14"))),
        Reply(body=b"event: error\ndata: {}\n\n", headers=(("Content-Type", "text/event-stream"),)),
        json_reply({"success": "false"}),
        Reply(headers=(("Content-Type", "application/json"),)),
        Reply(status=202, headers=(("Location", "/jobs/7"),)),
        json_reply([{"id": 1, "status": 200}, {"id": 2, "status": 500}], 207),
    ],
)
async def test_a_failure_inside_a_2xx_is_no_success(stage: Stage, reply: Reply) -> None:
    stage.world.on("/orders", reply)
    for method, context in (("GET", {}), ("POST", {"effect": "none", "body": {"q": 1}}), ("PUT", {"body": {"q": 1}})):
        outcome = await stage.heal(method, **context)
        assert isinstance(outcome, NotHealed)
        assert outcome.code is Code.UNVERIFIED
        assert verdicts(outcome)["body"] is not Verdict.PASSED
    assert isinstance(await stage.heal("POST", body={}), Unknown)
    assert len(stage.world.seen) == 4


@pytest.mark.parametrize(("seen", "kind"), [(OK, Healed), (json_reply({}, 404), NotHealed)])
async def test_an_accepted_call_is_followed_where_the_event_says_how(stage: Stage, seen: Reply, kind: type) -> None:
    stage.world.on("/orders", Reply(status=202, headers=(("Location", "/jobs/7"),)))
    stage.world.on("/jobs/7", json_reply({}, 404), seen)
    outcome = await stage.heal("PUT", body={}, read_back={"url": stage.world.url("/jobs/7"), "after_seconds": 4})
    assert isinstance(outcome, kind)
    assert len(stage.world.calls("/orders")) == 1
    assert len(stage.world.calls("/jobs/7")) > 1
    if isinstance(outcome, NotHealed):
        assert outcome.code is Code.UNVERIFIED


SCHEMA = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("expect", "oracle", "verdict"),
    [
        ({"schema": SCHEMA}, "schema", Verdict.PASSED),
        ({"schema": {"properties": {"id": {"type": "string"}}}}, "schema", Verdict.FAILED),
        ({"schema": {"properties": {"state": {"pattern": "^d"}}}}, "schema", Verdict.PASSED),
        ({"schema": {"properties": {"state": {"pattern": "^x"}}}}, "schema", Verdict.FAILED),
        ({"json": [{"path": "/state", "equals": "done"}]}, "expect", Verdict.PASSED),
        ({"json": [{"path": "/state", "equals": "open"}]}, "expect", Verdict.FAILED),
        ({"status": 200}, "status", Verdict.PASSED),
    ],
)
async def test_the_callers_expectation_decides(
    stage: Stage, expect: dict[str, Any], oracle: str, verdict: Verdict
) -> None:
    stage.world.on("/orders", OK)
    outcome = await stage.heal(expect=expect)
    assert verdicts(outcome)[oracle] is verdict
    assert isinstance(outcome, Healed if verdict is Verdict.PASSED else NotHealed)
    if isinstance(outcome, NotHealed):
        assert outcome.code is Code.NOT_HEALED


async def test_an_error_body_that_the_caller_expects_is_no_lie(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({"error": "gone"}, 404))
    assert isinstance(await stage.heal(expect={"status": [404, 410]}), Healed)


async def test_an_unusable_schema_refuses_before_any_call(stage: Stage) -> None:
    outcome = await stage.heal(expect={"schema": {"$ref": "http://127.0.0.1:9/x"}})
    assert isinstance(outcome, Refused)
    assert outcome.code is Code.REFUSED
    assert "expect.schema" in outcome.reason
    assert (stage.gate.begins, stage.world.seen) == (0, [])


async def test_an_answer_beyond_the_limit_is_not_healed(stage: Stage) -> None:
    stage.limits = {"response_bytes": 1024}
    stage.world.on("/orders", json_reply(["x" * 5000]))
    outcome = await stage.heal()
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.UNVERIFIED
    assert verdicts(outcome)["size"] is Verdict.INCONCLUSIVE


async def test_what_is_recovered_is_cut_and_redacted(stage: Stage) -> None:
    secret = "sk_live_0123456789abcdef"
    stage.world.on(
        "/orders", json_reply({"token": secret, "text": "x" * 70_000}), json_reply({"password": "hunter22", "n": 1})
    )
    long, short = await stage.heal(), await stage.heal()
    assert isinstance(long, Healed)
    assert isinstance(short, Healed)
    assert long.recovered is not None
    assert short.recovered is not None
    assert long.recovered.truncated
    assert isinstance(long.recovered.body, str)
    assert len(long.recovered.body) <= 64 * 1024
    assert short.recovered.body == {"password": "[redacted]", "n": 1}
    assert secret not in repr(long)


async def test_a_body_that_no_database_stores_is_made_storable(stage: Stage) -> None:
    stage.world.on("/orders", Reply(body=b'{"a": "\\u0000"}'), Reply(body=b"a\0b"), Reply(body=b"\xff\xfe\0"))
    outcomes = [await stage.heal() for _ in range(3)]
    bodies = [o.recovered.body for o in outcomes if isinstance(o, Healed) and o.recovered is not None]
    assert bodies == ['{"a": "\\u0000"}', "a\ufffdb", None]


async def test_a_short_retry_after_is_waited_for_in_place(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({}, 429, headers=(("Retry-After", "2"),)), OK)
    assert isinstance(await stage.heal(), Healed)
    assert stage.clock.slept == [2.0]


@pytest.mark.parametrize("value", ["60", "Sun, 01 Mar 2026 12:01:00 GMT"])
async def test_a_long_retry_after_becomes_a_timer(stage: Stage, value: str) -> None:
    stage.world.on("/orders", json_reply({}, 503, headers=(("Retry-After", value),)))
    outcome = await stage.heal()
    assert isinstance(outcome, RetryLater)
    assert outcome.after == timedelta(seconds=60)
    assert stage.clock.slept == []
    assert "tries" in outcome.details


@pytest.mark.parametrize("headers", [(("Retry-After", "1771404540"),), (("Retry-After", "1771404540000"),)])
async def test_a_retry_after_that_is_a_moment_long_past_is_no_wait(
    stage: Stage, headers: tuple[tuple[str, str], ...]
) -> None:
    stage.world.on("/orders", json_reply({}, 429, headers=headers), OK)
    assert isinstance(await stage.heal(), Healed)
    assert stage.clock.slept == [0.5]


async def test_a_retry_after_that_is_a_moment_to_come_becomes_a_timer(stage: Stage) -> None:
    moment = str(int(NOW.timestamp()) + 90)
    stage.world.on("/orders", json_reply({}, 429, headers=(("Retry-After", moment),)))
    outcome = await stage.heal()
    assert isinstance(outcome, RetryLater)
    assert outcome.after == timedelta(seconds=90)


@pytest.mark.parametrize(
    "status", [408, 420, 423, 460, 499, 509, 520, 521, 522, 523, 525, 526, 527, 529, 530, 598, 599]
)
async def test_a_status_that_may_pass_is_repeated_in_place(stage: Stage, status: int) -> None:
    stage.world.on("/orders", Reply(status=status), OK)
    assert isinstance(await stage.heal("POST", idempotency_key="k", body={}), Healed)
    assert [seen.key for seen in stage.world.seen] == ["k", "k"]


@pytest.mark.parametrize("status", [403])
async def test_a_refusal_with_a_wait_is_a_limit(stage: Stage, status: int) -> None:
    stage.world.on("/orders", Reply(status=status, headers=(("Retry-After", "2"),)), OK)
    assert isinstance(await stage.heal(), Healed)
    assert stage.clock.slept == [2.0]


async def test_the_other_sides_advice_not_to_retry_is_obeyed(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({}, 503, headers=(("Stripe-Should-Retry", "false"),)), OK)
    assert isinstance(await stage.heal(), NotHealed)
    assert len(stage.world.seen) == 1


async def test_no_wait_goes_beyond_the_claims_time(stage: Stage) -> None:
    stage.gate.left = timedelta(seconds=1)
    stage.world.on("/orders", json_reply({}, 429, headers=(("Retry-After", "2"),)), OK)
    assert isinstance(await stage.heal(), NotHealed)
    assert stage.clock.slept == []


async def test_a_call_is_bounded_by_the_time_that_remains(stage: Stage) -> None:
    stage.gate.left = timedelta(seconds=0.2)
    stage.world.on("/orders", Reply(never=True))
    outcome = await stage.heal()
    assert isinstance(outcome, NotHealed)
    assert "ReadTimeout" in repr(outcome.details)


async def test_a_request_may_ask_for_less_time(stage: Stage) -> None:
    stage.world.on("/orders", Reply(never=True), OK)
    assert isinstance(await stage.heal(timeout_seconds=0.2), Healed)


@pytest.mark.parametrize(
    "refusal",
    [DeadlinePassed("over"), LostClaim("lost"), RevokedClaim("decided")],
    ids=["deadline", "lost", "revoked"],
)
@pytest.mark.parametrize("at", [1, 2])
async def test_nothing_is_sent_past_a_closed_gate(stage: Stage, refusal: Exception, at: int) -> None:
    stage.gate.refuse_at, stage.gate.refusal = at, refusal
    stage.world.on("/orders", FAILS)
    with pytest.raises(type(refusal)):
        await stage.heal()
    assert len(stage.world.seen) == at - 1


async def test_no_time_left_after_the_gate_sends_nothing(stage: Stage) -> None:
    stage.gate.left = timedelta(0)
    with pytest.raises(DeadlinePassed):
        await stage.heal()
    assert stage.world.seen == []


@pytest.mark.parametrize(
    ("context", "code"),
    [({"url": "http://elsewhere.example/"}, Code.REFUSED), ({"url": "nonsense"}, Code.MISSING_CONTEXT)],
)
async def test_a_plan_that_no_longer_holds_is_refused_without_a_call(
    stage: Stage, context: dict[str, Any], code: Code
) -> None:
    outcome = await stage.heal(**context)
    assert isinstance(outcome, Refused)
    assert outcome.code is code
    assert stage.gate.begins == 0


def resume(stage: Stage) -> dict[str, Any]:
    return {"url": stage.world.url("/resume"), "headers": {"X-Run": "r1"}}


async def test_the_answer_is_handed_over_raw_under_the_attempts_id(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({"password": "hunter22"}))
    stage.world.on("/resume", FAILS, Reply(status=202))
    outcome = await stage.heal(resume=resume(stage))
    assert isinstance(outcome, Healed)
    assert verdicts(outcome)["handover"] is Verdict.PASSED
    first, second = stage.world.calls("/resume")
    assert first.key == second.key == first.json["attempt_id"]
    assert second.headers["x-run"] == "r1"
    assert second.json["org_id"] == str(ORG)
    assert second.json["workflow_name"] == "orders.sync"
    assert second.json["response"]["status"] == 200
    assert second.json["response"]["body"] == {"password": "hunter22"}
    assert "hunter22" not in repr(outcome)
    assert stage.gate.begins == 3


async def test_bytes_are_handed_over_as_base64(stage: Stage) -> None:
    stage.world.on("/orders", Reply(body=b"\xff\xd8\xff\0"))
    stage.world.on("/resume", Reply())
    assert isinstance(await stage.heal(resume=resume(stage)), Healed)
    response = stage.world.calls("/resume")[0].json["response"]
    assert response["encoding"] == "base64"
    assert base64.b64decode(response["body"]) == b"\xff\xd8\xff\0"


@pytest.mark.parametrize(("method", "kind"), [("GET", NotHealed), ("POST", Unknown)])
@pytest.mark.parametrize(("reply", "times"), [(FAILS, 3), (json_reply({}, 410), 1), (Reply(drop=True), 3)])
async def test_an_answer_that_nobody_takes_does_not_heal(
    stage: Stage, method: str, kind: type, reply: Reply, times: int
) -> None:
    stage.world.on("/orders", OK)
    stage.world.on("/resume", reply)
    outcome = await stage.heal(method, resume=resume(stage))
    assert isinstance(outcome, kind)
    assert verdicts(outcome)["handover"] is Verdict.FAILED
    assert len(stage.world.calls("/resume")) == times
    assert len(stage.world.calls("/orders")) == 1


async def test_a_hand_over_to_a_foreign_host_refuses_before_the_call(stage: Stage) -> None:
    outcome = await stage.heal(resume={"url": "http://elsewhere.example/"})
    assert isinstance(outcome, Refused)
    assert "context.resume" in outcome.reason
    assert stage.world.seen == []


async def test_a_lost_claim_before_the_hand_over_is_let_through(stage: Stage) -> None:
    stage.world.on("/orders", OK)
    stage.gate.refuse_at, stage.gate.refusal = 2, LostClaim("lost")
    with pytest.raises(LostClaim):
        await stage.heal(resume=resume(stage))
    assert stage.world.calls("/resume") == []


async def test_a_schema_that_explodes_does_not_count_as_proof(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({"s": "a" * 64 + "!"}))
    outcome = await stage.heal(expect={"schema": {"properties": {"s": {"pattern": "^(a+)+$"}}}})
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.UNVERIFIED
    assert verdicts(outcome)["schema"] is Verdict.INCONCLUSIVE


EXISTS = json_reply({"error": "already exists"}, 409)


async def test_what_exists_after_a_keyed_call_without_an_answer_was_made_by_it(stage: Stage) -> None:
    stage.world.on("/orders", Reply(drop=True, effect=True), EXISTS)
    outcome = await stage.heal("POST", body={"n": 1}, headers={"Idempotency-Key": "order-7"})
    assert isinstance(outcome, Healed)
    assert verdicts(outcome) == {"status": Verdict.PASSED}
    assert [seen.key for seen in stage.world.seen] == ["order-7"] * 2


async def test_what_exists_is_read_back_where_there_is_a_place(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({}, 502), EXISTS)
    stage.world.on("/orders/7", OK)
    look: Json = {"url": stage.world.url("/orders/7")}
    outcome = await stage.heal("POST", body={}, idempotency_key="k", read_back=look)
    assert isinstance(outcome, Healed)
    assert verdicts(outcome) == {"read_back": Verdict.PASSED}
    assert outcome.recovered is not None
    assert outcome.recovered.body == {"id": 7, "state": "done"}


@pytest.mark.parametrize("context", [{"expect": {"json": [{"path": "/id", "exists": True}]}}, {"resume": True}])
async def test_what_exists_is_unverified_where_its_answer_is_asked_for(stage: Stage, context: dict[str, Any]) -> None:
    stage.world.on("/orders", Reply(drop=True, effect=True), EXISTS)
    stage.world.on("/resume", Reply())
    given = context | ({"resume": resume(stage)} if "resume" in context else {})
    outcome = await stage.heal("POST", body={}, idempotency_key="k", **given)
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.UNVERIFIED
    assert "read_back" in outcome.reason
    assert stage.world.calls("/resume") == []


@pytest.mark.parametrize("status", [404, 410])
async def test_what_is_gone_after_a_deletion_without_an_answer_was_deleted_by_it(stage: Stage, status: int) -> None:
    stage.world.on("/orders", Reply(drop=True, effect=True), json_reply({"error": "no such order"}, status))
    assert isinstance(await stage.heal("DELETE"), Healed)


@pytest.mark.parametrize(("look", "kind"), [(json_reply({}, 404), Healed), (json_reply({"id": 7}), NotHealed)])
async def test_a_deletion_is_read_back_by_what_is_gone(
    stage: Stage, look: Reply, kind: type[Healed | NotHealed]
) -> None:
    stage.world.on("/orders", Reply(drop=True), json_reply({"error": "no such order"}, 404))
    stage.world.on("/look", look)
    told: Json = {"url": stage.world.url("/look"), "after_seconds": 0}
    assert isinstance(await stage.heal("DELETE", read_back=told), kind)


async def test_a_deletion_is_not_made_where_a_look_first_shows_that_it_is_gone(stage: Stage) -> None:
    stage.world.on("/look", json_reply({"error": "no such order"}, 410))
    outcome = await stage.heal("DELETE", read_back={"url": stage.world.url("/look"), "first": True})
    assert isinstance(outcome, Healed)
    assert stage.world.calls("/orders") == []


async def test_a_deletion_that_was_refused_is_no_success_when_it_is_refused_again(stage: Stage) -> None:
    stage.world.on("/orders", json_reply({}, 404))
    failed = failure(
        {"error": {"http_status": 404}, "request": {"method": "DELETE", "url": stage.world.url("/orders")}},
        reason="404",
    )
    strategy = AutoRetry(stage.calls, redact_json, random=lambda: 0.5, sleep=stage.clock.sleep, now=lambda: NOW)
    outcome = await strategy.heal(task(strategy, failed, policy(stage.world.port)), stage.gate)
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.NOT_HEALED


@pytest.mark.parametrize(
    "name",
    [
        *("Content-Encoding", "content-md5", "Digest", "Content-Digest", "X-Amz-Content-Sha256", "x-goog-hash", "ETag"),
        *("X-Content-Encoding", "Content-Crc32c", "X-Body-Sha512", "x-bz-content-sha1", "X-Payload-Checksum"),
    ],
)
async def test_headers_of_the_former_body_are_left_out_of_the_new_one(stage: Stage, name: str) -> None:
    stage.world.on("/orders", OK)
    headers: Json = {name: "gzip", "Content-Type": "application/json; charset=iso-8859-1", "If-Match": '"7"'}
    assert isinstance(await stage.heal("PUT", body={"a": "\u00e9"}, headers=headers), Healed)
    (seen,) = stage.world.seen
    assert name.lower() not in seen.headers
    assert seen.headers["content-type"] == "application/json; charset=utf-8"
    assert seen.headers["if-match"] == '"7"'
    assert seen.json == {"a": "\u00e9"}
