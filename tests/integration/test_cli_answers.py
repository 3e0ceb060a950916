"""What single `shw` commands say of a real database and real brokers."""

import asyncio
import io
import json
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from consumer.cli.main import run_command
from consumer.kafka.manual_producer import Acknowledged, Outgoing, open_sender
from consumer.local.broker import Broker
from consumer.settings import read_settings
from schemas.dead_letter import RefusedRecord, dead_letter
from schemas.names import PoisonReason
from tests.support.shw import kafka_settings

ORG = uuid.UUID(int=7)
DATA = {"org_id": str(ORG), "workflow_name": "w", "failure_reason": "timeout", "context": {"run": {"id": "r1"}}}

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def topics(broker: Broker, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> dict[str, str]:
    """Own topics on each kind of broker in turn."""
    settings = kafka_settings(broker)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert run_command(["topics", "--partitions", "2"]) == 0
    capsys.readouterr()
    return settings


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(stdin: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))

    return give


def _executed(dsn: str, statement: str, *values: object) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    asyncio.run(execute())


def _letters(*refused: RefusedRecord, limit: int = 1000) -> list[Acknowledged]:
    async def send() -> list[Any]:
        kafka = read_settings().kafka
        records = []
        for one in refused:
            value, headers = dead_letter(one, now=datetime.now(UTC), max_value_bytes=limit)
            records.append(Outgoing(topic=kafka.dlq_topic, key=b"k", value=value, headers=tuple(headers)))
        async with open_sender(kafka) as sender:
            return await sender.send(records)

    found = asyncio.run(send())
    assert all(isinstance(one, Acknowledged) for one in found)
    return found


def _refused(topic: str, value: bytes, reason: PoisonReason = PoisonReason.UNKNOWN_VERSION) -> RefusedRecord:
    return RefusedRecord(
        topic=topic,
        partition=0,
        offset=5,
        timestamp=datetime.now(UTC),
        value=value,
        headers=(("x", b"1"),),
        reason=reason,
        message="why",
    )


def test_published_lines_are_acknowledged_in_order_and_a_bad_one_is_left_out(
    topics: dict[str, str], given: Callable[[bytes], None], capsys: Captured
) -> None:
    lines = [json.dumps(DATA), "{}", "", json.dumps(DATA)]
    given("\n".join(lines).encode())
    assert run_command(["publish", "--form", "binary"]) == 1
    said = capsys.readouterr()
    stored = [json.loads(line) for line in said.out.splitlines()]
    assert [one["topic"] for one in stored] == [topics["SHW_KAFKA__FAILURES_TOPIC"]] * 2
    assert [one["offset"] for one in stored] == [0, 1]  # one key, one partition
    assert said.err.startswith("shw: Event 2 was not sent, it would become a dead letter: wrong_shape: data.org_id")


