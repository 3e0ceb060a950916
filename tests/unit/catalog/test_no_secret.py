"""Places that hold no secret: only the catalog declares them, only below what is sent, and only for its workflow."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from consumer.catalog import parse_catalog
from consumer.errors import ConfigError
from consumer.ingest.decode import AdmissionRules, decode
from consumer.model import Failure, Record
from tests.support.pipeline import catalog

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DECLARED = "[/request/body/token, /payload/*/password, '/request/headers/X-Sync-Token']"


def failure(text: str, context: object, name: str = "orders.sync") -> Failure:
    event = {"org_id": str(uuid4()), "workflow_name": name, "failure_reason": "timeout", "context": context}
    value = json.dumps(event).encode()
    record = Record(topic="t", partition=0, offset=0, timestamp_ms=1, key=None, value=value, headers=())
    found = decode(record, AdmissionRules(catalog=parse_catalog(text), max_event_bytes=1 << 20), NOW)
    assert isinstance(found, Failure)
    return found


def test_what_stands_in_a_declared_place_is_kept_and_nothing_beside_it() -> None:
    context = {
        "request": {"headers": {"X-Sync-Token": "open"}, "body": {"token": {"password": "open"}, "secret": "shut"}},
        "payload": [{"password": "open"}, {"inner": {"password": "shut"}}],
        "token": "shut",
    }
    found = failure(catalog(no_secret=DECLARED), context)
    assert found.redactions == (
        "/context/token", "/context/request/body/secret", "/context/payload/1/inner/password",
    )  # fmt: skip
    assert json.dumps(found.context).count("open") == 3
    assert "shut" not in json.dumps(found.context)


def test_without_a_declaration_and_for_another_workflow_it_goes() -> None:
    context = {"request": {"body": {"token": "open"}}}
    assert failure(catalog(), context).redactions == ("/context/request/body/token",)
    mine = catalog(no_secret=DECLARED).replace("- name: '*'", "- name: 'invoices.*'")
    assert failure(mine, context).redactions == ("/context/request/body/token",)
    assert failure(mine, context, "invoices.create").redactions == ()


@pytest.mark.parametrize("place", ["request/body", "/request", "/error/message", "/run/id", "/", "/request//x"])
def test_a_place_outside_of_what_is_sent_is_refused_with_its_line(place: str) -> None:
    with pytest.raises(ConfigError, match=r"a place is a JSON Pointer into the context"):
        parse_catalog(catalog(no_secret=f"['{place}']"))
