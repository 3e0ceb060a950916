"""A test that lacks its tool skips with the line that installs it; in CI the run fails for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from consumer.local.kafka_jars import CHECKOUT
from tests.support.patience import PATIENCE

SUITE = """
import pytest

@pytest.mark.needs_tool("kcat")
def test_with_a_tool(): pass

@pytest.mark.skip(reason="something else")
def test_skipped_for_another_reason(): pass

def test_without(): pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = needs_tool: x\n")
    (tmp_path / "bin").mkdir()
    return tmp_path


def run(suite: Path, ci: str | None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(suite / "bin"), "PYTHONPATH": str(CHECKOUT)} | ({} if ci is None else {"SHW_CI": ci})
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-ra",
        "-p",
        "tests.support.required_tools",
        "-p",
        "no:cacheprovider",
        ".",
    ]
    return subprocess.run(
        argv, cwd=suite, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_a_missing_tool_skips_with_the_line_that_installs_it(suite: Path) -> None:
    ran = run(suite, None)
    assert ran.returncode == 0
    assert "kcat is missing: apt-get install kcat" in ran.stdout


def test_a_missing_tool_fails_the_run_in_ci_and_the_summary_stays_last(suite: Path) -> None:
    ran = run(suite, "1")
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED
    assert "system tools are missing, which fails a CI run" in ran.stdout
    assert "1 passed, 2 skipped" in ran.stdout.splitlines()[-1]


def test_in_ci_a_run_passes_when_the_tool_is_there(suite: Path) -> None:
    (suite / "bin" / "kcat").write_text("#!/bin/sh\n")
    (suite / "bin" / "kcat").chmod(0o755)
    assert run(suite, "1").returncode == 0
