"""Looks at a run of a Conductor server, and at who polls for the tasks that wait to be taken."""

from typing import Final

from consumer.catalog import ConductorRunner
from consumer.runners.answers import gone, parsed, server_time, unseen
from consumer.runners.conductor.answers import POLLERS, WORKFLOW, ConductorRun, consumers_of, queues_of, run_state
from consumer.runners.contract import LookFailed, Rejected, RunRef, RunState
from consumer.runners.json_api import JsonApi, NotStarted

ANOTHER: Final = "the answer is of another run"


async def state_of(api: JsonApi, described: ConductorRunner, run: RunRef, path: str) -> RunState | LookFailed:
    """Query the state of a run."""
    result = await api.send("GET", f"{path}?includeTasks=true")
    found = parsed(result, WORKFLOW)
    if found is None:
        return gone(result) or unseen(result)
    if not is_of(run, found):
        return LookFailed(reason=f"the look: {ANOTHER}")
    at, queues = server_time(result), queues_of(found)
    consumers: dict[str, int] = {}
    if queues and at is not None:
        # All of them: those of other queues tell whether it is one from which nothing is taken, or all.
        pollers = parsed(await api.send("GET", "/tasks/queue/polldata/all"), POLLERS)
        if pollers is not None:
            consumers = consumers_of(queues, pollers, at, described.polled_within)
    return run_state(found, run.step, consumers, at)


async def before_order(api: JsonApi, run: RunRef, path: str) -> ConductorRun | NotStarted:
    """Read the run that an order is for, as close before it as can be; one that has moved on is Rejected."""
    found = await api.before_order(f"{path}?includeTasks=true", WORKFLOW)
    if not isinstance(found, ConductorRun):
        return found
    if not is_of(run, found):
        return Rejected(reason=f"before the order: {ANOTHER}")
    if run.fence is not None and run.fence != found.fence:
        return Rejected(reason="the run was started anew since the look", conflict=True)
    return found


def is_of(run: RunRef, found: ConductorRun) -> bool:
    """Return whether an answer speaks of this run, and not of another one."""
    return found.run_id == run.run_id and all(task.run_id == run.run_id for task in found.tasks)
