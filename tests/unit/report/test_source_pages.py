"""The pages of docs/sources/ that use the kit: their snippet as it stands, under their catalog, gives what heals."""

import asyncio
import json
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consumer.cli.check_event import check_event
from shw_report import clients
from tests.support.paths import ROOT
from tests.support.report_kit import Reported, reporting


def timed_out() -> TimeoutError:
    """A new one each time: the same one is reported once."""
    return TimeoutError("timed out after 30 s: warehouse did not answer")


@pytest.fixture
def run_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a function of the page's name
    """Run a page's snippet; gives its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW_PASSWORD", "x")

    def run(page: str, reported: Reported) -> dict[str, Any]:
        text = (ROOT / "docs" / "sources" / page).read_text()
        blocks = {
            kind: textwrap.dedent(block)
            for kind, block in re.findall(r"^ *```(python|yaml)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        }
        reported.catalog.write_text(blocks["yaml"])
        to_the_test = clients.CallersFunction(reported.send, "workflow.failures")
        monkeypatch.setattr(clients, "own_client", lambda *_: lambda: to_the_test)
        names: dict[str, Any] = {}
        exec(compile(blocks["python"], page, "exec"), names)
        return names

    return run


def answers(reported: Reported) -> list[dict[str, Any]]:
    """What `shw check-event` says of each event under the page's catalog."""
    reported.events()
    return [
        dict(check_event(value, headers, catalog=reported.catalog, with_database=False))
        for _, _, value, headers in reported.records
    ]


def test_airflows_callback(run_page: Any, tmp_path: Path) -> None:  # noqa: ANN401 - see above
    task = SimpleNamespace(dag_id="orders", run_id="manual__1", task_id="load", map_index=-1, try_number=2)
    with reporting(tmp_path) as reported:
        run_page("airflow.md", reported)["tell"]({"task_instance": task, "exception": timed_out()})
        [answer] = answers(reported)
    assert answer["healable"], json.dumps(answer, indent=1)
    assert answer["strategy"] == "auto-retry"


def test_prefects_hook(run_page: Any, tmp_path: Path) -> None:  # noqa: ANN401 - see above
    flow_run = SimpleNamespace(id="0b6cf7a2-8f5e-4e0a-9b51-0d1d9a4f3c55", run_count=1)

    async def aresult(*, raise_on_failure: bool) -> object:
        return None if raise_on_failure else timed_out()

    state = SimpleNamespace(aresult=aresult)
    with reporting(tmp_path) as reported:
        asyncio.run(run_page("prefect.md", reported)["tell"](SimpleNamespace(name="orders"), flow_run, state))
        [answer] = answers(reported)
    assert answer["healable"], json.dumps(answer, indent=1)
    assert answer["strategy"] == "auto-retry"


def test_dbts_results(run_page: Any, tmp_path: Path) -> None:  # noqa: ANN401 - see above
    results = [
        {"status": "success", "unique_id": "model.shop.customers", "message": "SELECT 5"},
        {"status": "error", "unique_id": "model.shop.orders", "message": "Database Error: connection timed out"},
        {
            "status": "fail",
            "unique_id": "test.shop.not_null_orders_id",
            "message": "Got 3 results, configured to fail if != 0",
        },
        {"status": "skipped", "unique_id": "model.shop.daily", "message": None},
    ]
    written = {"metadata": {"invocation_id": "5ad1"}, "results": results}
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "run_results.json").write_text(json.dumps(written))
    with reporting(tmp_path) as reported:
        run_page("dbt.md", reported)
        passing, failed = answers(reported)
    assert passing["healable"], json.dumps(passing, indent=1)
    assert not failed["healable"]
