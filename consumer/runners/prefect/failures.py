"""Failed and unfinished runs of a Prefect flow, and what is known of a run's failure: its state's message, its task."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter

from consumer.catalog import PrefectRunner
from consumer.model import JsonObject
from consumer.runners.answers import ServerModel, parsed, unseen
from consumer.runners.contract import LookFailed, Payload
from consumer.runners.json_api import JsonApi
from consumer.runners.prefect.answers import FLOW_RUN, FlowRun
from consumer.runners.watching import FailureFound, FromTime, ListedRun, NotFailed, RunFailure, RunPage, RunsOf
from schemas.rfc3339 import format_time

_PAGE: Final = 100
_FAILED: Final = ("FAILED", "CRASHED")
_UNFINISHED: Final = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING")
_RUN_SUFFIX: Final = re.compile(r"-[0-9a-f]{1,8}")
"""What Prefect adds to a task's name to name a run of it."""
_RAISED: Final = re.compile(r"(?s)(?:Flow run|Task run) encountered an exception: ([A-Za-z_][\w.]*): (.*)")
"""How the state of a run that raised says what."""


class ListedFlowRun(ServerModel):
    """A flow run as a list has it."""

    id: UUID
    start_time: AwareDatetime | None = None
    end_time: AwareDatetime | None = None


class StateSaid(ServerModel):
    """A state's own words."""

    type: str
    message: str | None = None


class StateOfRun(ServerModel):
    """What is read of a flow run besides: its state's own words."""

    state: StateSaid


class FailedTaskRun(ServerModel):
    """A run of a task that failed."""

    name: str
    end_time: AwareDatetime | None = None
    state: StateSaid


_LATEST: Final = datetime(2999, 1, 1, tzinfo=UTC)
_RUNS: Final = TypeAdapter(tuple[ListedFlowRun, ...])
_TASKS: Final = TypeAdapter(tuple[FailedTaskRun, ...])
_SAID: Final = TypeAdapter(StateOfRun)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefectFailures:
    """The calls of one look for runs, or at the failure of one; a filter is sent by POST, and has no effect."""

    api: JsonApi
    described: PrefectRunner
    of: RunsOf

    async def failed_since(self, since: datetime, page: str | None) -> RunPage | LookFailed:
        """List failed runs, those last that ended first: Prefect lists them by no other order of their ends."""
        place = FromTime.of(page, _LATEST)
        ends: JsonObject = {"after_": format_time(since), "before_": format_time(place.time)}
        found = await self._list({"end_time": ends}, _FAILED, "END_TIME_DESC", place.skip)
        if isinstance(found, LookFailed):
            return found
        return place.page([(str(run.id), run.end_time) for run in found], _PAGE)

    async def unfinished(self, before: datetime, page: str | None) -> RunPage | LookFailed:
        """List runs that began before a time, those last that began first."""
        place = FromTime.of(page, before)
        begun: JsonObject = {"start_time": {"before_": format_time(place.time)}}
        found = await self._list(begun, _UNFINISHED, "START_TIME_DESC", place.skip)
        if isinstance(found, LookFailed):
            return found
        return place.page([(str(run.id), run.start_time) for run in found], _PAGE)

    async def _list(
        self, times: JsonObject, states: tuple[str, ...], order: str, skip: int
    ) -> tuple[ListedFlowRun, ...] | LookFailed:
        wish: JsonObject = {
            "flows": {"name": {"any_": [self.of.workflow_name]}},
            "flow_runs": {"state": {"type": {"any_": [*states]}}, **times},
            "sort": order,
            "limit": _PAGE,
            "offset": skip,
        }
        result = await self.api.send("POST", "/flow_runs/filter", wish, effect=False)
        found = parsed(result, _RUNS)
        return unseen(result) if found is None else found

    async def failure_of(self, listed: ListedRun) -> FailureFound:
        """Look at a flow run, and at the task of it that failed first."""
        result = await self.api.send("GET", f"/flow_runs/{UUID(listed.run_id)}")
        found, words = parsed(result, FLOW_RUN), parsed(result, _SAID)
        if found is None or words is None:
            return unseen(result)
        if str(found.id) != listed.run_id:
            return LookFailed(reason="the look: the answer is of another run")
        if not found.has_failed:
            return NotFailed(said=f"the run is {found.said} by now")
        tasks = await self._failed_tasks(found.id)
        if isinstance(tasks, LookFailed):
            return tasks
        first = tasks[0] if tasks else None
        said = first.state if first is not None and first.state.message else words.state
        raised = _RAISED.fullmatch(said.message or "")
        return RunFailure(
            run=self.of.run(listed.run_id, epoch=found.run_count, step=None if first is None else _task_name(first)),
            reason=(raised[2] if raised else said.message) or f"Prefect says {found.said}",
            error_type=raised[1] if raised else None,
            payload=self._payload(found),
            others=tuple(dict.fromkeys(_task_name(one) for one in tasks[1:])),
        )

    async def _failed_tasks(self, run_id: UUID) -> tuple[FailedTaskRun, ...] | LookFailed:
        wish: JsonObject = {
            "flow_runs": {"id": {"any_": [str(run_id)]}},
            "task_runs": {"state": {"type": {"any_": [*_FAILED]}}},
            "limit": _PAGE,
        }
        result = await self.api.send("POST", "/task_runs/filter", wish, effect=False)
        found = parsed(result, _TASKS)
        if found is None:
            return unseen(result)
        return tuple(sorted(found, key=lambda one: (str(one.end_time), one.name)))

    def _payload(self, found: FlowRun) -> Payload | None:
        """Return the parameters as the payload that would replace them."""
        if self.described.parameter is None:
            return Payload(document=found.parameters) if found.parameters else None
        named = found.parameters.get(self.described.parameter)
        return None if named is None else Payload(document=named)


def _task_name(run: FailedTaskRun) -> str:
    """Return the task's name without what tells its runs apart."""
    name, dash, suffix = run.name.rpartition("-")
    return name if dash and name and _RUN_SUFFIX.fullmatch(f"-{suffix}") else run.name
