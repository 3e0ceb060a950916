"""How a run is named reaches the healer as it was given: by it the engine is asked."""

from pathlib import Path

import pytest

from shw_report import report
from tests.support.report_kit import reporting

RUNS = (
    "manual__2026-11-30T00:00:00+00:00_d381eea0-691e-47cf-8878-750de111c69a",
    "manual__2026-11-30T00:00:00.123456+00:00_bQ3xY7Zk",
    "order-17/0b7f6c1e-9f0d-4a44-8d2b-6f3a1c9e7d01",
    "0b7f6c1e-9f0d-4a44-8d2b-6f3a1c9e7d01",
    "0ujtsYcgvSTl8PAuAdqWYSMnLOv",
    "01J8Z3NDEKTSV4RRFFQ69G5FAV",
    "V1StGXR8_Z5jdHi6B-myT",
)


@pytest.mark.parametrize("run", RUNS)
def test_what_names_a_run_stays_as_it_is(run: str, tmp_path: Path) -> None:
    with reporting(tmp_path) as reported:
        report("orders.sync", run=run, step=f"load-{run}", epoch=1).tell(TimeoutError(f"run {run} timed out"))
        context = reported.context()
    assert (context["run"]["id"], context["run"]["step"]) == (run, f"load-{run}")


def test_a_message_keeps_an_id_and_loses_a_token_beside_it(tmp_path: Path) -> None:
    token = "Zx9Qw7Lm3Rt5Yb1Nk8Vp2Hc6Jd4Fg0Sa"
    with reporting(tmp_path) as reported:
        report("orders.sync", run="r-1").tell(TimeoutError(f"{RUNS[2]} of {token}"))
        message = reported.context()["error"]["message"]
    assert RUNS[2] in message
    assert token not in message


def test_a_secret_that_stands_in_a_runs_name_goes_all_the_same(tmp_path: Path) -> None:
    with reporting(tmp_path) as reported:
        report("orders.sync", run="https://u:hunter2-long-one@h.example.com/run/7").tell(TimeoutError("late"))
        assert "hunter2" not in str(reported.event())
