import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import kafka
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel

from schemas import examples, refused_examples
from schemas.asset import AssetContext
from schemas.bulk import BulkProgress
from schemas.context import (
    ContextFault,
    ErrorContext,
    ReadBack,
    RequestContext,
    RunContext,
    asset_of,
    error_of,
    payload_of,
    request_of,
    resume_of,
    run_of,
)
from schemas.dead_letter import PREFIX, SMALLEST_LETTER, RefusedRecord, cut_letter, dead_letter, read_headers
from schemas.documents import GENERATED, differences, write
from schemas.envelope import Envelope, EnvelopeError, Form, encode, encode_binary, parse
from schemas.events import SOURCE, status_event_id
from schemas.failure import WorkflowFailure, decode_failure
from schemas.failure_refused import FailureRefused
from schemas.heal_result import BudgetWarning, Credits, FailureStatus, HealResult, PauseStatus
from schemas.names import Code, CommandName, Effect, EngineType, FailureType, PoisonReason, Result, Status, StrategyName
from schemas.record_size import record_size
from schemas.supervision import CommandResult, Heartbeat, decode_command, decode_heartbeat
from schemas.workflow import WorkflowDefinition

ALL_EXAMPLES = (
    examples.failure(),
    examples.heal_result(),
    examples.failure_status(),
    examples.budget_warning(),
    examples.pause(),
    examples.command_result(),
    examples.bulk_progress(),
    examples.dependency_binding(),
    examples.definition_change(),
    refused_examples.failure_refused(),
    *examples.commands(),
    examples.heartbeat(),
)
MODELS: dict[str, type[BaseModel]] = {
    "workflow.failure.v1": WorkflowFailure,
    "workflow.heal_result.v1": HealResult,
    "workflow.failure_status.v1": FailureStatus,
    "workflow.budget_warning.v1": BudgetWarning,
    "workflow.pause.v1": PauseStatus,
    "workflow.command_result.v1": CommandResult,
    "workflow.bulk_progress.v1": BulkProgress,
    "workflow.failure_refused.v1": FailureRefused,
    "workflow.heartbeat.v1": Heartbeat,
}
GET = {"method": "get", "url": "https://a.example/x"}


