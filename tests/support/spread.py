"""In which order the workers of a parallel run take the tests, so that none of them works on alone at the end.

`--dist worksteal` gives each worker a stretch of the tests, of equal length, and a worker that has nothing left takes
from the end of the longest rest. So each stretch begins with its share of the tests that need servers, the slow ones
first, and the thousands of quick ones lie behind them, where they are taken from. Tests of one Kafka lie in one
stretch: it is started once or twice, and not by every worker.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import pytest

from consumer.local.broker import BrokerKind

SLOW: Final = frozenset({
    "crash/test_bulk_crash.py",
    "crash/test_store_stress.py",
    "crash/test_suspended_restarts.py",
    "integration/test_api_beside_heals.py",
    "integration/test_approved_changes.py",
    "integration/test_cli_doctor.py",
    "integration/test_definitions_in_force.py",
    "integration/test_demo.py",
    "integration/test_dependency_replacement.py",
    "integration/test_local_stack.py",
    "integration/test_lying_generators.py",
    "integration/test_many_ask.py",
    "integration/test_openapi.py",
    "integration/test_outages.py",
    "integration/test_own_faults.py",
    "integration/test_replay_under_load.py",
    "integration/test_runner_prefect.py",
    "crash/test_heartbeats_crash.py",
    "integration/test_console_browser.py",
    "crash/test_clean_stop.py",
    "simulation/test_simulation.py",
})  # fmt: skip
"""Modules, as seen from `tests`, of which one test takes more than ten seconds on a quiet machine."""
QUICK: Final = ("contract/", "unit/")
ENGINES: Final = ("prefect",)
"""Fixtures of a session that take long to make, and that few tests share."""
KAFKAS: Final = ("own_kafka", "kafka_broker")
ALL_AT_LEAST: Final = 4
"""Fewer workers have none to spare for a Kafka alone."""


@pytest.hookimpl(trylast=True)  # what is left out is gone by then
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    given = getattr(config, "workerinput", None)
    if given is not None:
        items[:] = spread(items, given["workercount"])


def spread(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """Order tests for so many workers."""
    heads: list[list[pytest.Item]] = [[] for _ in range(workers)]
    free = list(range(workers))
    with_servers = [item for item in items if not _place(item).startswith(QUICK)]
    for kafka in KAFKAS:
        of_it = [item for item in with_servers if _kafka(item) == kafka]
        if of_it and workers >= ALL_AT_LEAST:
            heads[free.pop(0)] = of_it
            with_servers = [item for item in with_servers if _kafka(item) != kafka]
    together = sorted(_together(with_servers), key=lambda some: _place(some[0]) not in SLOW)
    for number, some in enumerate(together):
        heads[free[number % len(free)]] += some
    quick = [item for item in items if _place(item).startswith(QUICK)]
    ordered: list[pytest.Item] = []
    for number, head in enumerate(heads):
        length = (len(items) - len(ordered)) // (workers - number)
        filling = max(0, length - len(head))
        ordered += [*head, *quick[:filling]]
        quick = quick[filling:]
    return ordered + quick


def _place(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0].removeprefix("tests/")


def _kafka(item: pytest.Item) -> str | None:
    fixtures = getattr(item, "fixturenames", ())
    call = getattr(item, "callspec", None)
    if call is not None and call.params.get("broker") is BrokerKind.KAFKA:
        return "kafka_broker"
    return next((kafka for kafka in KAFKAS if kafka in fixtures), None)


def _together(items: Iterable[pytest.Item]) -> list[list[pytest.Item]]:
    """Keep those in one piece that share an engine, or what a module's fixture made."""
    pieces: dict[str, list[pytest.Item]] = {}
    for item in items:
        engine = next((name for name in ENGINES if name in getattr(item, "fixturenames", ())), None)
        pieces.setdefault(engine or (_place(item) if _shares_a_modules(item) else item.nodeid), []).append(item)
    return list(pieces.values())


def _shares_a_modules(item: pytest.Item) -> bool:
    info = getattr(item, "_fixtureinfo", None)
    found = {} if info is None else info.name2fixturedefs
    return any(one.scope == "module" for definitions in found.values() for one in definitions)
