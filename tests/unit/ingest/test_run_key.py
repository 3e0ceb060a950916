"""The key of one failure of one run: the same from every source, and another one for every other try."""

from typing import Any
from uuid import UUID

import pytest

from consumer.ingest.run_key import run_key
from consumer.model import OrgId
from consumer.redact import REDACTED

ORG = OrgId(UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10"))
RUN: dict[str, Any] = {"id": "scheduled__2026-03-01", "epoch": 1, "step": "load"}


def key(run: object = RUN, *, org: OrgId = ORG, runner: str | None = "dags", workflow: str = "orders") -> bytes | None:
    return run_key(org, runner, workflow, run)


def test_whatever_else_an_event_knows_of_a_run_its_key_is_the_same() -> None:
    assert key() == key(RUN | {"status": "failed", "heartbeat": "2026-03-01T12:00:00Z"})
    assert key(RUN | {"id": 17}) == key(RUN | {"id": "17"})
    assert len(key() or b"") == 32


def test_each_part_makes_another_key() -> None:
    others = [
        key(),
        key(org=OrgId(UUID(int=1))),
        key(runner="others"),
        key(workflow="refunds"),
        key(RUN | {"id": "scheduled__2026-03-02"}),
        key(RUN | {"epoch": 2}),
        key(RUN | {"step": "extract"}),
        key(RUN | {"id": "scheduled__2026-03-011", "step": "oad"}),
    ]
    assert None not in others
    assert len(set(others)) == len(others)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(None, id="no run"),
        pytest.param([], id="a list"),
        pytest.param({"id": "r", "step": "s"}, id="no try"),
        pytest.param({"id": "r", "epoch": 1}, id="no step"),
        pytest.param({"epoch": 1, "step": "s"}, id="no id"),
        pytest.param(RUN | {"epoch": True}, id="a try that is none"),
        pytest.param(RUN | {"epoch": -1}, id="a try before the first"),
        pytest.param(RUN | {"epoch": "1"}, id="a try in words"),
        pytest.param(RUN | {"id": REDACTED}, id="a redacted id"),
        pytest.param(RUN | {"id": "x" * 513}, id="a long id"),
        pytest.param(RUN | {"id": 10**400}, id="a long number"),
        pytest.param(RUN | {"step": ""}, id="an empty step"),
        pytest.param(RUN | {"id": {}}, id="an object"),
    ],
)
def test_what_is_not_named_makes_no_key(run: object) -> None:
    assert key(run) is None


def test_a_workflow_without_a_runner_makes_no_key() -> None:
    assert key(runner=None) is None
