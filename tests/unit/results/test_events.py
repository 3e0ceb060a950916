"""What is published: of the contract's form, under stable ids, and small enough."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from consumer.catalog import WorkflowPolicy
from consumer.model import (
    Ask,
    DeadLetter,
    Diagnosed,
    Heal,
    Healed,
    Intent,
    Message,
    MicroAud,
    NotHealed,
    Outcome,
    Proof,
    Record,
    Scope,
    Trace,
)
from consumer.model.approval import PlanRequest
from consumer.model.message import message_size
from consumer.results.asked import settle_ask
from consumer.results.events import dead_letter_message, shortened, truncate
from consumer.results.settlement import settle_heal
from schemas.dead_letter import read_headers
from schemas.envelope import parse
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE, FailureStatus, HealResult
from schemas.names import Code, Effect, PoisonReason, StrategyName, Verdict
from tests.support.ends import DIAGNOSIS, FAILURE, OUTCOMES, OUTLET, RECOVERED, ended, settlement
from tests.support.healing import NOW
from tests.support.paths import ROOT

MODELS: dict[str, type[HealResult | FailureStatus]] = {HEAL_RESULT_TYPE: HealResult, FAILURE_STATUS_TYPE: FailureStatus}


def is_of_the_contract(message: Message) -> HealResult | FailureStatus:
    """By the models, and by the JSON Schema that readers in other languages go by."""
    envelope = parse(message.body, message.headers, accepts=MODELS)
    assert envelope.type is not None
    schema = json.loads((ROOT / "schemas" / "generated" / f"{envelope.type}.schema.json").read_text())
    faults = list(Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(envelope.data))
    assert faults == []
    assert (envelope.subject or "").encode() == message.key
    return MODELS[envelope.type].model_validate(envelope.data)


def shape_of(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(message.body or b"")
    return told


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_every_message_is_of_the_contract(outcome: Outcome) -> None:
    for message in settlement(outcome).messages:
        told = is_of_the_contract(message)
        assert told.failure_id == FAILURE.id
        assert not told.truncated


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_every_message_is_of_the_contract_when_it_is_cut(outcome: Outcome) -> None:
    for message in settlement(outcome).messages:
        told = is_of_the_contract(replace(message, body=shortened(message.body or b"")))
        assert told.truncated
        assert told.read_more == f"/api/healing/failures/{FAILURE.id}/attempts"


def test_a_result_tells_how_sure_the_diagnosis_is_also_when_it_is_cut() -> None:
    message = settlement(OUTCOMES["healed"]).messages[0]
    for told in (message, replace(message, body=shortened(message.body or b"", least=True))):
        result = is_of_the_contract(told)
        assert isinstance(result, HealResult)
        assert result.confidence == DIAGNOSIS.confidence


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_ids_are_the_same_however_often_it_is_told(outcome: Outcome) -> None:
    first, again = settlement(outcome).messages, settlement(outcome).messages
    assert [(m.id, m.body) for m in first] == [(m.id, m.body) for m in again]
    assert len({m.id for m in first}) == len(first)
    later = settlement(outcome, step=1).messages
    assert {m.id for m in first} & {m.id for m in later} == set()


def test_the_event_ids_are_the_attempts_and_the_failures_step() -> None:
    attempt, status = settlement(OUTCOMES["unknown"], step=2).messages
    told = is_of_the_contract(attempt)
    assert isinstance(told, HealResult)
    assert shape_of(attempt)["id"] == str(told.attempt_id)
    assert shape_of(status)["id"] == f"{FAILURE.id}:3:{told.attempt_id.hex[:8]}"
    assert (attempt.step, attempt.rank, status.step, status.rank) == (2, 0, 2, 1)


@pytest.mark.parametrize(
    ("outcome", "status", "waits_on"),
    [
        ("healed", None, None),
        ("not healed", None, None),
        ("crashed", None, None),
        ("asked to wait", "deferred", "time"),
        ("no credits", "deferred", "credits"),
        ("missing context", "given_up", None),
        ("unknown", "needs_person", "person"),
    ],
)
def test_a_status_that_no_attempt_tells_has_an_event_of_its_own(
    outcome: str, status: str | None, waits_on: str | None
) -> None:
    messages = settlement(OUTCOMES[outcome]).messages
    statuses = [m for m in map(is_of_the_contract, messages) if isinstance(m, FailureStatus)]
    assert [one.status for one in statuses] == ([status] if status else [])
    assert [one.waits_on for one in statuses] == ([waits_on] if status else [])
    assert all((one.due_at is not None) is (status == "deferred") for one in statuses)


def test_a_healed_one_tells_its_proof_its_answer_and_what_it_cost() -> None:
    (message,) = settlement(OUTCOMES["healed"]).messages
    told = is_of_the_contract(message)
    assert isinstance(told, HealResult)
    assert (told.result, told.code, told.status) == ("success", None, "resolved")
    assert [proof.oracle for proof in told.evidence] == ["json_schema", "handover"]
    assert told.recovered is not None
    assert (told.recovered.body, told.recovered.bytes) == (RECOVERED.body, RECOVERED.size)
    assert told.handover is not None
    assert told.handover.delivered
    assert (str(told.credits.held), str(told.credits.spent)) == ("0.05", "0.000001")
    assert shape_of(message)["traceparent"] == FAILURE.trace.traceparent if FAILURE.trace else False


def test_nothing_is_cut_below_the_limit_and_everything_above_it() -> None:
    large = NotHealed(code=Code.NOT_HEALED, reason="no", details={"text": "x" * 20_000})
    small = replace(OUTLET, max_bytes=8192)
    whole, shrunk = settlement(large).messages[0], settlement(large, outlet=small).messages[0]
    assert len(whole.body or b"") > 20_000
    assert len(shrunk.body or b"") < 8192 - 2048
    assert (whole.id, whole.key) == (shrunk.id, shrunk.key)
    assert truncate(whole, 900_000) is whole


TRACE = Trace(traceparent=f"00-{'1' * 32}-{'2' * 16}-01", tracestate="s" * 512)


STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
"""What decode lets through the door."""


@given(
    name=st.text(STORABLE, max_size=512) | st.integers(1, 512).map("\x01".__mul__),
    text=st.text(STORABLE, max_size=3000) | st.integers(0, 20_000).map('"'.__mul__),
    proofs=st.integers(0, 30),
    trace=st.sampled_from([None, TRACE]),
    limit=st.integers(2048, 30_000),
)
def test_any_result_is_cut_to_any_limit_and_is_of_the_contract(
    name: str, text: str, proofs: int, trace: Trace | None, limit: int
) -> None:
    failure = replace(FAILURE, workflow_name=name, trace=trace)
    proof = Proof(oracle="json_schema", verdict=Verdict.PASSED, detail=text)
    outcome = NotHealed(code=Code.NOT_HEALED, reason=text, details={"text": text}, proofs=(proof,) * proofs)
    spacious = replace(OUTLET, max_bytes=10_000_000)
    end = replace(ended(outcome), failure=failure)
    for whole in settle_heal(end, WorkflowPolicy(name="*", attempts=3), 0.5, spacious).messages:
        short = truncate(whole, limit)
        assert message_size(short) <= limit
        assert (short.id, short.key) == (whole.id, whole.key)
        assert is_of_the_contract(short).truncated is (short is not whole)


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b"{}", b'{"data": 7}', b'{"source": "urn:shw:healer", "data": {}}', b"\xff"]
)
def test_what_is_none_of_our_events_is_emptied(body: bytes) -> None:
    assert shortened(body) == b""


def test_what_no_bytes_can_hold_does_not_stop_the_telling() -> None:
    text = "half \ud800 pair"
    hostile = Healed(proofs=(), recovered=replace(RECOVERED, body={"text": text}), details={"said": text})
    (message,) = settlement(hostile).messages
    told = is_of_the_contract(message)
    assert isinstance(told, HealResult)
    assert told.details == {"said": "half ? pair"}


def test_a_dead_letter_is_the_record_itself_under_an_id_of_its_place() -> None:
    record = Record(
        topic="t", partition=3, offset=9, timestamp_ms=1, key=b"k", value=b"\xff\x00raw", headers=(("h", b"\xfe"),)
    )
    letter = DeadLetter(record=record, reason=PoisonReason.NOT_JSON, message="no JSON")
    message = dead_letter_message(letter, OUTLET, NOW)
    assert (message.topic, message.key, message.body) == ("dlq", b"k", b"\xff\x00raw")
    assert ("h", b"\xfe") in message.headers
    said = read_headers(message.headers)
    assert said is not None
    assert (said.shw_dlq_topic, said.shw_dlq_partition, said.shw_dlq_offset) == ("t", 3, 9)
    assert dead_letter_message(letter, OUTLET, NOW).id == message.id
    elsewhere = replace(letter, record=replace(record, offset=10))
    assert dead_letter_message(elsewhere, OUTLET, NOW).id != message.id
    assert isinstance(message.id, UUID)


def test_a_cut_question_keeps_what_an_answer_needs_and_says_where_the_plan_is() -> None:
    heal = Heal(
        strategy=StrategyName.AUTO_RETRY,
        intent=Intent(scope=Scope("s"), effect=Effect.KEYED, window=timedelta(seconds=1)),
        hold=MicroAud(50_000),
        catalog_version="v",
    )
    request = PlanRequest(
        strategy=heal.strategy,
        rung="auto-retry",
        plan={"order": "x" * 100_000},
        plan_hash="a" * 64,
        base_hash="a" * 64,
        why=("marked",),
        asked=1,
        asks=3,
        valid_for=timedelta(hours=1),
        approvers=1,
        self_approval=True,
    )
    ask = Ask(heal=heal, request=request)
    diagnosed = Diagnosed(failure=FAILURE, diagnosis=DIAGNOSIS, plan=ask)
    (whole,) = settle_ask(diagnosed, ask, NOW, replace(OUTLET, max_bytes=900_000)).messages
    (cut,) = settle_ask(diagnosed, ask, NOW, replace(OUTLET, max_bytes=4_000)).messages
    told, short = shape_of(whole)["data"], shape_of(cut)["data"]
    assert told["approval"]["plan"] == request.plan
    assert is_of_the_contract(cut).truncated
    for name in ("plan_hash", "expires_at", "strategy", "credits", "asked", "approvers"):
        assert short["approval"][name] == told["approval"][name]
    assert (short["approval"]["plan"], short["step"]) == ({}, told["step"])
    assert short["read_more"] == f"/api/healing/failures/{FAILURE.id}/plan"
