"""Stalls: runs of the demo that stand still, one of which rightly so; their engine, its entry, and their ends."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from uuid import UUID

from consumer.demo.cases import HEALED, Case, Expected
from consumer.demo.world import EffectRecord, Ending, WorldCall, WorldReply
from consumer.model import Json, JsonObject
from schemas.names import Code, Result, Status, StrategyName

SERVICE: Final = "stalls"
_ROUTE: Final = StrategyName.ROUTE_REPAIR
_PHASES: Final[JsonObject] = {"RUNNING": "running", "QUEUED": "queued", "ASKS": "waiting", "DONE": "succeeded"}


@dataclass(slots=True, kw_only=True)
class _Run:
    """A run of one step, as its engine shows it."""

    state: str
    queue: str
    worker_alive: bool = True
    starts: int = 1
    looks_left: int = 0
    """Looks until the step that was ordered is done."""


class StallEngine:
    """Workflow engine: a run whose worker is lost, one whose queue has no worker, and one that asks a person."""

    def __init__(self) -> None:
        self._runs = {
            "run-lost": _Run(state="RUNNING", queue="large", worker_alive=False),
            "run-unroutable": _Run(state="QUEUED", queue="small"),
            "run-asks": _Run(state="ASKS", queue="large"),
        }

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Report a run's state, or take an order: to run its step again, or to take it from another queue."""
        found = self._runs.get(call.path.split("/")[2])
        if found is None:
            return WorldReply(status=HTTPStatus.NOT_FOUND)
        if call.method == "GET":
            return WorldReply(body=self._shown(found))
        record.perform(call)
        found.queue = str(call.body.get("queue") or found.queue)
        found.state, found.worker_alive, found.looks_left = "RUNNING", True, 1
        found.starts += 1
        return WorldReply(status=HTTPStatus.ACCEPTED, body={})

    def _shown(self, run: _Run) -> JsonObject:
        if run.state == "RUNNING" and run.worker_alive and run.starts > 1:
            run.state = "RUNNING" if run.looks_left else "DONE"
            run.looks_left = 0
        step: JsonObject = {
            "id": "enrich",
            "state": run.state,
            "attempts": 0 if run.state == "QUEUED" else run.starts,
            "completions": int(run.state == "DONE"),
            "queue": run.queue,
            "worker_alive": run.worker_alive,
        }
        whole = run.state if run.state in ("ASKS", "DONE") else "RUNNING"
        return {"state": whole, "starts": run.starts, "queues": {"small": 0, "large": 2}, "steps": [step]}


def stall_engine(address: str) -> JsonObject:
    """Return how the catalog describes it."""
    order: JsonObject = {"effect": "conditional"}
    body: JsonObject = {"reference": "{run.id}", "step": "{run.step}", "fence": "{run.fence}"}
    steps: JsonObject = {
        "at": "/steps",
        "name": "/id",
        "status": "/state",
        "phases": _PHASES,
        "waits": {"ASKS": "person"},
    }
    known = ("attempts", "completions", "queue", "worker_alive")
    look: JsonObject = {
        "url": f"{address}/runs/{{run.id}}",
        "status": "/state",
        "phases": _PHASES,
        "waits": {"ASKS": "person"},
        "fence": "/starts",
        "consumers": "/queues",
        "steps": steps | {name: f"/{name}" for name in known},
    }
    return {
        "kind": "http",
        "timeout": "PT2S",
        "look": look,
        "rerun_step": order | {"url": f"{address}/runs/{{run.id}}/rerun", "body": body},
        "move_to_queue": order | {"url": f"{address}/runs/{{run.id}}/queue", "body": body | {"queue": "{queue}"}},
    }


def stall_entry(hosts: Json) -> JsonObject:
    """Return their entry of the catalog."""
    limits: JsonObject = {"apart": "PT0.5S", "verify": "PT5S", "timeout": "PT2S", "queues": {"small": ["large"]}}
    entry: JsonObject = {"name": "stalls.*", "runner": SERVICE, "hosts": hosts, "attempts": 2, "backoff": "PT1S"}
    return entry | {"route_repair": limits, "steps": {"enrich": {"again": "yes"}}}


def stall_cases(org_id: UUID) -> tuple[Case, ...]:
    """Return their failures: two are healed with their cause named, and one that waits for a person is left alone."""
    healed = (("stalls.worker", "run-lost", "worker_lost"), ("stalls.queue", "run-unroutable", "no_consumer"))
    left = Expected(
        status=Status.GIVEN_UP,
        result=Result.FAILED,
        strategy=_ROUTE,
        code=Code.REFUSED,
        says="waits for a person: that is no stall",
    )
    asks = Case(
        name="stalls.approval",
        org_id=org_id,
        reason="Run stuck for 40 minutes",
        context={"run": {"id": "run-asks"}},
        expected=left,
    )
    return (
        *(
            Case(
                name=name,
                org_id=org_id,
                reason="Run stuck in step enrich for 40 minutes",
                context={"run": {"id": run}},
                expected=Expected(status=HEALED.status, result=HEALED.result, strategy=_ROUTE, says=cause),
                effects=(f"{SERVICE}:{run}",),
            )
            for name, run, cause in healed
        ),
        asks,
    )