def document(name: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((GENERATED / name).read_text(encoding="utf-8"))
    return whole


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def by_id(event: Envelope) -> str:
    return str(event.id)


# The peer: the CloudEvents SDK's own Kafka binding.


Record = tuple[bytes, list[tuple[str, bytes]]]


def peer_reads(record: Record) -> BaseCloudEvent:
    value, headers = record
    return kafka.from_kafka_event(kafka.KafkaMessage(headers=dict(headers), key=None, value=value))


@pytest.mark.parametrize("event", ALL_EXAMPLES, ids=by_id)
@pytest.mark.parametrize("write_event", [encode, encode_binary])
def test_the_cloudevents_sdk_reads_what_we_write(event: Envelope, write_event: Callable[[Envelope], Record]) -> None:
    read = peer_reads(write_event(event))
    assert read.get_specversion() == "1.0"
    assert (read.get_id(), read.get_source(), read.get_type()) == (event.id, event.source, event.type)
    assert (read.get_subject(), read.get_time()) == (event.subject, event.time)
    assert read.get_extension("traceparent") == event.traceparent
    assert read.get_data() == event.data


@pytest.mark.parametrize("event", ALL_EXAMPLES, ids=by_id)
@pytest.mark.parametrize(
    ("peer_writes", "form"),
    [(kafka.to_structured_event, Form.STRUCTURED), (kafka.to_binary_event, Form.BINARY)],
    ids=["structured", "binary"],
)
def test_we_read_what_the_cloudevents_sdk_writes(
    event: Envelope, peer_writes: Callable[[BaseCloudEvent], kafka.KafkaMessage], form: Form
) -> None:
    message = peer_writes(peer_reads(encode(event)))
    read = parse(message.value, list(message.headers.items()), accepts=[str(event.type)])
    assert read.form is form
    assert (read.id, read.source, read.type, read.subject, read.time, read.traceparent, read.data) == (
        event.id,
        event.source,
        event.type,
        event.subject,
        event.time,
        event.traceparent,
        event.data,
    )


# The documents.


def test_the_generated_documents_are_up_to_date() -> None:
    assert differences() == []


def test_a_changed_a_missing_and_a_stale_document_are_each_told(tmp_path: Path) -> None:
    write(tmp_path)
    assert differences(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}", encoding="utf-8")
    (tmp_path / "context.schema.json").unlink()
    (tmp_path / "old.schema.json").write_text("{}", encoding="utf-8")
    told = differences(tmp_path)
    assert [line.split(";")[0] for line in told] == [
        "asyncapi.json: differs from the models",
        "context.schema.json: missing",
        "old.schema.json: no longer generated",
    ]
    write(tmp_path)
    assert differences(tmp_path) == []


@pytest.mark.parametrize("event", ALL_EXAMPLES, ids=by_id)
def test_every_example_follows_its_json_schema(event: Envelope) -> None:
    checked = validator(document(f"{event.type}.schema.json"))
    assert [error.message for error in checked.iter_errors(event.data)] == []


def test_the_examples_context_follows_the_documented_one() -> None:
    context = examples.failure().data["context"]
    assert [error.message for error in validator(document("context.schema.json")).iter_errors(context)] == []


def test_the_json_schema_refuses_what_the_model_refuses() -> None:
    checked = validator(document("workflow.failure.v1.schema.json"))
    sound = examples.failure().data
    changes: tuple[dict[str, Any], ...] = (
        {"org_id": "acme"},
        {"workflow_name": ""},
        {"context": []},
        {"detected_at": "today"},
    )
    for change in changes:
        assert not checked.is_valid(sound | change), change
        with pytest.raises(EnvelopeError):
            decode_failure(sound | change)


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    whole = document("asyncapi.json")
    references = list(references_in(whole))
    assert len(references) > len(ALL_EXAMPLES)
    for reference in references:
        place = whole
        for step in reference.removeprefix("#/").split("/"):
            place = place[step.replace("~1", "/").replace("~0", "~")]
        assert place


def references_in(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references_in(item)]
    return [found for item in value for found in references_in(item)] if isinstance(value, list) else []


def test_every_example_of_the_asyncapi_document_follows_its_message() -> None:
    whole = document("asyncapi.json")
    counted = 0
    for message in whole["components"]["messages"].values():
        for part in ("headers", "payload"):
            schema = {**message[part], "components": whole["components"]}
            for example in message["examples"]:
                errors = [error.message for error in validator(schema).iter_errors(example[part])]
                assert errors == [], (message["name"], part)
                counted += 1
    assert counted == 2 * (len(ALL_EXAMPLES) + 1)


def test_an_example_that_is_spoilt_no_longer_follows_its_message() -> None:
    whole = document("asyncapi.json")
    for name, message in whole["components"]["messages"].items():
        if name == "dead_letter":
            continue
        schema = {**message["payload"], "components": whole["components"]}
        payload = message["examples"][0]["payload"]
        spoilt = payload | {"data": payload["data"] | {"org_id": "acme"}}
        assert not validator(schema).is_valid(spoilt), name


def test_the_asyncapi_document_names_every_topic_of_the_contract() -> None:
    channels = document("asyncapi.json")["channels"]
    assert {channel["address"] for channel in channels.values()} == {
        "workflow.failures",
        "workflow.heal-results",
        "workflow.failures.dlq",
        "maos.heal-commands",
        "workflow.heartbeats",
    }


def test_every_operation_speaks_of_messages_of_its_channel() -> None:
    whole = document("asyncapi.json")
    for operation in whole["operations"].values():
        channel = operation["channel"]["$ref"]
        assert operation["action"] in ("send", "receive")
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_every_field_of_every_message_is_described() -> None:
    for path in GENERATED.glob("workflow.*.schema.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        for model in (schema, *schema.get("$defs", {}).values()):
            for name, field in model.get("properties", {}).items():
                assert field.get("description") or field.get("const"), f"{path.name}: {model.get('title')}.{name}"


# The models.

extra_fields = st.dictionaries(
    st.from_regex(r"x_[a-z]{1,8}", fullmatch=True),
    st.integers() | st.text(max_size=9) | st.lists(st.booleans(), max_size=3),
)


@given(extra_fields, extra_fields)
def test_unknown_fields_survive_a_round_trip(data: dict[str, Any], context: dict[str, Any]) -> None:
    sent = examples.failure().data | data
    sent["context"] = sent["context"] | context
    assert decode_failure(sent).model_dump(mode="json") == sent


@pytest.mark.parametrize("event", [event for event in ALL_EXAMPLES if event.type in MODELS], ids=by_id)
def test_a_message_read_and_written_is_the_same(event: Envelope) -> None:
    data = event.data | {"x_new": {"a": [1]}}
    assert MODELS[str(event.type)].model_validate(data).model_dump(mode="json") == data


def test_the_least_failure_has_an_empty_context_and_no_time() -> None:
    least = {"org_id": str(examples.ORGANISATION), "workflow_name": "w", "failure_reason": ""}
    for data in (least, least | {"context": None, "detected_at": None}):
        failure = decode_failure(data)
        assert (failure.org_id, failure.context, failure.detected_at) == (examples.ORGANISATION, {}, None)


def test_a_failure_cannot_be_changed() -> None:
    failure = decode_failure(examples.failure().data)
    with pytest.raises(ValueError, match="frozen"):
        failure.workflow_name = "other"


@pytest.mark.parametrize(
    "context",
    [{"error": "boom"}, {"error": [1]}, {"request": 7}, {"run": "r"}, {"expect": None}, {"schema": 3}],
    ids=repr,
)
def test_an_odd_context_is_kept_and_never_poison(context: dict[str, Any]) -> None:
    assert decode_failure(examples.failure().data | {"context": context}).context == context


def test_ids_of_our_events_are_the_same_however_often_they_are_made() -> None:
    failure = UUID("0b7f6c1e-9f0d-5a44-8d2b-6f3a1c9e7d55")
    assert status_event_id(failure, 3) == "0b7f6c1e-9f0d-5a44-8d2b-6f3a1c9e7d55:3"
    assert examples.failure_status().id == status_event_id(examples.FAILURE, 3)
    assert examples.heal_result().id == str(examples.ATTEMPT)
    for event in (examples.heal_result(), examples.failure_status()):
        assert (event.source, event.subject) == (SOURCE, str(examples.FAILURE))


def test_money_is_written_as_plain_decimal_strings() -> None:
    written = Credits(held=Decimal("1E+2"), spent=Decimal("0.000001")).model_dump(mode="json")
    assert written == {"held": "100", "spent": "0.000001", "budget": "text"}
    assert examples.heal_result().data["credits"] == {"held": "0.05", "spent": "0.01", "budget": "text"}


def test_the_names_are_the_designs() -> None:
    assert [each.value for each in StrategyName] == [
        "auto-retry",
        "auto-regenerate",
        "schema-autofix",
        "route-repair",
        "dependency-replacement",
        "DeepAgent-full-workflow-rewrite",
    ]
    assert [each.value for each in FailureType] == [
        "api_timeout",
        "invalid_schema",
        "workflow_stall",
        "missing_image",
        "voice_generation_error",
        "billing_sync_issue",
        "concierge_action_failure",
        "unknown",
    ]
    assert {each.value for each in Result} == {"success", "failed", "error", "unknown"}
    statuses = {"pending", "deferred", "awaiting_approval", "needs_person", "resolved", "given_up"}
    assert {each.value for each in Status} == statuses
    assert len(Code) == 17
    assert {each.value for each in EngineType} == {"claude_cli", "deep_agent", "gemini_image", "internal_service"}


# The context.


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, {}),
        ({"error": "boom"}, {"message": "boom"}),
        ({"error": 7}, {}),
        (
            {"error_code": "E1", "exception_type": "T", "http_status": 503},
            {"code": "E1", "type": "T", "http_status": 503},
        ),
        ({"error": {"code": "inner"}, "error_code": "outer"}, {"code": "inner"}),
        ({"error": {"code": 42, "http_status": "503"}}, {"code": "42", "http_status": 503}),
        ({"error": {"http_status": "odd", "headers": [], "provider": "p"}}, {"provider": "p", "headers": {}}),
        ({"http_status": 9999}, {}),
    ],
)
def test_error_details_are_read_for_what_they_are_worth(context: dict[str, Any], expected: dict[str, Any]) -> None:
    assert error_of(context) == ErrorContext(**expected)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
