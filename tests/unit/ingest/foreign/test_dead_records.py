"""Dead letters of Kafka Connect and Spring Kafka: headers become an error, the value a payload, all else a letter."""

import json
from dataclasses import replace
from uuid import UUID

import pytest

from consumer.catalog import parse_catalog
from consumer.catalog.topics import DeclaredTopic, ForeignFormat
from consumer.diagnose import diagnose
from consumer.ingest.decode import AdmissionRules
from consumer.ingest.foreign.translate import as_event
from consumer.model import Failure, Record
from schemas.names import FailureType, PoisonReason
from tests.support.foreign_records import part, translated
from tests.support.pipeline import catalog

ORG = UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10")
TOPICS = {
    "connect.dlq": DeclaredTopic(
        topic="connect.dlq", format=ForeignFormat.KAFKA_CONNECT, organisations={"orders-*": ORG}
    ),
    "orders.DLT": DeclaredTopic(topic="orders.DLT", format=ForeignFormat.SPRING, organisations={"orders": ORG}),
}
RULES = AdmissionRules(catalog=parse_catalog(catalog()), max_event_bytes=1_000_000)
STACK = "org.apache.kafka.connect.errors.DataException: bad\n\tat A(B:1)\nCaused by: java.lang.NumberFormatException: x"


def connect(**changes: str | None) -> Record:
    named = {
        "topic": "orders",
        "partition": "2",
        "offset": "1817",
        "connector.name": "orders-sink",
        "task.id": "0",
        "stage": "VALUE_CONVERTER",
        "class.name": "org.apache.kafka.connect.json.JsonConverter",
        "exception.class.name": "org.apache.kafka.connect.errors.DataException",
        "exception.message": "amount: expected integer, got string",
        "exception.stacktrace": STACK,
    } | {name.replace("_", "."): said for name, said in changes.items()}
    headers = tuple((f"__connect.errors.{name}", said.encode()) for name, said in named.items() if said is not None)
    return _record("connect.dlq", headers)


def spring(**changes: bytes | None) -> Record:
    named = {
        "original-topic": b"orders",
        "original-partition": (2).to_bytes(4),
        "original-offset": (1817).to_bytes(8),
        "original-timestamp": (1_772_366_400_000).to_bytes(8),
        "original-consumer-group": b"billing",
        "exception-fqcn": b"org.springframework.kafka.listener.ListenerExecutionFailedException",
        "exception-cause-fqcn": b"org.springframework.messaging.converter.MessageConversionException",
        "exception-message": b"Failed to convert: amount is not of type integer",
        "exception-stacktrace": STACK.encode(),
    } | {name.replace("_", "-"): said for name, said in changes.items()}
    return _record("orders.DLT", tuple((f"kafka_dlt-{name}", said) for name, said in named.items() if said is not None))


def _record(topic: str, headers: tuple[tuple[str, bytes], ...]) -> Record:
    value = b'{"id": 7, "amount": "42"}'
    return Record(topic=topic, partition=0, offset=3, timestamp_ms=1, key=b"k", value=value, headers=headers)


def failure_of(original: Record) -> Failure:
    return translated(original, TOPICS, RULES)


def test_a_dead_letter_of_a_connector() -> None:
    found = failure_of(connect())
    assert (found.workflow_name, found.source) == ("orders-sink", "urn:kafka-connect:orders-sink")
    assert found.context["payload"] == {"id": 7, "amount": "42"}
    assert part(found, "error")["type"] == "org.apache.kafka.connect.errors.DataException"
    assert found.context["record"] == {
        "topic": "orders",
        "partition": 2,
        "offset": 1817,
        "key_base64": "aw==",
        "connector": "orders-sink",
        "task": "0",
        "stage": "VALUE_CONVERTER",
    }
    assert found.failure_reason.endswith("Caused by: java.lang.NumberFormatException: x")
    assert diagnose(found.failure_reason, found.context).failure_type is FailureType.INVALID_SCHEMA
    assert found.id == failure_of(replace(connect(), offset=99, partition=4)).id
    assert found.id != failure_of(connect(offset="1818")).id


