"""Plans answered by command: the yes to exactly what was asked for acts once; every other one is told why not."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.heal_result import FailureStatus
from tests.integration.test_approvals import acting, mark, one_asked, stands
from tests.support.commander import Commander, answers, command, send, write_keys
from tests.support.pipeline import Site, until


@pytest.fixture
def maos() -> Commander:
    return Commander.new()


@pytest.fixture
def commanded(embedded_place: Site, tmp_path: Path, maos: Commander) -> Site:
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    mark(embedded_place)
    return embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})


def answering(kind: str, said: FailureStatus, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - of a test
    assert said.approval is not None
    binds: dict[str, Any] = {"plan_hash": said.approval.plan_hash, "step": said.step} | changes
    return command(kind, binds.pop("org_id", said.org_id), said.failure_id, **binds)


async def test_a_plan_is_approved_by_command_and_acts_once(commanded: Site, maos: Commander) -> None:
    place = commanded
    acts: list[UUID] = []
    async with place.consumer(acting(acts)) as running:
        said = await one_asked(place, running)
        yes = answering("approve", said, reason="harmless")
        await send(place, maos.token(yes, "yes-1"), maos.token(yes, "yes-1"), maos.token(yes, "yes-2"))
        found = await answers(place, 2)
        await until(lambda: stands(place, "resolved"))
    assert [(one["data"]["command_id"], one["data"]["outcome"]) for one in found] == [
        ("yes-1", "accepted"),
        ("yes-2", "already"),
    ]
    assert acts == [said.failure_id]


async def test_a_plan_is_denied_by_command_and_no_later_yes_acts(commanded: Site, maos: Commander) -> None:
    place = commanded
    acts: list[UUID] = []
    async with place.consumer(acting(acts)) as running:
        said = await one_asked(place, running)
        await send(place, maos.token(answering("deny", said, reason="not on a Friday"), "no-1"))
        await answers(place, 1)
        await send(place, maos.token(answering("approve", said), "yes-1"))
        found = await answers(place, 2)
        await until(lambda: stands(place, "given_up"))
    assert [one["data"]["outcome"] for one in found] == ["accepted", "refused"]
    assert acts == []


async def test_a_yes_to_another_plan_step_or_organisation_acts_not_and_is_told_why(
    commanded: Site, maos: Commander
) -> None:
    place = commanded
    acts: list[UUID] = []
    async with place.consumer(acting(acts)) as running:
        said = await one_asked(place, running)
        forged = {
            "another plan": answering("approve", said, plan_hash="0" * 64),
            "another step": answering("approve", said, step=said.step + 1),
            "another organisation": answering("approve", said, org_id=await place.organisation()),
        }
        await send(place, *(maos.token(one, name) for name, one in forged.items()))
        found = {one["data"]["command_id"]: one["data"] for one in await answers(place, len(forged))}
        assert await stands(place, "awaiting_approval")
    assert "another plan" in found["another plan"]["reason"]
    assert "another step" in found["another step"]["reason"]
    assert found["another organisation"]["outcome"] == "not_found"
    assert acts == []
