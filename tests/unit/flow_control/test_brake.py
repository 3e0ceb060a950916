"""The brake counts as seldom as counting is slow, and goes by the last count in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from consumer.catalog import Catalog
from consumer.catalog.parsing import parse_catalog
from consumer.flow_control.brake import WorkflowBrake
from consumer.metrics import Metrics
from consumer.model import OrgId

NO_POOL: Any = None
ORG = OrgId(UUID(int=1))


def catalog(runs: int = 100, within: str = "PT10M") -> Catalog:
    return parse_catalog(
        "version: 1\nsources:\n- {source: '*', organisations: '*'}\nworkflows:\n"
        f"- name: 'w'\n  brake: {{runs: {runs}, within: {within}, share: 0.5}}\n"
    )


@dataclass(slots=True)
class Database:
    """Takes as long as is told, and keeps the time."""

    failures: int = 90
    takes: float = 0.25
    now: float = 100.0
    counts: int = 0

    def monotonic(self) -> float:
        return self.now

    async def count(self, _pool: object, _within: timedelta) -> Mapping[tuple[OrgId, str], int]:
        self.counts += 1
        self.now += self.takes
        return {(ORG, "w"): self.failures}


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr("consumer.flow_control.brake.time.monotonic", made.monotonic)
    monkeypatch.setattr("consumer.flow_control.brake.rate_limits.open_failures_by_workflow", made.count)
    return made


@pytest.mark.parametrize(("replicas", "most"), [(1, 3), (4, 1)])
async def test_no_more_than_a_fiftieth_of_the_fleets_time_goes_into_counting(
    database: Database, replicas: int, most: int
) -> None:
    brake = WorkflowBrake(metrics=Metrics(CollectorRegistry()), pool=NO_POOL, replicas=lambda: replicas)
    for _ in range(30):
        assert await brake.look(catalog()) == {(ORG, "w")}
        database.now += 1
    assert 1 <= database.counts <= most


async def test_a_catalog_that_has_changed_is_gone_by_at_once(database: Database) -> None:
    brake = WorkflowBrake(metrics=Metrics(CollectorRegistry()), pool=NO_POOL)
    assert await brake.look(catalog()) == {(ORG, "w")}
    assert await brake.look(catalog(runs=1000)) == frozenset()
    assert database.counts == 1
    assert await brake.look(catalog(within="PT5M")) == {(ORG, "w")}
    assert database.counts == 2
