import base64
import json
import string
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import examples
from schemas.envelope import Envelope, EnvelopeError, Form, encode, encode_binary, parse
from schemas.failure import MAX_REASON_CHARACTERS, decode_failure
from schemas.json_text import MAX_DEPTH, MAX_INTEGER_DIGITS, check_storable, parse_json, to_json
from schemas.names import PoisonReason
from schemas.rfc3339 import format_time, parse_time
from schemas.trace import trace_of

STRUCTURED = [("content-type", b"application/cloudevents+json")]
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def event(**changes: object) -> dict[str, Any]:
    document = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "urn:billing",
        "type": "workflow.failure.v1",
        "data": failure(),
    }
    return {name: value for name, value in (document | changes).items() if value is not ...}


def failure(**changes: object) -> dict[str, Any]:
    data = {
        "org_id": "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f",
        "workflow_name": "billing.sync",
        "failure_reason": "timeout",
    }
    return {name: value for name, value in (data | changes).items() if value is not ...}


def binary_headers(**changes: bytes) -> list[tuple[str, bytes | None]]:
    named = {"specversion": b"1.0", "id": b"e-1", "source": b"urn:billing", "type": b"workflow.failure.v1"}
    return [("content-type", b"application/json"), *((f"ce_{name}", text) for name, text in (named | changes).items())]


def refusal(value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> EnvelopeError:
    with pytest.raises(EnvelopeError) as caught:
        decode_failure(parse(value, headers).data)
    return caught.value


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth - 1):
        inner = {"in": inner}
    return inner


moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | storable_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(storable_text, inner, max_size=4),
    max_leaves=12,
)
data_objects = st.dictionaries(storable_text, json_values, max_size=5).filter(lambda data: "specversion" not in data)
attribute_texts = storable_text.filter(bool)
extension_names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
    lambda name: name not in Envelope.__slots__ and name not in ("specversion", "datacontenttype")
)
envelopes = st.builds(
    Envelope,
    data=data_objects,
    id=attribute_texts,
    source=attribute_texts,
    type=st.just("workflow.failure.v1"),
    subject=st.none() | attribute_texts,
    time=st.none() | moments,
    traceparent=st.none() | st.just(PARENT),
    extensions=st.dictionaries(extension_names, attribute_texts, max_size=3),
)


@given(envelopes)
def test_an_event_comes_back_from_structured_mode_as_it_was(sent: Envelope) -> None:
    value, headers = encode(sent)
    assert parse(value, headers) == sent


@given(envelopes)
def test_structured_binary_and_bare_mean_the_same(sent: Envelope) -> None:
    structured, binary = parse(*encode(sent)), parse(*encode_binary(sent))
    bare = parse(to_json(sent.data), [])
    assert (structured.form, binary.form, bare.form) == (Form.STRUCTURED, Form.BINARY, Form.BARE)
    assert structured.data == binary.data == bare.data == sent.data
    for name in ("id", "source", "type", "subject", "time", "traceparent", "tracestate", "extensions"):
        assert getattr(structured, name) == getattr(binary, name) == getattr(sent, name)


@given(json_values)
def test_any_storable_json_comes_back_exactly(value: object) -> None:
    back = parse_json(to_json(value))
    assert back == value
    assert check_storable(back) is None


@given(st.binary(max_size=200), st.lists(st.tuples(st.sampled_from(["content-type", "ce_specversion"]), st.binary())))
def test_no_bytes_raise_anything_but_an_envelope_error(value: bytes, headers: list[tuple[str, bytes]]) -> None:
    with suppress(EnvelopeError):
        parse(value, headers)


def test_an_integer_beyond_64_bits_stays_exact() -> None:
    big = 10**30 + 1
    data = parse(json.dumps(event(data=failure(context={"n": big}))).encode(), STRUCTURED).data
    assert data["context"]["n"] == big
    assert str(big).encode() in to_json(data)


def test_of_a_key_that_stands_twice_the_last_one_wins() -> None:
    assert parse(b'{"a": 1, "a": 2}', []).data == {"a": 2}


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}', []).data == {"a": 1}


def test_a_structured_event_without_its_content_type_is_recognised() -> None:
    read = parse(json.dumps(event()).encode(), [("content-type", b"application/json")])
    assert (read.form, read.id, read.data) == (Form.STRUCTURED, "e-1", failure())


