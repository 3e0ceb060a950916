"""Events with a small mistake: `check-event` says which line to change, and calls nothing missing that is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from consumer.cli.check_event import check_event
from consumer.cli.event_page import NOTHING_KNOWN, event_page

CATALOG = Path(__file__).parents[3] / "deploy" / "catalog.example.yaml"
REQUEST = {"method": "GET", "url": "https://orders.example.com/v1/orders/17"}


def page(context: dict[str, Any], reason: str = "Request timeout after 10 s") -> str:
    event = {
        "org_id": "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f",
        "workflow_name": "orders.sync",
        "failure_reason": reason,
        "context": context,
    }
    return event_page(check_event(json.dumps(event).encode(), (), catalog=CATALOG, with_database=False))


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"request": REQUEST | {"url": "/v1/orders/17"}}, "context.request.url has to be an absolute http(s) URL"),
        ({"request": "GET https://orders.example.com/"}, "context.request has to be an object"),
        ({"request": REQUEST | {"expect": "200"}}, "context.request.expect has to be an object"),
        ({"request": REQUEST | {"headers": {"a": "b\r\nc: d"}}}, "context.request.headers.a has to be one line"),
        ({"request": REQUEST, "resume": "https://orders.example.com/x"}, "context.resume has to be an object"),
        ({"request": {"method": "GET"}}, "context.request.url is missing"),
        ({"requst": REQUEST}, "context.requst is not read: did you mean `request`?"),
        (
            {"request": REQUEST | {"method": "POST", "idempotencyKey": "k"}},
            "context.request.idempotencyKey is not read: did you mean `idempotency_key`?",
        ),
    ],
)
def test_it_says_what_to_change(context: dict[str, Any], says: str) -> None:
    said = page(context)
    assert f"change this line: {says}" in said
    assert "publish it" not in said


def test_what_is_healed_all_the_same_is_only_told() -> None:
    said = page({"request": REQUEST | {"timeoutSeconds": 3}})
    assert said.endswith(
        "mind: context.request.timeoutSeconds is not read: did you mean `timeout_seconds`?\npublish it\n"
    )


def test_a_reason_that_says_nothing_is_the_line_to_change() -> None:
    assert f"change this line: {NOTHING_KNOWN}" in page({"request": REQUEST}, reason="")


def test_the_refusal_that_is_published_says_it_too() -> None:
    event = {"request": REQUEST | {"url": "/v1/orders/17"}}
    answer = check_event(
        json.dumps(
            {
                "org_id": "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f",
                "workflow_name": "orders.sync",
                "failure_reason": "Request timeout after 10 s",
                "context": event,
            }
        ).encode(),
        (),
        catalog=CATALOG,
        with_database=False,
    )
    assert "unusable form, what auto-retry needs: context.request.url (has to be an absolute" in str(answer["plan"])


@pytest.mark.parametrize(
    ("source", "workflow", "says"),
    [
        ("urn:example:greeting", "greetings.fetch", "did you mean `urn:example:greetings`?"),
        ("urn:exmple:rooms/7", "greetings.fetch", "did you mean `urn:example:rooms*`?"),
        ("urn:example:greetings", "gretings.fetch", "workflow_name 'gretings.fetch' is in no entry of the catalog"),
        ("urn:example:greetings", "gretings.fetch", "did you mean `greetings.*`?"),
        ("urn:example:greetings", "w1.fetch", "no entry of the catalog matches"),
    ],
)
def test_a_name_that_is_in_no_entry_is_told_with_the_one_that_is_near(
    tmp_path: Path, source: str, workflow: str, says: str
) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(
        "version: 1\nsources:\n"
        "- {source: 'urn:example:rooms*', organisations: '*'}\n"
        "- {source: 'urn:example:greetings', organisations: '*'}\n"
        "- {source: 'urn:of:one', organisations: ['6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6e']}\n"
        "workflows:\n- name: greetings.*\n"
    )
    data = {"org_id": "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f", "workflow_name": workflow, "failure_reason": "timeout"}
    event = {"specversion": "1.0", "id": "1", "type": "workflow.failure.v1", "data": data | {"context": {}}}

    def said(source: str) -> str:
        whole = json.dumps(event | {"source": source}).encode()
        return event_page(check_event(whole, (), catalog=catalog, with_database=False))

    assert says in said(source)
    assert "did you mean" not in said("urn:of:one")  # it is there, and for another organisation
    assert "did you mean" not in said("urn:kafka:elsewhere")
