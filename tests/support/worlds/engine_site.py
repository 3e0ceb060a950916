"""A catalog for a real engine beside the scripted world that its steps call, and events of failed and stalled runs."""

import json
from typing import Any
from uuid import UUID

from schemas.heal_result import HEAL_RESULT_TYPE
from tests.support.pipeline import Site, catalog, event

AMOUNT: dict[str, Any] = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
    "additionalProperties": False,
}
REPAIR = {"apart": "PT1S", "ends": "PT30S", "verify": "PT2M", "queued": "PT1S", "timeout": "PT30S"}


def engine_catalog_text(port: int, runner: dict[str, Any], step: str, secrets: dict[str, Any]) -> str:
    """Write a catalog whose workflows all run at the engine."""
    autofix = {"schemas": {step: AMOUNT}, "timeout": "PT30S", "verify": "PT2M"}
    steps = {"charge": {"again": "yes"}, "load": {"again": "yes"}, "slow": {"again": "yes"}}
    more = {"schema_autofix": autofix, "route_repair": REPAIR, "steps": steps, "secrets": list(secrets)}
    text = catalog(port, runner="engine", **{name: json.dumps(value) for name, value in more.items()})
    bound = text.replace("organisations: '*'}", "organisations: '*', workflows: '*'}")
    return f"{bound}runners: {json.dumps({'engine': runner})}\nsecrets: {json.dumps(secrets)}\n"


def refused(org: UUID, workflow: str, run_id: str, step: str, payload: Any) -> dict[str, Any]:  # noqa: ANN401
    """The failure of a step that refused its input."""
    context = {"run": {"id": run_id, "step": step}, "payload": payload}
    reason = "Validation failed: '42' is not of type 'integer'"
    return event(org, run_id, workflow_name=workflow, failure_reason=reason, context=context)


def stalled_run(org: UUID, workflow: str, run_id: str, step: str) -> dict[str, Any]:
    """The failure of a run that stands still."""
    context = {"run": {"id": run_id, "step": step}}
    return event(org, run_id, workflow_name=workflow, failure_reason="The run is stuck: no progress", context=context)


async def told(place: Site, workflow: str) -> dict[str, Any]:
    """The last result of a workflow."""
    found: list[dict[str, Any]] = [
        one["data"]
        for one in await place.results()
        if one["type"] == HEAL_RESULT_TYPE and one["data"]["workflow_name"] == workflow
    ]
    return found[-1]
