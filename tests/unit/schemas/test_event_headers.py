"""CloudEvents attributes as producers write them into headers."""

import json

import pytest

from schemas.envelope import EnvelopeError, Form, parse
from schemas.names import PoisonReason

DATA = {"org_id": "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f", "workflow_name": "w", "failure_reason": "timeout"}
VALUE = json.dumps(DATA).encode()
ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "urn:x:y", "type": "workflow.failure.v1"}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
Headers = list[tuple[str, bytes]]


def headers(prefix: str, **more: str) -> Headers:
    return [(prefix + name, text.encode()) for name, text in (ATTRIBUTES | more).items() if text]


@pytest.mark.parametrize(
    "prefix",
    ["ce_", "ce-", "Ce-", "CE_", "cloudEvents:", "cloudEvents_", "cloudevents-", "cloudEvent_", "X-CE-", "ce.", "ce:"],
)
def test_a_binary_event_is_read_whatever_its_prefix(prefix: str) -> None:
    event = parse(VALUE, headers(prefix, subject="run-17", traceparent=PARENT, tenant="t"))
    assert (event.form, event.id, event.source, event.type) == (Form.BINARY, "e-1", "urn:x:y", "workflow.failure.v1")
    assert (event.subject, event.traceparent, event.extensions) == ("run-17", PARENT, {"tenant": "t"})
    assert event.data == DATA


def test_camel_names_its_headers_in_its_own_way() -> None:
    named = {"ID": "e-1", "Source": "urn:x:y", "Type": "workflow.failure.v1", "Version": "1.0"}
    event = parse(VALUE, [(f"CamelCloudEvent{name}", text.encode()) for name, text in named.items()])
    assert (event.form, event.id, event.source) == (Form.BINARY, "e-1", "urn:x:y")


def test_texts_that_spring_wrote_as_json_are_read() -> None:
    quoted = [(name, b'"%s"' % text) for name, text in headers("ce-")]
    event = parse(VALUE, [*quoted, ("contentType", b'"application/json"'), ("spring_json_header_types", b"{}")])
    assert (event.form, event.id) == (Form.BINARY, "e-1")
    structured = json.dumps(ATTRIBUTES | {"data": DATA}).encode()
    assert parse(structured, [("contentType", b"application/cloudevents+json")]).form is Form.STRUCTURED


def test_texts_in_quotes_are_read_where_the_version_is_in_them_too() -> None:
    event = parse(VALUE, [(name, b'"%s"' % text) for name, text in headers("ce_")])
    assert (event.form, event.id, event.source) == (Form.BINARY, "e-1", ATTRIBUTES["source"])
    assert parse(VALUE, headers("ce_", id='"e-1"')).id == '"e-1"'


def test_the_data_content_type_counts_where_there_is_no_other() -> None:
    with pytest.raises(EnvelopeError, match="content type"):
        parse(VALUE, headers("ce_", datacontenttype="application/xml"))
    assert parse(VALUE, headers("ce_", datacontenttype="application/json")).id == "e-1"


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("prefix", ["ce_", "ce-", "cloudEvents:"])
def test_half_a_set_of_attributes_is_no_bare_event(prefix: str, missing: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        parse(VALUE, headers(prefix, **{missing: ""}))
    assert caught.value.kind is PoisonReason.WRONG_SHAPE
    assert missing in caught.value.message


@pytest.mark.parametrize("name", ["id", "subject", "time", "dataschema", "type"])
def test_one_attribute_alone_is_half_a_set(name: str) -> None:
    with pytest.raises(EnvelopeError, match=f"ce_{name}"):
        parse(VALUE, [(f"ce-{name}", b"x")])


@pytest.mark.parametrize(
    "document",
    [
        ATTRIBUTES | DATA,
        {"type": "workflow.failure.v1", "id": "e-1", "source": "urn:x"} | DATA,
        {"specversion": "1.0"} | DATA,
        {"id": "e-1", "source": "urn:x", "type": "workflow.failure.v1", "data": DATA},
        {"id": "e-1", "source": "urn:x", "data": DATA},
    ],
)
def test_half_an_event_in_the_value_is_no_bare_event(document: dict[str, object]) -> None:
    with pytest.raises(EnvelopeError) as caught:
        parse(json.dumps(document).encode(), [])
    assert caught.value.kind is PoisonReason.WRONG_SHAPE


def test_a_bare_failure_keeps_fields_of_its_own() -> None:
    data = DATA | {"id": "x", "source": "svc", "type": "timeout", "data": {"a": 1}}
    assert parse(json.dumps(data).encode(), [("content-type", b"application/json")]).form is Form.BARE


def test_a_trace_alone_is_kept_with_a_bare_failure() -> None:
    event = parse(VALUE, [("ce_traceparent", PARENT.encode())])
    assert (event.form, event.traceparent) == (Form.BARE, PARENT)


def test_base64_data_needs_no_content_type() -> None:
    event = parse(json.dumps(ATTRIBUTES | {"data_base64": "eyJhIjogMX0="}).encode(), [])
    assert (event.form, event.id, event.data) == (Form.STRUCTURED, "e-1", {"a": 1})


def test_a_subject_that_was_cut_in_a_character_is_mended_and_an_id_is_refused() -> None:
    raw = [("ce_subject", b"run \xf0\x9f\x98"), *headers("ce_")]
    assert parse(VALUE, raw).subject == "run \ufffd"
    with pytest.raises(EnvelopeError, match="ce-id is not UTF-8"):
        parse(VALUE, [("ce-id", b"\xf0\x9f"), *headers("ce-", id="")])


def test_a_structured_event_under_the_headers_of_another_is_told_so() -> None:
    structured = json.dumps(ATTRIBUTES | {"id": "e-2", "data": DATA}).encode()
    with pytest.raises(EnvelopeError, match="the value is a CloudEvent") as caught:
        parse(structured, headers("ce_"))
    assert caught.value.kind is PoisonReason.WRONG_SHAPE


def test_one_event_that_says_that_it_is_a_batch_is_told_so() -> None:
    structured = json.dumps(ATTRIBUTES | {"data": DATA}).encode()
    with pytest.raises(EnvelopeError, match="no list of events"):
        parse(structured, [("content-type", b"application/cloudevents-batch+json")])
