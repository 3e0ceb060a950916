"""What `shw show` tells of a failure on a real database: enough to decide at night, without what is a secret."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from consumer.cli import failures
from consumer.cli.main import run_command
from consumer.store.listed_failures import FailureFilter
from tests.support.pipeline import call, catalog, until
from tests.support.shw import shw

Captured = pytest.CaptureFixture[str]
ORG, ONE, OTHER = (uuid.UUID(int=n) for n in (7, 8, 9))
SECRET = "hunter2secret"
INSERT = """
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, source, status, waits_on, step,
                               attempts, lifetime_attempts, failure_type, disposition, digest, resolved, due_at)
VALUES ($1, $2, 'orders.sync', $3, $4, 'urn:test', $5, $6, 2, 1, 1, 'api_timeout', 'retry_if_idempotent', '\\x01',
        $5 = 'resolved', CASE WHEN $5 IN ('resolved', 'given_up') THEN NULL ELSE clock_timestamp() END)
"""
ATTEMPT = "INSERT INTO workflow_heal_attempts (failure_id, strategy, result, step, details) VALUES ($1, $2, $3, 0, $4)"
DECISION = "INSERT INTO heal_decision (failure_id, step, decision, reason, decided_by) VALUES ($1, 1, $2, $3, 'Ann')"


def _in(dsn: str, *statements: tuple[Any, ...]) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            for statement, *values in statements:
                await connection.execute(statement, *values)
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.fixture
def stored(database: str, service_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "catalog.yaml"
    path.write_text(catalog(8080))
    monkeypatch.setenv("SHW_CATALOG", str(path))
    monkeypatch.setenv("SHW_POSTGRES__DSN", service_dsn)
    context = call("http://127.0.0.1:8080/v1/orders/17", "POST", body={"state": "paid", "password": SECRET})
    details = {"code": "needs_person", "reason": "the call may have had its effect"}
    _in(
        database,
        ("INSERT INTO organizations (id) VALUES ($1)", ORG),
        (
            INSERT,
            ONE,
            ORG,
            "Request timeout after 10000 ms: POST /v1/orders/17",
            json.dumps(context | {"run": {"id": "r7"}}),
            "needs_person",
            "person",
        ),
        (INSERT, OTHER, ORG, "Request timeout", json.dumps(context), "pending", None),
        (ATTEMPT, ONE, "auto-retry", "unknown", json.dumps(details)),
        (DECISION, ONE, "did_not_happen", "nothing in their log"),
    )
    return database


def _shown(capsys: Captured, failure: uuid.UUID) -> dict[str, Any]:
    capsys.readouterr()
    assert run_command(["show", str(failure), "--json"]) == 0
    (one,) = map(json.loads, capsys.readouterr().out.splitlines())
    return dict(one)


@pytest.mark.usefixtures("stored")
def test_everything_that_is_known_of_a_failure_is_shown_and_no_secret(capsys: Captured) -> None:
    one = _shown(capsys, ONE)
    assert (one["status"], one["waits_on"], one["workflow_name"]) == ("needs_person", "person", "orders.sync")
    assert (one["request"]["method"], one["request"]["url"]) == ("POST", "http://127.0.0.1:8080/v1/orders/17")
    assert one["request"]["body"] == {"state": "paid", "password": "[redacted]"}
    assert one["context"] == {"run": {"id": "r7"}}
    assert one["diagnosis"]["failure_type"] == "api_timeout"
    assert one["diagnosis"]["evidence"]
    assert (one["plan"]["decision"], one["strategy"]) == ("refuse", "auto-retry")
    assert {rung["strategy"]: rung["may_act"] for rung in one["ladder"]}["auto-retry"] is False
    assert one["attempt_list"][0]["details"]["reason"] == "the call may have had its effect"
    assert one["decisions"][0]["reason"] == "nothing in their log"
    assert [said["command"].split()[1] for said in one["next"]] == ["resolve", "heal", "give-up"]
    assert SECRET not in json.dumps(one)


@pytest.mark.usefixtures("stored")
def test_the_page_for_a_person_fits_into_80_columns_and_ends_with_what_to_type(capsys: Captured) -> None:
    assert run_command(["show", str(ONE)]) == 0
    page = capsys.readouterr().out
    assert SECRET not in page
    assert max(len(line) for line in page.splitlines()) <= 80
    told = " ".join(page.split())
    for said in (
        "needs_person, waits on person; step 2, attempts 1",
        "POST http://127.0.0.1:8080/v1/orders/17",
        "diagnosis api_timeout, retry_if_idempotent",
        "- auto-retry: passed over, refused",
        "auto-retry unknown; needs_person the call may have had its effect",
        "did_not_happen by Ann",
    ):
        assert said in told
    last = [line.strip() for line in page.splitlines()[-6:]]
    assert last[0] == "# it happened over there, or was mended by hand"
    assert last[1] == f"shw resolve {ONE} --reason '...'"
    assert last[3] == f"shw heal {ONE} --did-not-happen"


def test_the_commands_that_are_named_do_what_is_said_of_them(stored: str, capsys: Captured) -> None:
    (_, again, _) = _shown(capsys, ONE)["next"]
    assert run_command(again["command"].split()[1:]) == 0
    assert _shown(capsys, ONE)["status"] == "pending"
    heal, give_up = _shown(capsys, OTHER)["next"]
    assert heal["command"] == f"shw heal {OTHER} --wait 30"
    assert run_command([*give_up["command"].split()[1:-1], "it is too late"]) == 0
    begin_anew, by_hand = _shown(capsys, OTHER)["next"]
    assert begin_anew["when"] == "the cause is gone, or may be: begin anew"
    assert run_command([*by_hand["command"].split()[1:-1], "done by hand"]) == 0
    done = _shown(capsys, OTHER)
    assert (done["status"], done["next"], done["plan"], done["no_plan"]) == ("resolved", [], None, None)
    assert stored


@pytest.mark.usefixtures("stored")
def test_without_a_catalog_all_but_the_plan_is_shown(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHW_CATALOG")
    one = _shown(capsys, ONE)
    assert (one["plan"], one["request"]["method"]) == (None, "POST")
    assert "SHW_CATALOG" in one["no_plan"]


def _listed(capsys: Captured, *options: str) -> list[str]:
    capsys.readouterr()
    assert run_command(["failures", "--json", *options]) == 0
    return [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]


def test_failures_are_chosen_by_workflow_source_status_and_time(stored: str, capsys: Captured) -> None:
    old = "UPDATE workflow_failures SET detected_at = now() - interval '2 days', workflow_name = 'w' WHERE id = $1"
    _in(stored, (old, OTHER))
    assert _listed(capsys) == [str(ONE), str(OTHER)]
    assert _listed(capsys, "--since", "1h") == [str(ONE)]
    assert _listed(capsys, "--since", "2020-01-01") == _listed(capsys, "--since", "2020-01-01T03:00") != []
    assert _listed(capsys, "--workflow", "w") == [str(OTHER)]
    assert _listed(capsys, "--source", "urn:test") == [str(ONE), str(OTHER)]
    assert _listed(capsys, "--source", "urn:other") == []
    assert _listed(capsys, "--status", "needs_person", "--status", "resolved") == [str(ONE)]


@pytest.mark.usefixtures("stored")
def test_a_failure_may_be_named_by_the_beginning_of_its_id(capsys: Captured) -> None:
    assert run_command(["attempts", "00000000-0000-0000-0000-000000000008"]) == 0
    assert run_command(["attempts", "00000000"]) == 2
    assert str(OTHER) in capsys.readouterr().err
    assert run_command(["attempts", "00000000-0000-0000-0000-00000000000"]) == 2
    assert run_command(["attempts", "0000"]) == 2
    assert run_command(["show", "abcd"]) == 1
    assert "No failure's id begins with abcd" in capsys.readouterr().err
    assert run_command(["attempts", "xy"]) == 2


async def test_a_watch_tells_what_is_open_and_then_each_change(
    stored: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "WATCH_EVERY", 0.02)
    said: list[str] = []

    async def told(number: int) -> bool:
        said.extend(capsys.readouterr().out.splitlines())
        return len(said) >= number

    watch = asyncio.create_task(failures.watch(FailureFilter(), limit=50, as_json=False))
    await until(lambda: told(2))
    connection = await asyncpg.connect(stored)
    await connection.execute("UPDATE workflow_failures SET resolved = true WHERE id = $1", OTHER)
    await connection.close()
    await until(lambda: told(3))
    watch.cancel()
    await asyncio.wait([watch])
    assert [line.split()[1:3] for line in said] == [
        ["00000000", "needs_person"],
        ["00000000", "pending"],
        ["00000000", "resolved"],
    ]
    assert SECRET not in "".join(said)


def test_a_shell_completes_commands() -> None:
    asked = {"_SHW_COMPLETE": "complete_bash", "COMP_WORDS": "shw fail", "COMP_CWORD": "1"}
    assert shw("", settings=asked).out.split() == [b"failures"]