@pytest.mark.usefixtures("topics")
def test_an_event_may_be_written_over_many_lines_and_an_id_names_only_one(
    given: Callable[[bytes], None], capsys: Captured
) -> None:
    given(json.dumps(DATA, indent=2).encode())
    assert run_command(["publish", "--id", "e1", "--source", "urn:me"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "e1"
    given(b"\n".join([json.dumps(DATA).encode()] * 2))
    assert run_command(["publish", "--id", "e1"]) == 2
    assert "--id names one event" in capsys.readouterr().err
    given(b"\n")
    assert run_command(["publish"]) == 1


def test_without_its_topic_nothing_is_sent_and_nothing_is_created(
    topics: dict[str, str], given: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    absent = topics["SHW_KAFKA__FAILURES_TOPIC"] + "-absent"
    monkeypatch.setenv("SHW_KAFKA__FAILURES_TOPIC", absent)
    monkeypatch.setenv("SHW_KAFKA__DLQ_TOPIC", f"{absent}-dlq")
    given(json.dumps(DATA).encode())
    for command in (["publish"], ["dlq", "list"], ["publish"]):
        assert run_command(command) == 2
        told = capsys.readouterr().err
        assert f"has no topic {absent}" in told
        assert "create it with `shw topics`" in told


def test_dead_letters_are_listed_by_reason_and_replayed_byte_by_byte(topics: dict[str, str], capsys: Captured) -> None:
    failures = topics["SHW_KAFKA__FAILURES_TOPIC"]
    places = _letters(
        _refused(failures, b"\x00first"),
        _refused(failures, b"other", PoisonReason.NOT_JSON),
        _refused(failures, b"y" * 2000),
        _refused("elsewhere", b"{}"),
    )
    capsys.readouterr()
    assert run_command(["dlq", "list", "--reason", "unknown_version"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split("\t") == ["place", "at", "reason", "message", "from", "bytes", "replayed"]
    assert [row.split("\t")[2:] for row in rows] == [
        ["unknown_version", "why", "elsewhere 0:5", "2", "0"],
        ["unknown_version", "why", f"{failures} 0:5", "2000", "0"],
        ["unknown_version", "why", f"{failures} 0:5", "6", "0"],
    ]
    assert run_command(["dlq", "list", "--limit", "1", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["from"] == "elsewhere 0:5"
    assert "The newest 1 of 4" in said.err

    assert run_command(["dlq", "replay", "--all", "--reason", "unknown_version", "--force"]) == 1
    said = capsys.readouterr()
    [sent] = [json.loads(line) for line in said.out.splitlines()]
    assert sent["topic"] == failures
    assert sent["replayed"] == f"{places[0].partition}:{places[0].offset}"
    assert "is cut (1000 of 2000 bytes" in said.err
    assert "topic elsewhere" in said.err
    place = f"{places[1].partition}:{places[1].offset}"
    assert run_command(["dlq", "replay", place, "--force"]) == 0
    assert run_command(["dlq", "show", "77:0"]) == 1
    assert run_command(["dlq", "show", place.replace(":", ":9")]) == 1


def test_asking_for_a_heal_is_answered_by_where_the_failure_stands(
    database: str, service_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("SHW_POSTGRES__DSN", service_dsn)
    _executed(database, "INSERT INTO organizations (id) VALUES ($1)", ORG)
    insert = (
        "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, status, resolved, due_at)"
        " VALUES ($1, $2, 'w', 'token=hunter2secret', '{}', $3, $3 = 'resolved',"
        " CASE WHEN $3 IN ('resolved', 'given_up') THEN NULL ELSE now() + interval '1 day' END)"
    )
    told = {
        "given_up": (0, "is due now"),
        "deferred": (0, "is due now"),
        "resolved": (0, "is resolved already"),
        "needs_person": (1, "Refused: "),
        "awaiting_approval": (1, "Refused: "),
    }
    for n, (status, (code, words)) in enumerate(told.items()):
        failure = uuid.UUID(int=n)
        _executed(database, insert, failure, ORG, status)
        assert run_command(["heal", str(failure)]) == code
        assert words in capsys.readouterr().err
    assert run_command(["heal", str(uuid.UUID(int=99))]) == 1
    assert run_command(["attempts", str(uuid.UUID(int=99))]) == 1
    assert run_command(["attempts", str(uuid.UUID(int=0))]) == 0
    capsys.readouterr()
    assert run_command(["heal", str(uuid.UUID(int=1)), "--wait", "0.3"]) == 3
    assert "No attempt of" in capsys.readouterr().err
    assert run_command(["failures", "--status", "pending", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["id"], one["failure_reason"]) for one in found] == [(str(uuid.UUID(int=0)), "token=[redacted]")]


def test_check_event_asks_the_database_only_when_told_to(
    database: str,
    service_dsn: str,
    given: Callable[[bytes], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("version: 1\nsources: [{source: '*', organisations: '*'}]\n")
    monkeypatch.setenv("SHW_POSTGRES__DSN", service_dsn)
    command = ["check-event", "--catalog", str(catalog), "--database"]
    given(json.dumps(DATA).encode())
    run_command(command)
    assert json.loads(capsys.readouterr().out)["poison"]["reason"] == "unknown_organisation"
    _executed(database, "INSERT INTO organizations (id) VALUES ($1)", ORG)
    given(json.dumps(DATA).encode())
    run_command(command)
    assert json.loads(capsys.readouterr().out)["organisation"] == "exists"
    catalog.write_text(f"{catalog.read_text()}workflows: [{{name: '*', hosts: [{{host: api.example.com}}]}}]\n")
    request = {"method": "GET", "url": "https://api.example.com/orders/1"}
    event = json.dumps({**DATA, "failure_reason": "timeout", "context": {"request": request}}).encode()
    given(event)
    assert run_command(command) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["about"], one["final"]) for one in found["obstacles"]] == [("wallet", True)], found
    _executed(database, "INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 5)", ORG)
    assert run_command(["pause", "--fleet", "--reason", "the night"]) == 0
    opened = """
    INSERT INTO heal_breaker (key, org_id, dependency, strikes, opened_at, probe_due)
    SELECT 'dependency:' || org || ':' || place, org, place, 5, now(), now()
      FROM (VALUES ($1::uuid, 'https://api.example.com:443')) AS ill (org, place)
    """
    _executed(database, opened, ORG)
    capsys.readouterr()
    given(event)
    assert run_command(command) == 0
    obstacles = json.loads(capsys.readouterr().out)["obstacles"]
    assert [(one["about"], one["final"]) for one in obstacles] == [("pause", False), ("breaker", False)]
