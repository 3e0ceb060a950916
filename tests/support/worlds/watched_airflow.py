"""An Airflow with many failed runs, as far as a watch asks it: a list by end, each run, its tasks."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.worlds.http_world import Reply, Seen, World, json_reply
from tests.support.worlds.recorded import recorded


@dataclass(slots=True, kw_only=True)
class WatchedAirflow:
    """Serves runs of the DAG `orders` below `/api`; they may be added while it is watched."""

    world: World
    runs: list[dict[str, Any]] = field(default_factory=list)
    running: list[dict[str, Any]] = field(default_factory=list)
    away: bool = False
    tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.on("/api/dags/orders/dagRuns", self._list)
        self.world.on("/api/dags/orders/clearTaskInstances", self._clear)

    def fail(self, name: str, *, error: tuple[str, str] | None = None) -> None:
        """Have a run fail in its task `load`; where the error is told, by the task's log."""
        record = recorded("airflow", "failed")
        run = record["run"] | {"dag_run_id": name, "end_date": datetime.now(UTC).isoformat()}
        of_it = {"dag_run_id": name, "note": None}
        tasks = [task | of_it | {"id": f"{name}:{task['task_id']}"} for task in record["tasks"]["task_instances"]]
        self.runs.append(run)
        self.tasks[name] = tasks
        path = f"/api/dags/orders/dagRuns/{name}"
        self.world.on(path, lambda *_: self._answer(run))
        self.world.on(f"{path}/taskInstances", lambda *_: self._answer({"task_instances": tasks, "total_entries": 2}))

        if error is not None:
            line: dict[str, Any] = {"event": "Task failed with exception", "level": "error"}
            line |= {"error_detail": [{"exc_type": error[0], "exc_value": error[1], "frames": []}]}
            self.world.on(f"{path}/taskInstances/load/logs/1", lambda *_: self._answer({"content": [line]}))

    def stand(self, name: str, record: str, *, began: timedelta) -> None:
        """Have a run stand as it was recorded, begun so long ago."""
        found = recorded("airflow", record)
        run = found["run"] | {"dag_id": "orders", "dag_run_id": name}
        run |= {"start_date": (datetime.now(UTC) - began).isoformat()}
        tasks = [task | {"dag_id": "orders", "dag_run_id": name} for task in found["tasks"]["task_instances"]]
        self.running.append(run)
        path = f"/api/dags/orders/dagRuns/{name}"
        self.world.on(path, lambda *_: self._answer(run))
        many = {"task_instances": tasks, "total_entries": len(tasks)}
        self.world.on(f"{path}/taskInstances", lambda *_: self._answer(many))
        self.world.on("/api/dags/orders", lambda *_: self._answer({"dag_id": "orders", "is_paused": False}))
        pools = [recorded("airflow", "pool"), {"name": "default_pool", "slots": 128}]
        self.world.on("/api/pools", lambda *_: self._answer({"pools": pools, "total_entries": 2}))

    def _clear(self, _: int, seen: Seen) -> Reply:
        """Run the failed task of a run again, at once and with success."""
        name = seen.json["dag_run_id"]
        run = next(run for run in self.runs if run["dag_run_id"] == name)
        cleared = [task for task in self.tasks[name] if task["state"] == "failed"]
        reply = self._answer({"task_instances": [dict(task) for task in cleared], "total_entries": len(cleared)})
        run["state"] = "success"
        for task in cleared:
            task |= {"state": "success", "try_number": task["try_number"] + 1, "id": f"{task['id']}:again"}
        return reply

    def _list(self, _: int, seen: Seen) -> Reply:
        asked = parse_qs(urlsplit(seen.path).query)
        if "failed" not in asked["state"]:
            return self._answer({"dag_runs": self.running, "total_entries": len(self.running)})
        since = datetime.fromisoformat(asked["end_date_gte"][0]).isoformat()
        found = [run for run in self.runs if run["state"] == "failed" and run["end_date"] >= since]
        found.sort(key=lambda run: run["end_date"])
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        return self._answer({"dag_runs": found[offset : offset + limit], "total_entries": len(found)})

    def _answer(self, document: object) -> Reply:
        return json_reply({"detail": "not now"}, 503) if self.away else json_reply(document)
