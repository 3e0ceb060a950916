"""`shw check-event` on what others tell of failures: what it becomes, that it tells of none, or why it is refused."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consumer.cli.check_event import check_event, posted_as
from consumer.cli.event_page import event_page
from consumer.errors import ConfigError

ORG = UUID("11111111-2222-4333-8444-555555555555")
CATALOG = f"""
version: 1
sources:
- {{source: 'urn:*', organisations: '*', workflows: ['*']}}
workflows: []
topics:
- {{topic: lineage, format: openlineage, organisations: {{'*': {ORG}}}}}
- {{topic: dead, format: kafka_connect, organisations: {{'*': {ORG}}}}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    return path


def run_event(kind: str) -> bytes:
    event = {
        "eventType": kind,
        "eventTime": "2026-03-14T12:00:00Z",
        "producer": "urn:test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/" + "OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "0195a3c2-0000-7000-8000-000000000001", "facets": {}},
        "job": {"namespace": "prod", "name": "orders.load", "facets": {}},
        "inputs": [],
        "outputs": [],
    }
    return json.dumps(event).encode()


def found(value: bytes, catalog: Path, told_on: Any, *headers: tuple[str, bytes]) -> dict[str, Any]:  # noqa: ANN401
    return dict(check_event(value, headers, catalog=catalog, with_database=False, told_on=told_on))


def test_a_failed_run_becomes_an_event(catalog: Path) -> None:
    said = found(run_event("FAIL"), catalog, "lineage")
    assert said["accepted"], said
    assert (said["org_id"], said["workflow_name"]) == (str(ORG), "orders.load")
    assert said["became"]["failure_reason"]
    assert "became        " in event_page(said)


def test_a_run_that_has_not_failed_tells_of_none(catalog: Path) -> None:
    said = found(run_event("START"), catalog, "lineage")
    assert not said["accepted"]
    assert "passed over" in event_page(said)


def test_what_cannot_be_read_says_why(catalog: Path) -> None:
    assert found(b"{", catalog, "lineage")["poison"]["reason"] == "not_json"
    assert found(b"{}", catalog, "dead")["poison"]["message"].startswith("kafka_connect: ")


def test_a_topic_that_is_not_declared_is_named_with_those_that_are(catalog: Path) -> None:
    with pytest.raises(ConfigError, match="declares dead, lineage"):
        found(b"{}", catalog, "elsewhere")
    with pytest.raises(ConfigError, match="alertmanager"):
        posted_as("jenkins", ORG)


def test_a_posted_body_becomes_an_event_for_each_firing_alert(catalog: Path) -> None:
    alert = {
        "status": "firing",
        "labels": {"alertname": "OrdersLate"},
        "annotations": {"summary": "orders are late"},
        "startsAt": "2026-03-14T12:00:00Z",
        "fingerprint": "a",
    }
    body = {"version": "4", "alerts": [alert, alert | {"fingerprint": "b"}]}
    said = found(json.dumps(body).encode(), catalog, posted_as("alertmanager", ORG))
    assert len(said["events"]) == 2, said
    assert {one["org_id"] for one in said["events"]} == {str(ORG)}
    assert (
        found(json.dumps(body | {"alerts": []}).encode(), catalog, posted_as("alertmanager", ORG))["healable"] is False
    )
    assert found(b"[]", catalog, posted_as("n8n", ORG))["poison"]["message"].startswith("n8n: ")
