"""Builders of heartbeats: one that was read, and one as a producer sends it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from consumer.model import OrgId
from consumer.model.live_run import Beat, RunName
from schemas.names import RunStatus

ORG = OrgId(UUID(int=1))


def beat(run: str = "run-1", offset: int = 0, **changes: Any) -> Beat:  # noqa: ANN401 - any field
    """One heartbeat that was read."""
    known: dict[str, Any] = {
        "name": RunName(ORG, "orders", run),
        "source": "urn:test",
        "epoch": None,
        "step": "fetch",
        "status": RunStatus.EXECUTING,
        "progress": None,
        "beat_at": 0.0,
        "stamped": float(offset),
        "partition": 0,
        "offset": offset,
    }
    return Beat(**(known | changes))


def heartbeat(org_id: UUID, run: str = "run-1", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """One heartbeat as a structured CloudEvent."""
    data = {
        "org_id": str(org_id),
        "workflow_name": "orders.sync",
        "run_id": run,
        "step": "fetch",
        "status": "executing",
        "beat_at": datetime.now(UTC).isoformat(),
    } | changes
    return {"specversion": "1.0", "id": "1", "source": "urn:test", "type": "workflow.heartbeat.v1", "data": data}