def test_a_dead_letter_of_a_listener() -> None:
    found = failure_of(spring())
    assert (found.workflow_name, found.source) == ("orders", "urn:spring-kafka:orders")
    assert part(found, "record") | {"key_base64": ""} == {
        "topic": "orders",
        "partition": 2,
        "offset": 1817,
        "key_base64": "",
        "consumer_group": "billing",
    }
    assert part(found, "error")["type"] == "org.springframework.messaging.converter.MessageConversionException"
    assert diagnose(found.failure_reason, found.context).failure_type is FailureType.INVALID_SCHEMA


def of_retry_topics() -> Record:
    """The same record as `@RetryableTopic` gives it up: its headers have another prefix, but for the group's."""
    group = "kafka_dlt-original-consumer-group"
    named = [(name if name == group else name.replace("kafka_dlt-", "kafka_"), said) for name, said in spring().headers]
    return replace(spring(), headers=(*named, ("retry_topic-attempts", (3).to_bytes(4))))


def test_a_dead_letter_of_springs_retry_topics_is_the_same_failure() -> None:
    found, plain = failure_of(of_retry_topics()), failure_of(spring())
    assert (found.id, found.context, found.failure_reason) == (plain.id, plain.context, plain.failure_reason)


def test_a_key_that_could_not_be_read_is_the_error_of_a_dead_letter() -> None:
    gone: dict[str, bytes | None] = dict.fromkeys(
        ("exception_fqcn", "exception_cause_fqcn", "exception_message", "exception_stacktrace")
    )
    key = {
        "key_exception_fqcn": b"org.springframework.kafka.support.serializer.DeserializationException",
        "key_exception_message": b"failed to deserialize the key",
    }
    found = failure_of(spring(**(gone | key)))
    assert part(found, "error") == {
        "type": "org.springframework.kafka.support.serializer.DeserializationException",
        "message": "failed to deserialize the key",
    }
    assert found.failure_reason.endswith("DeserializationException: failed to deserialize the key")


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        pytest.param(b"null", [None], id="null"),
        pytest.param(b'{"amount": 42,}', ['{"amount": 42,}'], id="nearly JSON"),
        pytest.param(b"plain", ["plain"], id="a text"),
        pytest.param(b'{"a": NaN}', ['{"a": NaN}'], id="a number that is none"),
        pytest.param(b"\x00\x00\x00\x00\x07\xff\xfe", [], id="Avro"),
        pytest.param(None, [], id="a tombstone"),
        pytest.param(b'"' + b"x" * 300_000 + b'"', [], id="too large to be mended"),
    ],
)
def test_the_value_is_the_payload_as_it_was_sent(value: bytes | None, payload: list[object]) -> None:
    context = failure_of(replace(connect(), value=value)).context
    assert [context["payload"]] == payload if payload else "payload" not in context


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(replace(connect(), headers=()), PoisonReason.WRONG_SHAPE, id="no headers"),
        pytest.param(connect(topic=None), PoisonReason.WRONG_SHAPE, id="no topic"),
        pytest.param(connect(offset="x"), PoisonReason.WRONG_SHAPE, id="an offset of letters"),
        pytest.param(connect(offset="9" * 30), PoisonReason.WRONG_SHAPE, id="a long offset"),
        pytest.param(connect(connector_name="other"), PoisonReason.SOURCE_NOT_ALLOWED, id="whose connector"),
        pytest.param(connect(connector_name="orders-" + "x" * 600), PoisonReason.TOO_LARGE, id="a long name"),
        pytest.param(replace(spring(), headers=()), PoisonReason.WRONG_SHAPE, id="Spring without headers"),
        pytest.param(spring(original_offset=b"1817"[:3]), PoisonReason.WRONG_SHAPE, id="three bytes"),
        pytest.param(spring(original_partition=b"\xff\xff\xff\xff"), PoisonReason.WRONG_SHAPE, id="below zero"),
        pytest.param(spring(original_topic=b"refunds"), PoisonReason.SOURCE_NOT_ALLOWED, id="whose topic"),
    ],
)
def test_what_names_no_record_is_a_letter_with_its_reason(bad: Record, reason: PoisonReason) -> None:
    event = as_event(bad, TOPICS, 1_000_000)
    assert event is not None
    assert event.fault is not None
    assert event.fault.reason is reason
    assert (event.value, event.headers) == (bad.value, bad.headers)


def test_an_ordinary_record_is_left_as_it_is() -> None:
    ours = replace(connect(), topic="workflow.failures", value=json.dumps({}).encode())
    assert as_event(ours, TOPICS, 1_000_000) is ours
