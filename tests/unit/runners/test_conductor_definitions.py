"""An order to replace a definition that is given again after a crash, on a server that writes into what it takes."""

from datetime import timedelta
from typing import Any, Final

import pytest

from consumer.catalog import ConductorRunner
from consumer.runners.conductor.definitions import ConductorDefinitions
from consumer.runners.conductor.engine import ConductorEngine
from consumer.runners.contract import Rejected
from consumer.runners.definitions import NewVersion, Replaced, WorkflowRef
from tests.support.healing import ORG
from tests.support.worlds.http_world import http_world, json_reply
from tests.support.worlds.recorded import ground

WITHIN: Final = timedelta(seconds=5)
OF: Final = WorkflowRef(org_id=str(ORG), workflow_name="orders")


def document(version: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    task = {"name": "charge", "taskReferenceName": "charge", "type": "SIMPLE", "inputParameters": {"amount": 1}}
    whole = {"name": "orders", "version": version, "schemaVersion": 2, "tasks": [task | more.pop("task", {})]}
    return whole | more


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (document(2, createTime=99, updateTime=100, ownerApp="", task={"asyncComplete": False}), Replaced(version="2")),
        (document(2, createTime=99, task={"inputParameters": {"amount": 2}}), None),
        (document(3, createTime=99), None),
    ],
    ids=["it is what was ordered", "it is another one", "it is a later one"],
)
async def test_what_was_ordered_before_is_known_whatever_the_server_wrote_into_it(
    there: dict[str, Any], expected: Replaced | None
) -> None:
    async with http_world() as world:
        world.on("/api/metadata/workflow/orders", json_reply(there))
        described = ConductorRunner.model_validate({"kind": "conductor", "api": world.url("/api")})
        async with ground(world, described) as here:
            assert isinstance(here.runner, ConductorEngine)
            new = NewVersion(document=document(1, createTime=5), replaces="1")
            store = ConductorDefinitions(here.runner)
            found = await store.replace(OF, new, here.allowed, key="k", within=WITHIN)
            assert here.effects == []
    if expected is None:
        assert isinstance(found, Rejected)
        assert found.conflict
    else:
        assert found == expected