error_details = st.dictionaries(st.sampled_from([*ErrorContext.model_fields, "x_new"]), anything, max_size=4)


@given(
    st.fixed_dictionaries(
        {},
        optional={"error": error_details | anything, "error_code": anything, "exception_type": anything}
        | {"http_status": anything},
    )
)
def test_no_context_breaks_reading_its_error(context: dict[str, Any]) -> None:
    assert isinstance(error_of(context), ErrorContext)


def test_a_request_is_read_whole() -> None:
    request = request_of(examples.failure().data["context"])
    assert isinstance(request, RequestContext)
    assert (request.method, request.effect, request.idempotency_header) == ("POST", Effect.KEYED, "Idempotency-Key")
    assert request.headers == {"authorization": "secret://INVOICES_TOKEN"}
    assert request.expect is not None
    assert request.expect.status == (200, 201)
    assert request.expect.json_[0].one_of == ("open", "paid")
    assert isinstance(request.read_back, ReadBack)
    assert request.read_back.method == "GET"


def test_a_part_that_is_absent_or_null_is_none() -> None:
    for context in ({}, {"request": None, "run": None, "asset": None, "resume": None}):
        assert [read(context) for read in (request_of, run_of, asset_of, resume_of, payload_of)] == [None] * 5


def test_the_names_of_all_that_is_missing_are_told() -> None:
    assert request_of({"request": {}}) == ContextFault(
        path="context.request.method",
        message="is missing",
        missing=("context.request.method", "context.request.url"),
    )


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"url": "ftp://a.example/"}, "context.request.url"),
        ({"url": "https://a.example/ x"}, "context.request.url"),
        ({"method": "GET /"}, "context.request.method"),
        ({"headers": {"x": "a\r\nhost: b"}}, "context.request.headers.x"),
        ({"headers": {"bad name": "a"}}, "context.request.headers.bad name"),
        ({"effect": "maybe"}, "context.request.effect"),
        ({"idempotency_key": "a b"}, "context.request.idempotency_key"),
        ({"timeout_seconds": 0}, "context.request.timeout_seconds"),
        ({"expect": {"status": "9xx"}}, "context.request.expect.status"),
        ({"expect": {"status": [200, 1]}}, "context.request.expect.status"),
        ({"expect": {"json": [{"path": "/a"}]}}, "context.request.expect.json.0"),
        ({"expect": {"json": [{"equals": 1}]}}, "context.request.expect.json.0.path"),
        ({"read_back": {}}, "context.request.read_back.url"),
        ({"read_back": {"url": "https://a.example/", "method": "POST"}}, "context.request.read_back.method"),
        ({"read_back": {"url": "https://a.example/", "after_seconds": -1}}, "context.request.read_back.after_seconds"),
        ({"read_back": {"url": "https://a.example/", "after_seconds": 301}}, "context.request.read_back.after_seconds"),
        (
            {"read_back": {"url": "https://a.example", "method": "head", "absent": {"json": [{"path": "", "min": 0}]}}},
            "context.request.read_back",
        ),
    ],
    ids=repr,
)
def test_a_fault_in_a_request_names_its_place(change: dict[str, Any], path: str) -> None:
    fault = request_of({"request": GET | change})
    assert isinstance(fault, ContextFault)
    assert fault.path.startswith(path)


