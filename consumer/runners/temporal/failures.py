"""Failed and unfinished runs of a workflow type, by the server's list, and what a run's history says of its failure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import quote

from consumer.runners.answers import gone, parsed, unseen
from consumer.runners.contract import LookFailed, Payload, Phase
from consumer.runners.temporal.answers import DESCRIBED, RUNS, RunInfo, WorkerFailure
from consumer.runners.temporal.history import Activity, History
from consumer.runners.temporal.looks import ANOTHER, TemporalLook
from consumer.runners.temporal.place import run_name
from consumer.runners.temporal.states import phase_of, status_of
from consumer.runners.watching import FailureFound, ListedRun, NotFailed, RunFailure, RunPage, RunsOf
from schemas.rfc3339 import format_time

_PAGE: Final = 100
_FAILED: Final = '(ExecutionStatus="Failed" OR ExecutionStatus="TimedOut")'


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalFailures:
    """The calls of one look for runs, or at the failure of one."""

    look: TemporalLook
    of: RunsOf

    async def failed_since(self, since: datetime, page: str | None) -> RunPage | LookFailed:
        """List runs that failed, or ran out of time."""
        return await self._list(f'{_FAILED} AND CloseTime>="{format_time(since)}"', page, ended=True)

    async def unfinished(self, before: datetime, page: str | None) -> RunPage | LookFailed:
        """List runs that are under way."""
        return await self._list(f'ExecutionStatus="Running" AND StartTime<="{format_time(before)}"', page, ended=False)

    async def _list(self, wanted: str, page: str | None, *, ended: bool) -> RunPage | LookFailed:
        name = self.look.described.type_name(self.of.workflow_name)
        if not name.isprintable() or any(one in name for one in "\"'\\"):
            return LookFailed(reason="the look: the workflow's type cannot stand in a query")
        query = quote(f'WorkflowType="{name}" AND {wanted}', safe="")
        path = f"/namespaces/{self.look.described.namespace}/workflows?pageSize={_PAGE}&query={query}"
        result = await self.look.api.send("GET", f"{path}&nextPageToken={quote(page or '', safe='')}")
        found = parsed(result, RUNS)
        if found is None:
            return unseen(result)
        if any(one.type.name != name for one in found.executions):
            return LookFailed(reason=f"the look: {ANOTHER}")
        dated = ((_name(one), one.closed if ended else one.started) for one in found.executions)
        runs = tuple(ListedRun(run_id=run_id, at=moment) for run_id, moment in dated if moment is not None)
        return RunPage(runs=runs, following=found.following or None)

    async def failure_of(self, listed: ListedRun) -> FailureFound:
        """Look at a run, whether it goes on in a newer one, and at its history."""
        result = await self.look.api.send("GET", self.look.place.described)
        found = parsed(result, DESCRIBED)
        if found is None:
            missing = gone(result)
            return NotFailed(said=missing.said) if missing is not None else unseen(result)
        if not self.look.is_it(found):
            return LookFailed(reason=f"the look: {ANOTHER}")
        if phase_of(found) is not Phase.FAILED:
            return NotFailed(said=f"the run is {status_of(found)} by now")
        newest = await self.look.newest()
        if isinstance(newest, LookFailed):
            return newest
        if newest.follows(found):
            return NotFailed(said=f"the run goes on as {newest.run_id}, which is {status_of(newest)}")
        history = await self.look.history(found.run_id)
        return history if isinstance(history, LookFailed) else self._failure(listed, history, status_of(found))

    def _failure(self, listed: ListedRun, history: History, status: str) -> RunFailure:
        failed = history.failed
        said = history.run_failure.failure if history.run_failure is not None else None
        # The last one, which the workflow did not deal with: those before it may be what it lives with.
        step = failed[-1] if failed else None
        root = (
            said or (step.failure if step is not None else None) or WorkerFailure(message=f"the run is {status}")
        ).root
        run = self.of.run(listed.run_id)
        if step is not None:
            run = replace(run, epoch=step.attempts, step=step.name)
        return RunFailure(
            run=run,
            reason=root.message or f"the run is {status}",
            error_type=root.error_type,
            payload=_input(step),
            others=tuple(one.name for one in failed[:-1]),
        )


def _input(step: Activity | None) -> Payload | None:
    """Return the only argument of an activity, where the server shows it as plain JSON."""
    if step is None or not isinstance(step.input, list) or len(step.input) != 1:
        return None
    return Payload(document=step.input[0])


def _name(found: RunInfo) -> str:
    return run_name(found.execution.workflow_id, found.execution.run_id)
