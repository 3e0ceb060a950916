"""What `shw failures --top` and `shw diagnose --stored` say of a real database, and that they change nothing in it."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from consumer.cli.main import run_command
from consumer.store import reports
from tests.support.pipeline import call, catalog

ORGS = [uuid.UUID(int=n) for n in (7, 8)]
Captured = pytest.CaptureFixture[str]
INSERT = """
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, failure_type, disposition,
                               detected_at, received_at, lifetime_attempts)
VALUES ($1, $2, $3, $4, $5, $6, $7, now() - $8 * interval '1 hour', now() - $8 * interval '1 hour', $9)
"""
ATTEMPT = "INSERT INTO workflow_heal_attempts (failure_id, strategy, result, step) VALUES ($1, $2, 'failed', $3)"


def _in(dsn: str, *statements: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a row is anything
    async def run() -> Any:  # noqa: ANN401
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction():  # one now(): failures of the same time fall on both sides of a page
                return [await connection.fetch(statement, *values) for statement, *values in statements]
        finally:
            await connection.close()

    return asyncio.run(run())


def _failure(n: int, reason: str, **changes: Any) -> tuple[Any, ...]:  # noqa: ANN401
    row: dict[str, Any] = {
        "id": uuid.UUID(int=n),
        "org": ORGS[n % 2],
        "workflow": f"w{n % 3}",
        "reason": reason,
        "context": "{}",
        "failure_type": "unknown",
        "disposition": "needs_person",
        "hours": n / 100,
        "lifetime_attempts": 0,
    }
    return (INSERT, *(row | changes).values())


@pytest.fixture
def stored(database: str, service_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with the organisations, and small pages."""
    path = tmp_path / "catalog.yaml"
    path.write_text(catalog(8080, max_age="PT30M", allowance_aud="0.5"))
    monkeypatch.setenv("SHW_CATALOG", str(path))
    monkeypatch.setenv("SHW_POSTGRES__DSN", service_dsn)
    monkeypatch.setattr(reports, "REASONS_PAGE", 3)
    monkeypatch.setattr(reports, "DIAGNOSED_PAGE", 3)
    _in(database, *(("INSERT INTO organizations (id) VALUES ($1)", org) for org in ORGS))
    return database


