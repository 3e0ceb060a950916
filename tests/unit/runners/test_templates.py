"""A described call with its values: whatever they are, they change nothing but themselves."""

import json
from typing import Any
from uuid import UUID

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.catalog.runners.http import RerunCall
from consumer.model import Json
from consumer.model.call import OutboundRequest
from consumer.outbound.credentials import references
from consumer.runners.templates import ABSENT, UnfitValue, Values, render_call

ORG = "11111111-2222-4333-8444-555555555555"
CALL = RerunCall(
    url="https://runs.example.com/v1/runs/{run.id}/steps/s-{run.step}.json/rerun?epoch={run.epoch}&name={workflow_name}",
    headers={"authorization": "Bearer secret://RUNS", "x-run": "run {run.id}", "x-step": "{run.step}"},
    body={"input": "{payload}", "run": {"id": "{run.id}", "epoch": "{run.epoch}"}, "note": "run {run.id}: {{again}}"},
)
VALUES: dict[str, Any] = {
    "run.id": "run-18",
    "run.epoch": 3,
    "run.step": "charge",
    "org_id": ORG,
    "workflow_name": "orders.charge",
    "payload": {"order": 17},
    "key": "k-1",
}

NASTY = st.sampled_from(
    [
        *("..", ".", "", "/", "%2e%2e", "..%2f", "a/../../admin", "\\..\\", "a?b=c", "a#b", "a&b=c", "@evil.example"),
        *(":8080", "//evil.example", "a\r\nx-evil: 1", "a\nb", "\0", "\x7f", " a", "a ", "secret://RUNS", "{run.id}"),
        *("secret://OTHER", "[::1]", "http://evil.example/", "\u2026", "\ud800", "\u2024\u2024", "\uff0e\uff0e"),
        *("a;b", "a,b", "%00", "\u2028", "a" * 5000),
    ]
)
TEXT = NASTY | st.text(max_size=40) | st.builds("".join, st.lists(NASTY | st.text(max_size=3), max_size=4))
DOCUMENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3),
    max_leaves=8,
)


def put(call: RerunCall = CALL, **values: object) -> OutboundRequest:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return render_call(call, call.method, VALUES | named, org_id=UUID(ORG))


def body_of(request: OutboundRequest) -> Any:  # noqa: ANN401 - JSON is anything
    assert request.body is not None
    return json.loads(request.body)


def test_each_value_stands_encoded_where_the_catalog_puts_it() -> None:
    call = RerunCall.model_validate(CALL.model_dump() | {"headers": {}})
    request = put(call, run__id="ä b+c:1")
    assert request.url == (
        "https://runs.example.com/v1/runs/%C3%A4%20b%2Bc%3A1/steps/s-charge.json/rerun?epoch=3&name=orders.charge"
    )


def test_what_divides_a_query_is_encoded_within_a_value() -> None:
    request = put(workflow_name="a&b=c?d#e%26+f")
    assert request.url.endswith("?epoch=3&name=a%26b%3Dc%3Fd%23e%2526%2Bf")


def test_a_text_that_is_one_place_takes_the_json_value_and_a_longer_one_its_text() -> None:
    assert body_of(put()) == {
        "input": {"order": 17},
        "run": {"id": "run-18", "epoch": 3},
        "note": "run run-18: {again}",
    }


def test_without_a_payload_its_member_is_left_out_and_null_is_a_payload() -> None:
    assert "input" not in body_of(put(payload=ABSENT))
    assert body_of(put(payload=None))["input"] is None


def test_a_payload_that_cannot_be_written_is_refused() -> None:
    deep: Json = []
    for _ in range(100_000):
        deep = [deep]
    for payload in (deep, float("nan")):
        with pytest.raises(UnfitValue, match="payload"):
            put(payload=payload)


@pytest.mark.parametrize("name", ["run.id", "run.epoch", "run.step"])
def test_a_value_that_is_missing_is_named_and_nothing_is_made_up(name: str) -> None:
    with pytest.raises(UnfitValue, match=f"{name} is missing"):
        render_call(CALL, "POST", VALUES | {name: ABSENT}, org_id=None)


