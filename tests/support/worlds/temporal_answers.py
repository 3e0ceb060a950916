"""Runs of a Temporal server in the JSON of its HTTP API, as a world that answers for them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.support.worlds.http_world import Reply, Seen, World, json_reply
from tests.support.worlds.recorded import DATE

NOW: Final = datetime(2026, 11, 30, 9, 47, tzinfo=UTC)
"""As `DATE` says it."""
NAMESPACE: Final = "/api/v1/namespaces/default"
FIRST: Final = "0b7f6c1e-9f0d-4a44-8d2b-6f3a1c9e7d01"
SECOND: Final = "0b7f6c1e-9f0d-4a44-8d2b-6f3a1c9e7d02"


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def event(number: int, kind: str, **attributes: object) -> dict[str, Any]:
    """One event: 64-bit numbers are texts there."""
    name = kind.lower().split("_")
    member = f"{name[0]}{''.join(word.title() for word in name[1:])}EventAttributes"
    return {
        "eventId": str(number),
        "eventTime": ago(600 - number),
        "eventType": f"EVENT_TYPE_{kind}",
        "taskId": str(1_048_576 + number),
        member: attributes,
    }


def scheduled(number: int, kind: str, activity: str, *, decided: int, queue: str = "q", given: object = None) -> Any:  # noqa: ANN401 - JSON is anything
    return event(
        number,
        "ACTIVITY_TASK_SCHEDULED",
        activityId=activity,
        activityType={"name": kind},
        taskQueue={"name": queue, "kind": "TASK_QUEUE_KIND_NORMAL"},
        input=[] if given is None else [given],
        workflowTaskCompletedEventId=str(decided),
    )


FAILURE: Final = {
    "message": "Activity task failed",
    "cause": {
        "message": "invalid amount '42x': not an integer",
        "source": "PythonSDK",
        "stackTrace": "",
        "applicationFailureInfo": {"type": "ValidationError", "nonRetryable": True},
    },
    "activityFailureInfo": {"activityType": {"name": "charge"}, "activityId": "2"},
}
BEGUN: Final = [
    event(1, "WORKFLOW_EXECUTION_STARTED", workflowType={"name": "orders"}, input=["42x"]),
    event(2, "WORKFLOW_TASK_SCHEDULED"),
    event(3, "WORKFLOW_TASK_STARTED"),
    event(4, "WORKFLOW_TASK_COMPLETED", scheduledEventId="2", startedEventId="3"),
    scheduled(5, "reserve", "1", decided=4),
    event(6, "ACTIVITY_TASK_STARTED", scheduledEventId="5", attempt=1),
    event(7, "ACTIVITY_TASK_COMPLETED", scheduledEventId="5", startedEventId="6"),
    event(10, "WORKFLOW_TASK_COMPLETED", scheduledEventId="8", startedEventId="9"),
    scheduled(11, "charge", "2", decided=10, given="42x"),
]
"""`reserve` is complete, and `charge` was decided on by event 10."""
CHARGE_FAILED: Final = [
    *BEGUN,
    event(12, "ACTIVITY_TASK_STARTED", scheduledEventId="11", attempt=1),
    event(13, "ACTIVITY_TASK_FAILED", scheduledEventId="11", failure=FAILURE["cause"]),
    event(16, "WORKFLOW_TASK_COMPLETED", scheduledEventId="14", startedEventId="15"),
    event(17, "WORKFLOW_EXECUTION_FAILED", failure=FAILURE, workflowTaskCompletedEventId="16"),
]
CHARGED: Final = [
    *BEGUN[:-1],
    event(11, "WORKFLOW_TASK_FAILED", cause="WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW", failure={"message": "?"}),
    event(14, "WORKFLOW_TASK_COMPLETED", scheduledEventId="12", startedEventId="13"),
    scheduled(15, "charge", "2", decided=14, given="42x"),
    event(16, "ACTIVITY_TASK_STARTED", scheduledEventId="15", attempt=1),
    event(17, "ACTIVITY_TASK_COMPLETED", scheduledEventId="15", startedEventId="16"),
    event(20, "WORKFLOW_TASK_COMPLETED", scheduledEventId="18", startedEventId="19"),
    event(21, "WORKFLOW_EXECUTION_COMPLETED", workflowTaskCompletedEventId="20"),
]


def pending(state: str = "SCHEDULED", **more: object) -> dict[str, Any]:
    """The activity `charge` as it is pending."""
    return {
        "activityId": "2",
        "activityType": {"name": "charge"},
        "state": f"PENDING_ACTIVITY_STATE_{state}",
        "attempt": 1,
        "scheduledTime": ago(500),
    } | more


def described(run_id: str, status: str, **more: object) -> dict[str, Any]:
    """A run as it is described."""
    info = {
        "execution": {"workflowId": "order-1", "runId": run_id},
        "type": {"name": "orders"},
        "status": f"WORKFLOW_EXECUTION_STATUS_{status}",
        "startTime": ago(600),
        "historyLength": "17",
        "taskQueue": "q",
        "firstRunId": FIRST,
    }
    if status not in {"RUNNING", "PAUSED"}:
        info["closeTime"] = ago(580)
    return {"executionConfig": {}, "workflowExecutionInfo": info} | more


@dataclass(slots=True, kw_only=True)
class TemporalAnswers:
    """Serves the runs of the workflow `order-1`, the newest one last, and who polls which queue."""

    world: World
    runs: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = field(default_factory=dict)
    polled: dict[str, float] = field(default_factory=lambda: {"q": 5.0})
    """Seconds since a worker last asked, by queue."""
    orders: list[tuple[str, Any]] = field(default_factory=list)
    reset_to: tuple[dict[str, Any], list[dict[str, Any]]] | None = None
    """The run that a reset makes."""

    def __post_init__(self) -> None:
        path = f"{NAMESPACE}/workflows/order-1"
        self.world.on(path, lambda _, seen: self._describe(seen))
        self.world.on(f"{path}/history", lambda _, seen: self._history(seen))
        self.world.on(f"{path}/reset", lambda _, seen: self._reset(seen))
        self.world.on(f"{path}/terminate", lambda _, seen: self._ordered("terminate", seen))
        self.world.on(f"{NAMESPACE}/workflows", lambda _, seen: self._list(seen))
        for call in ("update-options", "pause", "unpause", "reset"):
            self.world.on(f"{NAMESPACE}/activities/{call}", partial(self._told_of_activity, call))
        for queue in ("q", "q2", "nobody"):
            self.world.on(f"{NAMESPACE}/task-queues/{queue}", partial(self._queue, queue))

    def stands(self, run_id: str, status: str, history: list[dict[str, Any]], **more: object) -> None:
        """Have a run stand so; it is the newest one."""
        self.runs.pop(run_id, None)
        self.runs[run_id] = described(run_id, status, **more), history

    def _of(self, seen: Seen) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        asked = parse_qs(urlsplit(seen.path).query)
        return self.runs.get(asked.get("execution.runId", [[*self.runs][-1]])[0])

    def _describe(self, seen: Seen) -> Reply:
        found = self._of(seen)
        return json_reply(found[0], headers=(DATE,)) if found else json_reply({"code": 5, "message": "not found"}, 404)

    def _history(self, seen: Seen) -> Reply:
        found = self._of(seen)
        assert found is not None
        asked = parse_qs(urlsplit(seen.path).query)
        half = len(found[1]) // 2
        if "nextPageToken" in asked:
            assert asked["nextPageToken"] == ["aGFsZg=="]
            return json_reply({"history": {"events": found[1][half:]}})
        return json_reply({"history": {"events": found[1][:half]}, "nextPageToken": "aGFsZg=="})

    def _list(self, seen: Seen) -> Reply:
        query = parse_qs(urlsplit(seen.path).query)["query"][0]
        assert 'WorkflowType="orders" AND ' in query
        wanted = ("RUNNING",) if '"Running"' in query else ("FAILED", "TIMED_OUT")
        infos = [run["workflowExecutionInfo"] for run, _ in self.runs.values()]
        found = [one for one in infos if one["status"].removeprefix("WORKFLOW_EXECUTION_STATUS_") in wanted]
        return json_reply({"executions": found} if found else {})

    def _told_of_activity(self, call: str, _: int, seen: Seen) -> Reply:
        return self._ordered(call, seen)

    def _queue(self, queue: str, _: int, __: Seen) -> Reply:
        since = self.polled.get(queue)
        return json_reply({} if since is None else {"pollers": [{"lastAccessTime": ago(since), "identity": "w@h"}]})

    def _ordered(self, call: str, seen: Seen) -> Reply:
        self.orders.append((call, seen.json))
        return json_reply({})

    def _reset(self, seen: Seen) -> Reply:
        """Make the new run once for each request id."""
        known = [body for call, body in self.orders if call == "reset"]
        self.orders.append(("reset", seen.json))
        if not any(body["requestId"] == seen.json["requestId"] for body in known):
            assert self.reset_to is not None
            made, events = self.reset_to
            told = [_with_reason(one, seen.json["reason"]) for one in events]
            self.runs[made["workflowExecutionInfo"]["execution"]["runId"]] = made, told
        return json_reply({"runId": SECOND})


def _with_reason(told: dict[str, Any], reason: str) -> dict[str, Any]:
    """Give an event with why a reset was ordered, where it is the one that says so."""
    name = "workflowTaskFailedEventAttributes"
    return told | {name: told[name] | {"failure": {"message": reason}}} if name in told else told
