"""Failed and unfinished runs of a DAG, and what the server knows of a failure: its task, last error, and input."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from pydantic import Field, JsonValue, TypeAdapter

from consumer.catalog import AirflowRunner
from consumer.runners.airflow.answers import DAG_RUN, DagRun, TaskInstance, is_of
from consumer.runners.airflow.looks import ANOTHER, all_tasks
from consumer.runners.airflow.place import AirflowPlace, place_of
from consumer.runners.answers import ServerModel, gone, parsed, unseen
from consumer.runners.contract import LookFailed, Payload
from consumer.runners.json_api import JsonApi, segment
from consumer.runners.watching import FailureFound, FromTime, ListedRun, NotFailed, RunFailure, RunPage, RunsOf
from schemas.rfc3339 import format_time

_PAGE: Final = 100
_ERRORS: Final = frozenset({"error", "critical"})


class DagRuns(ServerModel):
    """Runs of a DAG."""

    dag_runs: tuple[DagRun, ...]


class LogError(ServerModel):
    """One exception of a log's line, the one that was raised before those that caused it."""

    exc_type: str
    exc_value: str = ""


class LogLine(ServerModel):
    """One line of a task's log."""

    event: str = ""
    level: str | None = None
    error_detail: tuple[LogError, ...] | None = None


class TaskLog(ServerModel):
    """The log of one try of a task."""

    content: tuple[LogLine | str, ...]


class XCom(ServerModel):
    """What a task pushed."""

    value: JsonValue = Field(default=None)


_RUNS: Final = TypeAdapter(DagRuns)
_LOG: Final = TypeAdapter(TaskLog)
_XCOM: Final = TypeAdapter(XCom)


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowFailures:
    """The calls of one look for runs, or at the failure of one."""

    api: JsonApi
    described: AirflowRunner
    of: RunsOf

    async def failed_since(self, since: datetime, page: str | None) -> RunPage | LookFailed:
        """List failed runs, those first that ended first."""
        place = FromTime.of(page, since)
        return await self._list("state=failed", "end_date", "gte", place)

    async def unfinished(self, before: datetime, page: str | None) -> RunPage | LookFailed:
        """List runs that are queued or running, those last that began first."""
        place = FromTime.of(page, before)
        return await self._list("state=running&state=queued", "start_date", "lte", place)

    async def _list(self, states: str, field: str, bound: str, place: FromTime) -> RunPage | LookFailed:
        dag_id = self.described.dag_id(self.of.workflow_name)
        dag = segment(dag_id)
        if dag is None:
            return LookFailed(reason="the look: the DAG's id cannot stand in a URL's path")
        order = field if bound == "gte" else f"-{field}"
        query = f"{states}&{field}_{bound}={format_time(place.time)}&order_by={order}&limit={_PAGE}&offset={place.skip}"
        result = await self.api.send("GET", f"/dags/{dag}/dagRuns?{query}")
        found = parsed(result, _RUNS)
        if found is None:
            return unseen(result)
        if any(run.dag_id != dag_id for run in found.dag_runs):
            return LookFailed(reason=f"the look: {ANOTHER}")
        dated = [(run.dag_run_id, run.end_date if bound == "gte" else run.start_date) for run in found.dag_runs]
        return place.page(dated, _PAGE)

    async def failure_of(self, listed: ListedRun) -> FailureFound:
        """Look at a run, and at the task of it that failed first."""
        place = place_of(self.described, self.of.run(listed.run_id))
        if isinstance(place, str):
            return LookFailed(reason=f"the look: {place}")
        result = await self.api.send("GET", place.path)
        found = parsed(result, DAG_RUN)
        if found is None:
            missing = gone(result)
            return NotFailed(said=missing.said) if missing is not None else unseen(result)
        if not is_of(self.api.run, place.dag_id, found):
            return LookFailed(reason=f"the look: {ANOTHER}")
        if found.state != "failed":
            return NotFailed(said=f"the run is {found.state[:60]} by now")
        tasks = await all_tasks(self.api, place)
        return tasks if isinstance(tasks, LookFailed) else await self._failure(listed, place, tasks)

    async def _failure(self, listed: ListedRun, place: AirflowPlace, tasks: Sequence[TaskInstance]) -> RunFailure:
        failed = sorted((one for one in tasks if one.state == "failed"), key=lambda one: (str(one.end_date), one.step))
        if not failed:
            reason = "Airflow says that the run has failed, and no task of it has"
            return RunFailure(run=self.of.run(listed.run_id), reason=reason)
        first = failed[0]
        error = await self._logged_error(place, first)
        reason = f"task {first.step} failed at try {first.try_number}" if error is None else error.exc_value
        return RunFailure(
            run=self.of.run(listed.run_id, epoch=first.try_number, step=first.step),
            reason=reason,
            error_type=error.exc_type if error is not None and error.exc_type else None,
            payload=await self._input(place, first),
            others=tuple(one.step for one in failed[1:]),
        )

    async def _logged_error(self, place: AirflowPlace, task: TaskInstance) -> LogError | None:
        """Read the last error of the log of the task's last try; None where there is none, or it cannot be read."""
        path = f"{place.path}/taskInstances/{quote(task.task_id, safe='')}/logs/{task.try_number}"
        log = parsed(await self.api.send("GET", f"{path}?full_content=true&map_index={task.map_index}"), _LOG)
        lines = [line for line in reversed(log.content) if isinstance(line, LogLine)] if log is not None else []
        for line in lines:
            if line.error_detail:
                return line.error_detail[0]
        said = next((line.event for line in lines if line.level in _ERRORS and line.event), None)
        return None if said is None else LogError(exc_type="", exc_value=said)

    async def _input(self, place: AirflowPlace, task: TaskInstance) -> Payload | None:
        """Read the XCom that the catalog names as the step's input."""
        source = self.described.input_of(place.dag_id, task.step)
        if source is None or segment(source.key) is None or segment(source.task) is None:
            return None
        up = f"{place.path}/taskInstances/{quote(source.task, safe='')}/xcomEntries/{quote(source.key, safe='')}"
        result = await self.api.send("GET", f"{up}?deserialize=false&stringify=false")
        found: Any = parsed(result, _XCOM)
        return None if found is None or found.value is None else Payload(document=found.value)
