"""Looks at a run of a Temporal server: what is told of it, its history, and who asks for the tasks that wait."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from consumer.catalog import TemporalRunner, WorkflowPolicy
from consumer.runners.answers import gone, parsed, server_time, unseen
from consumer.runners.contract import LookFailed, Phase, RunRef, RunState
from consumer.runners.json_api import JsonApi
from consumer.runners.temporal.answers import DESCRIBED, QUEUE, Described
from consumer.runners.temporal.history import HISTORY, History
from consumer.runners.temporal.place import TemporalPlace
from consumer.runners.temporal.states import phase_of, run_state, waiting_queues, workflow_queue

_PAGE: Final = 500
MOST_EVENTS: Final = 10_000
ANOTHER: Final = "the answer is of another run"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalLook:
    """The calls for one run that make up one look."""

    api: JsonApi
    described: TemporalRunner
    run: RunRef
    place: TemporalPlace
    policy: WorkflowPolicy

    async def state(self) -> RunState | LookFailed:
        """Query the state of the run; of a failed one that goes on in another one, of that."""
        result = await self.api.send("GET", self.place.described)
        found, at = parsed(result, DESCRIBED), server_time(result)
        if found is None:
            return gone(result) or unseen(result)
        if not self.is_it(found):
            return LookFailed(reason=f"the look: {ANOTHER}")
        if phase_of(found) in {Phase.FAILED, Phase.CANCELLED} and self.place.run_id is not None:
            newest = await self.newest()
            if isinstance(newest, LookFailed):
                return newest
            found = newest if newest.follows(found) else found
        history = await self.history(found.run_id)
        if isinstance(history, LookFailed):
            return history
        consumers = await self._consumers(found, history, at)
        return run_state(found, history, consumers, self.run.step, at)

    async def newest(self) -> Described | LookFailed:
        """Query the newest run of the workflow."""
        result = await self.api.send("GET", self.place.path)
        found = parsed(result, DESCRIBED)
        if found is None:
            return unseen(result)
        same = found.info.execution.workflow_id == self.place.workflow_id
        return found if same else LookFailed(reason=f"the look: {ANOTHER}")

    async def history(self, run_id: str) -> History | LookFailed:
        """Read the history of a run, page by page; of one that is too long none."""
        history, count, token = History(), 0, ""
        while True:
            page = f"execution.runId={run_id}&maximumPageSize={_PAGE}&nextPageToken={quote(token, safe='')}"
            result = await self.api.send("GET", f"{self.place.path}/history?{page}")
            read = parsed(result, HISTORY)
            if read is None:
                return unseen(result)
            for event in read.history.events:
                history.add(event)
            count += len(read.history.events)
            if not read.following or not read.history.events:
                return history
            if count >= MOST_EVENTS:
                return LookFailed(reason=f"the look: its history has more than {MOST_EVENTS} events")
            token = read.following

    def is_it(self, found: Described) -> bool:
        """Return whether an answer is of this run."""
        told = found.info.execution
        return told.workflow_id == self.place.workflow_id and self.place.run_id in {None, told.run_id}

    async def _consumers(self, found: Described, history: History, at: datetime | None) -> dict[str, int]:
        """Count who asks for what waits, and for the queues that it may be moved to; empty where that is not told."""
        if at is None or phase_of(found) is not Phase.RUNNING:
            return {}
        wanted = dict.fromkeys(waiting_queues(found, history, at))
        limits = self.policy.route_repair
        for queue, of_tasks in [*wanted]:
            wanted.update(dict.fromkeys((other, False) for other in limits.elsewhere(queue) if not of_tasks))
        if wanted:
            wanted[found.info.queue, True] = None  # its own: tells one queue without workers from an engine without any
        counted: dict[str, int] = {}
        for queue, of_tasks in wanted:
            kind = "WORKFLOW" if of_tasks else "ACTIVITY"
            path = f"{self.place.namespace}/task-queues/{quote(queue, safe='')}?taskQueueType=TASK_QUEUE_TYPE_{kind}"
            told = parsed(await self.api.send("GET", path), QUEUE)
            if told is None:
                return {}
            counted[workflow_queue(queue) if of_tasks else queue] = told.workers(at, self.described.polled_within)
        return counted
