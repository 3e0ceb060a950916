"""A workflow whose definition is broken, in the registry, with a model that mends it, and one that attacks it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from tests.support.pipeline import Database, catalog
from tests.support.workflows.orders import CATALOGUE, DEFINITION, SERVICE, failing_run, good_run
from tests.support.worlds.chat_world import ChatWorld, Said, uses

WORKFLOW: Final = "orders"
MENDED: Final[list[dict[str, Any]]] = [{"op": "add", "path": "/steps/2/retries", "value": 2}]
"""The charge that was turned away once is tried again."""
REASON: Final = "step charge of the workflow went wrong in a way that nothing explains"
REMOVES_ASSERTION: Final[list[dict[str, Any]]] = [{"op": "remove", "path": "/steps/2/assertion"}, *MENDED]


@dataclass(slots=True, kw_only=True)
class Model:
    """A scripted model: what it answers in each state; it proposes its patches in turn, and the last one again."""

    patches: list[list[dict[str, Any]]] = field(default_factory=lambda: [MENDED])
    gives_up_at: str = ""
    states: list[str] = field(default_factory=list)

    def __call__(self, _: int, body: Mapping[str, Any]) -> Said:
        state = state_asked(body)
        self.states.append(state)
        if state == self.gives_up_at:
            return uses("final_result_GivesUp", reason="the definition is not at fault")
        match state:
            case "understand":
                return uses("final_result_Understood", hypothesis="a charge is not tried again", look_at=["charge"])
            case "collect" if self.states.count("collect") == 1:
                return uses("step", step_id="charge")
            case "collect":
                return uses("final_result_Collected", findings="no retries", cause="charge fails once")
            case "propose":
                n = self.states.count("propose")
                operations = self.patches[min(n, len(self.patches)) - 1]
                return uses("final_result_Patch", operations=operations, hypothesis="tried again", risk="low")
            case _:
                return uses("final_result", verdict="accept")


def state_asked(body: Mapping[str, Any]) -> str:
    """The state in which the agent asks, by its instructions."""
    told = json.dumps(body["messages"][0])
    return next((name for name in ("understand", "collect", "propose") if f"State: {name}" in told), "criticise")


def rewrite_catalog(chat: ChatWorld, **agent: object) -> str:
    """A catalog whose one entry has an agent, under approval."""
    fields: dict[str, object] = {
        "api": chat.api,
        "model": "scripted",
        "price": {"input_aud": 1, "output_aud": 4},
        "tokens": {"failure": 100_000},
        "bytes_per_token": 2,
        "catalogue": {"actions": CATALOGUE, "engines": [SERVICE]},
    } | agent
    rungs = "{DeepAgent-full-workflow-rewrite: {allowance_aud: 0.5}}"
    return catalog(chat.world.port, agent=json.dumps(fields), approval="{money: true}", rungs=rungs)


def registered() -> dict[str, Any]:
    """The registry's document of the workflow."""
    run = good_run().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"definition": DEFINITION, "goodRuns": [run]}


async def register(db: Database, org: UUID, config: object | None = None, name: str = WORKFLOW) -> None:
    """Put the workflow into the platform's registry."""
    await db.execute(
        "INSERT INTO deep_agent_workflows (org_id, workflow_name, config) VALUES ($1, $2, $3::jsonb)",
        org,
        name,
        json.dumps(registered() if config is None else config),
    )


def failed_context(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """The context of a failure whose run was recorded."""
    run = failing_run().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"workflow": {"version": "1", "failing_run": run}} | more
