import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# `pytest` alone, unlike `python -m pytest`, does not find `tests.support`.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.generated_examples import judge_no_example_by_its_time
from tests.support.plain_logs import keep_no_logger, log_plainly, logs_plainly

log_plainly()
keep_no_logger()
judge_no_example_by_its_time()

pytest_plugins = [
    "tests.support.required_tools",
    "tests.support.garbage",
    "tests.support.stack",
    "tests.support.places",
    "tests.support.spread",
    "tests.support.faults.matrix",
    "tests.support.worlds.prefect_engine",
    "tests.support.worlds.airflow_engine",
    "tests.support.worlds.conductor_engine",
    "tests.support.worlds.temporal_engine",
]


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """What a command configures in a test's own process ends with that test."""
    yield
    if not logs_plainly():
        log_plainly()
