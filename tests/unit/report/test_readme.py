"""Each snippet of the kit's README, as it stands but for the port of the service that it calls."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import shw_report
from shw_report import clients
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.report_cases import running_service
from tests.support.report_kit import reporting

README = (ROOT / "report" / "README.md").read_text()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_service() as where:
        yield where


def test_the_readmes_snippets_do_what_they_say(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with reporting(tmp_path) as reported:
        to_the_test = clients.CallersFunction(reported.send, "workflow.failures")
        monkeypatch.setattr(clients, "own_client", lambda *_: lambda: to_the_test)
        blocks = re.findall(
            r"^```python\n(.*?)^```", README.replace("http://127.0.0.1:8123", f"{url}/busy?"), re.MULTILINE | re.DOTALL
        )
        assert len(blocks) == 8
        names: dict[str, Any] = {}
        for block in blocks[:-1]:
            exec(compile(block, "README.md", "exec"), names)
        for step, arguments in (("sync", (17, "run-17")), ("charge", (17,)), ("pay", (17,))):
            with pytest.raises(httpx.HTTPStatusError):
                names[step](*arguments)
        contexts = {event["data"]["workflow_name"]: event["data"]["context"] for event in reported.events()}
        assert contexts["orders.sync"]["run"] == {"id": "run-17", "step": "fetch", "status": "failed"}
        assert contexts["orders.charge"]["request"]["idempotency_key"] == "charge-of-order-17"
        assert contexts["orders.pay"]["request"]["expect"]["json"][0]["equals"] == "paid"
        exec(compile(blocks[-1], "README.md", "exec"), names)
        with pytest.raises(httpx.HTTPStatusError):
            names["charge"](18)
        assert shw_report.flush(PATIENCE)
        assert "workflow.failures b'charge-18'" in capsys.readouterr().out