def test_a_failure_whose_own_field_is_called_type_is_still_bare() -> None:
    assert parse(json.dumps(failure(type="x")).encode(), []).form is Form.BARE


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"application/cloudevents",
        b"Application/CloudEvents+JSON; charset=UTF-8",
        b"  application/cloudevents+json ;charset=utf-8",
    ],
)
def test_structured_mode_is_told_by_the_content_type_in_any_case(content_type: bytes) -> None:
    assert parse(json.dumps(event()).encode(), [("Content-Type", content_type)]).form is Form.STRUCTURED


def test_the_content_type_decides_before_the_headers_do() -> None:
    headers = [*binary_headers(id=b"other"), ("content-type", b"application/cloudevents+json")]
    assert parse(json.dumps(event()).encode(), headers).id == "e-1"


@pytest.mark.parametrize("content_type", [b"application/json; charset=utf-8", b"application/vnd.x+json", b"TEXT/JSON"])
def test_binary_mode_takes_every_json_content_type(content_type: bytes) -> None:
    headers = [*binary_headers(), ("content-type", content_type)]
    assert parse(json.dumps(failure()).encode(), headers).data == failure()


def test_binary_mode_without_a_content_type_is_json() -> None:
    assert parse(json.dumps(failure()).encode(), binary_headers()[1:]).data == failure()


def test_data_in_base64_is_read() -> None:
    encoded = base64.b64encode(json.dumps(failure()).encode()).decode()
    assert parse(json.dumps(event(data=..., data_base64=encoded)).encode(), STRUCTURED).data == failure()


def test_attributes_that_are_null_are_absent() -> None:
    read = parse(json.dumps(event(subject=None, time=None, dataschema=None)).encode(), STRUCTURED)
    assert (read.subject, read.time, read.extensions) == (None, None, {})


def test_extensions_survive_with_their_types() -> None:
    read = parse(json.dumps(event(dataschema="urn:s", sequence=7, sampled=True)).encode(), STRUCTURED)
    assert read.extensions == {"dataschema": "urn:s", "sequence": 7, "sampled": True}
    assert parse(*encode(read)).extensions == read.extensions


def test_a_bare_event_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="needs id, source and type"):
        encode(parse(json.dumps(failure()).encode(), []))


REFUSED: list[tuple[str, PoisonReason, bytes | None, Sequence[tuple[str, bytes | None]]]] = [
    ("tombstone", PoisonReason.NOT_JSON, None, []),
    ("empty", PoisonReason.NOT_JSON, b"", []),
    ("words", PoisonReason.NOT_JSON, b"workflow failed", []),
    ("cut", PoisonReason.NOT_JSON, b'{"a": [1, 2', []),
    ("two_values", PoisonReason.NOT_JSON, b"{} {}", []),
    ("latin_1", PoisonReason.NOT_JSON, '{"a": "café au lait"}'.encode("latin-1"), []),
    ("utf_16", PoisonReason.NOT_JSON, '{"a": 1}'.encode("utf-16"), []),
    ("array", PoisonReason.WRONG_SHAPE, b"[]", []),
    ("string", PoisonReason.WRONG_SHAPE, b'"x"', []),
    ("null", PoisonReason.WRONG_SHAPE, b"null", []),
    ("bare_empty_object", PoisonReason.WRONG_SHAPE, b"{}", []),
    (
        "half_of_headers",
        PoisonReason.WRONG_SHAPE,
        json.dumps(failure()).encode(),
        [("ce_id", b"e-1"), ("ce_type", b"x")],
    ),
    ("two_ids", PoisonReason.WRONG_SHAPE, json.dumps(failure()).encode(), [*binary_headers(), ("ce-id", b"e-2")]),
    ("batch", PoisonReason.WRONG_SHAPE, b"[]", [("content-type", b"application/cloudevents-batch+json")]),
    ("avro", PoisonReason.WRONG_SHAPE, b"{}", [("content-type", b"application/cloudevents+avro")]),
    ("binary_xml", PoisonReason.WRONG_SHAPE, b"{}", [*binary_headers(), ("content-type", b"text/xml")]),
    ("binary_array", PoisonReason.WRONG_SHAPE, b"[1]", binary_headers()),
    ("binary_no_id", PoisonReason.WRONG_SHAPE, json.dumps(failure()).encode(), binary_headers(id=b"")),
    ("binary_v0_3", PoisonReason.UNKNOWN_VERSION, b"{}", binary_headers(specversion=b"0.3")),
    ("binary_v2", PoisonReason.UNKNOWN_VERSION, b"{}", binary_headers(type=b"workflow.failure.v2")),
    ("binary_nul_in_id", PoisonReason.BAD_TEXT, b"{}", binary_headers(id=b"a\0b")),
    ("binary_id_not_utf8", PoisonReason.BAD_TEXT, b"{}", binary_headers(id=b"\xff")),
    ("binary_bad_time", PoisonReason.BAD_TIME, b"{}", binary_headers(time=b"yesterday")),
    ("nan", PoisonReason.BAD_NUMBER, b'{"a": NaN}', []),
    ("infinity", PoisonReason.BAD_NUMBER, b'{"a": [-Infinity]}', []),
    ("overflow", PoisonReason.BAD_NUMBER, b'{"a": 1e400}', []),
    ("huge_exponent", PoisonReason.BAD_NUMBER, b'{"a": 1e200000}', []),
    ("many_digits", PoisonReason.BAD_NUMBER, b'{"a": ' + b"9" * (MAX_INTEGER_DIGITS + 1) + b"}", []),
    ("very_many_digits", PoisonReason.BAD_NUMBER, b'{"a": -' + b"9" * 100_000 + b"}", []),
    ("deep", PoisonReason.TOO_DEEP, json.dumps(nested(MAX_DEPTH + 1)).encode(), []),
    ("very_deep", PoisonReason.TOO_DEEP, b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}", []),
    ("a_megabyte_of_brackets", PoisonReason.TOO_DEEP, b"[" * 1_000_000, []),
]


