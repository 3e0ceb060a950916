"""Orders to an Airflow server: each looks that the task stands where it is supposed to, right before its effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from consumer.catalog import StepInput
from consumer.model import Json, JsonObject
from consumer.model.call import Ambiguous, Answer, CallResult
from consumer.runners.airflow.answers import DAG_RUN, TASKS, DagRun, TaskInstance, fence_of, is_of
from consumer.runners.airflow.looks import ANOTHER, all_tasks
from consumer.runners.airflow.place import AirflowPlace
from consumer.runners.answers import not_accepted, parsed
from consumer.runners.contract import Accepted, LookFailed, OrderResult, Payload, Rejected, RunRef
from consumer.runners.json_api import JsonApi, NotStarted, not_read
from schemas.names import Effect

_UNDER_WAY: Final = frozenset({"queued", "running"})
_UNFINISHED: Final = frozenset({"scheduled", "queued", "running", "restarting", "deferred", "up_for_reschedule"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a run stands right before an order."""

    run: DagRun
    task: TaskInstance | None
    """The step that the order is for; None where it names none, or the run has none of that name."""
    fence: str

    @property
    def said(self) -> str:
        """Airflow's own word for the step's state."""
        return "not there" if self.task is None else self.task.said


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowOrders:
    """The calls for one run that make up one order."""

    api: JsonApi
    run: RunRef
    place: AirflowPlace
    key: str
    latest: bool = False
    """What is cleared runs on the newest version of its DAG."""

    async def clear(self, changed: tuple[StepInput, Payload] | None) -> OrderResult:
        """Clear the failed task, or all failed ones where no step is named, after its input where that is changed."""
        standing = await self._standing()
        if standing is not None:
            return standing
        if changed is not None:
            replaced = await self._replace_input(*changed)
            if replaced is not None:
                return replaced
        result = await self._send_clearing()
        if not isinstance(result, Answer):
            return result
        cleared = parsed(result, TASKS)
        if cleared is None:
            return not_accepted(result, Effect.CONDITIONAL)
        if not cleared.task_instances and changed is None:
            return Rejected(reason="nothing was left to clear: somebody else cleared it meanwhile", conflict=True)
        return self._cleared(cleared.task_instances, result)

    async def terminate_run(self) -> OrderResult:
        """Set the whole run failed: Airflow then ends the workers that still have something of it."""
        found = await self._read()
        if not isinstance(found, Standing):
            return found
        if found.run.state not in _UNDER_WAY:
            return Rejected(reason=f"the run is {found.run.state} by now", conflict=True)
        result = await self.api.send("PATCH", self.place.path, {"state": "failed"})
        return self._set_failed(result, parsed(result, DAG_RUN))

    async def terminate_step(self) -> OrderResult:
        """Set the step failed: Airflow then ends the worker that still has it."""
        found = await self._read()
        if not isinstance(found, Standing):
            return found
        if found.task is None or found.task.said not in _UNFINISHED:
            return Rejected(reason=f"the task is {found.said} by now", conflict=True)
        result = await self.api.send("PATCH", self.place.task_path, {"new_state": "failed"})
        return self._set_failed(result, parsed(result, TASKS))

    def _set_failed(self, result: CallResult, changed: object | None) -> OrderResult:
        if not isinstance(result, Answer):
            return result
        return Accepted(run=self.run, said="set failed") if changed else not_accepted(result, Effect.CONDITIONAL)

    async def _send_clearing(self) -> CallResult:
        path = f"{self.place.dag_path}/clearTaskInstances"
        result = await self.api.send("POST", path, self._clearing() | {"note": self._note})
        if isinstance(result, Answer) and result.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            # An older server knows no note here, and did nothing: then a repeat is recognised by the fence alone.
            return await self.api.send("POST", path, self._clearing())
        return result

    def _clearing(self) -> JsonObject:
        wish: JsonObject = {
            "dry_run": False,
            "dag_run_id": self.run.run_id,
            "only_failed": True,
            "reset_dag_runs": True,
        }
        # Older servers refuse what they do not know: then nothing is run, least of all on the old version.
        wish |= {"run_on_latest_version": True} if self.latest else {}
        if self.place.task is None:
            return wish
        task: Json = self.place.task if self.place.map_index < 0 else [self.place.task, self.place.map_index]
        return wish | {"task_ids": [task], "include_downstream": True}

    def _cleared(self, tasks: Sequence[TaskInstance], answer: Answer) -> Accepted | Ambiguous:
        """Map what Airflow says that it cleared: nothing else than this run, and this step of it, is taken for done."""
        steps = {task.step for task in tasks}
        is_ours = steps and all(is_of(self.run, self.place.dag_id, task) for task in tasks)
        if not is_ours or (self.run.step is not None and self.run.step not in steps):
            why = "Airflow took the order, and does not say that it cleared this task"
            return Ambiguous(kind="NotCleared", reason=why, elapsed=answer.elapsed)
        return Accepted(run=self.run, said=f"cleared {len(steps)}")

    async def _standing(self) -> Accepted | NotStarted | None:
        """Look that the run, and the step where one is named, stands at its failure; None where it does."""
        found = await self._look()
        if not isinstance(found, Standing):
            return found
        if found.task is not None and found.task.note == self._note:
            return Accepted(run=self.run, said="it had taken the order before")
        if found.run.state == "success" or (self.place.task is None and found.run.state != "failed"):
            return Rejected(reason=f"the run is {found.run.state}: only a failed one is run again", conflict=True)
        if self.place.task is None or (found.task is not None and found.task.said == "failed"):
            return self._moved(found)
        return Rejected(reason=f"the task is {found.said}: only a failed one is run again", conflict=True)

    async def _read(self) -> "Standing | NotStarted":
        """Read the run and its tasks, unless something of it was started anew since the look."""
        found = await self._look()
        return (self._moved(found) or found) if isinstance(found, Standing) else found

    async def _look(self) -> "Standing | NotStarted":
        run = await self.api.before_order(self.place.path, DAG_RUN)
        if not isinstance(run, DagRun):
            return run
        tasks = await all_tasks(self.api, self.place)
        if isinstance(tasks, LookFailed):
            return not_read(tasks)
        told: tuple[DagRun | TaskInstance, ...] = (run, *tasks)
        if not all(is_of(self.run, self.place.dag_id, each) for each in told):
            return Rejected(reason=f"before the order: {ANOTHER}")
        task = next((one for one in tasks if one.step == self.run.step), None)
        return Standing(run=run, task=task, fence=fence_of(tasks))

    def _moved(self, found: "Standing") -> Rejected | None:
        if self.run.fence is not None and self.run.fence != found.fence:
            return Rejected(reason="something of the run was started anew since the look", conflict=True)
        tries = 0 if found.task is None else found.task.try_number
        if self.run.epoch is not None and self.run.epoch < tries:
            reason = f"the task is at try {tries}, and the failure is of try {self.run.epoch}"
            return Rejected(reason=reason, conflict=True)
        return None

    async def _replace_input(self, source: StepInput, payload: Payload) -> OrderResult | None:
        """Put the new input in the place of the XCom that the step reads; None where that is done."""
        up = f"{self.place.path}/taskInstances/{quote(source.task, safe='')}"
        body: JsonObject = {"value": payload.document, "map_index": -1}
        result = await self.api.send("PATCH", f"{up}/xcomEntries/{quote(source.key, safe='')}", body)
        if not isinstance(result, Answer):
            return result
        return None if result.status == 200 else not_accepted(result, Effect.CONDITIONAL)  # noqa: PLR2004 - OK

    @property
    def _note(self) -> str:
        return f"cleared by Self-Healing Workflows, order {self.key}"