def test_an_optional_value_is_left_out_of_the_body() -> None:
    call = RerunCall(url="https://runs.example.com/{run.id}", body={"epoch": "{run.epoch?}", "list": ["{run.step?}"]})
    assert body_of(put(call, run__epoch=ABSENT, run__step=ABSENT)) == {"list": []}
    assert body_of(put(call)) == {"epoch": 3, "list": ["charge"]}


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", "a/b", "../admin", "a\\b", "a\r\nb", "a\0", " ", ". .", "\ud800", "r" * 1025]
)
def test_a_run_id_that_could_point_elsewhere_is_refused_and_not_quoted(run_id: str) -> None:
    call = RerunCall(url="https://runs.example.com/runs/{run.id}")
    with pytest.raises(UnfitValue, match=r"run\.id") as refused:
        put(call, run__id=run_id)
    assert run_id.strip(" .") == "" or run_id not in str(refused.value)


@pytest.mark.parametrize("value", ["secret://RUNS", "x secret://OTHER y", "a\r\nx-evil: 1", "ä", " a", "a "])
def test_a_value_never_names_a_secret_or_begins_a_header_line(value: str) -> None:
    call = RerunCall(url="https://runs.example.com/?run={run.id}", headers={"x-step": "{run.step}"})
    with pytest.raises(UnfitValue):
        put(call, run__step=value)


def test_a_value_cannot_complete_a_secrets_name_from_both_sides() -> None:
    call = RerunCall(url="https://runs.example.com/?run={run.id}", headers={"x-step": "{run.step}//RUNS"})
    with pytest.raises(UnfitValue, match="names a secret"):
        put(call, run__step="secret:")


def structure(url: httpx2.URL) -> tuple[object, ...]:
    path, _, query = url.raw_path.partition(b"?")
    pairs = [pair.partition(b"=")[0] for pair in query.split(b"&")]
    return url.scheme, url.raw_host, url.port, url.userinfo, path.count(b"/"), pairs, url.fragment


PLAIN = structure(httpx2.URL(put().url))


@given(
    name=st.sampled_from(["run.id", "run.step", "run.epoch", "workflow_name"]),
    text=TEXT | st.integers(),
    payload=DOCUMENT,
)
def test_no_value_changes_host_path_query_or_headers(name: str, text: str | int, payload: Json) -> None:
    # One at a time: of four hostile values nearly always one is refused, and hides what the others could do.
    values: Values = VALUES | {"payload": payload, name: text}
    try:
        request = render_call(CALL, "POST", values, org_id=None)
    except UnfitValue:
        return
    url = httpx2.URL(request.url)
    assert structure(url) == PLAIN
    run, step, epoch = (str(values[each]) for each in ("run.id", "run.step", "run.epoch"))
    assert url.path.split("/") == ["", "v1", "runs", run, "steps", f"s-{step}.json", "rerun"]
    assert dict(url.params) == {"epoch": epoch, "name": str(values["workflow_name"])}
    assert [each for each, _ in request.headers] == ["authorization", "x-run", "x-step", "content-type"]
    assert all(sent.isprintable() and sent.isascii() for _, sent in request.headers)
    assert references(request.headers) == ("RUNS",)
    assert body_of(request) == {
        "input": payload,
        "run": {"id": values["run.id"], "epoch": values["run.epoch"]},
        "note": f"run {run}: {{again}}",
    }


@given(run_id=TEXT)
def test_a_segment_of_a_value_alone_is_never_a_step_up(run_id: str) -> None:
    call = RerunCall(url="https://runs.example.com/runs/{run.id}/rerun")
    try:
        request = put(call, run__id=run_id)
    except UnfitValue:
        return
    assert httpx2.URL(request.url).path == f"/runs/{run_id}/rerun"
    assert request.url.count("/") == 5
