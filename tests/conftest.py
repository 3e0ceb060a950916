import sys
from pathlib import Path

# `pytest` alone, unlike `python -m pytest`, does not find `tests.support`.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.generated_examples import judge_no_example_by_its_time
from tests.support.plain_logs import log_plainly

log_plainly()
judge_no_example_by_its_time()

pytest_plugins = [
    "tests.support.required_tools",
    "tests.support.stack",
    "tests.support.places",
    "tests.support.spread",
    "tests.support.faults.matrix",
    "tests.support.worlds.prefect_engine",
    "tests.support.worlds.airflow_engine",
    "tests.support.worlds.conductor_engine",
]
