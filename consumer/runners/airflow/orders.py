"""Orders to an Airflow server: each looks that the task stands where it is supposed to, right before its effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from consumer.catalog import StepInput
from consumer.model import Json, JsonObject
from consumer.model.call import Ambiguous, Answer, CallResult
from consumer.runners.airflow.answers import DAG_RUN, TASK, TASKS, DagRun, TaskInstance, is_of
from consumer.runners.airflow.looks import ANOTHER
from consumer.runners.airflow.place import AirflowPlace
from consumer.runners.answers import not_accepted, parsed
from consumer.runners.contract import Accepted, OrderResult, Payload, Rejected, RunRef
from consumer.runners.json_api import JsonApi, NotStarted
from schemas.names import Effect

_UNDER_WAY: Final = frozenset({"queued", "running"})
_UNFINISHED: Final = frozenset({"scheduled", "queued", "running", "restarting", "deferred", "up_for_reschedule"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowOrders:
    """The calls for one run that make up one order."""

    api: JsonApi
    run: RunRef
    place: AirflowPlace
    key: str

    async def clear(self, changed: tuple[StepInput, Payload] | None) -> OrderResult:
        """Clear the failed task, or all failed ones where no step is named, after its input where that is changed."""
        standing = await self._standing()
        if standing is not None:
            return standing
        if changed is not None:
            replaced = await self._replace_input(*changed)
            if replaced is not None:
                return replaced
        result = await self.api.send("POST", f"{self.place.dag_path}/clearTaskInstances", self._clearing())
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
        found = await self._run()
        if not isinstance(found, DagRun):
            return found
        if found.state not in _UNDER_WAY:
            return Rejected(reason=f"the run is {found.state} by now", conflict=True)
        result = await self.api.send("PATCH", self.place.path, {"state": "failed"})
        return self._set_failed(result, parsed(result, DAG_RUN))

    async def terminate_step(self) -> OrderResult:
        """Set the step failed: Airflow then ends the worker that still has it."""
        found = await self._task()
        if not isinstance(found, TaskInstance):
            return found
        moved = self._moved(found)
        if moved is not None or found.said not in _UNFINISHED:
            return moved or Rejected(reason=f"the task is {found.said} by now", conflict=True)
        result = await self.api.send("PATCH", self.place.task_path, {"new_state": "failed"})
        return self._set_failed(result, parsed(result, TASKS))

    def _set_failed(self, result: CallResult, changed: object | None) -> OrderResult:
        if not isinstance(result, Answer):
            return result
        return Accepted(run=self.run, said="set failed") if changed else not_accepted(result, Effect.CONDITIONAL)

    def _clearing(self) -> JsonObject:
        wish: JsonObject = {
            "dry_run": False,
            "dag_run_id": self.run.run_id,
            "only_failed": True,
            "reset_dag_runs": True,
            "note": self._note,
        }
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
        found = await self._run()
        if not isinstance(found, DagRun):
            return found
        if found.state == "success" or (self.place.task is None and found.state != "failed"):
            return Rejected(reason=f"the run is {found.state}: only a failed one is run again", conflict=True)
        if self.place.task is None:
            return None
        task = await self._task()
        return self._task_standing(task) if isinstance(task, TaskInstance) else task

    def _task_standing(self, task: TaskInstance) -> Accepted | Rejected | None:
        if task.note == self._note:
            return Accepted(run=self.run, said="it had taken the order before")
        if task.said != "failed":
            return Rejected(reason=f"the task is {task.said}: only a failed one is run again", conflict=True)
        return self._moved(task)

    async def _run(self) -> DagRun | NotStarted:
        found = await self.api.before_order(self.place.path, DAG_RUN)
        if isinstance(found, DagRun) and not is_of(self.run, self.place.dag_id, found):
            return Rejected(reason=f"before the order: {ANOTHER}")
        return found

    async def _task(self) -> TaskInstance | NotStarted:
        found = await self.api.before_order(self.place.task_path, TASK)
        if isinstance(found, TaskInstance) and not (
            is_of(self.run, self.place.dag_id, found) and found.step == self.run.step
        ):
            return Rejected(reason=f"before the order: {ANOTHER}")
        return found

    def _moved(self, task: TaskInstance) -> Rejected | None:
        if self.run.fence is not None and self.run.fence != task.id:
            return Rejected(reason="the task was started anew since the look", conflict=True)
        if self.run.epoch is not None and self.run.epoch < task.try_number:
            reason = f"the task is at try {task.try_number}, and the failure is of try {self.run.epoch}"
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
