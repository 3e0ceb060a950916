"""Failures that are posted: by whom, in which form, refused with what to do, and published before the answer."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from consumer.catalog import parse_catalog
from consumer.ingest.decode import AdmissionRules, decode
from consumer.kafka.writer import Sent
from consumer.model import Failure, Message, Record
from schemas.rfc3339 import parse_time
from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving

PLAIN = {"workflow_name": "checkout", "failure_reason": "request timeout", "context": {"run": {"id": "r1"}}}
ALERTS = {
    "version": "4",
    "groupKey": '{}:{alertname="SyncStale"}',
    "status": "firing",
    "receiver": "healer",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "SyncStale", "workflow": "orders.sync", "severity": "page"},
            "annotations": {"summary": "orders.sync has not run for 2 h", "description": "connection refused"},
            "startsAt": "2026-03-01T12:00:00.000Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph",
            "fingerprint": "b1a2c3d4e5f60718",
        },
        {"status": "resolved", "labels": {"alertname": "Other"}, "startsAt": "2026-03-01T12:00:00Z"},
    ],
}
CALLBACK = {
    "dag_id": "orders",
    "run_id": "scheduled__2026-03-01T00:00:00+00:00",
    "task_id": "load",
    "try_number": 2,
    "map_index": -1,
    "exception_type": "ValueError",
    "exception": "invalid amount 'forty-two'",
    "log_url": "http://airflow.example/log",
}
EXECUTION = {
    "execution": {
        "id": "231",
        "url": "https://n8n.example/execution/231",
        "error": {"name": "NodeApiError", "message": "429 - Too many requests", "stack": "NodeApiError: 429"},
        "lastNodeExecuted": "HTTP Request",
        "mode": "manual",
    },
    "workflow": {"id": "1", "name": "Nightly orders"},
}
FORMS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "plain": (PLAIN, "checkout", {"run": {"id": "r1"}}),
    "alertmanager": (ALERTS, "orders.sync", {}),
    "airflow": (
        CALLBACK,
        "orders",
        {"run": {"id": CALLBACK["run_id"], "step": "load", "epoch": 2, "status": "failed"}},
    ),
    "n8n": (
        EXECUTION,
        "Nightly orders",
        {"run": {"id": "231", "step": "HTTP Request", "epoch": 0, "status": "failed"}},
    ),
}


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


def where(world: World, form: str = "plain") -> str:
    return f"/api/healing/failures?orgId={world.org_id}&format={form}"


def read(message: Message, rules: AdmissionRules) -> Failure:
    """Read a published record as intake does."""
    record = Record(
        topic=message.topic,
        partition=5,
        offset=9,
        timestamp_ms=7,
        key=None,
        value=message.body,
        headers=message.headers,
    )
    failure = decode(record, rules, parse_time("2026-03-02T00:00:00Z"))
    assert isinstance(failure, Failure), failure
    return failure


@pytest.mark.parametrize("form", FORMS)
async def test_each_form_is_published_and_answered_with_the_ids_of_its_failures(world: World, form: str) -> None:
    body, name, context = FORMS[form]
    answered = await world.ask("POST", where(world, form), json=body)
    assert answered.status_code == 202, answered.text
    (message,) = world.healer.sent
    failure = read(message, world.healer.rules)
    assert answered.json() == {"failures": [{"id": str(failure.id), "workflowName": name}]}
    assert (message.topic, failure.org_id, failure.workflow_name) == ("failures", world.org_id, name)
    assert failure.source == f"urn:shw-api:{form}"
    assert {one: failure.context[one] for one in context} == context
    again = await world.ask("POST", where(world, form), json=body)
    assert (again.json() == answered.json()) is (form != "plain")  # which names no identity of its own


@pytest.mark.parametrize("form", FORMS)
async def test_one_key_is_one_failure(world: World, form: str) -> None:
    asked = [
        await world.ask("POST", where(world, form), json=FORMS[form][0], headers={"Idempotency-Key": key})
        for key in ("k1", "k1", "k2")
    ]
    ids = [one.json()["failures"][0]["id"] for one in asked]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("person", LEADERS)
async def test_who_leads_reports(world: World, person: str) -> None:
    assert (await world.ask("POST", where(world), person, json=PLAIN)).status_code == 202


@pytest.mark.parametrize("person", [*OTHERS, None])
async def test_who_leads_nothing_reports_nothing(world: World, person: str | None) -> None:
    refused = await world.ask("POST", where(world), person, json=PLAIN)
    assert error_of(refused) == ((404, "not_found") if person else (401, "not_signed_in"))
    assert not world.healer.sent


@pytest.mark.parametrize(
    ("form", "body", "why"),
    [
        ("plain", b"", "JSON"),
        ("plain", b"[1]", "no object"),
        ("plain", b'{"workflow_name": "x"}', "failure_reason"),
        ("plain", b'{"workflow_name": "", "failure_reason": ""}', "workflow_name"),
        ("plain", b'{"workflow_name": "x", "failure_reason": "", "context": []}', "context"),
        ("plain", b'{"workflow_name": "x", "failure_reason": "", "context": {"a": NaN}}', "finite number"),
        ("plain", b'{"workflow_name": "x", "failure_reason": "", "detected_at": "noon"}', "detected_at"),
        ("plain", b'{"workflow_name": "x", "failure_reason": "", "workflow": "y"}', "no field"),
        ("plain", b'{"workflow_name": "x", "failure_reason": "", "org_id": "y"}', "org_id"),
        (
            "plain",
            b'{"workflow_name":"x","failure_reason":"","context":' + b'{"a":' * 200 + b"1" + b"}" * 201,
            "recursion",
        ),
        ("alertmanager", b'{"version": "3", "alerts": []}', "version"),
        ("alertmanager", b'{"version": "4", "alerts": [{"status": "firing"}]}', "labels.alertname"),
        ("airflow", b'{"dag_id": "a", "run_id": "b"}', "task_id"),
        ("n8n", b'{"execution": {}}', "workflow.name"),
    ],
)
async def test_what_would_be_a_dead_letter_is_refused(world: World, form: str, body: bytes, why: str) -> None:
    refused = await world.ask("POST", where(world, form), content=body)
    assert error_of(refused) == (422, "invalid_request")
    assert why in refused.text
    assert not world.healer.sent


async def test_more_alerts_than_are_read_at_once_are_refused(world: World) -> None:
    many = ALERTS | {"alerts": [{"status": "resolved"}] * 101}
    assert error_of(await world.ask("POST", where(world, "alertmanager"), json=many)) == (422, "invalid_request")
    none = await world.ask("POST", where(world, "alertmanager"), json=ALERTS | {"alerts": []})
    assert (none.status_code, none.json()) == (202, {"failures": []})


async def test_a_source_that_the_catalog_does_not_list_is_refused_with_what_to_add(world: World) -> None:
    catalog = parse_catalog("version: 1\nsources:\n- {source: 'urn:other', organisations: '*'}\n")
    world.healer.rules = AdmissionRules(catalog=catalog, max_event_bytes=100_000)
    refused = await world.ask("POST", where(world), json=PLAIN)
    assert error_of(refused) == (409, "refused")
    assert "urn:shw-api:plain" in refused.text
    assert "add it to the catalog's sources" in refused.text


@pytest.mark.parametrize(
    ("said", "answer"), [(Sent.FAILED, (503, "unavailable")), (Sent.TOO_LARGE, (413, "too_large"))], ids=str
)
async def test_what_the_broker_does_not_take_is_not_answered_with_yes(
    world: World, said: Sent, answer: tuple[int, str]
) -> None:
    world.healer.answer = said
    assert error_of(await world.ask("POST", where(world), json=PLAIN)) == answer


async def test_a_body_beyond_the_limit_is_not_read(world: World) -> None:
    large = PLAIN | {"failure_reason": "x" * 70_000}
    assert error_of(await world.ask("POST", where(world), content=json.dumps(large))) == (413, "too_large")
