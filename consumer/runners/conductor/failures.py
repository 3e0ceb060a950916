"""Failed and unfinished runs of a Conductor server, found by its search, and what is known of a run's failure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from pydantic import AwareDatetime, Field, JsonValue, TypeAdapter

from consumer.catalog import ConductorRunner
from consumer.model import JsonObject
from consumer.runners.answers import ServerModel, gone, parsed, unseen
from consumer.runners.conductor.answers import WORKFLOW, ConductorRun, ConductorTask
from consumer.runners.conductor.looks import ANOTHER, is_of
from consumer.runners.contract import LookFailed, Payload
from consumer.runners.json_api import JsonApi, segment
from consumer.runners.watching import FailureFound, FromTime, ListedRun, NotFailed, RunFailure, RunPage, RunsOf

_PAGE: Final = 100
_STANDS_FAILED: Final = frozenset({"FAILED", "TIMED_OUT"})
_TASK_FAILED: Final = frozenset({"FAILED", "FAILED_WITH_TERMINAL_ERROR", "TIMED_OUT"})
_NOT_SENT: Final = frozenset({"content-length", "host", "transfer-encoding", "connection"})


class FoundRun(ServerModel):
    """A run as the search finds it."""

    run_id: str = Field(alias="workflowId")
    kind: str = Field(alias="workflowType")
    started: AwareDatetime | None = Field(alias="startTime", default=None)
    updated: AwareDatetime | None = Field(alias="updateTime", default=None)
    ended: AwareDatetime | None = Field(alias="endTime", default=None)


class FoundRuns(ServerModel):
    """A page of the search's result."""

    results: tuple[FoundRun, ...]


class HttpRequest(ServerModel):
    """The call of an HTTP task."""

    uri: str
    method: str = "GET"
    headers: Mapping[str, JsonValue] = Field(default_factory=dict)
    body: JsonValue = None


_FOUND: Final = TypeAdapter(FoundRuns)
_HTTP: Final = TypeAdapter(HttpRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductorFailures:
    """The calls of one look for runs, or at the failure of one."""

    api: JsonApi
    described: ConductorRunner
    of: RunsOf

    async def failed_since(self, since: datetime, page: str | None) -> RunPage | LookFailed:
        """List failed runs, those first that changed first: they are found by the time of their last change."""
        place = FromTime.of(page, since)
        wanted = f"status IN (FAILED,TIMED_OUT) AND updateTime>{_millis(place.time) - 1}"
        return await self._list(wanted, "updateTime:ASC", place, lambda one: one.updated or one.ended)

    async def unfinished(self, before: datetime, page: str | None) -> RunPage | LookFailed:
        """List running runs, those last that began first."""
        place = FromTime.of(page, before)
        wanted = f"status IN (RUNNING) AND startTime<{_millis(place.time) + 1}"
        return await self._list(wanted, "startTime:DESC", place, lambda one: one.started)

    async def _list(
        self, wanted: str, order: str, place: FromTime, at: Callable[[FoundRun], datetime | None]
    ) -> RunPage | LookFailed:
        name = self.described.definition_name(self.of.workflow_name)
        if segment(name) is None or any(one in name for one in "(),'\""):
            return LookFailed(reason="the look: the definition's name cannot stand in a search")
        query = quote(f"workflowType IN ({name}) AND {wanted}", safe="")
        path = f"/workflow/search?start={place.skip}&size={_PAGE}&sort={order}&freeText=*&query={query}"
        result = await self.api.send("GET", path)
        found = parsed(result, _FOUND)
        if found is None:
            return unseen(result)
        if any(one.kind != name for one in found.results):
            return LookFailed(reason=f"the look: {ANOTHER}")
        return place.page([(one.run_id, at(one)) for one in found.results], _PAGE)

    async def failure_of(self, listed: ListedRun) -> FailureFound:
        """Look at a run and its tasks."""
        path = segment(listed.run_id)
        if path is None:
            return LookFailed(reason="the look: the run's id cannot stand in a URL's path")
        result = await self.api.send("GET", f"/workflow/{path}?includeTasks=true")
        found = parsed(result, WORKFLOW)
        if found is None:
            missing = gone(result)
            return NotFailed(said=missing.said) if missing is not None else unseen(result)
        if not is_of(self.api.run, found):
            return LookFailed(reason=f"the look: {ANOTHER}")
        if found.status not in _STANDS_FAILED:
            return NotFailed(said=f"the run is {found.status[:60]} by now")
        return self._failure(found)

    def _failure(self, found: ConductorRun) -> RunFailure:
        failed = [task for task in found.latest.values() if task.status in _TASK_FAILED]
        if not failed:
            reason = found.reason or f"Conductor says {found.status}, and no task of it has failed"
            return RunFailure(run=self.of.run(found.run_id), reason=reason)
        first = min(failed, key=lambda task: (task.is_optional, task.ended, task.reference))
        return RunFailure(
            run=self.of.run(found.run_id, epoch=first.retries, step=first.reference),
            reason=first.reason or found.reason or f"task {first.reference} is {first.said}",
            payload=None if first.type == "HTTP" or not first.input else Payload(document=dict(first.input)),
            request=_request(first),
            others=tuple(sorted(task.reference for task in failed if task is not first)),
        )


def _request(task: ConductorTask) -> JsonObject | None:
    """Return the call of an HTTP task in the form of an event's `context.request`."""
    if task.type != "HTTP":
        return None
    try:
        call = _HTTP.validate_python(task.input.get("http_request"))
    except ValueError:
        return None
    headers: JsonObject = {
        name: text for name, text in call.headers.items() if isinstance(text, str) and name.lower() not in _NOT_SENT
    }
    request: JsonObject = {"method": call.method, "url": call.uri, "headers": headers}
    return request | ({} if call.body is None else {"body": call.body})


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
