"""Every worker begins with slow tests and has quick ones behind them; what one Kafka serves lies in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from consumer.local.broker import BrokerKind
from tests.support.paths import ROOT
from tests.support.spread import SLOW, spread
from tests.support.stack import depends_on_defaults


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """What is asked of a collected test."""

    nodeid: str
    fixturenames: tuple[str, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def callspec(self) -> SimpleNamespace:
        return SimpleNamespace(params=self.params)


def item(nodeid: str, *fixtures: str, **params: object) -> pytest.Item:
    return cast("pytest.Item", Collected(f"tests/{nodeid}", fixtures, params))


KAFKA = [item(f"integration/test_a.py::test[{n}]", "broker", broker=BrokerKind.KAFKA) for n in range(3)]
CRASH = [item(f"crash/test_b.py::test[{n}]", "own_kafka") for n in range(5)]
SERVERS = [item(f"integration/test_c.py::test[{n}]", "database") for n in range(8)]
LONG = [item("integration/test_demo.py::test[embedded]"), item("integration/test_openapi.py::test")]
FAST = [item(f"unit/test_d.py::test[{n}]") for n in range(60)]
ALL = [*KAFKA, *CRASH, *SERVERS, *LONG, *FAST]


def stretches(items: list[pytest.Item], workers: int) -> list[list[pytest.Item]]:
    """Cut the tests as `worksteal` does."""
    cut, begin = [], 0
    for number in range(workers):
        end = begin + (len(items) - begin) // (workers - number)
        cut.append(items[begin:end])
        begin = end
    return cut


def test_each_worker_begins_with_what_needs_servers_the_slow_ones_first() -> None:
    crash, kafka, *others = stretches(spread(ALL, 4), 4)
    assert crash[: len(CRASH)] == CRASH
    assert kafka[: len(KAFKA)] == KAFKA
    for some, slow in zip(others, LONG, strict=True):
        assert some[0] == slow
        assert len([one for one in some[1:5] if one in SERVERS]) == len(SERVERS) / 2
        assert set(some[5:]) <= set(FAST)


def test_tests_of_one_engine_stay_together() -> None:
    of_it = [item(f"integration/test_e.py::test[{n}]", "prefect") for n in range(3)]
    ordered = spread([*of_it, *SERVERS, *FAST], 4)
    assert [one for one in ordered if one in of_it] == of_it == ordered[ordered.index(of_it[0]) :][:3]


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 50])
@pytest.mark.parametrize("items", [ALL, SERVERS, FAST, []], ids=["all", "no quick ones", "quick ones alone", "none"])
def test_every_test_is_there_once(items: list[pytest.Item], workers: int) -> None:
    assert sorted(map(id, spread(items, workers))) == sorted(map(id, items))


def test_slow_modules_are_there() -> None:
    assert [name for name in SLOW if not (ROOT / "tests" / name).is_file()] == []


def test_under_other_defaults_runs_what_they_can_touch() -> None:
    assert depends_on_defaults(item("integration/test_c.py::test", "database", "database_template"))
    assert not depends_on_defaults(item("integration/test_c.py::test", "postgres"))
    assert not depends_on_defaults(item("integration/test_c.py::test", "database_template", defaults="plain"))