@pytest.mark.parametrize(
    ("kind", "value", "headers"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_not_the_contract_is_refused_with_its_kind(
    kind: PoisonReason, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
) -> None:
    refused = refusal(value, headers)
    assert refused.kind is kind
    assert refused.message.isprintable()


ENVELOPED: list[tuple[str, PoisonReason, dict[str, Any], str]] = [
    ("no_specversion", PoisonReason.WRONG_SHAPE, event(specversion=...), "specversion"),
    ("specversion_0_3", PoisonReason.UNKNOWN_VERSION, event(specversion="0.3"), "specversion"),
    ("specversion_number", PoisonReason.UNKNOWN_VERSION, event(specversion=1.0), "specversion"),
    ("newer_type", PoisonReason.UNKNOWN_VERSION, event(type="workflow.failure.v2"), "type"),
    ("foreign_type", PoisonReason.UNKNOWN_VERSION, event(type="com.example.order"), "type"),
    ("no_type", PoisonReason.WRONG_SHAPE, event(type=...), "type"),
    ("no_id", PoisonReason.WRONG_SHAPE, event(id=...), "id"),
    ("empty_id", PoisonReason.WRONG_SHAPE, event(id=""), "id"),
    ("id_number", PoisonReason.WRONG_SHAPE, event(id=7), "id"),
    ("long_id", PoisonReason.TOO_LARGE, event(id="x" * 2049), "id"),
    ("no_source", PoisonReason.WRONG_SHAPE, event(source=...), "source"),
    ("no_data", PoisonReason.WRONG_SHAPE, event(data=...), "data"),
    ("data_string", PoisonReason.WRONG_SHAPE, event(data=json.dumps(failure())), "data"),
    ("data_null", PoisonReason.WRONG_SHAPE, event(data=None), "data"),
    ("both_data", PoisonReason.WRONG_SHAPE, event(data_base64="e30="), "data_base64"),
    ("not_base64", PoisonReason.WRONG_SHAPE, event(data=..., data_base64="e30"), "data_base64"),
    ("base64_no_json", PoisonReason.NOT_JSON, event(data=..., data_base64="aGVsbG8="), "JSON"),
    ("xml", PoisonReason.WRONG_SHAPE, event(datacontenttype="application/xml"), "content type"),
    ("bad_time", PoisonReason.BAD_TIME, event(time="2026-02-30T00:00:00Z"), "time"),
    ("naive_time", PoisonReason.BAD_TIME, event(time="2026-02-03T00:00:00"), "time"),
    ("nul_in_id", PoisonReason.BAD_TEXT, event(id="a\0"), "id"),
    ("data_too_deep", PoisonReason.TOO_DEEP, event(data=nested(MAX_DEPTH + 1)), "data.in.in"),
    ("org_id", PoisonReason.WRONG_SHAPE, event(data=failure(org_id="acme")), "data.org_id"),
    ("no_org_id", PoisonReason.WRONG_SHAPE, event(data=failure(org_id=...)), "data.org_id"),
    ("empty_name", PoisonReason.WRONG_SHAPE, event(data=failure(workflow_name="")), "data.workflow_name"),
    ("long_name", PoisonReason.TOO_LARGE, event(data=failure(workflow_name="x" * 513)), "data.workflow_name"),
    ("reason_number", PoisonReason.WRONG_SHAPE, event(data=failure(failure_reason=500)), "data.failure_reason"),
    (
        "long_reason",
        PoisonReason.TOO_LARGE,
        event(data=failure(failure_reason="x" * (MAX_REASON_CHARACTERS + 1))),
        "data.failure_reason",
    ),
    ("context_text", PoisonReason.WRONG_SHAPE, event(data=failure(context="none")), "data.context"),
    ("context_array", PoisonReason.WRONG_SHAPE, event(data=failure(context=[])), "data.context"),
    ("detected_number", PoisonReason.BAD_TIME, event(data=failure(detected_at=1767225600)), "data.detected_at"),
    ("detected_text", PoisonReason.BAD_TIME, event(data=failure(detected_at="today")), "data.detected_at"),
    ("year_0", PoisonReason.BAD_TIME, event(data=failure(detected_at="0000-01-01T00:00:00Z")), "data.detected_at"),
    ("year_10000", PoisonReason.BAD_TIME, event(data=failure(detected_at="10000-01-01T00:00:00Z")), "data.detected_at"),
    (
        "year_10000_in_utc",
        PoisonReason.BAD_TIME,
        event(data=failure(detected_at="9999-12-31T23:59:59-14:00")),
        "data.detected_at",
    ),
]


@pytest.mark.parametrize(
    ("kind", "document", "where"), [case[1:] for case in ENVELOPED], ids=[case[0] for case in ENVELOPED]
)
def test_an_event_at_fault_is_refused_with_the_place(kind: PoisonReason, document: dict[str, Any], where: str) -> None:
    refused = refusal(json.dumps(document).encode(), STRUCTURED)
    assert refused.kind is kind
    assert where in refused.message


@pytest.mark.parametrize("form", list(Form))
def test_data_at_the_limit_of_depth_is_taken_in_every_form(form: Form) -> None:
    deep = nested(MAX_DEPTH)
    match form:
        case Form.STRUCTURED:
            read = parse(json.dumps(event(data=deep)).encode(), STRUCTURED)
        case Form.BINARY:
            read = parse(json.dumps(deep).encode(), binary_headers())
        case Form.BARE:
            read = parse(json.dumps(deep).encode(), [])
    assert (read.form, read.data) == (form, deep)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert parse(rb'{"a": "\\u0000"}', []).data == {"a": r"\u0000"}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse(rb'{"a": "\ud83d\ude00"}', []).data == {"a": "\N{GRINNING FACE}"}


def test_a_message_never_quotes_the_value() -> None:
    secret = "sk-live-1234"
    for document in (event(data=failure(org_id=secret)), event(type=secret), event(data=failure(detected_at=secret))):
        assert secret not in refusal(json.dumps(document).encode(), STRUCTURED).message


def test_a_hostile_key_is_harmless_in_the_message() -> None:
    message = refusal(json.dumps({"a\r\nb" + "x" * 500: {"\0": 1}}).encode()).message
    assert message.isprintable()
    assert len(message) < 300


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["ok", "\ud83d"], "a\0"], ids=repr)
def test_what_another_parser_lets_through_is_found_in_values_too(value: object) -> None:
    fault = check_storable(value)
    assert fault is not None
    assert fault.kind is PoisonReason.BAD_TEXT