def _said(capsys: Captured, *command: str) -> list[Any]:
    capsys.readouterr()
    assert run_command([*command, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_most_frequent_unknown_causes_are_counted_over_everybody_and_tell_no_data(
    stored: str, capsys: Captured
) -> None:
    seats = [_failure(n, f"no seat for guest 'Ann {n}' in row {n}, password=hunter{n}secret") for n in range(10)]
    _in(
        stored,
        *seats,
        _failure(20, "the lamp is out"),
        _failure(21, "no seat", hours=24 * 8),  # too long ago
        _failure(22, "Request timeout", failure_type="api_timeout"),
        _failure(23, "Request timeout", failure_type="api_timeout"),
    )
    most, lamp = _said(capsys, "failures", "--top-unknown")
    assert (most["count"], most["organisations"], most["workflows"]) == (10, 2, 3)
    assert most["reason"].startswith("no seat for guest # in row #")
    assert "hunter" not in most["reason"]
    assert (most["failure_types"], len(most["fingerprint"])) == (["unknown"], 12)
    assert most["first"] < most["last"]
    assert lamp["reason"] == "the lamp is out"
    found = _said(capsys, "failures", "--top")
    assert [(one["count"], *one["failure_types"]) for one in found] == [
        (10, "unknown"),
        (2, "api_timeout"),
        (1, "unknown"),
    ]
    assert [one["count"] for one in _said(capsys, "failures", "--top", "--org", str(ORGS[1]))] == [5, 1]
    assert len(_said(capsys, "failures", "--top", "--since", "9d")) == 4
    assert len(_said(capsys, "failures", "--top", "--since", "2020-01-01T00:00:00Z")) == 4
    assert [one["count"] for one in _said(capsys, "failures", "--top", "--limit", "1")] == [10]


def test_causes_are_a_table_for_a_person(stored: str, capsys: Captured) -> None:
    _in(stored, _failure(1, "the lamp is \x1b[31mout"))
    assert run_command(["failures", "--top-unknown"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split("\t")[:4] == ["count", "organisations", "workflows", "failure_types"]
    assert row.split("\t")[:4] == ["1", "1", "1", "unknown"]
    assert "\x1b" not in row


def test_a_backtest_tells_what_would_change_and_changes_nothing(stored: str, capsys: Captured) -> None:
    get = json.dumps(call("http://127.0.0.1:8080/x"))
    elsewhere = json.dumps(call("http://elsewhere.test/x"))
    timeout = {"failure_type": "api_timeout", "disposition": "retry_if_idempotent"}
    _in(
        stored,
        *(_failure(n, "Request timeout", context=get, hours=100) for n in range(1, 8)),  # long ago: still planned
        _failure(20, "Request timeout", context=get, lifetime_attempts=1, **timeout),
        _failure(21, "Request timeout", context=elsewhere, lifetime_attempts=1, **timeout),
        _failure(22, "Request timeout", failure_type=None, disposition=None),  # nobody looked at it yet
        (ATTEMPT, uuid.UUID(int=20), "auto-retry", 0),
        (ATTEMPT, uuid.UUID(int=20), "inserted by a member", None),
        (ATTEMPT, uuid.UUID(int=21), "auto-retry", 0),
    )
    tables = [(f"SELECT * FROM {name} ORDER BY id",) for name in ("workflow_failures", "workflow_heal_attempts")]
    before = _in(stored, *tables)
    change, summary = _said(capsys, "diagnose", "--stored")
    assert change["before"] == {"failure_type": "unknown", "disposition": "needs_person", "strategy": ""}
    assert (change["now"]["failure_type"], change["now"]["strategy"]) == ("api_timeout", "auto-retry")
    assert (change["failures"], change["acted_on_before"], change["acted_on_now"]) == (7, 0, 7)
    assert change["example"] in {str(uuid.UUID(int=n)) for n in range(1, 8)}
    assert summary == {
        "failures": 9,
        "same": 2,
        "changed": 7,
        "refused": 1,
        "crashed": 0,
        "acted_on_more": 7,
        "acted_on_fewer": 1,
        "credits_held_more_aud": "3.5",
    }
    assert _in(stored, *tables) == before
    assert _in(stored, ("SELECT 1 FROM heal_claim UNION ALL SELECT 1 FROM heal_outbox",)) == [[]]
    [limited] = _said(capsys, "diagnose", "--stored", "--limit", "2")
    assert (limited["failures"], limited["same"]) == (2, 2)
    assert _said(capsys, "diagnose", "--stored", "--since", "12h")[-1]["failures"] == 2


def test_a_backtest_is_a_table_with_a_sentence_below_for_a_person(stored: str, capsys: Captured) -> None:
    _in(stored, _failure(1, "Request timeout", context=json.dumps(call("http://127.0.0.1:8080/x"))))
    assert run_command(["diagnose", "--stored"]) == 0
    said = capsys.readouterr()
    header, row = said.out.splitlines()
    assert header.split("\t")[:3] == ["failures", "before", "now"]
    assert row.split("\t")[:2] == ["1", "unknown needs_person -"]
    assert "1 more would be acted on, with 0.5 AUD held for them" in said.err


@pytest.mark.parametrize(
    "command",
    [
        ["diagnose", "--since", "7d"],
        ["diagnose", "--limit", "5"],
        ["diagnose", "--stored", "--since", "soon"],
        ["failures", "--since", "soon"],
        ["failures", "--top", "--watch"],
        ["failures", "--top", "--top-unknown"],
        ["failures", "--top", "--status", "pending"],
        ["failures", "--top", "--limit", "0"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_refused(command: list[str], capsys: Captured) -> None:
    assert run_command(command) == 2
    assert capsys.readouterr().out == ""