def test_a_part_that_is_no_object_is_a_fault_at_its_name() -> None:
    fault = request_of({"request": "GET /x"})
    assert isinstance(fault, ContextFault)
    assert (fault.path, fault.missing) == ("context.request", ())


@pytest.mark.parametrize(
    ("request_part", "effect"),
    [
        ({"method": "GET"}, Effect.NONE),
        ({"method": "PUT"}, Effect.IDEMPOTENT),
        ({"method": "POST"}, Effect.UNSAFE),
        ({"method": "PATCH", "idempotency_key": "k"}, Effect.KEYED),
        ({"method": "GET", "effect": "unsafe"}, Effect.UNSAFE),
    ],
    ids=repr,
)
def test_an_undeclared_effect_is_what_http_says_of_the_method(request_part: dict[str, Any], effect: Effect) -> None:
    request = request_of({"request": GET | request_part})
    assert isinstance(request, RequestContext)
    assert request.effect_or_default is effect


def test_a_demand_that_something_be_null_is_a_demand() -> None:
    request = request_of({"request": GET | {"expect": {"json": [{"path": "/error", "equals": None}]}}})
    assert isinstance(request, RequestContext)
    assert request.expect is not None
    assert "equals" in request.expect.json_[0].model_fields_set


def test_a_payload_of_null_is_a_payload() -> None:
    payload = payload_of({"payload": None, "schema": {"type": "object"}})
    assert payload is not None
    assert not isinstance(payload, ContextFault)
    assert (payload.payload, payload.schema_) == (None, {"type": "object"})


