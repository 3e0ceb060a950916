"""Orders to a Temporal server: each looks that the run stands where it is supposed to, right before its effect."""

from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid5

from consumer.model import ID_SPACE, JsonObject
from consumer.model.call import Answer
from consumer.runners.answers import SUCCESSES, not_accepted, parsed
from consumer.runners.contract import Accepted, LookFailed, OrderResult, Phase, Rejected
from consumer.runners.json_api import NotStarted, not_read
from consumer.runners.temporal.answers import DESCRIBED, NEW_RUN, Described, PendingActivity
from consumer.runners.temporal.history import WORKFLOW_TASK, History
from consumer.runners.temporal.looks import ANOTHER, TemporalLook
from consumer.runners.temporal.place import run_name
from consumer.runners.temporal.states import phase_of, status_of
from schemas.names import Effect

_REASON: Final = "ordered by Self-Healing Workflows"
_WAITS: Final = frozenset({"PENDING_ACTIVITY_STATE_SCHEDULED", "PENDING_ACTIVITY_STATE_PAUSED"})
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalOrders:
    """The calls for one run that make up one order."""

    look: TemporalLook
    key: str

    async def rerun(self) -> OrderResult:
        """Run a step again: of a run under way its pending activity, of a failed one by a reset to before the step."""
        found = await self._standing()
        if not isinstance(found, Described):
            return found
        history = await self.look.history(found.run_id)
        if isinstance(history, LookFailed):
            return not_read(history)
        step = self.look.run.step
        activity = history.step(step)
        if phase_of(found) is Phase.RUNNING and step != WORKFLOW_TASK:
            pending = self._pending(found, None if activity is None else activity.id)
            return await self._begin_again(found, pending)
        if step is not None and step != WORKFLOW_TASK and (activity is None or activity not in history.failed):
            return Rejected(reason="the activity has not failed: only what failed is run again", conflict=True)
        return await self._reset(found, history, history.decided if activity is None else activity.decided)

    async def resume(self) -> OrderResult:
        """Reset a failed run to the last time that a worker said what comes next."""
        found = await self._standing()
        if not isinstance(found, Described):
            return found
        if phase_of(found) is not Phase.FAILED:
            return Rejected(reason=f"the run is {status_of(found)}: only a failed one is resumed", conflict=True)
        history = await self.look.history(found.run_id)
        if isinstance(history, LookFailed):
            return not_read(history)
        failed = history.run_failure
        return await self._reset(found, history, failed.decided if failed is not None else history.decided)

    async def move(self, queue: str) -> OrderResult:
        """Have a pending activity taken from another queue."""
        found = await self._of_step()
        if not isinstance(found, tuple):
            return found
        described, pending = found
        options: JsonObject = {"activityOptions": {"taskQueue": {"name": queue}}, "updateMask": "taskQueue.name"}
        return await self._activity("update-options", described, pending, options, f"moved to {queue[:_SHOWN]}")

    async def terminate(self) -> OrderResult:
        """Pause a pending activity, so that no try of it begins any more; or terminate the run."""
        if self.look.run.step is not None:
            found = await self._of_step()
            if not isinstance(found, tuple):
                return found
            return await self._activity("pause", *found, {"reason": f"{_REASON}: {self.key}"}, "paused")
        run = await self._standing()
        if not isinstance(run, Described):
            return run
        if phase_of(run) not in {Phase.RUNNING, Phase.WAITING}:
            return Rejected(reason=f"the run is {status_of(run)} by now", conflict=True)
        wish: JsonObject = {"workflowExecution": self._execution(run), "reason": f"{_REASON}: {self.key}"}
        result = await self.look.api.send("POST", f"{self.look.place.path}/terminate", wish)
        if isinstance(result, Answer) and result.status in SUCCESSES:
            return Accepted(run=self.look.run, said="terminated")
        return not_accepted(result, Effect.CONDITIONAL) if isinstance(result, Answer) else result

    async def _reset(self, found: Described, history: History, decided: int) -> OrderResult:
        """Go back to before an event, where nothing that is complete is done again by it: the run gets a new id."""
        if decided <= 0:
            return Rejected(reason="no worker has said yet what comes next: there is nothing to go back to")
        again = history.undone_by(decided)
        if again:
            named = ", ".join(repr(one.name[:_SHOWN]) for one in again[:3])
            return Rejected(reason=f"a reset would do again what is complete: {named}")
        wish: JsonObject = {
            "workflowExecution": self._execution(found),
            "reason": f"{_REASON}: {self.key}",
            "workflowTaskFinishEventId": str(decided),
            # By it the server knows a repeat: it answers with the run that it has made.
            "requestId": str(uuid5(ID_SPACE, f"temporal:{self.key}")),
        }
        result = await self.look.api.send("POST", f"{self.look.place.path}/reset", wish)
        made = parsed(result, NEW_RUN)
        if made is None:
            return not_accepted(result, Effect.KEYED) if isinstance(result, Answer) else result
        run = replace(self.look.run, run_id=run_name(self.look.place.workflow_id, made.run_id), epoch=None)
        return Accepted(run=run, said=f"reset to before event {decided}")

    async def _begin_again(self, found: Described, pending: PendingActivity | Rejected) -> OrderResult:
        """Have a pending activity that nobody works at begin anew: unpaused, or put into its queue again."""
        if isinstance(pending, Rejected):
            return pending
        paused = pending.paused or pending.state.endswith("_PAUSED")
        call = "unpause" if paused else "reset"
        return await self._activity(call, found, pending, {}, "unpaused" if paused else "put into its queue again")

    async def _of_step(self) -> tuple[Described, PendingActivity] | Accepted | NotStarted:
        found = await self._standing()
        if not isinstance(found, Described):
            return found
        history = await self.look.history(found.run_id)
        if isinstance(history, LookFailed):
            return not_read(history)
        activity = history.step(self.look.run.step)
        pending = self._pending(found, None if activity is None else activity.id)
        return pending if isinstance(pending, Rejected) else (found, pending)

    def _pending(self, found: Described, activity_id: str | None) -> PendingActivity | Rejected:
        """Return a pending activity that no worker has; one that a worker has is not touched."""
        pending = next((one for one in found.activities if one.id == activity_id), None)
        if pending is None:
            return Rejected(reason="the activity is not pending any more", conflict=True)
        if pending.state not in _WAITS:
            return Rejected(reason=f"a worker has the activity by now ({pending.state[:_SHOWN]})", conflict=True)
        return pending

    async def _activity(
        self, call: str, found: Described, pending: PendingActivity, more: JsonObject, said: str
    ) -> OrderResult:
        wish: JsonObject = {"execution": self._execution(found), "id": pending.id, **more}
        result = await self.look.api.send("POST", f"{self.look.place.namespace}/activities/{call}", wish)
        if isinstance(result, Answer) and result.status in SUCCESSES:
            return Accepted(run=self.look.run, said=said)
        return not_accepted(result, Effect.CONDITIONAL) if isinstance(result, Answer) else result

    async def _standing(self) -> Described | Accepted | NotStarted:
        """Read the run, and see that it is its workflow's newest one and was not started anew since the look."""
        look = self.look
        found = await look.api.before_order(look.place.described, DESCRIBED)
        if not isinstance(found, Described):
            return found
        if (moved := self._moved(found)) is not None:
            return moved
        newest = found if look.place.run_id is None else await look.newest()
        if isinstance(newest, LookFailed):
            return not_read(newest)
        return found if newest.run_id == found.run_id else await self._taken_before(found, newest)

    def _moved(self, found: Described) -> Rejected | None:
        if not self.look.is_it(found):
            return Rejected(reason=f"before the order: {ANOTHER}")
        if phase_of(found) not in {Phase.FAILED, Phase.RUNNING, Phase.WAITING}:
            return Rejected(reason=f"the run is {status_of(found)} by now", conflict=True)
        if self.look.run.fence is not None and self.look.run.fence != found.fence:
            return Rejected(reason="something of the run was started anew since the look", conflict=True)
        return None

    async def _taken_before(self, found: Described, newest: Described) -> Accepted | Rejected:
        """Tell whether the newer run is what this order has made: its reason has the order's key."""
        if newest.follows(found):
            history = await self.look.history(newest.run_id)
            if isinstance(history, History) and any(self.key in reason for reason in history.resets):
                run = replace(self.look.run, run_id=run_name(self.look.place.workflow_id, newest.run_id), epoch=None)
                return Accepted(run=run, said="it had taken the order before")
        return Rejected(reason="a newer run of the workflow is there: the older one is not touched", conflict=True)

    def _execution(self, found: Described) -> JsonObject:
        return {"workflowId": self.look.place.workflow_id, "runId": found.run_id}