def test_a_fault_names_its_place() -> None:
    fault = check_storable({"a": [0, {"b": float("inf")}]})
    assert fault is not None
    assert (fault.kind, fault.path) == (PoisonReason.BAD_NUMBER, "a[1].b")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02t03:04:05z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02 03:04:05.5+10:00", datetime(2026, 1, 1, 17, 4, 5, 500_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("0001-01-02T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
        ("9999-12-30T23:59:59Z", datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_rfc_3339_times_are_read_as_utc(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-02T03:04:05+0000", 3),
        ("2026-01-02T03:04:05.123+0200", 1),
        ("2026-01-02T03:04:05+00", 3),
        ("2026-01-02T03:04:05-03", 6),
        ("2026-01-02T03:04:05,123Z", 3),
        ("2026-01-02 03:04:05 +0000 UTC", 3),
        ("2026-01-02 03:04:05.123456789 +0100 CET", 2),
        ("2026-01-02 03:04:05 UTC", 3),
        ("2026-01-02 03:04:05 GMT", 3),
        ("2026-01-02T03:04:05 Z", 3),
        ("2026-01-02T03:04Z", 3),
        ("2026-01-02T03:04+01:00", 2),
        ("20260102T030405Z", 3),
        ("20260102T030405+0000", 3),
        ("2026/01/02 03:04:05 +0000", 3),
        ("2026-01-02T03:04:05Z[UTC]", 3),
        ("2026-01-02T03:04:05+01:00[Europe/Paris]", 2),
        ("2026-01-02T03:04:05\u22120300", 6),
        (" 2026-01-02T03:04:05Z\n", 3),
    ],
)
def test_near_forms_that_can_be_no_other_moment_are_read(text: str, hour: int) -> None:
    moment = parse_time(text)
    assert (moment.year, moment.month, moment.day, moment.hour, moment.minute) == (2026, 1, 2, hour, 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-W01-1T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05+25:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T23:59:59Z",
        "9999-12-31T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "٢٠٢٦-01-02T03:04:05Z",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05 EST",
        "2026-01-02T03:04:05[Europe/Berlin]",
        "02/01/2026 03:04:05 +0000",
        "2026-1-2T03:04:05Z",
        "2026-01/02T03:04:05Z",
        "1767323045",
        "2026-01-02T03:04:05+0",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|no such moment"):
        parse_time(text)


@given(moments)
def test_a_time_comes_back_as_it_was_written(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


@pytest.mark.parametrize(
    "parent",
    [
        PARENT.upper(),
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
        PARENT + "-more",
        PARENT + "\n",
        "garbage",
        "",
        None,
        7,
    ],
    ids=repr,
)
def test_an_invalid_trace_is_dropped_and_not_poison(parent: object) -> None:
    assert trace_of(parent, "vendor=1") == (None, None)
    read = parse(json.dumps(event(traceparent=parent, tracestate="vendor=1")).encode(), STRUCTURED)
    assert (read.traceparent, read.tracestate, read.id) == (None, None, "e-1")


def test_a_later_trace_version_may_have_more_fields() -> None:
    assert trace_of("01" + PARENT[2:] + "-more", None).parent is not None


def test_the_trace_of_the_last_hop_counts_before_the_events_own() -> None:
    near = PARENT.replace("4bf9", "aaaa")
    headers = [*STRUCTURED, ("traceparent", near.encode()), ("tracestate", b"hop=1")]
    read = parse(json.dumps(event(traceparent=PARENT, tracestate="own=1")).encode(), headers)
    assert (read.traceparent, read.tracestate) == (near, "hop=1")


def test_an_invalid_trace_header_leaves_the_events_own() -> None:
    headers = [*STRUCTURED, ("traceparent", b"\xff\x00"), ("tracestate", b"hop=1")]
    read = parse(json.dumps(event(traceparent=PARENT, tracestate="own=1")).encode(), headers)
    assert (read.traceparent, read.tracestate) == (PARENT, "own=1")


def test_a_bare_event_takes_its_trace_from_the_headers() -> None:
    assert parse(json.dumps(failure()).encode(), [("traceparent", PARENT.encode())]).traceparent == PARENT


def test_the_trace_is_written_into_attributes_and_headers() -> None:
    value, headers = encode(examples.heal_result())
    assert json.loads(value)["traceparent"] == examples.TRACE.parent
    assert dict(headers)["traceparent"].decode() == examples.TRACE.parent
    assert dict(headers)["tracestate"].decode() == examples.TRACE.state
    assert dict(headers)["content-type"] == b"application/cloudevents+json; charset=UTF-8"