def test_a_run_keeps_its_plan_and_refuses_an_engine_outside_the_list() -> None:
    step = {"stepId": "a", "agentName": "writer", "engineType": "deep_agent", "action": "draft"}
    run = run_of({"run": {"id": 7, "plan": [step]}})
    assert isinstance(run, RunContext)
    assert run.id == "7"
    assert run.plan is not None
    assert run.plan[0].engine_type is EngineType.DEEP_AGENT
    fault = run_of({"run": {"id": "r", "plan": [step, step | {"engineType": "bash"}]}})
    assert isinstance(fault, ContextFault)
    assert fault.path == "context.run.plan.1.engineType"


def test_an_asset_needs_only_its_id() -> None:
    assert isinstance(asset_of({"asset": {"id": "img-1"}}), AssetContext)


def test_a_definition_comes_back_in_the_orchestrators_spelling() -> None:
    plan = [
        {
            "stepId": "a",
            "agentName": "painter",
            "engineType": "gemini_image",
            "action": "paint",
            "parameters": {"size": 3},
            "dependencies": ["b"],
            "x_new": 1,
        }
    ]
    definition = {"name": "cover", "version": "3", "plan": plan}
    assert WorkflowDefinition.model_validate(definition).model_dump(mode="json", by_alias=True) == definition


# Supervision.


@pytest.mark.parametrize("event", examples.commands(), ids=by_id)
def test_every_command_is_read_as_its_own_kind(event: Envelope) -> None:
    command = decode_command(event.data)
    assert command.command == event.data["command"]
    assert type(command).__name__.lower() == event.data["command"].replace("_", "")
    assert command.model_dump(mode="json", exclude_unset=True) == event.data


def test_there_is_an_example_of_every_command() -> None:
    assert {event.data["command"] for event in examples.commands()} == set(CommandName)


