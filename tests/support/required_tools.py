"""Tests that need a system tool: they skip with the line that installs it, and in CI a skip of theirs is a failure."""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

PACKAGE_OF: Final = {
    **{name: name for name in ("chromium", "espeak-ng", "ffmpeg", "kcat", "pgbouncer", "prometheus", "sox")},
    "promtool": "prometheus",
    "postgres": "postgresql",
    "psql": "postgresql-client",
}
_BESIDE_THE_PATH: Final = os.pathsep.join(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))
"""Where Debian keeps programs that it does not put on the path."""


def in_ci() -> bool:
    return os.environ.get("SHW_CI") == "1"


def require_tool(name: str) -> str:
    """Give the tool's path, or skip the test with the line that installs it."""
    path = shutil.which(name) or shutil.which(name, path=_BESIDE_THE_PATH)
    if path is None:
        pytest.skip(f"{name} is missing: apt-get install {PACKAGE_OF[name]}")
    return path


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs_tool"):
        for name in marker.args:
            require_tool(name)


def _skipped(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = [] if reporter is None else reporter.stats.get("skipped", [])
    return [report.nodeid for report in reports if "needs_tool" in report.keywords]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if in_ci() and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = _skipped(config) if in_ci() else []
    if skipped:
        terminalreporter.section("system tools are missing, which fails a CI run", red=True)
        for nodeid in skipped:
            terminalreporter.line(nodeid)