@pytest.mark.parametrize(
    ("change", "kind", "where"),
    [
        ({"command": "explode"}, PoisonReason.WRONG_SHAPE, "data.command: must be one of approve, deny, heal"),
        ({"command": None}, PoisonReason.WRONG_SHAPE, "data.command"),
        ({"plan_hash": "abc"}, PoisonReason.WRONG_SHAPE, "data.plan_hash"),
        ({"failure_id": 7}, PoisonReason.WRONG_SHAPE, "data.failure_id"),
        ({"issued_by": ""}, PoisonReason.WRONG_SHAPE, "data.issued_by"),
        ({"command": "pause", "until": "soon"}, PoisonReason.BAD_TIME, "data.until"),
        ({"strategey": "auto-retry"}, PoisonReason.WRONG_SHAPE, "data.strategey"),
    ],
    ids=repr,
)
def test_a_command_at_fault_is_refused_with_the_place(change: dict[str, Any], kind: PoisonReason, where: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        decode_command(examples.commands()[0].data | change)
    assert caught.value.kind is kind
    assert caught.value.message.startswith(where)


def test_a_heartbeat_at_fault_is_refused_with_the_place() -> None:
    assert decode_heartbeat(examples.heartbeat().data).run_id == "run-2291"
    with pytest.raises(EnvelopeError, match=r"data\.beat_at") as caught:
        decode_heartbeat(examples.heartbeat().data | {"beat_at": 12})
    assert caught.value.kind is PoisonReason.BAD_TIME


# Dead letters.


def refused(**changes: object) -> RefusedRecord:
    facts: dict[str, Any] = {
        "topic": "workflow.failures",
        "partition": 1,
        "offset": 42,
        "timestamp": examples.NOON,
        "value": b"\xff\x00raw",
        "headers": [("ce_id", b"\xfe"), ("empty", None)],
        "reason": PoisonReason.NOT_JSON,
        "message": "not JSON",
    }
    return RefusedRecord(**facts | changes)


def test_a_dead_letter_is_the_record_with_where_it_came_from_and_why() -> None:
    value, headers = dead_letter(refused(), now=examples.NOON, max_value_bytes=100)
    assert value == b"\xff\x00raw"
    assert headers[:2] == [("ce_id", b"\xfe"), ("empty", b"")]
    read = read_headers(headers)
    assert read is not None
    assert (read.shw_dlq_reason, read.shw_dlq_topic) == (PoisonReason.NOT_JSON, "workflow.failures")
    assert (read.shw_dlq_partition, read.shw_dlq_offset, read.shw_dlq_bytes) == (1, 42, 5)
    assert (read.shw_dlq_timestamp, read.shw_dlq_at) == (examples.NOON, examples.NOON)
    assert (read.shw_dlq_truncated, read.shw_dlq_sha256) == (False, sha256(value).hexdigest())


def test_a_dead_letter_too_large_is_cut_with_the_digest_of_the_whole() -> None:
    whole = b"x" * 1000
    value, headers = dead_letter(refused(value=whole), now=examples.NOON, max_value_bytes=10)
    read = read_headers(headers)
    assert read is not None
    assert (value, read.shw_dlq_bytes, read.shw_dlq_truncated) == (b"x" * 10, 1000, True)
    assert read.shw_dlq_sha256 == sha256(whole).hexdigest()


def test_a_letter_that_fits_is_not_cut() -> None:
    value, headers = dead_letter(refused(), now=examples.NOON, max_value_bytes=100)
    assert cut_letter(b"k" * 5000, value, headers, 8192) == (b"k" * 5000, value, headers)


def test_a_header_name_that_is_no_utf_8_is_written_as_an_escape() -> None:
    _, headers = dead_letter(refused(headers=[("a\udcff", b"x")]), now=examples.NOON, max_value_bytes=100)
    assert headers[0] == ("a\\udcff", b"x")


HEADER_NAMES = st.text(max_size=50) | st.integers(0, 20_000).map("ü".__mul__)
CONTENTS = st.binary(max_size=50) | st.integers(0, 30_000).map(bytes)


@given(
    key=st.none() | CONTENTS,
    value=CONTENTS,
    own=st.lists(st.tuples(HEADER_NAMES, CONTENTS), max_size=5) | st.integers(0, 5000).map(lambda n: [("", b"")] * n),
    message=st.text(max_size=3000),
    topic=st.text("abc", min_size=1, max_size=249),
    limits=st.lists(st.integers(SMALLEST_LETTER, 30_000), min_size=1, max_size=3),
)
def test_any_letter_is_cut_to_any_limit_and_still_says_where_it_came_from_and_what_is_missing(
    *,
    key: bytes | None,
    value: bytes,
    own: list[tuple[str, bytes]],
    message: str,
    topic: str,
    limits: list[int],
) -> None:
    facts = refused(value=value, headers=own, message=message, topic=topic)
    body, headers = dead_letter(facts, now=examples.NOON, max_value_bytes=len(value))
    short: tuple[bytes | None, bytes, list[tuple[str, bytes]]] = (key, body, headers)
    for limit in limits:
        short = cut_letter(*short, limit)
        assert record_size(*short) <= limit
    read = read_headers(short[2])
    assert read is not None
    assert (read.shw_dlq_topic, read.shw_dlq_partition, read.shw_dlq_offset) == (topic, 1, 42)
    assert (read.shw_dlq_bytes, read.shw_dlq_sha256) == (len(value), sha256(value).hexdigest())
    left = [header for header in short[2] if not header[0].startswith(PREFIX)]
    here = [header for header in headers if not header[0].startswith(PREFIX)]
    assert (read.shw_dlq_headers_left_out or 0) == len(here) - len(left)
    is_cut = short[0] != key
    assert read.shw_dlq_key_bytes == (len(key) if is_cut and key is not None else None)
    assert read.shw_dlq_key_sha256 == (sha256(key).hexdigest() if is_cut and key is not None else None)
    assert (key or b"").startswith(short[0] or b"")
    assert value.startswith(short[1])
    assert read.shw_dlq_truncated or (key, value, here) == (short[0], short[1], left)


@given(key=st.none() | CONTENTS, value=CONTENTS, own=st.lists(st.tuples(st.text(max_size=99), CONTENTS), max_size=9))
def test_a_record_takes_no_more_than_its_size_says(
    key: bytes | None, value: bytes, own: list[tuple[str, bytes]]
) -> None:
    batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 30)
    batch.append(0, 1_700_000_000_000, key, value, own)
    assert 0 <= record_size(key, value, own) - len(batch.build()) <= 30


def test_a_letter_refused_again_tells_of_the_last_time() -> None:
    value, first = dead_letter(refused(), now=examples.NOON, max_value_bytes=100)
    later = datetime(2026, 4, 1, tzinfo=UTC)
    again = refused(value=value, headers=first, reason=PoisonReason.BAD_TEXT)
    _, second = dead_letter(again, now=later, max_value_bytes=100)
    assert len(second) == len(dict(second)) == len(first)
    read = read_headers(second)
    assert read is not None
    assert (read.shw_dlq_reason, read.shw_dlq_at) == (PoisonReason.BAD_TEXT, later)


def test_a_tombstone_and_an_endless_message_make_a_dead_letter_too() -> None:
    value, headers = dead_letter(
        refused(value=None, timestamp=None, message="ü" * 5000), now=examples.NOON, max_value_bytes=10
    )
    read = read_headers(headers)
    assert read is not None
    assert (value, read.shw_dlq_timestamp, read.shw_dlq_message) == (b"", None, "ü" * 512)


def test_a_record_that_is_no_dead_letter_has_no_such_headers() -> None:
    assert read_headers([("content-type", b"application/json"), ("x", None)]) is None
